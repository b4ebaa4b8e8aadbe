package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/config"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

var errFault = errors.New("injected fault")

// nature is what the tasks of a simulation share: chance, the clock, the newest rules. All of it is driven by one goroutine.
type nature struct {
	script   *rand.Rand // what is done, and what events there are
	rand     *rand.Rand // what becomes of it
	now      time.Time
	newest   event.Offset
	faults   bool
	off      map[string]bool // kinds of faults that do not happen
	seen     map[string]bool // kinds that did
	eager    bool            // output can be read before it is committed
	mutation string          // what is broken on purpose; empty: nothing
}

func newNature(seed uint64) *nature {
	return &nature{script: rand.New(rand.NewPCG(seed, 1)), rand: rand.New(rand.NewPCG(seed, 2)), now: time.Unix(1_800_000_000, 0), faults: true, seen: map[string]bool{}}
}

// chance is true with a probability, while there are faults of the kind.
func (n *nature) chance(kind string, p float64) bool {
	hit := n.rand.Float64() < p && n.faults && !n.off[kind]
	if hit {
		n.seen[kind] = true
	}
	return hit
}

// world is Kafka and the store of one task.
type world struct {
	*nature
	topic     string
	partition event.Partition
	records   []ingest.Record
	end       event.Offset
	kafkaState
	epoch      int // of the transactional id
	store      *memory
	plans      []*rules.Plan
	topicID    [16]byte
	parts      int32
	earliest   event.Offset
	compact    bool
	evicts     bool                    // contexts are moved out of memory now and then
	start      Start                   // of the instances
	value      func() string           // of the next record
	targets    map[string][]*world     // the partitions of the topics of stages
	rewrites   [][]byte                // of a mutation
	most       frame.Header            // what the frames before have named
	passed     map[string]event.Offset // of a mutation: what is below has come, by task that sends
	frameBytes int                     // see engine.Options
	poisons    bool                    // some records kill
	killer     func(value []byte) bool
	deaths     int
	exactly    int              // records of a batch, where there are so many; 0: any number
	tight      bool             // no context stays in memory
	bulk       int              // records of a batch, at most; 0: a few
	newer      map[string]error // what can't be read because a newer version has written it: Journal, Plan
	aborted    []ingest.Record  // of a mutation: what lies in the gaps
}

// death is the panic that stands for the end of a process.
type death struct{}

// kafkaState is what transactions have written.
type kafkaState struct {
	x        event.Offset
	metadata string
	found    bool
	journal  []journal.Entry
	output   []string // of the alerts and dead-letters topics, in order
}

func (k kafkaState) clone() kafkaState {
	k.journal, k.output = slices.Clone(k.journal), slices.Clone(k.output)
	return k
}

func (k kafkaState) equal(o kafkaState) bool {
	return k.x == o.x && k.metadata == o.metadata && k.found == o.found && slices.Equal(k.journal, o.journal) && slices.Equal(k.output, o.output)
}

const simSource = `version: 1
kafka: {brokers: [localhost:9092]}
sources:
  pay:
    topic: pays
    key: who
    time: {field: at}
    lateness: 3s
    dedupe: {id: id, for: 10s}
    fields: {at: time, who: string, id: string, amount: number}
`

// simRules are the sets that bundles switch between: features stay, come, go and come back.
var simRules = []string{`
- {id: count, source: pay, group_by: [who], context: {n: {agg: count, window: 20s}}, condition: n >= 3, suppress: {for: 7s}}
- {id: sum, source: pay, group_by: [who], context: {s: {agg: sum, field: amount, window: {events: 4}, exclude_current: true}}, condition: s > 25}
`, `
- {id: count, source: pay, group_by: [who], context: {n: {agg: count, window: 20s}}, condition: n >= 3, suppress: {for: 7s}}
- {id: last, source: pay, group_by: [who], context: {p: {agg: last, field: amount, window: 1m, exclude_current: true}}, condition: amount > p + 5}
`, `
- {id: sum, source: pay, group_by: [who], context: {s: {agg: sum, field: amount, window: {events: 4}, exclude_current: true}}, condition: s > 20}
- {id: all, source: pay, group_by: [who], context: {a: {agg: count, window: forever}}, condition: a % 5 == 0, suppress: {for: 3s}}
`}

func simPlans(t testing.TB) []*rules.Plan { return simPlansOf(t, simRules) }

func simPlansOf(t testing.TB, texts []string) []*rules.Plan {
	c, list := config.Load("insolite.yaml", config.Options{ReadFile: func(string) ([]byte, error) { return []byte(simSource), nil }, Env: func(string) (string, bool) { return "", false }})
	if c == nil {
		t.Fatal(list.Err())
	}
	var plans []*rules.Plan
	for _, text := range texts {
		set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte("version: 1\nrules:" + text)}}, c.Sources, nil, rules.Options{})
		if set == nil {
			t.Fatal(list.Err())
		}
		plans = append(plans, set.Plan("pays"))
	}
	return plans
}

func newWorld(plans []*rules.Plan, seed uint64) *world {
	w := &world{nature: newNature(seed), topic: "pays", store: newMemory(), plans: plans, parts: 1, topicID: [16]byte{1}, start: Start{From: FromEarliest}, passed: map[string]event.Offset{}}
	w.value = w.payment
	return w
}

// memory lets contexts stay in memory at most times, and none of them at others.
func (w *world) memory() int64 {
	if w.tight || w.evicts && w.rand.IntN(3) == 0 {
		return 0
	}
	return 1 << 40
}

// produce appends a record to the log, some of them malformed, with gaps between offsets.
func (w *world) produce() {
	w.gap()
	w.now = w.now.Add(time.Duration(w.script.IntN(1500)) * time.Millisecond)
	value := w.value()
	if w.script.IntN(20) == 0 {
		value = `{"at":`
	}
	if w.poisons && w.script.IntN(12) == 0 {
		value = strings.Replace(value, "{", poison, 1)
	}
	w.add([]byte(value))
}

const poison = `{"kill":true,`

// gap is what control records and aborted transactions leave.
func (w *world) gap() {
	if w.script.IntN(10) == 0 {
		if w.mutation == "aborted records are read" {
			w.aborted = append(w.aborted, ingest.Record{Offset: w.end, Timestamp: event.Time(w.now.UnixNano()), Value: []byte(w.value())})
		}
		w.end += event.Offset(1 + w.script.IntN(3))
	}
}

func (w *world) add(value []byte) {
	w.records = append(w.records, ingest.Record{Offset: w.end, Timestamp: event.Time(w.now.UnixNano()), Value: value})
	w.end++
}

// payment is in disorder, and may be late or repeated.
func (w *world) payment() string {
	at := w.now.Add(-time.Duration(w.script.IntN(5000)) * time.Millisecond)
	return fmt.Sprintf(`{"at":%q,"who":"%c","id":"%d","amount":%d}`, at.UTC().Format(time.RFC3339Nano), 'a'+w.script.IntN(3), w.script.IntN(60), w.script.IntN(12))
}

// The instance's ports. Each checks that its instance has not been fenced where the real one would be.
type port struct {
	w       *world
	epoch   int // of the transactional id
	pending []string
	entries []journal.Entry
	frames  []Message
	task    *Task
}

func (p *port) Owner(context.Context) error { return nil }

func (p *port) Committed(context.Context) (event.Offset, string, bool, error) {
	if p.w.chance("no offset", 0.02) {
		return 0, "", false, errFault
	}
	if c, err := journal.ParseCommit(p.w.metadata); err == nil && c.Firing {
		p.w.seen["recovered amid timers"] = true
	}
	return p.w.x, p.w.metadata, p.w.found, nil
}

func (p *port) Journal(context.Context) ([]journal.Entry, error) {
	if err := p.w.newer["Journal"]; err != nil {
		return nil, err
	}
	entries := slices.Clone(p.w.journal)
	for i := range entries {
		if p.w.mutation == "ticks are not replayed" && entries[i].Kind == journal.Tick {
			entries[i].Time = event.NoTime
		}
	}
	return entries, nil
}

func (p *port) Init(context.Context) error {
	p.w.epoch++
	p.epoch, p.pending, p.entries, p.frames = p.w.epoch, nil, nil, nil
	if p.w.chance("no producer", 0.02) {
		return errFault
	}
	return nil
}

func (p *port) Send(_ context.Context, messages []Message) error {
	for _, m := range messages {
		if m.Topic == "journal" {
			e, err := journal.Parse(m.Value)
			if err != nil {
				return err
			}
			if p.w.mutation == "journal before commit" {
				p.w.journal = append(p.w.journal, e)
				continue
			}
			p.entries = append(p.entries, e)
			continue
		}
		if m.Pinned {
			continue
		}
		line := m.Topic + " " + string(m.Key) + " " + string(m.Value)
		if p.w.eager || p.w.mutation == "read uncommitted" {
			p.w.output = append(p.w.output, line)
			continue
		}
		p.pending = append(p.pending, line)
	}
	if err := p.sendFrames(messages); err != nil {
		return err
	}
	if p.w.chance("not sent", 0.01) {
		return errFault
	}
	return nil
}

func (p *port) Commit(_ context.Context, next event.Offset, metadata string) error {
	if p.epoch != p.w.epoch && p.w.mutation != "no fencing" {
		return errors.New("fenced")
	}
	if p.w.chance("commit failed", 0.05) {
		return errFault // not carried out
	}
	if p.w.mutation == "a failed commit is believed" && p.w.chance("commit failed", 0.05) {
		p.pending, p.entries, p.frames = nil, nil, nil
		return nil
	}
	if p.w.mutation == "no offsets without records" && len(p.pending)+len(p.entries)+len(p.frames) == 0 { // as sarama before v1.61.1
		return nil
	}
	if p.w.mutation == "positions without steps" {
		c, err := journal.ParseCommit(metadata)
		if err != nil {
			return err
		}
		c.Step = 0
		metadata = c.Text()
	}
	if c, err := journal.ParseCommit(metadata); err != nil {
		return err
	} else if c.Firing {
		p.w.seen["committed amid timers"] = true
		if p.w.mutation == "fired is forgotten" {
			c.Firing, c.Fired = false, 0
			metadata = c.Text()
		}
	}
	p.w.x, p.w.metadata, p.w.found = next, metadata, true
	p.w.output = append(p.w.output, p.pending...)
	p.w.journal = append(p.w.journal, p.entries...)
	for i := range p.frames {
		p.w.deliver(&p.frames[i])
	}
	p.pending, p.entries, p.frames = nil, nil, nil
	if p.w.chance("reply lost", 0.05) {
		return errFault // carried out, the reply lost
	}
	return nil
}

func (p *port) Close(context.Context) error {
	p.pending, p.entries, p.frames = nil, nil, nil
	return nil
}

func (p *port) Facts(context.Context) (Facts, error) {
	return Facts{TopicID: p.w.topicID, Partitions: p.w.parts, Compacted: p.w.compact, Earliest: p.w.earliest, End: p.w.end}, nil
}

func (p *port) OffsetAt(_ context.Context, t event.Time) (event.Offset, error) {
	for i := range p.w.records {
		if p.w.records[i].Timestamp >= t && p.w.records[i].Offset >= p.w.earliest {
			return p.w.records[i].Offset, nil
		}
	}
	return p.w.end, nil
}

func (p *port) Open(_ context.Context, from event.Offset) (Feed, error) {
	return &feed{w: p.w, next: from, ids: map[string]bool{}}, nil
}

func (p *port) Trim(_ context.Context, before event.Offset) error {
	if p.w.chance("not deleted", 0.2) {
		return errFault
	}
	p.w.earliest = max(p.w.earliest, before)
	return nil
}

func (p *port) Targets(topic string) int32 { return int32(len(p.w.targets[topic])) }

func (p *port) Newest() event.Offset { return p.w.newest }

func (p *port) Plan(_ context.Context, number event.Offset) (*rules.Plan, error) {
	if err := p.w.newer["Plan"]; err != nil {
		return nil, err
	}
	return p.w.plans[int(number)%len(p.w.plans)], nil
}

// feed gives batches of random size.
type feed struct {
	w    *world
	next event.Offset
	ids  map[string]bool // of a mutation
}

func (f *feed) Poll(ctx context.Context, _ time.Duration) (*ingest.Batch, error) {
	if f.w.chance("not read", 0.01) {
		return nil, errFault
	}
	if t := f.w.store.present; f.w.mutation == "warming in a replay" && !t.live && t.engine != nil {
		warmAtOnce(t)
	}
	if f.next < f.w.earliest {
		return nil, errors.New("the offset is not in the log")
	}
	log := f.w.log()
	at, _ := slices.BinarySearchFunc(log, f.next, func(r ingest.Record, o event.Offset) int { return int(r.Offset - o) })
	n := min(len(log)-at, 1+f.w.rand.IntN(max(7, f.w.bulk)))
	if f.w.rand.IntN(4) == 0 {
		n = 0
	}
	if f.w.exactly > 0 {
		n = min(len(log)-at, f.w.exactly)
	}
	end := f.next
	switch {
	case at+n < len(log):
		if n > 0 {
			end = log[at+n-1].Offset + 1
			if f.w.rand.IntN(2) == 0 {
				end = log[at+n].Offset // the gap belongs to the batch
			}
		}
	default:
		end = f.w.end
	}
	if end == f.next {
		return nil, nil
	}
	b := &ingest.Batch{Topic: f.w.topic, Partition: f.w.partition, Records: f.changed(log, at, at+n), Next: end}
	f.next = end
	return b, nil
}

func (f *feed) End() event.Offset { return f.w.end }
func (f *feed) Close()            {}

// instance is a process that has the task.
func (w *world) instance() *Task {
	p := &port{w: w}
	w.store.mutation = w.mutation
	t := New(Options{
		App: "app", Topic: w.topic, Partition: w.partition, Log: p, Producer: p, Group: p, Bundles: p, Store: w.store,
		AlertsTopic: "alerts", ShadowTopic: "shadow", DeadLettersTopic: "dead", JournalTopic: "journal",
		Memory: w.memory, CommitInterval: time.Millisecond, CheckpointInterval: time.Millisecond, Start: w.start, Eager: w.eager, Now: func() time.Time { return w.now }, Engine: 1,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	w.store.present, t.shareMin, t.pauseAfter, t.frameBytes, p.task = t, 1, 1, w.frameBytes, t
	t.killer = func(value []byte) {
		if w.killer != nil && w.killer(value) {
			w.deaths++
			panic(death{})
		}
	}
	return t
}
