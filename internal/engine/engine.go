package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"insolite/context/store"
	"insolite/context/window"
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
	FrameBytes int                      // how large a frame gets, before it is compressed; 0: FrameBytesMax
	Load       Load                     // nil: contexts that are not in memory do not exist
	Due        Due                      // nil: nothing waits in contexts that are not in memory
	Pause      int                      // timers that are due at once after which Step may return before the end of its batch: see Engine.Firing. 0: it never does
	Rows       bool                     // alerts tell their rows
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
	decoder   *decode.Decoder // nil: a stage
	stage     *stage          // nil: a topic of sources
	routes    []*route
	raised    []*routing // of alerts of live rules
	raisedRow event.Row
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

	// What waits.
	timed     []*space   // that have something to wait for
	next      event.Time // no deadline lies before it
	until     event.Time // deadlines before it are due
	firing    bool       // some of them are left
	fired     event.Time // while firing: those before it are not
	limit     limit
	rest      ingest.Batch // behind a pause
	due       []dueTimers
	timerRow  event.Row
	firedText []byte

	// Of the present batch.
	count   *Counts
	out     *Output // nil: discarded
	frames  *Output // for rows; nil: discarded
	replay  bool
	history bool            // rows that are sent are history
	records []ingest.Record // of the sub-batch; none at a stage
	n       int             // events of the sub-batch
	rows    event.Row       // of the sub-batch, one behind the other, and that of a guest
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

	occasion occasion
	recalled []window.Reading // of a timer that is due: what belongs to the features of its rule; nil: of an event

	refused    Admission // why the last record that was, was
	explaining bool
	verdicts   []verdict // of the rules, in source.rules
	tales      []tale    // of the same rules
	told       tale      // by the trigger of the rule at work

	match *store.Match // of the rule at work; nil: none
	guest guest
}

// subBatch is how many records are decoded and looked up before the first is absorbed: enough for cache misses to overlap, few enough for
// their rows to stay in the cache.
const subBatch = 64

// record is what decoding gave, and where the event stands.
type record struct {
	source    int32 // in sources; -1: none
	bad       *decode.Error
	partition event.Partition // of the source's topic
	offset    event.Offset    // in it
	after     event.Position  // where the task's log, and a context, stand behind it
}

// New returns the engine of one partition of the plan's topic, at its beginning.
func New(plan *rules.Plan, o Options) (*Engine, error) {
	e := &Engine{plan: plan, options: o, watermark: event.NoTime, lateness: event.Time(plan.Lateness), next: event.NoTime, until: event.NoTime,
		limit: limit{at: event.Position{Offset: -1}}}
	var all []*event.Source
	var wanted [][]bool
	for _, s := range plan.Sources {
		all = append(all, s.Source)
		wanted = append(wanted, s.Needed)
		e.width = max(e.width, s.Width)
	}
	e.timerRow = make(event.Row, e.width)
	if e.rows = make(event.Row, (subBatch+1)*e.width); plan.Stage != nil {
		e.stage = e.newStage()
	} else {
		d, err := decode.New(all, wanted)
		if err != nil {
			return nil, fmt.Errorf("engine of topic %s: %w", plan.Topic, err)
		}
		e.decoder = d
	}
	if err := e.build(); err != nil {
		return nil, fmt.Errorf("engine of topic %s: %w", plan.Topic, err)
	}
	return e, nil
}

func (e *Engine) build() error {
	streams := map[*rules.Stream]*stream{}
	kept := map[*rules.Rule]memory{}
	for _, k := range e.plan.Keyspaces {
		s, memories, err := newSpace(k, e.options)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(k.Rules, (*rules.Rule).Timed) {
			e.timed = append(e.timed, s)
		}
		e.spaces = append(e.spaces, s)
		for _, st := range newStreams(s) {
			streams[st.plan] = st
		}
		maps.Copy(kept, memories)
	}
	for i, p := range e.plan.Sources {
		s := &source{plan: p, index: i, results: map[event.Slot]*read{}, key: event.NoSlot, id: event.NoSlot}
		if len(p.Source.Key) == 1 {
			s.key = p.Source.Key[0]
		}
		s.alerts = e.stage != nil && rules.OnAlerts(p.Source)
		if p.Source.Dedupe != nil {
			s.id = p.Source.Dedupe.ID
		}
		for _, st := range p.Streams {
			s.streams = append(s.streams, streams[st])
			maps.Copy(s.results, streams[st].results)
		}
		e.sources = append(e.sources, s)
	}
	compiled := map[*rules.Rule]*rule{}
	all, gates, seen := e.buildRules(streams, kept, compiled)
	for _, st := range streams {
		st.addCancels(compiled)
	}
	e.live, e.replayed = newCounts(e.plan, all, gates, seen), newCounts(e.plan, all, gates, seen)
	var err error
	e.routes, err = e.newRoutes()
	return err
}

// buildRules gives each source its rules, and notes each as it is at its own source. It returns all of them, with their places in Counts.seen, and how many places there are.
func (e *Engine) buildRules(streams map[*rules.Stream]*stream, kept map[*rules.Rule]memory, own map[*rules.Rule]*rule) (all []*rules.Rule, gates []int, seen int) {
	for _, s := range e.sources {
		for _, r := range s.plan.Rules {
			if r.Source != s.plan.Source {
				continue
			}
			c := newRule(r, len(all), s, streams[r.Stream], kept[r])
			c.stream.rules = append(c.stream.rules, c)
			gates = append(gates, c.stream.gate(c.WhereIndex, r.Sequence != nil, &seen))
			own[r], all = c, append(all, r)
			if r.Sequence != nil {
				c.pursuit = newPursuit(r, r.Source, kept[r].sequence, nil)
			}
		}
	}
	for _, s := range e.sources {
		for _, r := range s.plan.Rules {
			c := own[r]
			if r.Source != s.plan.Source {
				c = c.abroad(s, gates[c.index], kept[r].sequence)
			}
			s.rules = append(s.rules, c)
		}
		s.filing = newFiling(s.rules)
	}
	return all, gates, seen
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
	if e.decoder != nil {
		ways := e.decoder.Stats()
		e.live.Fast, e.live.Generic = ways.Fast, ways.Generic
	}
	return &e.live
}

// Replayed returns how many records Replay has stepped.
func (e *Engine) Replayed() uint64 { return e.replayed.Records }

// Restore sets the position and the watermark of a checkpoint, before the first step.
func (e *Engine) Restore(p event.Position, watermark event.Time) {
	e.position, e.watermark = p, watermark
}

// RaiseWatermark makes the watermark at least t: time has passed in another input that is read in step with this one.
func (e *Engine) RaiseWatermark(t event.Time) { e.watermark = max(e.watermark, t) }

// Step steps a batch and appends what comes of it to out. After an error the contexts are in doubt: recover from the checkpoint.
func (e *Engine) Step(b *ingest.Batch, out *Output) error {
	e.liveInto(out)
	return e.step(b)
}

// liveInto says that what is stepped is new, and where its output belongs.
func (e *Engine) liveInto(out *Output) {
	e.history = false
	e.count, e.out, e.frames, e.replay = &e.live, out, out, false
}

// History steps a batch from before the place where the task's output begins: contexts absorb it, its rows go to the stages as history, and
// nothing else comes of it.
func (e *Engine) History(b *ingest.Batch, out *Output) error {
	e.history = true
	e.count, e.out, e.frames, e.replay = &e.replayed, nil, out, false
	return e.step(b)
}

// Replay steps a batch that was committed before: it gives nothing, and each context skips what it holds already.
func (e *Engine) Replay(b *ingest.Batch) error {
	e.count, e.out, e.frames, e.replay = &e.replayed, nil, nil, true
	return e.step(b)
}

func (e *Engine) step(b *ingest.Batch) error {
	rest := b.Records
	if e.part(); e.firing {
		if err := e.fire(); err != nil {
			return err
		}
	}
	for len(rest) > 0 && !e.firing {
		n := 1
		var err error
		if e.stage != nil {
			err = e.stepFrame(&rest[0])
		} else {
			n, err = e.stepRecords(rest[:min(len(rest), subBatch)])
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	if e.firing {
		e.rest = *b
		e.rest.Records = rest
		return nil
	}
	if next := (event.Position{Offset: b.Next}); e.position.Before(next) {
		e.position = next
	}
	return nil
}

// stepRecords steps a sub-batch, and returns how many of its records it came through.
func (e *Engine) stepRecords(records []ingest.Record) (int, error) {
	e.records = records
	e.decode()
	err := e.stepAll()
	e.records = nil
	return e.i, err
}

// begin empties the sub-batch.
func (e *Engine) begin() {
	e.n, e.text = 0, e.text[:0]
	for _, s := range e.spaces {
		s.bytes, s.n = s.bytes[:0], 0
	}
}

// stepAll steps the events of the sub-batch.
func (e *Engine) stepAll() error {
	if err := e.find(); err != nil {
		return err
	}
	for e.i, e.phase = 0, phaseStart; e.i < e.n && !e.firing; {
		e.run()
		if e.stage == nil && e.phase == phaseStart && e.watermark > e.next && !e.explaining {
			if after := e.recs[e.i-1].after; e.position.Before(after) {
				e.position = after
			}
			if err := e.passed(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Keyspace is a keyspace of the plan and its contexts in memory: dirty ones are to be written, and may then be marked clean, evicted or left
// to expire. All of that happens between steps.
type Keyspace struct {
	Plan     *rules.Keyspace
	Contexts *store.Keyspace
	Loaded   uint64 // contexts that were not in memory and were loaded
	Warmed   uint64 // contexts that Warm brought into memory
	Due      uint64 // contexts that were loaded because something in them was due
}

// Keyspaces returns the keyspaces in the order of the plan. The slice is valid until the next call.
func (e *Engine) Keyspaces() []Keyspace {
	e.all = e.all[:0]
	for _, s := range e.spaces {
		e.all = append(e.all, Keyspace{Plan: s.plan, Contexts: s.keys, Loaded: s.loaded, Warmed: s.warmed, Due: s.due})
	}
	return e.all
}
