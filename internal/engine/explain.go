package engine

import (
	"errors"
	"slices"
	"strings"

	"insolite/alerts"
	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

// Explanation tells what became of one record, for people. It holds no views.
type Explanation struct {
	Topic     string
	Partition event.Partition
	Offset    event.Offset
	Source    *event.Source // nil: the record is of none, or could not be decoded
	Admission Admission
	Message   string      // of a record that was refused: place, cause and cure
	Watermark event.Time  // before the event; below it, an event is late
	At        event.Value // the event time; missing without a source
	Row       event.Row   // the declared fields that rules need, then the features that were read; nil unless Admitted
	Rules     []RuleExplanation
}

// Admission says whether a record got as far as the rules.
type Admission uint8

// The admissions.
const (
	Admitted  Admission = iota
	Tombstone           // the record has no value
	Unmatched           // it is of no source
	Malformed           // it could not be decoded
	TooFar              // its time is too far ahead of its record's timestamp
	Late                // its time is below the watermark
)

var admissionNames = [...]string{"admitted", "tombstone", "unmatched", "malformed", "max_ahead", "late"}

// String returns the admission's name in output that machines read.
func (a Admission) String() string { return admissionNames[a] }

// RuleExplanation tells what became of an event in one rule.
type RuleExplanation struct {
	Rule      *rules.Rule
	Outcome   Outcome
	Row       event.Row        // the declared fields that rules need, then the features that were read where the rule runs
	Key       []alerts.Named   // group_by in the rule's order; a field may be missing
	Where     *expr.Node       // nil: none
	Features  []alerts.Feature // in the rule's order; nil when they were not read
	Trigger   string           // what new_value, a sequence or an absence made of the event; empty: it did not see it, or the rule has another trigger
	Condition *expr.Node       // nil when it was not evaluated, or the rule has none beside its trigger
	Exception string           // the one that silenced; empty: none
	Held      int              // Suppressed: how many were held back so far, this one included. Fired: how many since the alert before
	Until     event.Time       // Suppressed: the end of the cool-down
	Waits     []Wait           // what waits behind the event, the first that began first
}

// Wait is what waits for an instant in a key's context.
type Wait struct {
	Since    event.Time // of the event that began it
	Deadline event.Time // when it is due; event.Never: an alert is open until the condition does not hold
	Open     bool       // an alert is open, and closes when it is due
}

// waiting returns what waits in a context.
func (r *rule) waiting(x *store.Ctx) (all []Wait) {
	if r.timers == nil {
		return nil
	}
	for _, t := range r.timers.Append(nil, x) {
		all = append(all, Wait{t.Since, t.Deadline, t.Fired})
	}
	return all
}

// Explain steps one record as Step does, also into out unless that is nil, and tells what became of it in each rule of its source.
func (e *Engine) Explain(r *ingest.Record, out *Output) (*Explanation, error) {
	x := &Explanation{Topic: e.plan.Topic, Partition: e.options.Partition, Offset: r.Offset, Watermark: e.watermark}
	if e.firing {
		return nil, errors.New("explain a record: timers are due that have not fired")
	}
	e.explaining, e.verdicts, e.tales, e.refused = true, e.verdicts[:0], e.tales[:0], Admitted
	defer func() { e.explaining = false }()
	if err := e.Step(&ingest.Batch{Topic: e.plan.Topic, Partition: e.options.Partition, Records: []ingest.Record{*r}, Next: r.Offset + 1}, out); err != nil {
		return nil, err
	}
	e.explainLast(x, r)
	e.explaining = false
	return x, e.passed() // what is due behind the event would hide what became of it
}

// explainLast tells what became of the record that was stepped last.
func (e *Engine) explainLast(x *Explanation, r *ingest.Record) {
	x.Admission = e.refused
	d := &e.recs[max(e.n-1, 0)]
	if e.stage != nil && e.n > 0 {
		x.Topic, x.Partition, x.Offset = e.source.plan.Source.Topic, d.partition, d.offset
	}
	if d.bad != nil {
		x.Message = d.bad.Message
		return
	}
	if d.source < 0 {
		return
	}
	s := e.sources[d.source]
	x.Source, x.At = s.plan.Source, e.row[s.plan.Source.EventTime]
	switch x.Admission {
	case TooFar:
		x.Message = e.tooFar(r)
		return
	case Late:
		return
	}
	x.Row = slices.Clone(e.row[:s.plan.Width])
	for i := range x.Row {
		x.Row[i].S = strings.Clone(x.Row[i].S)
	}
	e.row = x.Row
	for i, v := range e.verdicts {
		x.Rules = append(x.Rules, e.explainAny(s.rules[i], v, e.tales[i]))
	}
}

// explainAny tells about one rule, of the event's source or another one.
func (e *Engine) explainAny(r *rule, v verdict, t tale) RuleExplanation {
	switch {
	case r.pursuit == nil || r.pursuit.own == nil:
		return e.explain(r, v, t)
	case t.guest != nil:
		t.guest.Trigger = t.text
		return *t.guest
	}
	s := r.of.plan.Source
	return RuleExplanation{Rule: r.Rule, Outcome: v.outcome, Row: make(event.Row, r.pursuit.own.of.plan.Width), Key: e.named(nil, s.Fields, r.Key(s)), Trigger: t.text, Until: event.NoTime}
}

// explain tells about one rule for the present event.
func (e *Engine) explain(r *rule, v verdict, t tale) RuleExplanation {
	x := RuleExplanation{Rule: r.Rule, Outcome: v.outcome, Row: e.row, Key: e.named(nil, r.Source.Fields, r.GroupBy), Held: v.held, Until: event.NoTime}
	if r.Where != nil {
		n := r.Where.Explain(e.row)
		x.Where = &n
	}
	if r.stream.state != open {
		return x
	}
	e.scratch.alert.members = nil // the explanation keeps it
	x.Features = e.features([]alerts.Feature{}, r)
	x.Waits = r.waiting(&r.stream.ctx)
	switch v.outcome {
	case NotEvaluated, Panicked:
		return x
	case Excepted:
		x.Exception = r.Exceptions[v.exception].Name
	case Suppressed:
		x.Until = r.suppress.Until(&r.stream.ctx, e.by(r), e.at)
	}
	if x.Trigger = t.text; t.short || r.Always() {
		return x
	}
	n := r.Condition.Explain(e.row)
	x.Condition = &n
	return x
}
