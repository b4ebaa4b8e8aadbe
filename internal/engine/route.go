package engine

import (
	"cmp"
	"fmt"
	"math"

	"insolite/context/store"
	"insolite/context/window"
	"insolite/ingest/frame"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

// FrameBytesMax is how large a frame gets, before it is compressed: a broker takes records of a megabyte unless it is told otherwise.
const FrameBytesMax = 512 << 10

// PartitionsMax is how many partitions a topic may have whose events go to stages, and one of a stage.
const PartitionsMax = 1 << 16

// route is what the task sends to one stage.
type route struct {
	plan    *rules.Route
	targets []target // by partition
}

// target is one partition of a stage's topic.
type target struct {
	rows    *frame.Writer
	history bool // the rows are
	told    news
	sent    bool // a frame, since the last Mark
}

// news is what a target was told last.
type news struct {
	any       bool
	watermark event.Time
	idle      bool
	bundle    event.Offset
}

// routing is what becomes of a source's events in one route.
type routing struct {
	route  *route
	plan   *rules.RouteSource
	reads  []*read // features that travel with the row
	layout int     // in the route's layout
	passes bool    // the present event is sent
}

// newRoutes returns the routes, and gives each source its own.
func (e *Engine) newRoutes() ([]*route, error) {
	var routes []*route
	for _, p := range e.plan.Routes {
		n := int32(1)
		if e.options.Targets != nil {
			n = e.options.Targets(p.Topic)
		}
		if n < 1 || n > PartitionsMax {
			return nil, fmt.Errorf("topic %s has %d partitions; 1 to %d are possible", p.Topic, n, PartitionsMax)
		}
		x := &route{plan: p, targets: make([]target, n)}
		var layout frame.Layout
		for i, s := range p.Sources {
			layout = append(layout, e.sourceLayout(s))
			if s.Raised {
				e.raised = append(e.raised, &routing{route: x, plan: s, layout: i})
				continue
			}
			for _, to := range e.sources {
				if to.plan.Source == s.Source {
					to.routes = append(to.routes, to.newRouting(x, s, i))
				}
			}
		}
		for i := range x.targets {
			x.targets[i] = target{rows: frame.NewWriter(layout, cmp.Or(e.options.FrameBytes, FrameBytesMax)), told: news{watermark: event.NoTime, bundle: -1}}
		}
		routes = append(routes, x)
	}
	return routes, nil
}

func (s *source) newRouting(x *route, plan *rules.RouteSource, layout int) *routing {
	r := &routing{route: x, plan: plan, layout: layout}
	for _, p := range plan.Reads {
		r.reads = append(r.reads, s.results[p.Results[0]])
	}
	return r
}

// Where the record of a source lies, as columns of rows that a stage sends on.
const (
	columnPartition = "=partition"
	columnOffset    = "=offset"
)

func (e *Engine) sourceLayout(s *rules.RouteSource) frame.Source {
	l := frame.Source{Name: s.Source.Name}
	for _, c := range s.Columns {
		l.Fields = append(l.Fields, frame.Field{Name: c.Name, Kind: c.Kind})
	}
	if e.stage != nil || s.Raised {
		l.Fields = append(l.Fields, frame.Field{Name: columnPartition, Kind: event.KindInt}, frame.Field{Name: columnOffset, Kind: event.KindInt})
	}
	return l
}

// pass finds out to which stages the present event is sent. A condition that panics does not keep it back: the stage decides.
func (e *Engine) pass() {
	for _, r := range e.source.routes {
		r.passes = passes(r.plan, e.row, e.careful)
	}
}

// passes reports whether a row is sent to a stage: some rule there may see it.
func passes(x *rules.RouteSource, row event.Row, careful bool) bool {
	for _, w := range x.Wheres {
		if careful && panics(w, row) || !careful && w.Truth(row) == expr.True {
			return true
		}
	}
	return len(x.Wheres) == 0
}

// panics evaluates a condition for an event of which one has panicked, and reports whether it holds or panics.
func panics(w *expr.Expr, row event.Row) (passes bool) {
	defer func() {
		if recover() != nil {
			passes = true
		}
	}()
	return w.Truth(row) == expr.True
}

// forward puts rows of the present event into the frames of the stages that are sent it.
func (e *Engine) forward() {
	for _, r := range e.source.routes {
		if !r.passes {
			continue
		}
		to := e.target(r, e.row)
		if to == nil {
			e.count.Sources[e.source.index].Unsent++
			continue
		}
		e.gather(r)
		values := e.values(r, e.row)
		if d := &e.recs[e.i]; e.stage != nil {
			values = append(values, event.IntValue(int64(d.partition)), event.IntValue(int64(d.offset)))
		}
		e.scratch.values = values
		e.send(r, to, e.rowAt(), e.at, values)
	}
}

// target returns where a row belongs; nil: nowhere, it has no key.
func (e *Engine) target(r *routing, row event.Row) *target {
	key := e.scratch.id[:0]
	for _, slot := range r.plan.Key {
		if !row[slot].Known() {
			key = key[:0]
			break
		}
		key = event.AppendKeyPart(key, &row[slot])
	}
	e.scratch.id = key
	if len(key) == 0 && !r.plan.Passed {
		return nil
	}
	return &r.route.targets[partitionOf(key, len(r.route.targets))]
}

// values returns what travels of a row.
func (e *Engine) values(r *routing, row event.Row) []event.Value {
	values := e.scratch.values[:0]
	for _, slot := range r.plan.Slots {
		values = append(values, row[slot])
	}
	return values
}

// rowAt is where a row of the present event stands in what is sent.
func (e *Engine) rowAt() event.Position {
	if e.stage == nil {
		return event.Position{Offset: e.recs[e.i].offset}
	}
	at := e.recs[e.i].after // where it stands in the stage's own log
	at.Step -= rowStep
	return at
}

// gather reads the features that travel with the present event.
func (e *Engine) gather(r *routing) {
	for _, f := range r.reads {
		if f.event != e.serial {
			e.read(f)
		}
		c := &f.plan.Carry
		reading := &f.stream.space.readings[f.index]
		e.row[c.Samples] = event.IntValue(int64(reading.Samples))
		e.row[c.From], e.row[c.To] = event.TimeValue(reading.From, 0), event.TimeValue(reading.To, 0)
	}
}

// carried returns what a row says of a feature that was read for it elsewhere.
func (e *Engine) carried(c rules.Carry) (r window.Reading) {
	if e.row[c.Samples].Known() {
		r.Samples, r.From, r.To = int(e.row[c.Samples].Int()), e.row[c.From].Time(), e.row[c.To].Time()
	}
	return r
}

// partitionOf spreads keys over partitions by other bits than those by which contexts are found in memory.
func partitionOf(key []byte, n int) int {
	return int(mix(store.Hash(key)) >> 32 * uint64(n) >> 32)
}

// send adds a row to a target's frame, of an event at an instant; one that would get too large ends before this event.
func (e *Engine) send(r *routing, t *target, at event.Position, when event.Time, values []event.Value) {
	if t.rows.Len() > 0 && t.history != e.history {
		e.endFrame(r.route, t, at, false) // a frame is all of one kind
	}
	if t.rows.Len() == 0 {
		e.beginFrame(t, at.Offset)
	}
	e.count.RowsSent++
	if t.rows.Add(r.layout, at.Offset, at.Step, when, values) {
		return
	}
	e.endFrame(r.route, t, at, false)
	e.beginFrame(t, at.Offset)
	t.rows.Add(r.layout, at.Offset, at.Step, when, values)
}

func (e *Engine) beginFrame(t *target, from event.Offset) {
	t.history = e.history
	t.rows.Begin(frame.Header{Topic: e.plan.Topic, Partition: e.options.Partition, Of: max(e.options.Partitions, int32(e.options.Partition)+1), From: from,
		Bundle: e.options.Bundle, History: e.history})
}

// endFrame appends a target's frame to the output.
func (e *Engine) endFrame(r *route, t *target, next event.Position, idle bool) {
	out := e.frames
	from := len(out.arena)
	out.arena = append(out.arena, t.rows.End(next, e.watermark, idle)...)
	end := len(out.arena)
	partition := 0
	for &r.targets[partition] != t {
		partition++
	}
	out.Frames = append(out.Frames, Frame{Topic: r.plan.Topic, Partition: event.Partition(partition), Rows: t.rows.Len(), Value: out.arena[from:end:end]})
	t.sent, t.told = true, news{true, e.watermark, idle, max(t.told.bundle, e.options.Bundle)}
	t.rows.Clear()
}

// emptyFrame appends a frame without rows.
func (e *Engine) emptyFrame(r *route, t *target, idle bool, bundle event.Offset) {
	own := e.options.Bundle
	e.options.Bundle = bundle
	e.beginFrame(t, e.position.Offset)
	e.endFrame(r, t, event.Position{Offset: e.position.Offset}, idle)
	e.options.Bundle = own
}

// Cut ends the frames that have rows and appends them to the output: before a commit. A frame that would get too large is ended by Step.
func (e *Engine) Cut(out *Output) {
	e.frames = out
	for _, r := range e.routes {
		for i := range r.targets {
			if t := &r.targets[i]; t.rows.Len() > 0 {
				e.endFrame(r, t, event.Position{Offset: e.position.Offset}, false)
			}
		}
	}
}

// Mark appends an empty frame for every target that got none since the last Mark, if there is something to tell: that this engine is here, how
// far its time has come, that it is idle or is no more. Rows that wait for a Cut are to follow.
func (e *Engine) Mark(out *Output, idle bool) {
	e.frames = out
	for _, r := range e.routes {
		for i := range r.targets {
			t := &r.targets[i]
			fresh := !t.told.any || t.told.idle != idle || !t.sent && t.told.watermark != e.watermark
			t.sent = false
			if fresh && t.rows.Len() == 0 {
				e.emptyFrame(r, t, idle, e.options.Bundle)
				t.sent = false
			}
		}
	}
}

// Leave is Cut, and then appends a frame for every target that names another bundle: the last ones of these rules. They belong into the
// transaction that makes that bundle follow.
func (e *Engine) Leave(out *Output, bundle event.Offset) {
	e.Cut(out)
	for _, r := range e.routes {
		for i := range r.targets {
			if t := &r.targets[i]; t.told.bundle < bundle {
				e.emptyFrame(r, t, t.told.idle, bundle)
			}
		}
	}
}

// uncut returns how many rows wait for a Cut.
func (e *Engine) uncut() int {
	n := 0
	for _, r := range e.routes {
		for i := range r.targets {
			n += r.targets[i].rows.Len()
		}
	}
	return n
}

// An evidence ring of a stage keeps a partition with an offset: 48 bits of it are a million records a second for nine years.
const (
	offsetBits = 48
	offsetMask = 1<<offsetBits - 1
)

// packed packs where an event came from into what evidence keeps.
func packed(p event.Partition, o event.Offset) event.Offset {
	return event.Offset(uint64(p)<<offsetBits | uint64(min(o, offsetMask)))
}

// unpacked is the reverse.
func unpacked(at event.Offset) (event.Partition, event.Offset) {
	return event.Partition(uint64(at) >> offsetBits & math.MaxUint16), at & offsetMask
}
