package engine

import (
	"slices"

	"insolite/context/store"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// A rule with an absence keeps one timer for each wait, and as their mark the latest event that has ended waits: by log order an event may come
// behind one that ends its wait.

// cancel is a rule whose waits the events of a stream end.
type cancel struct {
	rule  *rule
	where int // in stream.ok; -1: every event
}

// cancel lets the present event end waits.
func (e *Engine) cancel() {
	for _, st := range e.source.streams {
		if st.state != open {
			continue
		}
		for _, c := range st.cancels {
			if c.where < 0 || st.ok[c.where] {
				e.endWaits(c.rule, &st.ctx)
			}
		}
	}
}

// endWaits ends the waits of a rule in which the present event lies, the deadline included.
func (e *Engine) endWaits(r *rule, x *store.Ctx) {
	if e.at > r.timers.Mark(x) {
		r.timers.SetMark(x, e.at)
	}
	all := e.timersAt(r, x)
	if left := slices.DeleteFunc(all, e.within); len(left) < len(all) {
		e.wait(r, x, left)
	}
}

// within reports whether the present event lies in a wait.
func (e *Engine) within(t store.Timer) bool { return t.Since <= e.at && e.at <= t.Deadline }

// arm begins a wait with the present event, unless it is known already that it will not last, or another one stands for it.
func (e *Engine) arm(r *rule) verdict {
	x := &r.stream.ctx
	deadline := e.at.Add(r.Absence.Within)
	all := e.timersOf(r)
	n := len(all)
	stands := false
	if r.Absence.First {
		stands = slices.ContainsFunc(all, func(t store.Timer) bool { return t.Since <= deadline && e.at <= t.Deadline })
	} else {
		all = slices.DeleteFunc(all, e.within)
		stands = slices.ContainsFunc(all, func(t store.Timer) bool { return e.at < t.Since && t.Since <= deadline })
	}
	ended := r.timers.Mark(x)
	outcome := NotFired
	switch {
	case stands:
		outcome = Waits
	case e.at < ended && ended <= deadline:
	case len(all) == store.TimersMax:
		r.timers.Drop()
	default:
		e.count.Rules[r.index].Armed++
		all = append(all, store.Timer{Deadline: deadline, Since: e.at, Last: e.at, End: event.Never, CarriedAt: e.at, Carried: store.Origin{Seen: e.seen(), Row: e.carry(r)}})
		e.wait(r, x, all)
		if e.explaining {
			e.told = tale{text: "it waits", short: true}
		}
		return verdict{outcome: Waits}
	}
	if len(all) < n {
		e.wait(r, x, all)
	}
	if e.explaining {
		e.told = e.tellArm(r, stands)
	}
	return verdict{outcome: outcome}
}

// tellArm tells why an event begins no wait.
func (e *Engine) tellArm(r *rule, stands bool) tale {
	if stands {
		return tale{text: "another event of the key waits in its place", short: true}
	}
	return tale{text: "what it would wait for has come already, or as much waits as is possible", short: true}
}

// absent fires the wait that is over.
func (e *Engine) absent(r *rule, at event.Time) {
	x := &r.stream.ctx
	all := e.timersOf(r)
	i := slices.IndexFunc(all, func(t store.Timer) bool { return t.Deadline == at })
	e.recall(r, &all[i].Carried)
	e.wait(r, x, slices.Delete(all, i, i+1))
	e.ensure(r.again)
	for i, local := range r.local {
		if r.rereads(r.Features[i].Read) {
			e.recalled[i] = local.stream.space.readings[local.index]
		}
	}
	e.phase = phaseRules
	switch r.Condition.Truth(e.row) {
	case expr.False:
		return
	case expr.Unknown:
		e.unknown(r)
		return
	}
	if !e.excepted(r) {
		e.raise(r)
	}
}

// excepted reports whether an exception silences the rule, for the row as it stands.
func (e *Engine) excepted(r *rule) bool {
	for i, x := range r.Exceptions {
		if x.Where.Truth(e.row) == expr.True {
			e.count.Rules[r.index].Excepted[i]++
			return true
		}
	}
	return false
}

// raise takes what a timer has found through the rule's cool-down, and reports whether it became an alert.
func (e *Engine) raise(r *rule) bool {
	c := &e.count.Rules[r.index]
	if r.suppress != nil {
		emit, held := r.suppress.Emit(&r.stream.ctx, e.by(r), e.at)
		if e.occasion.held = held; !emit {
			c.Suppressed++
			return false
		}
	}
	if e.out != nil {
		e.emit(r)
	}
	c.Alerts++
	return true
}
