package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

// sold is a payment at a minute.
func sold(offset event.Offset, minute int, shop string, more string) ingest.Record {
	at := event.Time(minute) * 60e9
	if shop != "" {
		more += fmt.Sprintf(`,"shop":%q`, shop)
	}
	return ingest.Record{Offset: offset, Timestamp: at, Key: []byte("p"), Value: fmt.Appendf(nil, `{"at":%q,"id":"%d","who":"p","amount":5%s}`, at.Std().Format("2006-01-02T15:04:05Z"), offset, more)}
}

// promptly is payers without lateness, and shops that may be missing.
func promptly(t *testing.T, ruleFile string) *rules.Set {
	text := strings.NewReplacer("lateness: 30d", "lateness: 0s", "shop: string", "shop: {type: string, optional: true}").Replace(payers("who"))
	return compile(t, text, ruleFile)
}

func sender(t *testing.T, set *rules.Set, p event.Partition, targets int32) *engine.Engine {
	t.Helper()
	e, err := engine.New(set.Plan("pays"), engine.Options{Partition: p, Partitions: 2, Bundle: 7, Targets: func(string) int32 { return targets }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func give(t *testing.T, e *engine.Engine, out *engine.Output, records ...ingest.Record) {
	t.Helper()
	if err := e.Step(&ingest.Batch{Topic: "pays", Records: records, Next: records[len(records)-1].Offset + 1}, out); err != nil {
		t.Fatal(err)
	}
}

// heads tells the frames of an output as partition:rows@next/watermark in minutes, with i for idle, h for history and the bundle if it is not 7.
func heads(t *testing.T, out *engine.Output) string {
	t.Helper()
	var all []string
	for _, f := range out.Frames {
		var r frame.Reader
		if err := r.Reset(f.Value); err != nil {
			t.Fatal(err)
		}
		minutes := "-"
		if r.Header.Watermark != event.NoTime {
			minutes = fmt.Sprint(int64(r.Header.Watermark) / 60e9)
		}
		s := fmt.Sprintf("%d:%d@%v/%s", f.Partition, f.Rows, r.Header.Next, minutes)
		if r.Header.Idle {
			s += "i"
		}
		if r.Header.History {
			s += "h"
		}
		if r.Header.Bundle != 7 {
			s += fmt.Sprintf("b%d", r.Header.Bundle)
		}
		all = append(all, s)
	}
	out.Reset()
	return strings.Join(all, " ")
}

const countShop = `version: 1
rules:
- id: count
  source: pay
  group_by: [shop]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 2
`

// Each target is told once of what is new.
func TestMark(t *testing.T) {
	e, out := sender(t, promptly(t, countShop), 0, 2), &engine.Output{}
	told := func(want string) {
		t.Helper()
		if got := heads(t, out); got != want {
			t.Errorf("frames %q, want %q", got, want)
		}
	}
	e.Mark(out, false)
	told("0:0@0/- 1:0@0/-")
	e.Mark(out, false)
	told("")
	give(t, e, out, sold(0, 3, "a", ""), sold(1, 4, "", ""))
	told("")
	e.Cut(out)
	told("1:1@2/4")
	e.Mark(out, false)
	told("0:0@2/4")
	e.Mark(out, false)
	told("")
	e.Mark(out, true)
	told("0:0@2/4i 1:0@2/4i")
	e.Mark(out, true)
	told("")
	give(t, e, out, sold(2, 5, "a", ""))
	e.Cut(out)
	told("1:1@3/5")
	e.Mark(out, false)
	told("0:0@3/5")
	e.Leave(out, 8)
	told("0:0@3/5b8 1:0@3/5b8")
	if c := e.Counts(); c.RowsSent != 2 || c.Sources[0].Unsent != 1 {
		t.Errorf("%d rows sent, %d events without key", c.RowsSent, c.Sources[0].Unsent)
	}
}

// What is left of the old rules is not forgotten over new ones, and history stands in frames of its own.
func TestUncutRows(t *testing.T) {
	set := promptly(t, countShop)
	e, out := sender(t, set, 0, 1), &engine.Output{}
	first := sold(0, 3, "a", "")
	if err := e.History(&ingest.Batch{Topic: "pays", Records: []ingest.Record{first}, Next: 1}, out); err != nil {
		t.Fatal(err)
	}
	second := &ingest.Batch{Topic: "pays", Records: []ingest.Record{sold(1, 4, "a", "")}, Next: 2}
	if err := e.Step(second, out); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Switch(set.Plan("pays"), 8); err == nil {
		t.Error("rows are forgotten by a switch")
	}
	e.Leave(out, 8)
	if got := heads(t, out); got != "0:1@1/3h 0:1@2/4 0:0@2/4b8" {
		t.Errorf("frames %q", got)
	}
	if _, err := e.Switch(set.Plan("pays"), 8); err != nil {
		t.Error(err)
	}
}

// A replay sends nothing.
func TestReplaySendsNothing(t *testing.T) {
	e, out := sender(t, promptly(t, countShop), 0, 1), &engine.Output{}
	if err := e.Replay(&ingest.Batch{Topic: "pays", Records: []ingest.Record{sold(0, 3, "a", "")}, Next: 1}); err != nil {
		t.Fatal(err)
	}
	e.Cut(out)
	if len(out.Frames) > 0 {
		t.Errorf("frames %q", heads(t, out))
	}
	if give(t, e, out, sold(1, 4, "a", "")); out.Frames != nil {
		t.Error("a frame before its cut")
	}
	e.Cut(out)
	if got := heads(t, out); got != "0:1@2/4" {
		t.Errorf("frames %q", got)
	}
}

// A frame that gets too large ends between two events, and the next goes on.
func TestLargeFrames(t *testing.T) {
	text := strings.ReplaceAll(countShop, "n >= 2", `n >= 2 or note == "x"`)
	e, out := sender(t, promptly(t, text), 0, 1), &engine.Output{}
	note := `,"note":"` + strings.Repeat("y", 10_000) + `"`
	for i := range event.Offset(200) {
		give(t, e, out, sold(i, int(i), "a", note))
	}
	e.Cut(out)
	if n := len(out.Frames); n != 4 {
		t.Errorf("%d frames of 2 MB", n)
	}
	want := event.Offset(0)
	var r frame.Reader
	for _, f := range out.Frames {
		if err := r.Reset(f.Value); err != nil || len(f.Value) > engine.FrameBytesMax || r.Header.From != want {
			t.Fatalf("a frame of %d bytes from %d, want one from %d: %v", len(f.Value), r.Header.From, want, err)
		}
		for r.Next() {
			if r.Offset != want {
				t.Fatalf("row %d, want %d", r.Offset, want)
			}
			want++
		}
		if r.Header.Next.Offset != want || r.Header.Watermark != event.Time(want-1)*60e9 {
			t.Errorf("the frame ends at %v/%d, its rows at %d", r.Header.Next, r.Header.Watermark/60e9, want)
		}
	}
	if want != 200 {
		t.Errorf("%d rows", want)
	}
}

// A condition that panics does not keep an event from the stage, and sends it once.
func TestSentDespitePanic(t *testing.T) {
	set := promptly(t, strings.Replace(countShop, "  context", "  where: amount > 3\n  context", 1)+`
- id: direct
  source: pay
  group_by: [who]
  where: amount > 2
  condition: amount > 3
`)
	p := set.Plan("pays")
	for _, broken := range []*[]*expr.Expr{&p.Routes[0].Sources[0].Wheres, &p.Keyspaces[0].Streams[0].Wheres} {
		sound := *broken
		*broken = []*expr.Expr{{}}
		e, out := sender(t, set, 0, 1), &engine.Output{}
		give(t, e, out, sold(0, 3, "a", ""), sold(1, 4, "a", ""))
		e.Cut(out)
		if got := heads(t, out); got != "0:2@2/4" || e.Counts().Panics == 0 {
			t.Errorf("frames %q, %d panics", got, e.Counts().Panics)
		}
		*broken = sound
	}
}

// receiver is an engine of the stage, and a log that it reads.
type receiver struct {
	t      *testing.T
	e      *engine.Engine
	next   event.Offset
	alerts engine.Output
}

func receive(t *testing.T, set *rules.Set) *receiver {
	t.Helper()
	e, err := engine.New(set.Plan(stageTopic), engine.Options{Bundle: 7, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{t: t, e: e}
}

func (r *receiver) take(out *engine.Output) {
	r.t.Helper()
	for _, f := range out.Frames {
		if err := r.e.Step(&ingest.Batch{Topic: stageTopic, Records: []ingest.Record{{Offset: r.next, Value: f.Value}}, Next: r.next + 1}, &r.alerts); err != nil {
			r.t.Fatal(err)
		}
		r.next++
	}
	out.Reset()
}

// know tells what the stage knows: its watermark in minutes, and that of each upstream.
func (r *receiver) know(want string) {
	r.t.Helper()
	minutes := func(t event.Time) string {
		if t == event.NoTime {
			return "-"
		}
		return fmt.Sprint(int64(t) / 60e9)
	}
	got := minutes(r.e.Watermark())
	for _, u := range r.e.Upstreams() {
		got += fmt.Sprintf(" %s/%d:%v/%s", u.Topic, u.Partition, u.Next, minutes(u.Watermark))
		if u.Idle {
			got += "i"
		}
	}
	if got != want {
		r.t.Errorf("the stage knows %q, want %q", got, want)
	}
}

// The stage's time is that of the slowest partition that it waits for, and an event is late only if its partition was idle.
func TestStageWatermark(t *testing.T) {
	set := promptly(t, countShop)
	a, b, r, out := sender(t, set, 0, 1), sender(t, set, 1, 1), receive(t, set), &engine.Output{}
	sent := func(e *engine.Engine, idle bool, records ...ingest.Record) {
		t.Helper()
		if len(records) > 0 {
			give(t, e, out, records...)
		}
		e.Cut(out)
		e.Mark(out, idle)
		r.take(out)
	}
	r.know("- pays/-1:0/-")
	sent(a, false, sold(0, 10, "a", ""))
	r.know("- pays/0:1/10 pays/1:0/-")
	sent(b, false, sold(0, 3, "a", ""))
	r.know("3 pays/0:1/10 pays/1:1/3")
	sent(a, false, sold(1, 20, "a", ""))
	sent(b, true)
	r.know("20 pays/0:2/20 pays/1:1/3i")
	late := func() uint64 { return r.e.Counts().Sources[0].Late }
	if n := late(); n != 0 {
		t.Errorf("%d late", n)
	}
	sent(b, false, sold(1, 4, "a", ""), sold(2, 21, "a", ""))
	r.know("20 pays/0:2/20 pays/1:3/21")
	if n := late(); n != 1 {
		t.Errorf("%d late, want the one below 20", n)
	}
	if n := len(r.alerts.Alerts); n != 2 {
		t.Errorf("%d alerts", n)
	}
	sent(a, true)
	sent(b, true)
	r.know("21 pays/0:2/20i pays/1:3/21i")
}

// History is absorbed and raises no alerts.
func TestStageHistory(t *testing.T) {
	set := promptly(t, countShop)
	a, r, out := sender(t, set, 0, 1), receive(t, set), &engine.Output{}
	var old []ingest.Record
	for i := range event.Offset(3) {
		old = append(old, sold(i, int(i), "a", ""))
	}
	if err := a.History(&ingest.Batch{Topic: "pays", Records: old, Next: 3}, out); err != nil {
		t.Fatal(err)
	}
	a.Cut(out)
	r.take(out)
	if n := len(r.alerts.Alerts); n > 0 || r.e.Counts().Rules[0].Alerts > 0 {
		t.Errorf("%d alerts of history", n)
	}
	give(t, a, out, sold(3, 3, "a", ""))
	a.Cut(out)
	r.take(out)
	if n := len(r.alerts.Alerts); n != 1 || !strings.Contains(string(r.alerts.Alerts[0].Value), `"n":{"value":4`) {
		t.Errorf("%d alerts: %s", n, r.alerts.Alerts[0].Value)
	}
}

// A frame of other rules is read as far as the present ones know its fields, and new rules forget and learn upstreams.
func TestStageOtherRules(t *testing.T) {
	const more = `
- id: noted
  source: pay
  group_by: [shop]
  condition: note == "x" and amount > 1
- id: other
  source: give
  group_by: [shop]
  condition: amount > 1
`
	config := strings.Replace(payers("who"), "lateness: 30d", "lateness: 0s", 1) + `  give:
    topic: gifts
    key: who
    fields: {who: string, shop: string, amount: number}
`
	short, long := compile(t, config, countShop), compile(t, config, countShop+more)
	a, r, out := sender(t, short, 0, 1), receive(t, long), &engine.Output{}
	a.Mark(out, false)
	r.take(out)
	r.know("- gifts/-1:0/- pays/0:0/- pays/1:0/-")
	give(t, a, out, sold(0, 1, "a", `,"note":"x"`), sold(1, 2, "a", ""))
	a.Cut(out)
	r.take(out)
	if c := r.e.Counts(); len(r.alerts.Alerts) != 1 || c.Rules[1].MissingField != 2 {
		t.Errorf("%d alerts, counts %+v", len(r.alerts.Alerts), c.Rules)
	}
	next, err := r.e.Switch(short.Plan(stageTopic), 8)
	if err != nil {
		t.Fatal(err)
	}
	r.e = next
	r.know("- pays/0:2/2 pays/1:0/-")
	if next, err = next.Switch(long.Plan(stageTopic), 9); err != nil {
		t.Fatal(err)
	}
	r.e = next
	r.know("- gifts/-1:0/-i pays/0:2/2 pays/1:0/-")
	gifts, err := engine.New(long.Plan("gifts"), engine.Options{Partition: 1, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	gifts.Mark(out, false)
	r.take(out)
	r.know("- gifts/0:0/-i gifts/1:0/- pays/0:2/2 pays/1:0/-")
}

// A record that is no frame, or a later form of one, is an error.
func TestNoFrame(t *testing.T) {
	r := receive(t, promptly(t, countShop))
	for value, want := range map[string]error{"{}": frame.ErrNewer, "\x01\x00\xff": frame.ErrMalformed} {
		err := r.e.Step(&ingest.Batch{Topic: stageTopic, Records: []ingest.Record{{Value: []byte(value)}}, Next: 1}, &r.alerts)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
}

// Nothing is allocated for a row, neither where it is sent nor where it is stepped.
func TestNoAllocationOfRows(t *testing.T) {
	set := promptly(t, strings.Replace(countShop, "n >= 2", "n >= 2000", 1))
	a, r, out := sender(t, set, 0, 1), receive(t, set), &engine.Output{}
	var all []ingest.Record
	for i := range event.Offset(1000) {
		all = append(all, sold(i, 1, fmt.Sprintf("s%d", i%50), ""))
	}
	b := &ingest.Batch{Topic: "pays", Records: all, Next: 1000}
	send := func() {
		out.Reset()
		if err := a.Step(b, out); err != nil {
			t.Fatal(err)
		}
		a.Cut(out)
	}
	send()
	if n := testing.AllocsPerRun(5, send); n > 10 {
		t.Errorf("%v allocations for sending 1000 rows", n)
	}
	var log []ingest.Record
	for _, f := range out.Frames {
		log = append(log, ingest.Record{Offset: event.Offset(len(log)), Value: slices.Clone(f.Value)})
	}
	if n := testing.AllocsPerRun(5, func() {
		r.e.RestoreUpstreams([]event.Upstream{{Topic: "pays", Watermark: event.NoTime}, {Topic: "pays", Partition: 1, Watermark: event.NoTime}})
		if err := r.e.Step(&ingest.Batch{Topic: stageTopic, Records: log, Next: 1}, &r.alerts); err != nil {
			t.Fatal(err)
		}
	}); n > 10 {
		t.Errorf("%v allocations for stepping 1000 rows", n)
	}
	if r.e.Counts().RowsRepeated > 0 {
		t.Error("rows were dropped")
	}
}
