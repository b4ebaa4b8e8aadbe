package engine

import (
	"cmp"
	"fmt"
	"slices"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/event"
)

// stage is what an engine of a repartition topic has more than one of a topic of sources.
type stage struct {
	reader    frame.Reader
	upstreams []event.Upstream // by topic and partition
	bindings  map[*frame.Layout][]binding
}

// binding says where the fields of a frame's rows belong.
type binding struct {
	source    int          // in Engine.sources; -1: no rule reads it any more
	slots     []event.Slot // by column of the layout; NoSlot: nothing that is wanted, or something of another kind now
	partition int          // the columns that tell where the source's record lies; -1: the frame does
	offset    int
}

// rowStep is the step of a context behind the first row of a frame, less one: the rows of a frame are numbered behind all journal entries
// that may stand before it.
const rowStep = 1 << 31

// FrameBundle returns the number of the bundle that a record of a stage's topic names: one above the present one is to be activated before it
// is stepped.
func FrameBundle(record []byte) (event.Offset, error) { return frame.PeekBundle(record) }

// newStage returns a stage that waits for all of its upstreams.
func (e *Engine) newStage() *stage {
	s := &stage{bindings: map[*frame.Layout][]binding{}}
	for _, topic := range e.plan.Stage.Upstreams {
		s.upstreams = append(s.upstreams, event.Upstream{Topic: topic, Partition: -1, Watermark: event.NoTime})
	}
	return s
}

// Upstreams returns what a stage knows of the tasks that send to it, by topic and partition. It must not be changed, and changes with the next
// step.
func (e *Engine) Upstreams() []event.Upstream {
	if e.stage == nil {
		return nil
	}
	return e.stage.upstreams
}

// RestoreUpstreams sets what a checkpoint knows of the tasks that send to this stage, before the first step.
func (e *Engine) RestoreUpstreams(all []event.Upstream) {
	if e.stage != nil && len(all) > 0 {
		e.stage.upstreams = slices.Clone(all)
	}
}

// follow takes over what the stage knew under other rules: upstreams that they have no more are forgotten, new ones are not waited for.
func (s *stage) follow(before []event.Upstream) {
	wanted := s.upstreams
	s.upstreams = nil
	for _, w := range wanted {
		known := false
		for _, u := range before {
			if u.Topic == w.Topic {
				s.upstreams, known = append(s.upstreams, u), true
			}
		}
		if !known {
			w.Idle = true
			s.upstreams = append(s.upstreams, w)
		}
	}
}

// upstream returns what is known of the task that has sent the present frame; nil: no rule reads what it sends.
func (s *stage) upstream() *event.Upstream {
	h := &s.reader.Header
	at := func() (int, bool) {
		return slices.BinarySearchFunc(s.upstreams, h, func(u event.Upstream, h *frame.Header) int {
			return cmp.Or(cmp.Compare(u.Topic, h.Topic), cmp.Compare(u.Partition, h.Partition))
		})
	}
	i, known := at()
	if known {
		return &s.upstreams[i]
	}
	first := slices.IndexFunc(s.upstreams, func(u event.Upstream) bool { return u.Topic == h.Topic })
	if first < 0 {
		return nil
	}
	// The frame tells of partitions that were not known. Of a topic that is awaited, all are; those that are added later are not waited for.
	awaited := event.Upstream{Topic: h.Topic, Watermark: event.NoTime, Idle: true}
	if u := s.upstreams[first]; u.Partition < 0 {
		awaited.Idle = u.Idle
		s.upstreams = slices.Delete(s.upstreams, first, first+1)
	}
	have := 0
	for have < int(h.Of) && first+have < len(s.upstreams) && s.upstreams[first+have].Topic == h.Topic {
		have++
	}
	for p := have; p < int(h.Of); p++ {
		awaited.Partition = event.Partition(p)
		s.upstreams = slices.Insert(s.upstreams, first+p, awaited)
	}
	i, _ = at()
	return &s.upstreams[i]
}

// watermark returns the time that all upstreams have come to that are waited for.
func (s *stage) watermark() event.Time {
	least, any := event.NoTime, false
	for i := range s.upstreams {
		if u := &s.upstreams[i]; !u.Idle && (!any || u.Watermark < least) {
			least, any = u.Watermark, true
		}
	}
	return least
}

// stepFrame steps the rows of one frame.
func (e *Engine) stepFrame(rec *ingest.Record) error {
	s := e.stage
	r := &s.reader
	if err := r.Reset(rec.Value); err != nil {
		return fmt.Errorf("the frame at %d: %w", rec.Offset, err)
	}
	e.count.Records++
	u := s.upstream()
	if u == nil {
		return nil
	}
	count, out, frames, history := e.count, e.out, e.frames, e.history
	if r.Header.History && !e.replay {
		e.count, e.out, e.history = &e.replayed, nil, true
	}
	defer func() { e.count, e.out, e.frames, e.history = count, out, frames, history }()
	if err := e.stepRows(rec, u.Next); err != nil {
		return fmt.Errorf("the frame at %d: %w", rec.Offset, err)
	}
	if u.Next.Before(r.Header.Next) {
		u.Next = r.Header.Next
	}
	u.Watermark, u.Idle = max(u.Watermark, r.Header.Watermark), r.Header.Idle
	e.watermark = max(e.watermark, s.watermark())
	if next := (event.Position{Offset: rec.Offset + 1}); e.position.Before(next) {
		e.position = next
	}
	if e.explaining {
		return nil
	}
	return e.passed()
}

// stepRows steps the rows of the present frame that were not seen before: an upstream that delivers at least once repeats some.
func (e *Engine) stepRows(rec *ingest.Record, seen event.Position) error {
	r := &e.stage.reader
	bindings := e.bind(r.Layout)
	after := event.Position{Offset: rec.Offset, Step: rowStep}
	for more := true; more; {
		e.begin()
		for e.n < subBatch && more {
			if more = r.Next(); !more {
				break
			}
			after.Step++
			b := &bindings[r.Source]
			switch {
			case (event.Position{Offset: r.Offset, Step: r.Ordinal}).Before(seen):
				e.count.RowsRepeated++
			case b.source >= 0:
				e.receive(b, after)
			}
		}
		if err := e.stepAll(); err != nil {
			return err
		}
	}
	return r.Err()
}

// receive makes the reader's present row one of the sub-batch.
func (e *Engine) receive(b *binding, after event.Position) {
	r := &e.stage.reader
	i := e.n
	e.n++
	row := e.rows[i*e.width : (i+1)*e.width]
	clear(row)
	for field, slot := range b.slots {
		if slot != event.NoSlot {
			row[slot] = r.Values[field]
		}
	}
	e.recs[i] = record{source: int32(b.source), partition: r.Header.Partition, offset: r.Offset, after: after}
	if b.offset >= 0 {
		e.recs[i].partition, e.recs[i].offset = event.Partition(r.Values[b.partition].Int()), event.Offset(r.Values[b.offset].Int())
	}
	e.enter(i, row)
}

// bind returns where the rows of a layout belong.
func (e *Engine) bind(l *frame.Layout) []binding {
	s := e.stage
	if b, ok := s.bindings[l]; ok {
		return b
	}
	if len(s.bindings) > 256 { // the reader forgets layouts, too
		clear(s.bindings)
	}
	var all []binding
	for _, from := range *l {
		all = append(all, e.bindSource(&from))
	}
	s.bindings[l] = all
	return all
}

// bindSource returns where the rows of one source belong. Without the event's time they are of no use: it has another name or kind now.
func (e *Engine) bindSource(from *frame.Source) binding {
	b := binding{partition: -1, offset: -1}
	if b.source = slices.IndexFunc(e.sources, func(to *source) bool { return to.plan.Source.Name == from.Name }); b.source < 0 {
		return b
	}
	plan := e.sources[b.source].plan
	for i, f := range from.Fields {
		slot := event.NoSlot
		for at := range plan.Source.Fields {
			if known := &plan.Source.Fields[at]; known.Name == f.Name && known.Kind == f.Kind {
				slot = event.Slot(at)
			}
		}
		for _, c := range plan.Carried {
			if c.Name == f.Name && c.Kind == f.Kind {
				slot = c.Slot
			}
		}
		switch f.Name {
		case columnPartition:
			b.partition = i
		case columnOffset:
			b.offset = i
		}
		b.slots = append(b.slots, slot)
	}
	if !slices.Contains(b.slots, plan.Source.EventTime) {
		b.source = -1
	}
	return b
}
