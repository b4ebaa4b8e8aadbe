package engine

import (
	"fmt"
	"slices"
	"strings"

	"insolite/alerts"
	"insolite/context/store"
	"insolite/internal/event"
	"insolite/rules"
)

// pursuit is what a rule's sequence wants of the events of one source.
type pursuit struct {
	part  *store.Sequence
	steps []wanted
	bars  []wanted
	slots []event.Slot // of what is captured, in the row of the rule's own source
	own   *rule        // the rule at its own source, which judges; nil: it is this one
	pairs []rules.Capture
	seen  int // in Counts.seen
}

// wanted is an event that a step wants, or that is forbidden.
type wanted struct {
	bit   uint16
	where int // in stream.ok; -1: every event
}

// guest is an event of another source than a rule's own that has completed a match: the rule sees it as one of its own source, of which the fields
// are known that both have.
type guest struct {
	rule   *rule // at the event's source; nil: there is none
	source *source
	row    event.Row
}

// newPursuit returns what a sequence wants of a source; own is nil for the rule's own source.
func newPursuit(r *rules.Rule, source *event.Source, part *store.Sequence, own *rule) *pursuit {
	p := &pursuit{part: part, own: own}
	for i := range r.Sequence.Steps {
		s := &r.Sequence.Steps[i]
		if s.Source == source {
			p.steps = append(p.steps, wanted{1 << i, s.WhereIndex})
		}
		for _, c := range s.Captures {
			p.slots = append(p.slots, c.Slot)
		}
	}
	for _, b := range r.Sequence.Bars {
		if b.Source == source {
			p.bars = append(p.bars, wanted{1 << b.Before, b.WhereIndex})
		}
	}
	if own != nil {
		p.pairs = r.Fields(source)
	}
	return p
}

// abroad returns the rule as events of another source come to its sequence; seen is its place in Counts.seen.
func (r *rule) abroad(s *source, seen int, part *store.Sequence) *rule {
	i := slices.IndexFunc(s.streams, func(st *stream) bool { return st.space == r.stream.space })
	c := &rule{Rule: r.Rule, index: r.index, where: -1, of: s, stream: s.streams[i], pursuit: newPursuit(r.Rule, s.plan.Source, part, r)}
	c.pursuit.seen = seen
	c.stream.rules = append(c.stream.rules, c)
	c.pursuit.lends(c.stream)
	return c
}

// sequenceSpec is the part of a context that a sequence needs.
func sequenceSpec(q *rules.Sequence, identity uint64) store.SequenceSpec {
	spec := store.SequenceSpec{Identity: identity, Within: q.Within, Unordered: q.Unordered, Keep: q.Keep}
	for i := range q.Steps {
		s := store.SequenceStep{Times: q.Steps[i].Times}
		for _, c := range q.Steps[i].Captures {
			s.Captures = append(s.Captures, c.Field)
		}
		spec.Steps = append(spec.Steps, s)
	}
	return spec
}

// lends makes a stream take up what the sequences of other sources' rules want of it.
func (p *pursuit) lends(st *stream) {
	for _, w := range slices.Concat(p.steps, p.bars) {
		var wheres []int
		if w.where >= 0 {
			wheres = []int{w.where}
		}
		st.lent = append(st.lent, wheres)
	}
}

func fits(all []wanted, ok []bool) (bits uint16) {
	for _, w := range all {
		if w.where < 0 || ok[w.where] {
			bits |= w.bit
		}
	}
	return bits
}

// pursue takes the event to the rule's sequence, and goes on to the condition when that completes a match.
func (e *Engine) pursue(r *rule) verdict {
	p, st := r.pursuit, r.stream
	steps, bars := fits(p.steps, st.ok), fits(p.bars, st.ok)
	if e.explaining {
		e.blank(r)
	}
	found := steps|bars != 0 && e.advance(r, steps, bars)
	if e.explaining {
		e.tellPursuit(r, steps, bars, found)
	}
	if !found {
		return verdict{outcome: NotFired}
	}
	if p.own != nil {
		return e.welcome(r)
	}
	e.fill(p)
	v := e.judge(r)
	e.match = nil
	return v
}

// advance takes the event to the sequence, and reports whether that completes a match, which is e.match then.
func (e *Engine) advance(r *rule, steps, bars uint16) bool {
	p, st := r.pursuit, r.stream
	if p.own != nil {
		e.count.seen[p.seen]++
	}
	d := &e.recs[e.i]
	f := &e.scratch.fit
	*f = store.Fit{At: e.at, Offset: d.offset, Row: e.row, Steps: steps, Bars: bars}
	if e.stage != nil {
		f.Offset = packed(d.partition, d.offset)
	}
	e.phase = phaseState
	e.match = p.part.Step(&st.ctx, f)
	e.phase = phaseRules
	return e.match != nil
}

// fill puts what was captured into the row.
func (e *Engine) fill(p *pursuit) {
	for i, slot := range p.slots {
		e.row[slot] = e.match.Values[i]
	}
}

// blank makes unknown what an explanation would else take from the event before.
func (e *Engine) blank(r *rule) {
	if r.pursuit.own == nil {
		for _, slot := range r.pursuit.slots {
			e.row[slot] = event.Value{}
		}
	}
}

// welcome lets the rule judge an event of another source.
func (e *Engine) welcome(r *rule) verdict {
	p := r.pursuit
	own := p.own
	e.guest = guest{r, e.source, e.row}
	for _, st := range own.of.streams {
		st.state = noKey
	}
	own.stream.state, own.stream.ctx = open, r.stream.ctx
	for _, read := range own.reads {
		read.event = 0
	}
	row := e.rows[len(e.rows)-e.width:]
	clear(row)
	for _, c := range p.pairs {
		row[c.Slot] = e.row[c.Field]
	}
	e.source, e.row = own.of, row
	e.fill(p)
	v := e.judge(own)
	if e.explaining {
		e.explainGuest(own, v)
	}
	e.leave()
	e.match = nil
	return v
}

// leave ends the visit of a guest.
func (e *Engine) leave() {
	g := &e.guest
	if g.rule == nil {
		return
	}
	own := g.rule.pursuit.own.stream
	own.state, g.rule.stream.ctx = noKey, own.ctx
	e.source, e.row = g.source, g.row
	*g = guest{}
}

// subject returns the source of the present event, and its row, whatever a rule sees it as.
func (e *Engine) subject() (*source, event.Row) {
	if e.guest.rule != nil {
		return e.guest.source, e.guest.row
	}
	return e.source, e.row
}

// hits returns the positions of the events of the match before the last.
func (e *Engine) hits(dst []alerts.Seen, r *rule) []alerts.Seen {
	for _, h := range e.match.Hits {
		if rules.OnAlerts(r.Sequence.Steps[h.Step].Source) {
			continue // its position is in a topic that is not kept
		}
		p, o := e.options.Partition, h.Offset
		if e.stage != nil {
			p, o = unpacked(h.Offset)
		}
		dst = append(dst, alerts.Seen{Topic: r.Sequence.Steps[h.Step].Source.Topic, Partition: p, Offset: o, At: h.At})
	}
	return dst
}

// explainGuest tells what became of a guest, as long as it is one.
func (e *Engine) explainGuest(own *rule, v verdict) {
	e.row = slices.Clone(e.row[:own.of.plan.Width])
	for i := range e.row {
		e.row[i].S = strings.Clone(e.row[i].S)
	}
	x := e.explain(own, v, tale{})
	x.Where = nil // it is not asked of other sources
	e.told.guest = &x
}

// tellPursuit tells what the event did for the sequence.
func (e *Engine) tellPursuit(r *rule, steps, bars uint16, found bool) {
	n := len(r.Sequence.Steps)
	switch {
	case found:
		e.told.text = "the event completes " + r.Sequence.Text()
	case steps|bars == 0:
		e.told.text, e.told.short = "the event is none of the sequence", true
	default:
		e.told.short = true
		x := r.stream.ctx
		furthest, open := 0, r.pursuit.part.Open(nil, &x, e.at)
		for _, m := range open {
			furthest = max(furthest, m.Step)
		}
		e.told.text = "the event ends what had begun"
		if len(open) > 0 {
			e.told.text = fmt.Sprintf("the sequence is not complete: the furthest of %d that have begun waits for step %d of %d", len(open), furthest+1, n)
		}
	}
}
