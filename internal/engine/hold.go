package engine

import (
	"encoding/hex"
	"slices"
	"time"

	"insolite/context/store"
	"insolite/internal/event"
)

// A rule with `for` or `keep_firing_for` keeps one timer for each run: the time in which its condition holds. A run begins with an event for which
// the condition holds, and is due once it has lasted for `for`; then its alert is open. Without keep_firing_for it ends, silently, with the next
// event for which the condition does not hold; with it, so long after it held last. Several runs wait only as long as the watermark has not
// passed the first one's deadline. Their mark is the latest event for which the condition did not hold.

// openMax is how long an alert stays open without keep_firing_for when the key has fallen silent: contexts do not stay for ever.
const openMax = 7 * 24 * time.Hour

// States of alerts.
const (
	firing   = "firing"
	resolved = "resolved"
)

// matures is when a run has lasted long enough.
func (r *rule) matures(t *store.Timer) event.Time { return t.Since.Add(r.For) }

// closes is until when an event belongs to a run, as far as is known.
func (r *rule) closes(t *store.Timer) event.Time {
	last := max(t.Last, r.matures(t))
	if r.KeepFiring > 0 {
		return last.Add(r.KeepFiring)
	}
	return min(last.Add(openMax), t.End-1)
}

// uphold notes that the condition holds for the present event.
func (e *Engine) uphold(r *rule) verdict {
	all := e.timersOf(r)
	i := lastBefore(all, e.at)
	if i >= 0 && e.at <= r.closes(&all[i]) {
		return e.prolong(r, all, i)
	}
	if i < len(all)-1 {
		return verdict{outcome: Waits} // between runs, or before them
	}
	run := store.Timer{Since: e.at, Last: e.at, End: event.Never, CarriedAt: e.at}
	run.Deadline = r.matures(&run)
	failed := r.timers.Mark(&r.stream.ctx)
	if e.at < failed && failed <= run.Deadline && r.For > 0 {
		return verdict{outcome: Waits}
	}
	if e.at < failed {
		run.End = failed
	}
	if i >= 0 && all[i].Deadline == event.Never { // it ended when the key fell silent
		all = slices.Delete(all, i, i+1)
		e.wait(r, &r.stream.ctx, all)
		all = e.timersOf(r)
	}
	if len(all) == store.TimersMax {
		r.timers.Drop()
		return verdict{outcome: Waits}
	}
	e.count.Rules[r.index].Armed++
	if r.For == 0 {
		return e.openNow(r, run)
	}
	run.Carried = store.Origin{Seen: e.seen(), Row: e.carry(r)}
	e.wait(r, &r.stream.ctx, append(all, run))
	return verdict{outcome: Waits}
}

// lastBefore returns the run that began last up to an instant; -1: none.
func lastBefore(all []store.Timer, at event.Time) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Since <= at {
			return i
		}
	}
	return -1
}

// openNow begins a run that needs not last.
func (e *Engine) openNow(r *rule, run store.Timer) verdict {
	v := e.tell(r)
	run.Fired, run.Deadline = true, r.closes(&run)
	if v.outcome == Fired {
		o := e.origin(r)
		run.Alert = joined(&o)
		run.Carried = store.Origin{Seen: e.seen(), Row: e.carry(r)}
	}
	e.wait(r, &r.stream.ctx, append(e.timersOf(r), run)) // the cool-down may have moved the context
	return v
}

// prolong notes that the condition still holds in a run.
func (e *Engine) prolong(r *rule, all []store.Timer, i int) verdict {
	t := &all[i]
	newest := e.at >= t.Last
	t.Last = max(t.Last, e.at)
	outcome := Waits
	carries := !t.Fired && e.at <= t.Deadline && e.at >= t.CarriedAt
	if t.Fired {
		outcome = Open
		carries = newest && t.Alert != [16]byte{} && r.KeepFiring > 0
	}
	switch {
	case carries:
		t.Carried, t.CarriedAt = store.Origin{Seen: e.seen(), Row: e.carry(r)}, e.at
	case !t.Fired && newest && r.KeepFiring > 0:
		t.Newest = store.Origin{Seen: e.seen(), Row: e.carry(r)}
	}
	if t.Fired && r.KeepFiring > 0 {
		t.Deadline = r.closes(t)
	}
	e.wait(r, &r.stream.ctx, all)
	return verdict{outcome: outcome}
}

// lapse notes that the condition does not hold for the present event.
func (e *Engine) lapse(r *rule) {
	if r.timers == nil {
		return
	}
	x := &r.stream.ctx
	if e.at > r.timers.Mark(x) {
		r.timers.SetMark(x, e.at)
	}
	all := e.timersOf(r)
	i := lastBefore(all, e.at)
	if i < 0 {
		return
	}
	switch t := &all[i]; {
	case e.at >= t.End:
		return
	case !t.Fired && e.at <= t.Deadline, t.Fired && r.KeepFiring == 0:
		all = slices.Delete(all, i, i+1)
	case !t.Fired && r.KeepFiring == 0:
		t.End = e.at
	default:
		return
	}
	e.wait(r, x, all)
}

// fireRuns fires the runs that are due: those that have lasted long enough, and those whose alerts close.
func (e *Engine) fireRuns(r *rule, at event.Time) {
	for {
		all := e.timersOf(r)
		i := slices.IndexFunc(all, func(t store.Timer) bool { return t.Deadline == at })
		if i < 0 {
			return
		}
		if all[i].Fired {
			e.closeRun(r, all, i)
		} else {
			e.openRun(r, all, i)
		}
	}
}

// openRun raises the alert of a run that has lasted long enough. The run is open even if the rule panics.
func (e *Engine) openRun(r *rule, all []store.Timer, i int) {
	x := &r.stream.ctx
	t := &all[i]
	e.recall(r, &t.Carried)
	t.Fired, t.Deadline = true, event.Never
	if len(t.Newest.Row) > 0 {
		t.Carried, t.CarriedAt = t.Newest, t.Last
	}
	t.Newest = store.Origin{}
	if r.KeepFiring == 0 {
		t.Carried = store.Origin{}
	} else {
		t.Deadline = r.closes(t)
	}
	ended := t.End != event.Never && r.KeepFiring == 0
	if ended {
		all = slices.Delete(all, i, i+1)
	}
	e.wait(r, x, all)
	e.phase = phaseRules
	emitted := e.raise(r)
	e.phase = phaseState
	if emitted && !ended {
		o := e.origin(r)
		all = e.timersOf(r)
		all[i].Alert = joined(&o)
		e.wait(r, x, all)
	}
}

// closeRun tells that the alert of a run is resolved, if there was one.
func (e *Engine) closeRun(r *rule, all []store.Timer, i int) {
	t := all[i]
	if t.Alert != [16]byte{} {
		e.recall(r, &t.Carried)
		e.occasion.state, e.occasion.joins = resolved, hex.EncodeToString(t.Alert[:])
	}
	e.wait(r, &r.stream.ctx, slices.Delete(all, i, i+1))
	if t.Alert == [16]byte{} {
		return
	}
	e.count.Rules[r.index].Resolved++
	if e.out != nil {
		e.phase = phaseRules
		e.emit(r)
	}
}
