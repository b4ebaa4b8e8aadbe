package engine

import (
	"math"

	"insolite/alerts"
	"insolite/context/baseline"
	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules"
)

// baselineCost is what reading a baseline costs, as costs says it of other features.
const baselineCost = 16

// score is read for a baseline: what it says of the event's value, which it has not learned from yet.
func (e *Engine) score(st *stream, r *read) {
	v := &e.row[r.plan.Fields[0]]
	var values [baselineMembers]event.Value
	reading := r.baseline.Read(&st.ctx, r.plan.Baseline.Query, e.at, number(v))
	tell(&values, &reading, v)
	for i, slot := range r.plan.Results {
		e.row[slot] = values[i]
	}
	st.space.readings[r.index] = window.Reading{Samples: reading.Samples, From: reading.From, To: e.at}
}

// baselineMembers is how many values a baseline gives.
const baselineMembers = 6

// tell writes what a baseline says in the order of its members; what is NaN is missing.
func tell(dst *[baselineMembers]event.Value, r *baseline.Reading, value *event.Value) {
	*dst = [...]event.Value{
		event.NumberValue(number(value)), event.NumberValue(r.Expected), event.NumberValue(r.Lower), event.NumberValue(r.Upper),
		event.NumberValue(r.Score), event.NumberValue(r.P),
	}
}

// number is an int or a number as a number; NaN without a value.
func number(v *event.Value) float64 {
	switch v.Kind {
	case event.KindInt:
		return float64(v.Int())
	case event.KindNumber:
		return v.Float()
	}
	return math.NaN()
}

// lookAt tells what a feature is at an instant, without an event: of a baseline, what it expects.
func (r *read) lookAt(x *store.Ctx, at event.Time, values []event.Value) window.Reading {
	if r.baseline == nil {
		return r.cell.Read(x, r.query, at, values)
	}
	reading := r.baseline.Read(x, r.plan.Baseline.Query, at, math.NaN())
	var all [baselineMembers]event.Value
	tell(&all, &reading, &event.Value{})
	copy(values, all[:])
	return window.Reading{Samples: reading.Samples, From: reading.From, To: at}
}

// shown is a feature as alerts show it, without its value.
func shown(f *rules.Feature, span string, r window.Reading, at event.Time) alerts.Feature {
	a := alerts.Feature{Name: f.Name, Agg: f.Read.What(), P: f.Read.P, Window: span, Samples: r.Samples, From: r.From, To: r.To}
	if b := f.Read.Baseline; b != nil {
		a.Season = b.Spec.Hour(at)
	}
	return a
}
