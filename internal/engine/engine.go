package engine

import (
	"errors"
	"fmt"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/ingest/decode"
	"insolite/internal/event"
	"insolite/rules"
)

// Options configure an Engine. Only Partition is part of what it computes.
type Options struct {
	Partition  event.Partition
	Files      bool // records come from files: they have no timestamps and no keys of their own, and max_ahead does not apply
	MemoryHint int  // keys to reserve room for in each keyspace; 0: few
	Since      Since
	Bundle     event.Offset             // number of the bundle that the plan is of: frames name it
	Partitions int32                    // of the plan's topic: frames name it
	Targets    func(topic string) int32 // how many partitions the topic of a stage has; nil: one
	Load       Load                     // nil: contexts that are not in memory do not exist
}

// Load looks up the contexts of keys that are not in memory, none of them twice: blobs[i] is to become the blob of keys[i], or to stay nil when
// there is none. Blobs may be reused by the next call.
type Load func(k *rules.Keyspace, keys, blobs [][]byte) error

// ErrAhead is returned when a loaded context has seen more of the log than its task: the checkpoint is not of this task, or another one writes
// to it.
var ErrAhead = errors.New("a stored context is ahead of its task")

// Engine is the state of one task.
type Engine struct {
	plan      *rules.Plan
	options   Options
	decoder   *decode.Decoder
	spaces    []*space
	sources   []*source
	width     int
	lateness  event.Time
	watermark event.Time
	position  event.Position
	live      Counts
	replayed  Counts
	all       []Keyspace
	layouts   [][]byte // of contexts that may be loaded, beside the present ones

	// Of the present batch.
	count   *Counts
	out     *Output // nil: discarded
	replay  bool
	records []ingest.Record // of the sub-batch
	rows    event.Row       // of the sub-batch, one behind the other
	recs    [subBatch]record
	text    []byte // copies of strings that features gave

	// Of the present event.
	i       int
	phase   phase
	serial  uint64 // of the events of this engine, from 1: tells whether a feature was read for it
	rule    int    // in source.rules: the one at work
	careful bool
	source  *source
	filing  *filing // of the source; nil: all rules are evaluated
	row     event.Row
	at      event.Time
	scratch scratch

	refused    Admission // why the last record that was, was
	explaining bool
	verdicts   []verdict // of the rules, in source.rules
}

// subBatch is how many records are decoded and looked up before the first is absorbed: enough for cache misses to overlap, few enough for
// their rows to stay in the cache.
const subBatch = 64

// record is what decoding gave.
type record struct {
	source int32 // in sources; -1: none
	bad    *decode.Error
}

// New returns the engine of one partition of the plan's topic, at its beginning.
func New(plan *rules.Plan, o Options) (*Engine, error) {
	if plan.Stage != nil || len(plan.Routes) > 0 {
		return nil, fmt.Errorf("engine of topic %s: rules by other fields than those by which the records are keyed are not supported yet", plan.Topic)
	}
	e := &Engine{plan: plan, options: o, watermark: event.NoTime, lateness: event.Time(plan.Lateness)}
	var all []*event.Source
	var wanted [][]bool
	for _, s := range plan.Sources {
		all = append(all, s.Source)
		wanted = append(wanted, s.Needed)
		e.width = max(e.width, s.Width)
	}
	d, err := decode.New(all, wanted)
	if err != nil {
		return nil, fmt.Errorf("engine of topic %s: %w", plan.Topic, err)
	}
	e.decoder, e.rows = d, make(event.Row, subBatch*e.width)
	if err := e.build(); err != nil {
		return nil, fmt.Errorf("engine of topic %s: %w", plan.Topic, err)
	}
	return e, nil
}

func (e *Engine) build() error {
	streams := map[*rules.Stream]*stream{}
	suppress := map[*rules.Rule]*store.Suppress{}
	for _, k := range e.plan.Keyspaces {
		s, cooling, err := newSpace(k, e.options)
		if err != nil {
			return err
		}
		e.spaces = append(e.spaces, s)
		for _, st := range newStreams(s) {
			streams[st.plan] = st
		}
		for r, c := range cooling {
			suppress[r] = c
		}
	}
	var all []*rules.Rule
	var gates []int // of all, in Counts.seen
	seen := 0
	for i, p := range e.plan.Sources {
		s := &source{plan: p, index: i, key: event.NoSlot, id: event.NoSlot}
		if len(p.Source.Key) == 1 {
			s.key = p.Source.Key[0]
		}
		if p.Source.Dedupe != nil {
			s.id = p.Source.Dedupe.ID
		}
		for _, st := range p.Streams {
			s.streams = append(s.streams, streams[st])
		}
		for _, r := range p.Rules {
			c := newRule(r, len(all), streams[r.Stream], suppress[r])
			c.stream.rules = append(c.stream.rules, c)
			gates = append(gates, c.stream.gate(c.WhereIndex, &seen))
			s.rules = append(s.rules, c)
			all = append(all, r)
		}
		s.filing = newFiling(s.rules)
		e.sources = append(e.sources, s)
	}
	e.live, e.replayed = newCounts(e.plan, all, gates, seen), newCounts(e.plan, all, gates, seen)
	return nil
}

// Plan returns what the engine was made from.
func (e *Engine) Plan() *rules.Plan { return e.plan }

// Position returns how far the log has been stepped.
func (e *Engine) Position() event.Position { return e.position }

// Watermark returns the instant below which an event is late.
func (e *Engine) Watermark() event.Time { return e.watermark }

// Counts returns what became of the records so far. It must not be changed, and changes with the next step.
func (e *Engine) Counts() *Counts {
	e.live.settle()
	ways := e.decoder.Stats()
	e.live.Fast, e.live.Generic = ways.Fast, ways.Generic
	return &e.live
}

// Replayed returns how many records Replay has stepped.
func (e *Engine) Replayed() uint64 { return e.replayed.Records }

// Restore sets the position and the watermark of a checkpoint, before the first step.
func (e *Engine) Restore(p event.Position, watermark event.Time) {
	e.position, e.watermark = p, watermark
}

// Upstreams returns what a stage knows of the tasks that send to it, by topic and partition. It must not be changed, and changes with the next
// step.
func (e *Engine) Upstreams() []event.Upstream { return nil }

// RestoreUpstreams sets what a checkpoint knows of the tasks that send to this stage, before the first step.
func (e *Engine) RestoreUpstreams(all []event.Upstream) {}

// History steps a batch from before the task's first start: contexts absorb it, its rows go to the stages as history, and nothing else comes
// of it.
func (e *Engine) History(b *ingest.Batch, out *Output) error {
	return fmt.Errorf("not supported yet")
}

// Cut ends the frames that have rows and appends them to the output: before a commit. A frame that would get too large is ended by Step.
func (e *Engine) Cut(out *Output) {}

// Mark appends an empty frame for every target that got none since the last Mark, if there is something to tell: that this engine is here, how
// far it and its time have come, that it is idle.
func (e *Engine) Mark(out *Output, idle bool) {}

// Leave is Cut, and then appends a frame for every target that names another bundle: the last ones of these rules. They belong into the
// transaction that makes that bundle follow.
func (e *Engine) Leave(out *Output, bundle event.Offset) {}

// FrameBundle returns the number of the bundle that a record of a stage's topic names: one above the present one is to be activated before it
// is stepped.
func FrameBundle(record []byte) (event.Offset, error) { return 0, nil }

// RaiseWatermark makes the watermark at least t: time has passed in another input that is read in step with this one.
func (e *Engine) RaiseWatermark(t event.Time) { e.watermark = max(e.watermark, t) }

// Step steps a batch and appends what comes of it to out. After an error the contexts are in doubt: recover from the checkpoint.
func (e *Engine) Step(b *ingest.Batch, out *Output) error {
	e.count, e.out, e.replay = &e.live, out, false
	return e.step(b)
}

// Replay steps a batch that was committed before: it gives nothing, and each context skips what it holds already.
func (e *Engine) Replay(b *ingest.Batch) error {
	e.count, e.out, e.replay = &e.replayed, nil, true
	return e.step(b)
}

func (e *Engine) step(b *ingest.Batch) error {
	for rest := b.Records; len(rest) > 0; rest = rest[len(e.records):] {
		e.records = rest[:min(len(rest), subBatch)]
		e.decode()
		if err := e.find(); err != nil {
			return err
		}
		for e.i, e.phase = 0, phaseStart; !e.run(); {
		}
	}
	e.records = nil
	if next := (event.Position{Offset: b.Next}); e.position.Before(next) {
		e.position = next
	}
	return nil
}

// Keyspace is a keyspace of the plan and its contexts in memory: dirty ones are to be written, and may then be marked clean, evicted or left
// to expire. All of that happens between steps.
type Keyspace struct {
	Plan     *rules.Keyspace
	Contexts *store.Keyspace
	Loaded   uint64 // contexts that were not in memory and were loaded
}

// Keyspaces returns the keyspaces in the order of the plan. The slice is valid until the next call.
func (e *Engine) Keyspaces() []Keyspace {
	e.all = e.all[:0]
	for _, s := range e.spaces {
		e.all = append(e.all, Keyspace{Plan: s.plan, Contexts: s.keys, Loaded: s.loaded})
	}
	return e.all
}
