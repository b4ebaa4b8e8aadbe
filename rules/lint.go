package rules

import (
	"slices"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

const (
	longWindow  = 366 * 24 * time.Hour // beyond it, state is kept for longer than topics keep what it is rebuilt from
	recentKept  = 16                   // samples of first, last, delta and time_since; see package window
	panesShared = 60                   // a sliding window is that many panes long
)

// lint gives advice about a sound rule: what would make it silent, or loud, other than its author wants.
func (d *draft) lint() {
	if len(d.Tests) == 0 {
		d.head.Lintf("the rule has no tests; add tests: with events and the alerts to expect, so that a change cannot silence it unseen")
	}
	for name, e := range map[string]*expr.Expr{"condition": d.Condition, "where": d.Where} {
		if e != nil && len(e.Slots()) == 0 && d.m.Has(name) {
			d.m.Get(name).Lintf("%s is the same for every event; let it read a field or a feature", name)
		}
	}
	if n := d.m.Map("alert", "alert").Get("evidence"); n != nil && len(d.Features) == 0 && d.Alert.Evidence > 0 {
		n.Lintf("the rule has no features, so no event contributes but the one that it alerts for; remove evidence")
	}
	d.lintSuppress()
	used := d.slots()
	for _, f := range d.Features {
		key, m := d.feature(f.Name)
		if !slices.ContainsFunc(f.Read.Results, func(s event.Slot) bool { return slices.Contains(used, s) }) {
			key.Lintf("nothing reads the feature %q; use it in condition or in the alert's text, or remove it", f.Name)
		}
		if f.Read.Baseline != nil {
			lintBaseline(f.Read, m)
		} else {
			d.lintFeature(f.Read, key, m)
		}
	}
}

// feature returns the nodes of a feature: its name, and its definition.
func (d *draft) feature(name string) (*yamldoc.Node, *yamldoc.Map) {
	context := d.m.Map("context", "context")
	if i := slices.IndexFunc(d.Features, func(f *Feature) bool { return f.Name == name }); d.Features[i].Read.Baseline != nil {
		context = d.m.Map("baseline", "baseline")
	}
	return context.Key(name), context.Map(name, "a feature")
}

func (d *draft) lintFeature(r *Read, key *yamldoc.Node, m *yamldoc.Map) {
	if r.Window.Length > longWindow {
		m.Get("window").Lintf("a window of %s is longer than a year; state that old cannot be rebuilt from the topic, make it shorter or say forever", r.Window)
	}
	most := 0 // samples that there can be; 0: any number
	if r.Window.Kind == window.Events {
		most = r.Window.N
	}
	if r.Exact || r.Window.Kind == window.Exact {
		most = window.MaxRows
	}
	if r.Agg.Family() == window.Recent && (most == 0 || most > recentKept) {
		most = recentKept
	}
	if most > 0 && r.MinSamples > most {
		m.Get("min_samples").Lintf("%s over %s has at most %d samples, so it is never known; ask for no more", r.Agg, r.Window, most)
	}
	if !d.comparesItself(r) {
		return
	}
	if r.MinSamples == 0 && (r.Agg == window.AggAvg || r.Agg == window.AggStddev) {
		key.Lintf("%s of %s is known from the first events of a key, which say little of what is usual; add min_samples: 10", r.Agg, r.FieldNames[0])
	}
	if r.MinSamples == 0 && r.Agg == window.AggPercentile {
		key.Lintf("percentile %s of fewer than %d samples is the smallest or the largest of them; add min_samples: %d", r.P, r.P.Samples(), max(10, r.P.Samples()))
	}
	if r.ExcludeCurrent {
		return
	}
	switch r.Agg {
	case window.AggLast:
		key.Lintf("the last %s is the event's own, as long as events are in order; add exclude_current: true to see the one before", r.FieldNames[0])
	case window.AggAvg, window.AggStddev, window.AggPercentile:
		key.Lintf("%s of %s contains the event's own, which condition compares; add exclude_current: true to compare with the others", r.Agg, r.FieldNames[0])
	}
}

// comparesItself reports whether the condition reads a field and a feature of that field.
func (d *draft) comparesItself(r *Read) bool {
	slots := d.Condition.Slots()
	return slices.ContainsFunc(r.Fields, func(s event.Slot) bool { return slices.Contains(slots, s) }) &&
		slices.ContainsFunc(r.Results, func(s event.Slot) bool { return slices.Contains(slots, s) })
}

// lintSuppress finds what does not refine the key, and cool-downs that end when what was counted is still in the window to the last event.
func (d *draft) lintSuppress() {
	if d.Suppress == nil {
		return
	}
	for i, slot := range d.Suppress.By {
		if slices.Contains(d.GroupBy, slot) {
			n := d.m.Map("suppress", "suppress").Get("by").Strings()[i]
			n.Lintf("%s is part of the key, which is told apart anyway; leave it out", n.Text)
		}
	}
	if d.Suppress.Calendar != nil {
		return
	}
	for _, f := range d.Features {
		w, family := f.Read.Window, f.Read.Agg.Family()
		if f.Read.Baseline != nil || family != window.Count && family != window.Sum && family != window.Distinct || f.Read.Agg == window.AggAvg {
			continue
		}
		if w.Kind != window.Sliding && w.Kind != window.Exact {
			continue
		}
		if least := w.Length / panesShared; d.Suppress.For < least {
			d.m.Map("suppress", "suppress").Get("for").Lintf("%s is below a 60th of the window %s of %q, which then still holds what this alert rose from; suppress for longer",
				window.DurationText(d.Suppress.For), w, f.Name)
			return
		}
	}
}
