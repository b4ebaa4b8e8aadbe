package engine

import (
	"insolite/context/store"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// Outcome is what became of an event in a rule.
type Outcome uint8

// The outcomes.
const (
	NotEvaluated     Outcome = iota // the rule's `where` did not hold
	NoKey                           // a field of group_by is missing
	Duplicate                       // its id was seen before
	NotFired                        // the condition is false
	InsufficientData                // the condition is unknown, because of a feature
	MissingField                    // the condition is unknown, because of a field
	Excepted                        // an exception holds
	Suppressed                      // an alert was emitted shortly before
	Fired                           // an alert
	Panicked                        // the rule was off for this record
	Waits                           // something of the rule waits, with this event or without
	Open                            // the condition holds, and an alert is open
)

var outcomeNames = [...]string{"not_evaluated", "no_key", "duplicate", "not_fired", "insufficient_data", "missing_field", "excepted", "suppressed", "fired", "panicked", "waits", "open"}

// String returns the outcome's name in output that machines read.
func (o Outcome) String() string { return outcomeNames[o] }

// verdict is an outcome with what belongs to it.
type verdict struct {
	outcome   Outcome
	exception int // Excepted: which
	held      int // Suppressed: how many were held back so far, this one included. Fired: how many since the alert before
}

// evaluate takes the event through one rule.
func (e *Engine) evaluate(r *rule) verdict {
	st := r.stream
	if st.state != open || r.where >= 0 && !st.ok[r.where] {
		return verdict{outcome: r.unseen()}
	}
	if r.Absence != nil {
		return e.arm(r)
	}
	if r.value != nil {
		return e.show(r)
	}
	if r.pursuit != nil {
		return e.pursue(r)
	}
	return e.judge(r)
}

// judge takes the event through the rule's condition, and all that comes behind it.
func (e *Engine) judge(r *rule) verdict {
	switch e.truth(r.condition) {
	case expr.False:
		e.lapse(r)
		return verdict{outcome: NotFired}
	case expr.Unknown:
		e.lapse(r)
		return e.unknown(r)
	}
	return e.hold(r)
}

// unknown counts an event for which the rule's condition is unknown.
func (e *Engine) unknown(r *rule) verdict {
	c := &e.count.Rules[r.index]
	if r.missesField(r.Condition, e.row) {
		c.MissingField++
		return verdict{outcome: MissingField}
	}
	c.InsufficientData++
	return verdict{outcome: InsufficientData}
}

// hold takes an event for which the rule's condition holds through its exceptions, and goes on.
func (e *Engine) hold(r *rule) verdict {
	for i, exception := range r.exceptions {
		if e.truth(exception) == expr.True {
			e.count.Rules[r.index].Excepted[i]++
			e.lapse(r)
			return verdict{outcome: Excepted, exception: i}
		}
	}
	if r.timers != nil {
		return e.uphold(r)
	}
	return e.tell(r)
}

// tell takes what the present event has shown through the rule's cool-down.
func (e *Engine) tell(r *rule) verdict {
	c, held := &e.count.Rules[r.index], 0
	if r.suppress != nil {
		var emit bool
		if emit, held = r.suppress.Emit(&r.stream.ctx, e.by(r), e.at); !emit {
			c.Suppressed++
			return verdict{outcome: Suppressed, held: held}
		}
	}
	e.occasion = e.present(held)
	if e.out != nil {
		e.ensure(r.reads)
		e.emit(r)
	}
	c.Alerts++
	return verdict{outcome: Fired, held: held}
}

// unseen tells why the rule is not evaluated.
func (r *rule) unseen() Outcome {
	switch r.stream.state {
	case noKey:
		return NoKey
	case duplicate:
		return Duplicate
	}
	return NotEvaluated
}

// by returns the hash of the values that refine a rule's suppression; a missing value is one of its own.
func (e *Engine) by(r *rule) uint64 {
	if len(r.Suppress.By) == 0 {
		return 0
	}
	b := e.scratch.id[:0]
	for _, s := range r.Suppress.By {
		b = event.AppendKeyPart(b, &e.row[s])
	}
	e.scratch.id = b
	return store.Hash(b)
}

// conclude notes a verdict for an explanation.
func (e *Engine) conclude(v verdict) {
	if e.explaining {
		e.verdicts, e.tales = append(e.verdicts, v), append(e.tales, e.told)
		e.told = tale{}
	}
}
