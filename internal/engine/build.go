package engine

import (
	"fmt"
	"slices"

	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

// space is a keyspace with its contexts and, for each record of the sub-batch, its key.
type space struct {
	plan     *rules.Keyspace
	keys     *store.Keyspace
	layout   *store.Layout
	places   []int            // of the plan's cells: where in the layout's, or in its baselines
	readings []window.Reading // of the present event, by Read.Index

	bytes   []byte // the keys of the sub-batch, one after the other
	entries [subBatch]entry
	hashes  [subBatch]uint64 // of the keys, in order, for Touch
	n       int              // how many
	missing missing
	loaded  uint64 // contexts, because an event asked for them
	due     uint64 // contexts, because something in them was due
	warmed  uint64 // contexts, before one did

	timed []*rule    // that wait for something
	place Place      // among the stored contexts that wait: those before it are in memory, or wait no more
	ahead event.Time // in a replay: the least deadline of those that were left where they are
}

// entry is one record's key.
type entry struct {
	from, to uint32 // in space.bytes; equal: a field is missing
	hash     uint64
	handle   store.Handle
	found    bool // handle is its context
	held     bool // its context is stored, and holds the record already
}

// source is a source with all that is worked out once.
type source struct {
	plan    *rules.SourcePlan
	index   int        // in Plan.Sources
	key     event.Slot // the field whose text the record's key is to be; NoSlot: not checked
	id      event.Slot // of dedupe; NoSlot: none
	alerts  bool       // the events are alerts
	streams []*stream
	results map[event.Slot]*read // of all streams, by the slots that they fill
	rules   []*rule
	routes  []*routing
	filing  *filing // nil: all rules are evaluated
}

// stream is what the events of a source do in a keyspace, and what the present one does.
type stream struct {
	plan     *rules.Stream
	space    *space
	cells    []cell // absorb before the rules
	later    []cell // absorb behind them: their features exclude the event
	reads    []*read
	before   []*read              // of cells: to be read before they absorb
	results  map[event.Slot]*read // by the slots that they fill
	dedupe   *store.Dedupe        // nil: none
	evidence []evidence
	rules    []*rule
	gates    []gate  // the rules' wheres, each once
	lent     [][]int // the conditions of cells that rules of other sources read
	cancels  []cancel

	state state
	ok    []bool // by Stream.Wheres
	ctx   store.Ctx
}

// state is how far the present event came in a stream.
type state uint8

const (
	noKey     state = iota // a key field is missing
	idle                   // no rule's `where` lets it pass
	held                   // the context holds it already
	duplicate              // its id was seen before
	open                   // it is absorbed
)

// gate is a `where` that lets events pass to rules.
type gate struct {
	where int // -1: every event
	index int // in Counts.seen
	own   bool
}

// cell absorbs events.
type cell struct {
	cell     *store.Cell
	baseline *store.Baseline // nil: cell absorbs
	wheres   []int
	fields   []event.Slot
	count    bool // no field: every event is a sample
}

// read computes a feature.
type read struct {
	plan     *rules.Read
	stream   *stream
	cell     *store.Cell
	baseline *store.Baseline // nil: cell is read
	query    window.Query
	index    int        // in space.readings
	least    int        // samples, below which the feature is unknown
	from     event.Slot // the first of the results, when they lie side by side
	to       event.Slot // behind the last; equal to from: they do not
	strings  bool       // some result is text, which has to be copied
	cost     int        // about
	event    uint64     // Engine.serial of the event for which it was read last
}

// evidence is a ring of positions.
type evidence struct {
	ring  *store.Evidence
	where int // -1: every event
}

// rule is a rule with all that is worked out once.
type rule struct {
	*rules.Rule
	index    int // in Counts.Rules
	where    int // in stream.ok; -1: every event
	of       *source
	stream   *stream
	suppress *store.Suppress // nil: none
	value    *store.NewValue // nil: another trigger
	pursuit  *pursuit        // nil: another trigger
	evidence *store.Evidence // nil: none
	says     string          // what makes it tell, as alerts show it
	windows  []string        // of its features, as alerts show them
	reads    []*read         // its features
	local    []*read         // by feature; nil: it comes with the row
	declared int             // slots of declared fields

	waits    waiting       // in which something may be due; nil: it does not wait
	timers   *store.Timers // of an absence, or a condition that has to hold; nil: none
	carried  []carried     // by its timers
	snapshot []carriedFeature
	snapped  []*read // of snapshot: those that are read here
	again    []*read // features that are read when a timer is due

	condition  []clause
	exceptions [][]clause
}

// memory is what a context keeps for one rule.
type memory struct {
	suppress *store.Suppress // nil: none
	value    *store.NewValue // nil: none
	timers   *store.Timers   // nil: none
	sequence *store.Sequence // nil: none
}

func newSpace(k *rules.Keyspace, o Options) (*space, map[*rules.Rule]memory, error) {
	specs := store.Specs{}
	var places []int
	since := func(kind partKind, identity uint64) uint64 { return o.Since.identity(k, kind, identity) }
	for _, c := range k.Cells {
		spec := c.Spec
		spec.Identity = since(partCell, spec.Identity)
		if c.Baseline != nil {
			places = append(places, len(specs.Baselines))
			specs.Baselines = append(specs.Baselines, store.BaselineSpec{Identity: spec.Identity, Spec: *c.Baseline})
			continue
		}
		places = append(places, len(specs.Cells))
		specs.Cells = append(specs.Cells, spec)
	}
	for _, s := range k.Streams {
		if d := s.Source.Dedupe; d != nil {
			specs.Dedupe = append(specs.Dedupe, store.DedupeSpec{Identity: since(partDedupe, s.DedupeIdentity), For: d.For})
		}
		for _, e := range s.Evidence {
			specs.Evidence = append(specs.Evidence, store.EvidenceSpec{Identity: since(partEvidence, e.Identity), N: e.Max, Within: e.Within})
		}
	}
	for _, r := range k.Rules {
		if s := r.Suppress; s != nil {
			specs.Suppress = append(specs.Suppress, store.SuppressSpec{Identity: since(partSuppress, s.Identity), For: s.For, Calendar: s.Calendar})
		}
		if v := r.NewValue; v != nil {
			specs.Values = append(specs.Values, store.NewValueSpec{Identity: since(partNewValue, v.Identity), History: v.History})
		}
		if r.Timed() {
			specs.Timers = append(specs.Timers, store.TimersSpec{Identity: since(partTimers, r.TimersIdentity), Quiet: r.For + openMax})
		}
		if q := r.Sequence; q != nil {
			specs.Sequence = append(specs.Sequence, sequenceSpec(q, since(partSequence, q.Identity)))
		}
	}
	layout, err := store.NewLayout(specs)
	if err != nil {
		return nil, nil, fmt.Errorf("keyspace %s: %w", k.Name, err)
	}
	kept := map[*rules.Rule]memory{}
	cooling, values, timers, sequences := 0, 0, 0, 0
	for _, r := range k.Rules {
		m := memory{}
		if r.Suppress != nil {
			m.suppress = layout.Suppress(cooling)
			cooling++
		}
		if r.NewValue != nil {
			m.value = layout.NewValue(values)
			values++
		}
		if r.Timed() {
			m.timers = layout.Timers(timers)
			timers++
		}
		if r.Sequence != nil {
			m.sequence = layout.Sequence(sequences)
			sequences++
		}
		kept[r] = m
	}
	s := &space{plan: k, layout: layout, places: places, keys: store.New(layout, store.Options{MemoryHint: o.MemoryHint}), readings: make([]window.Reading, len(k.Reads)),
		place: Place{Deadline: event.Never}, ahead: event.Never}
	if o.Due != nil {
		s.place.Deadline = event.NoTime
	}
	return s, kept, nil
}

// part returns where the state of a cell of the plan lives: one of the two.
func (s *space) part(c int) (*store.Cell, *store.Baseline) {
	if s.plan.Cells[c].Baseline != nil {
		return nil, s.layout.Baseline(s.places[c])
	}
	return s.layout.Cell(s.places[c]), nil
}

// newStreams returns the streams of a keyspace, in its order.
func newStreams(s *space) []*stream {
	var streams []*stream
	ids, rings := 0, 0
	for _, p := range s.plan.Streams {
		st := &stream{plan: p, space: s, ok: make([]bool, len(p.Wheres))}
		st.addCells()
		st.addReads()
		for _, c := range p.Lent {
			st.lent = append(st.lent, s.plan.Cells[c].Wheres)
		}
		if p.Source.Dedupe != nil {
			st.dedupe = s.layout.Dedupe(ids)
			ids++
		}
		for _, e := range p.Evidence {
			st.evidence = append(st.evidence, evidence{ring: s.layout.Evidence(rings), where: e.Where})
			rings++
		}
		streams = append(streams, st)
	}
	return streams
}

// gate returns the place in Counts.seen of a `where` of rules, a new one for a new gate, or for a rule that is to have its own.
func (st *stream) gate(where int, own bool, seen *int) int {
	for _, g := range st.gates {
		if g.where == where && !g.own && !own {
			return g.index
		}
	}
	st.gates = append(st.gates, gate{where, *seen, own})
	*seen++
	return *seen - 1
}

func (st *stream) addCells() {
	for _, c := range st.plan.Cells {
		spec := st.space.plan.Cells[c]
		x := cell{wheres: spec.Wheres, fields: spec.Fields, count: len(spec.Fields) == 0}
		x.cell, x.baseline = st.space.part(c)
		if st.excluded(c) {
			st.later = append(st.later, x)
		} else {
			st.cells = append(st.cells, x)
		}
	}
}

// excluded reports whether no feature of a cell includes the present event, of a rule that may be evaluated for it.
func (st *stream) excluded(c int) bool {
	return !slices.Contains(st.plan.Lent, c) && !slices.ContainsFunc(st.plan.After, func(r *rules.Read) bool { return r.Cell == c })
}

func (st *stream) addReads() {
	st.results = map[event.Slot]*read{}
	for _, p := range slices.Concat(st.plan.Before, st.plan.After) {
		r := newRead(st, p)
		if !st.excluded(p.Cell) && slices.Contains(st.plan.Before, p) {
			r.cost = 0 // it is read anyway
			st.before = append(st.before, r)
		}
		st.reads = append(st.reads, r)
		for _, slot := range p.Results {
			st.results[slot] = r
		}
	}
}

func newRead(st *stream, p *rules.Read) *read {
	r := &read{plan: p, stream: st, query: p.Query(), index: p.Index, least: p.MinSamples, cost: costs[p.Agg.Family()], strings: slices.Contains(p.Kinds, event.KindString), from: p.Results[0], to: p.Results[0]}
	if r.cell, r.baseline = st.space.part(p.Cell); r.baseline != nil {
		r.cost = baselineCost
	}
	adjacent := true
	for i, slot := range p.Results {
		adjacent = adjacent && slot == r.from+event.Slot(i)
	}
	if adjacent {
		r.to = r.from + event.Slot(len(p.Results))
	}
	return r
}

func newRule(r *rules.Rule, index int, of *source, s *stream, m memory) *rule {
	c := &rule{Rule: r, index: index, where: r.WhereIndex, of: of, stream: s, suppress: m.suppress, value: m.value, timers: m.timers, declared: len(r.Source.Fields), says: r.Trigger()}
	if r.EvidenceIndex >= 0 {
		c.evidence = s.evidence[r.EvidenceIndex].ring
	}
	for _, f := range r.Features {
		c.windows = append(c.windows, f.Read.Span())
		local := of.results[f.Read.Results[0]]
		if local != nil { // else it comes with the row
			c.reads = append(c.reads, local)
		}
		c.local = append(c.local, local)
	}
	if r.Timed() {
		c.waits = c.timers
		c.newCarried()
		s.space.timed = append(s.space.timed, c)
	}
	c.condition = of.newClauses(r.Condition)
	for _, x := range r.Exceptions {
		c.exceptions = append(c.exceptions, of.newClauses(x.Where))
	}
	return c
}

// waiting is a part of a context in which something may be due.
type waiting interface {
	Deadline(x *store.Ctx) event.Time // event.Never: nothing waits
}

// addCancels finds the rules whose waits the stream's events end.
func (st *stream) addCancels(compiled map[*rules.Rule]*rule) {
	for _, c := range st.plan.Cancels {
		st.cancels = append(st.cancels, cancel{compiled[c.Rule], c.Where})
	}
}

// missesField reports whether a condition is unknown because of the event: a declared field that it reads is missing. Else it is a feature.
func (r *rule) missesField(c *expr.Expr, row event.Row) bool {
	for _, s := range c.Slots() {
		if int(s) < r.declared && !row[s].Known() {
			return true
		}
	}
	return false
}
