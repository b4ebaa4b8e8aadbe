package engine

import (
	"fmt"
	"math"

	"insolite/context/store"
	"insolite/context/window"
	"insolite/ingest"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// phase is what the present event is at, for the recovery from a panic.
type phase uint8

const (
	phaseStart  phase = iota
	phaseWheres       // nothing has changed yet: the event may be begun again
	phaseState        // contexts are changing
	phaseRules        // rule by rule: those that are done stay done
)

// scratch is memory that events reuse.
type scratch struct {
	id     []byte
	text   []byte
	values []event.Value
	alert  alertScratch

	carried []byte
	timers  []store.Timer
	fit     store.Fit
}

// run works on the sub-batch from where it stands. It returns early when a condition panicked, and stands behind it, and when a timer is due.
func (e *Engine) run() {
	defer e.rescue()
	for e.i < e.n {
		e.event()
		e.phase = phaseStart
		e.i++
		if e.watermark > e.next {
			return
		}
	}
}

// rescue turns a panic of a condition into a count.
func (e *Engine) rescue() {
	if e.phase != phaseWheres && e.phase != phaseRules {
		return // not of a rule: it goes through
	}
	p := recover()
	if p == nil {
		return
	}
	e.leave()
	e.match = nil
	e.count.Panics++
	told := Panic{Offset: e.recs[e.i].offset, Message: fmt.Sprint(p)}
	if e.phase == phaseWheres {
		e.careful, e.phase = true, phaseStart
	} else {
		r := e.source.rules[e.rule]
		e.count.Rules[r.index].Panics++
		told.Rule = r.Rule
		e.conclude(verdict{outcome: Panicked})
		e.rule++
	}
	if e.out != nil {
		e.out.Panics = append(e.out.Panics, told)
	}
}

// event takes the present record through the step.
func (e *Engine) event() {
	if e.phase == phaseStart {
		if e.explaining {
			e.verdicts, e.tales, e.refused = e.verdicts[:0], e.tales[:0], Admitted
		}
		if !e.admit() {
			return
		}
		e.serial++
		e.phase = phaseWheres
		if e.frames != nil {
			e.pass()
		}
		e.wheres()
		e.phase = phaseState
		e.absorb()
		e.cancel()
		if e.frames != nil {
			e.forward()
		}
		e.choose()
		e.phase, e.rule = phaseRules, 0
	}
	for e.rule = e.filing.next(e.rule); e.rule < len(e.source.rules); e.rule = e.filing.next(e.rule + 1) {
		e.conclude(e.evaluate(e.source.rules[e.rule]))
	}
	e.phase = phaseState
	e.finish()
}

// choose finds the rules to evaluate, and counts those that see the event.
func (e *Engine) choose() {
	for _, st := range e.source.streams {
		if st.state != open {
			continue
		}
		for _, g := range st.gates {
			if st.sees(g.where) {
				e.count.seen[g.index]++
			}
		}
	}
	e.filing = e.source.filing
	if e.explaining {
		e.filing = nil
		e.ensureAll()
	}
	if e.filing != nil {
		e.filing.choose(e)
	}
}

// admit reports whether the record is an event that is in time.
func (e *Engine) admit() bool {
	d := &e.recs[e.i]
	if e.stage == nil && !e.decoded() {
		return false
	}
	s := e.sources[d.source]
	e.source, e.row = s, e.rows[e.i*e.width:(e.i+1)*e.width]
	e.at = e.row[s.plan.Source.EventTime].Time()
	if e.careful {
		return true
	}
	c := &e.count.Sources[s.index]
	c.Events++
	if e.stage == nil && !e.options.Files && !e.credible(c) {
		return false
	}
	if e.at < e.watermark && s.alerts { // one that was due is told when its time has passed: it counts from now on
		t := &e.row[s.plan.Source.EventTime]
		*t = event.TimeValue(e.watermark, t.OffsetSeconds())
		e.at = e.watermark
	}
	if e.at < e.watermark { // at a stage: of an upstream that was not waited for
		c.Late++
		return e.refuse(Late)
	}
	return true
}

// decoded reports whether the record is an event.
func (e *Engine) decoded() bool {
	rec, d := &e.records[e.i], &e.recs[e.i]
	if !e.careful {
		e.count.Records++
	}
	switch {
	case d.bad != nil:
		e.count.Malformed++
		e.count.Refuse(d.bad.Stage, d.bad.Reason)
		if e.out != nil {
			e.out.DeadLetters = append(e.out.DeadLetters, DeadLetter{
				Record: *rec,
				Stage:  d.bad.Stage, Reason: d.bad.Reason, Source: d.bad.Source, Field: d.bad.Field, Byte: d.bad.Offset, Message: d.bad.Message,
			})
		}
		return e.refuse(Malformed)
	case rec.Value == nil:
		e.count.Tombstones++
		return e.refuse(Tombstone)
	case d.source < 0:
		e.count.Unmatched++
		return e.refuse(Unmatched)
	}
	return true
}

// credible reports whether the event's time can be, and counts a key that is not the one that was declared.
func (e *Engine) credible(c *SourceCounts) bool {
	rec, s := &e.records[e.i], e.source
	if e.at > rec.Timestamp.Add(s.plan.Source.MaxAhead) {
		c.TooFar++
		e.count.Refuse(StageStep, ReasonMaxAhead)
		e.ahead(rec)
		return e.refuse(TooFar)
	}
	if s.key != event.NoSlot && !e.keyed(rec, &e.row[s.key]) {
		c.WrongKey++
	}
	return true
}

// refuse notes why the record goes no further.
func (e *Engine) refuse(a Admission) bool {
	e.refused = a
	return false
}

// ahead makes a dead letter of an event of the future.
func (e *Engine) ahead(rec *ingest.Record) {
	if e.out == nil {
		return
	}
	s := e.source.plan.Source
	e.out.DeadLetters = append(e.out.DeadLetters, DeadLetter{
		Record: *rec,
		Stage:  StageStep, Reason: ReasonMaxAhead, Source: s.Name, Field: s.Fields[s.EventTime].Name, Byte: -1, Message: e.tooFar(rec),
	})
}

func (e *Engine) tooFar(rec *ingest.Record) string {
	s := e.source.plan.Source
	return fmt.Sprintf("source %q, field %q: the event time %s is more than %s ahead of the record's timestamp %s; set the producer's clock, or raise max_ahead",
		s.Name, s.Fields[s.EventTime].Name, e.row[s.EventTime].Text(), window.DurationText(s.MaxAhead), event.AppendTime(nil, rec.Timestamp, 0))
}

// keyed reports whether the record's key is the text of the value.
func (e *Engine) keyed(rec *ingest.Record, v *event.Value) bool {
	if v.Kind == event.KindString {
		return string(rec.Key) == v.S
	}
	if !v.Known() {
		return len(rec.Key) == 0
	}
	e.scratch.text = v.AppendText(e.scratch.text[:0])
	return string(rec.Key) == string(e.scratch.text)
}

// wheres finds out which conditions hold that decide what is absorbed.
func (e *Engine) wheres() {
	for _, st := range e.source.streams {
		at := &st.space.entries[e.i]
		if at.from == at.to {
			st.state = noKey
			continue
		}
		for w := range st.ok {
			if e.careful {
				st.ok[w] = e.holds(st, w)
			} else {
				st.ok[w] = st.plan.Wheres[w].Truth(e.row) == expr.True
			}
		}
		st.state = idle
		if st.passes() {
			st.state = open
		}
	}
	e.careful = false
}

// holds evaluates one condition for an event of which one has panicked; that one does not hold.
func (e *Engine) holds(st *stream, w int) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return st.plan.Wheres[w].Truth(e.row) == expr.True
}

// passes reports whether some rule's `where` holds, or the event is a sample for rules of other sources.
func (st *stream) passes() bool {
	for _, g := range st.gates {
		if g.where < 0 || st.ok[g.where] {
			return true
		}
	}
	for _, c := range st.cancels {
		if c.where < 0 || st.ok[c.where] {
			return true
		}
	}
	for _, w := range st.plan.Passing {
		if w < 0 || st.ok[w] {
			return true
		}
	}
	for _, wheres := range st.lent {
		if st.all(wheres) {
			return true
		}
	}
	return false
}

// all reports whether all of some conditions hold.
func (st *stream) all(wheres []int) bool {
	for _, w := range wheres {
		if !st.ok[w] {
			return false
		}
	}
	return true
}

// absorb brings the contexts of the event's keys up to it.
func (e *Engine) absorb() {
	id, known := e.id()
	for _, st := range e.source.streams {
		if st.state == noKey {
			for _, r := range st.rules {
				e.count.Rules[r.index].NoKey++
			}
			continue
		}
		if st.state == idle && !known {
			continue // nothing of it is to be remembered
		}
		if st.space.entries[e.i].held {
			st.state = held
			continue
		}
		st.ctx = st.space.context(e.i)
		if e.replay && !st.ctx.Position().Before(e.recs[e.i].after) {
			st.state = held
			continue
		}
		if known && st.dedupe.Absorb(&st.ctx, id, e.at) {
			st.state = duplicate
			e.count.Sources[e.source.index].Duplicates++
		}
		if st.state != open {
			continue
		}
		e.ensure(st.before)
		e.addTo(st, st.cells)
	}
}

// addTo lets cells absorb the event.
func (e *Engine) addTo(st *stream, cells []cell) {
	for i := range cells {
		e.add(st, &cells[i])
	}
}

// id returns the hash of the event's id for dedupe, if it has one.
func (e *Engine) id() (id uint64, known bool) {
	slot := e.source.id
	if slot == event.NoSlot || !e.row[slot].Known() {
		return 0, false
	}
	e.scratch.id = event.AppendKeyPart(e.scratch.id[:0], &e.row[slot])
	return store.Hash(e.scratch.id), true
}

// add lets a cell absorb the event, if it is a sample.
func (e *Engine) add(st *stream, c *cell) {
	if !st.all(c.wheres) {
		return
	}
	if c.baseline != nil {
		if v := number(&e.row[c.fields[0]]); !math.IsNaN(v) {
			c.baseline.Absorb(&st.ctx, e.at, v)
		}
		return
	}
	if len(c.fields) == 1 {
		if s := c.fields[0]; e.row[s].Known() {
			c.cell.Add(&st.ctx, e.at, e.row[s:s+1], e.watermark)
		}
		return
	}
	values, sample := e.scratch.values[:0], c.count
	for _, s := range c.fields {
		values = append(values, e.row[s])
		sample = sample || e.row[s].Known()
	}
	e.scratch.values = values
	if sample {
		c.cell.Add(&st.ctx, e.at, values, e.watermark)
	}
}

// seen is where the present event came from, as contexts keep it.
func (e *Engine) seen() event.Offset {
	if d := &e.recs[e.i]; e.stage != nil {
		return packed(d.partition, d.offset)
	}
	return e.recs[e.i].offset
}

// finish lets the cells absorb the event whose features exclude it, notes in the contexts that they hold the event, and raises the watermark.
func (e *Engine) finish() {
	d, seen := &e.recs[e.i], e.seen()
	known := e.source.id != event.NoSlot && e.row[e.source.id].Known()
	for _, st := range e.source.streams {
		switch {
		case st.state == open:
			e.addTo(st, st.later)
			for i := range st.evidence {
				if ev := &st.evidence[i]; ev.where < 0 || st.ok[ev.where] {
					ev.ring.Add(&st.ctx, seen, e.at)
				}
			}
		case st.state == duplicate, st.state == idle && known:
		default:
			continue
		}
		st.ctx.Advance(d.after, e.at)
	}
	if e.stage != nil {
		return // it rises with the frame
	}
	t := e.at
	if !e.options.Files {
		t = min(t, e.records[e.i].Timestamp)
	}
	e.watermark = max(e.watermark, t.Add(-e.plan.Lateness))
}
