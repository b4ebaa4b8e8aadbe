package engine

import (
	"cmp"
	"slices"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// A feature is read when the first clause of a condition asks for it, and those that are asked for least stand last: of most events no rule gets
// to its dear features. What excludes the event is read from a cell that has not absorbed it yet. Such a cell absorbs the event behind the
// rules, unless other features of it include the event: then both are as they are for all rules, and the former are read first.

// clause is a side of a condition that is an and, or all of it.
type clause struct {
	truth func(event.Row) expr.Truth
	needs []need
	cost  int
}

// need is a feature that a clause reads.
type need struct {
	read   *read
	strict event.Slot // one of its results without which the clause is unknown, so that what it needs else is not read; NoSlot: none
}

// costs says how much reading a feature costs, about.
var costs = [...]int{window.Count: 1, window.Sum: 1, window.Spread: 2, window.Extremes: 2, window.Recent: 4, window.Distinct: 4, window.Bins: 4}

// newClauses returns the clauses of a condition, those that cost little first.
func (s *source) newClauses(x *expr.Expr) []clause {
	var clauses []clause
	for _, c := range x.Clauses() {
		k := clause{truth: c.Truth}
		for _, slot := range c.Slots {
			if r := s.results[slot]; r != nil {
				k.add(r, slot, slices.Contains(c.Strict, slot))
			}
		}
		slices.SortStableFunc(k.needs, func(a, b need) int { return cmp.Compare(a.read.cost, b.read.cost) })
		if n := len(k.needs); n > 0 {
			k.needs[n-1].strict = event.NoSlot // nothing is spared behind it
		}
		clauses = append(clauses, k)
	}
	slices.SortStableFunc(clauses, func(a, b clause) int { return cmp.Compare(a.cost, b.cost) })
	return clauses
}

func (k *clause) add(r *read, slot event.Slot, strict bool) {
	i := slices.IndexFunc(k.needs, func(n need) bool { return n.read == r })
	if i < 0 {
		i = len(k.needs)
		k.needs = append(k.needs, need{read: r, strict: event.NoSlot})
		k.cost += r.cost
	}
	if strict {
		k.needs[i].strict = slot
	}
}

// truth evaluates a condition by its clauses: false when one of them is, else unknown when one is, else true.
func (e *Engine) truth(clauses []clause) expr.Truth {
	all, row := expr.True, e.row
next:
	for i := range clauses {
		c := &clauses[i]
		for j := range c.needs {
			n := &c.needs[j]
			if n.read.event != e.serial {
				e.read(n.read)
			}
			if n.strict != event.NoSlot && !row[n.strict].Known() {
				all = expr.Unknown
				continue next
			}
		}
		t := c.truth(row)
		if t == expr.False {
			return t
		}
		all = max(all, t)
	}
	return all
}

// ensure reads features that were not read for the present event.
func (e *Engine) ensure(reads []*read) {
	for _, r := range reads {
		if r.event != e.serial {
			e.read(r)
		}
	}
}

// ensureAll reads all features of the present event.
func (e *Engine) ensureAll() {
	for _, st := range e.source.streams {
		e.ensure(st.reads)
	}
}

// read fills the slots of a feature. One of a key that the event has not, or whose context did not take it, is unknown.
func (e *Engine) read(r *read) {
	phase := e.phase
	e.phase = phaseState // a panic in here is not of a rule
	r.event = e.serial
	st := r.stream
	switch {
	case st.state != open:
		for _, slot := range r.plan.Results {
			e.row[slot] = event.Value{}
		}
		st.space.readings[r.index] = window.Reading{}
	case r.baseline != nil:
		e.score(st, r)
	case r.from == r.to:
		e.scatter(st, r)
	default:
		dst := e.row[r.from:r.to]
		reading := r.cell.Read(&st.ctx, r.query, e.at, dst)
		st.space.readings[r.index] = reading
		e.settle(r, reading, dst)
	}
	e.phase = phase
}

// scatter is read for results that do not lie side by side.
func (e *Engine) scatter(st *stream, r *read) {
	values := e.scratch.values[:0]
	for range r.plan.Results {
		values = append(values, event.Value{})
	}
	e.scratch.values = values
	reading := r.cell.Read(&st.ctx, r.query, e.at, values)
	st.space.readings[r.index] = reading
	e.settle(r, reading, values)
	for i, slot := range r.plan.Results {
		e.row[slot] = values[i]
	}
}

// settle makes values of too few samples unknown, and copies text, which lies in a context that is going to change.
func (e *Engine) settle(r *read, reading window.Reading, dst []event.Value) {
	if reading.Samples < r.least {
		clear(dst)
	} else if r.strings {
		for i := range dst {
			if dst[i].Kind == event.KindString {
				dst[i].S = e.keep(dst[i].S)
			}
		}
	}
}
