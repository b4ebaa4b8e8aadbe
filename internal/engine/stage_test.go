package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// payers is a configuration whose payments are keyed by a field.
func payers(key string) string {
	return `version: 1
app: a
kafka: {brokers: [b:9092]}
rules: [r.yaml]
sources:
  pay:
    topic: pays
    key: ` + key + `
    time: {field: at}
    lateness: 30d
    max_ahead: 30d
    dedupe: {id: id, for: 10m}
    fields: {at: time, id: string, who: string, shop: string, amount: number, note: {type: string, optional: true}}
`
}

const byShop = `version: 1
rules:
- id: many
  source: pay
  group_by: [shop]
  where: amount > 1
  context:
    n: {agg: count, window: 1h}
    total: {agg: sum, field: amount, window: 1h, where: note == "b"}
    people: {agg: distinct_count, field: who, window: {calendar: hour}}
    before: {agg: last, field: who, window: 1h, exclude_current: true}
  condition: n >= 3 and amount > 2
  suppress: {for: 3m, by: [who]}
  alert: {summary: "{shop} {n} {total} {people} {before}", evidence: 3}
- id: plain
  source: pay
  group_by: [shop]
  condition: amount > 9.5
`

// world is payments of two partitions, the engines that read them, and those of the stage.
type world struct {
	t       *testing.T
	random  *rand.Rand
	set     *rules.Set
	sources []*engine.Engine
	stages  []*engine.Engine
	logs    [][]ingest.Record // of the stage's partitions
	out     engine.Output     // of the sources
	now     event.Time
	next    event.Offset // offsets are of no use twice: they name the record
	repeat  bool
	sent    map[event.Offset]ingest.Record
}

const stageTopic = "by.shop.1"

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), set: compile(t, payers("who"), byShop), sent: map[event.Offset]ingest.Record{}}
	if w.set.Plan(stageTopic) == nil {
		t.Fatalf("plans: %+v", w.set.Plans)
	}
	for p := range 2 {
		w.sources = append(w.sources, w.source(p))
		w.stages = append(w.stages, w.stage(p, nil))
		w.logs = append(w.logs, nil)
	}
	return w
}

func (w *world) source(p int) *engine.Engine {
	e, err := engine.New(w.set.Plan("pays"), engine.Options{Partition: event.Partition(p), Partitions: 2, Targets: func(string) int32 { return 2 }})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) stage(p int, load engine.Load) *engine.Engine {
	e, err := engine.New(w.set.Plan(stageTopic), engine.Options{Partition: event.Partition(p), Partitions: 2, Load: load})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// produce gives a source some payments, and puts the frames that come of it into the stage's logs.
func (w *world) produce(most int) {
	w.out.Reset()
	p := w.random.IntN(2)
	e := w.sources[p]
	for range 1 + w.random.IntN(most) {
		w.now += event.Time(w.random.IntN(40) * 1e9)
		at := w.now - event.Time(w.random.IntN(300)*1e9)
		value := fmt.Sprintf(`{"at":%q,"id":"%d","who":"p%d","shop":"s%d","amount":%.2f,"note":%q}`,
			at.Std().Format("2006-01-02T15:04:05Z"), w.random.IntN(2000), w.random.IntN(6), w.random.IntN(9), w.random.Float64()*10, "abc"[w.random.IntN(3):][:1])
		rec := ingest.Record{Offset: w.next, Timestamp: at, Key: []byte("p"), Value: []byte(value)}
		w.sent[rec.Offset] = rec
		w.next++
		if err := e.Step(&ingest.Batch{Topic: "pays", Partition: event.Partition(p), Records: []ingest.Record{rec}, Next: w.next}, &w.out); err != nil {
			w.t.Fatal(err)
		}
	}
	e.Cut(&w.out)
	if w.random.IntN(4) == 0 {
		e.Mark(&w.out, w.random.IntN(4) == 0)
	}
	for range 1 + w.again() {
		for _, f := range w.out.Frames {
			if f.Topic != stageTopic {
				w.t.Fatalf("a frame for %s", f.Topic)
			}
			log := &w.logs[f.Partition]
			*log = append(*log, ingest.Record{Offset: event.Offset(len(*log)), Value: append([]byte{}, f.Value...)})
		}
	}
}

func (w *world) again() int {
	if w.repeat && w.random.IntN(3) == 0 {
		return 1
	}
	return 0
}

// told are alerts without what only a source's own task knows.
func alertsOf(t *testing.T, out *engine.Output) []map[string]any {
	var all []map[string]any
	for _, a := range out.Alerts {
		var m map[string]any
		if err := json.Unmarshal(a.Value, &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "event")
		delete(m, "id")
		delete(m, "correlation")
		delete(m["position"].(map[string]any), "partition")
		for _, e := range m["evidence"].([]any) {
			delete(e.(map[string]any), "partition")
		}
		all = append(all, m)
	}
	return all
}

func stepAll(t *testing.T, e *engine.Engine, log []ingest.Record, most int, out *engine.Output) {
	for len(log) > 0 {
		n := min(len(log), most)
		if err := e.Step(&ingest.Batch{Topic: stageTopic, Records: log[:n], Next: log[n-1].Offset + 1}, out); err != nil {
			t.Fatal(err)
		}
		log = log[n:]
	}
}

// A stage finds what an engine finds that reads the same events, keyed by the stage's field, in the order in which the stage saw them; whether
// frames come once or are repeated.
func TestStageEqualsDirect(t *testing.T) {
	alerts, repeated := 0, uint64(0)
	for seed := range uint64(20) {
		w := newWorld(t, seed)
		w.repeat = seed%2 == 1
		for range 40 {
			w.produce(20)
		}
		w.produce(400)
		direct := compile(t, payers("shop"), byShop)
		for p, log := range w.logs {
			var got, want engine.Output
			stepAll(t, w.stages[p], log, 1+int(seed), &got)
			e, err := engine.New(direct.Plan("pays"), engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, offset := range order(t, log) {
				rec := w.sent[offset]
				rec.Key = nil
				if err := e.Step(&ingest.Batch{Topic: "pays", Records: []ingest.Record{rec}, Next: offset + 1}, &want); err != nil {
					t.Fatal(err)
				}
			}
			g, x := alertsOf(t, &got), alertsOf(t, &want)
			if !reflect.DeepEqual(g, x) {
				t.Fatalf("seed %d partition %d: %d alerts, want %d\n%v\n%v", seed, p, len(g), len(x), g, x)
			}
			alerts += len(x)
			repeated += w.stages[p].Counts().RowsRepeated
		}
	}
	if alerts < 500 || repeated < 100 {
		t.Errorf("only %d alerts and %d repeated rows: nothing is compared", alerts, repeated)
	}
}

// A stage that lost its memory comes back from contexts that are ahead of where it goes on, and finds the same.
func TestStageReplays(t *testing.T) {
	alerts := 0
	for seed := range uint64(30) {
		w := newWorld(t, seed)
		for range 20 {
			w.produce(1 + w.random.IntN(200))
		}
		for p, log := range w.logs {
			// Y < X; contexts are stored at moments between, and later than Y.
			y := 1 + w.random.IntN(len(log)-2)
			x := y + 1 + w.random.IntN(len(log)-y-1)
			blobs := map[string][]byte{}
			load := func(_ *rules.Keyspace, keys, to [][]byte) error {
				for i, key := range keys {
					to[i] = blobs[string(key)]
				}
				return nil
			}
			var rest engine.Output
			a := w.stage(p, nil)
			stepAll(t, a, log[:y], 3, &rest)
			write(a, blobs, func() bool { return true })
			position, watermark, upstreams := a.Position(), a.Watermark(), slices.Clone(a.Upstreams())
			for _, rec := range log[y:x] {
				stepAll(t, a, []ingest.Record{rec}, 1, &rest)
				write(a, blobs, func() bool { return w.random.IntN(3) == 0 })
			}
			rest.Reset()
			stepAll(t, a, log[x:], 4, &rest)
			want := alertsOf(t, &rest)

			b := w.stage(p, load)
			b.Restore(position, watermark)
			b.RestoreUpstreams(upstreams)
			if err := b.Replay(&ingest.Batch{Topic: stageTopic, Records: log[y:x], Next: event.Offset(x)}); err != nil {
				t.Fatal(err)
			}
			var out engine.Output
			stepAll(t, b, log[x:], 2, &out)
			if got := alertsOf(t, &out); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d partition %d, %d to %d of %d: %d alerts, want %d", seed, p, y, x, len(log), len(got), len(want))
			}
			if !reflect.DeepEqual(a.Upstreams(), b.Upstreams()) || a.Watermark() != b.Watermark() {
				t.Fatalf("seed %d: upstreams %v, want %v", seed, b.Upstreams(), a.Upstreams())
			}
			alerts += len(want)
		}
	}
	if alerts < 200 {
		t.Errorf("only %d alerts: nothing is compared", alerts)
	}
}

// write stores some contexts as they stand.
func write(e *engine.Engine, blobs map[string][]byte, some func() bool) {
	for _, k := range e.Keyspaces() {
		var dirty []store.Handle
		for h := range k.Contexts.Dirty {
			dirty = append(dirty, h)
		}
		for _, h := range dirty {
			if some() {
				v := k.Contexts.View(h)
				blobs[string(v.Key())] = k.Contexts.Blob(nil, h)
				k.Contexts.MarkClean(h)
			}
		}
	}
}

// order returns the offsets of the rows of a log, each once.
func order(t *testing.T, log []ingest.Record) []event.Offset {
	var all []event.Offset
	seen := map[event.Offset]bool{}
	var r frame.Reader
	for _, rec := range log {
		if err := r.Reset(rec.Value); err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			if !seen[r.Offset] {
				seen[r.Offset] = true
				all = append(all, r.Offset)
			}
		}
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
	}
	return all
}
