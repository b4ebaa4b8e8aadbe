package oracle

import (
	"cmp"
	"slices"
	"time"
)

const (
	panesBack = 60   // a sliding window is the pane of t and so many before it
	rowsMax   = 1024 // rows kept for an exact window
	keptMax   = 16   // samples kept for first, last, delta, time_since
)

// folded computes count, sum, avg, stddev, min, max, distinct_count or percentile of the samples that the window of t holds. The samples are in
// log order.
func (f *Feature) folded(samples []sample, t int64, o Options) *fold {
	w, agg := f.Window, f.Agg
	whole := newFold(agg)
	whole.exact = f.Exact || w.Kind == "exact"
	whole.p = f.P
	if f.Exact && w.Kind != "events" {
		samples = byTime(samples)
		samples = samples[max(0, len(samples)-rowsMax):]
	}
	if w.Kind == "session" {
		for _, s := range joined(sessions(agg, samples, int64(w.Span), o), t, int64(w.Span), o) {
			whole.merge(s.fold)
		}
		return whole
	}
	for _, pane := range w.panes(samples, t, o) {
		part := newFold(agg)
		for _, s := range pane {
			part.add(s)
		}
		whole.merge(part)
	}
	return whole
}

// panes returns the window's panes from old to new, each with its samples in the order in which they are added.
func (w Window) panes(samples []sample, t int64, o Options) [][]sample {
	switch w.Kind {
	case "sliding":
		step := w.step()
		byPane := map[int64][]sample{}
		for _, s := range samples {
			if w.inPanes(s.at, t, o) {
				p := floorDiv(s.at, step)
				byPane[p] = append(byPane[p], s)
			}
		}
		return ordered(byPane)
	case "exact":
		rows := byTime(samples)
		rows = rows[max(0, len(rows)-rowsMax):]
		return [][]sample{keep(rows, func(s sample) bool { return s.at > t-int64(w.Span) && s.at <= t })}
	case "calendar":
		b := o.zones.bucket(t, w.Unit, w.Zone)
		return [][]sample{keep(samples, func(s sample) bool { return s.bucket == b })}
	case "events":
		return [][]sample{samples[max(0, len(samples)-w.N):]}
	}
	return [][]sample{samples} // forever
}

// step is the length of a pane: a sixtieth of the window, rounded up to whole milliseconds.
func (w Window) step() int64 {
	const unit = 60 * int64(time.Millisecond)
	return (int64(w.Span) + unit - 1) / unit * int64(time.Millisecond)
}

// inPanes reports whether the pane of at is one of the panes of t's window.
func (w Window) inPanes(at, t int64, o Options) bool {
	p, now := floorDiv(at, w.step()), floorDiv(t, w.step())
	back := int64(panesBack)
	if o.Panes > 0 {
		back = int64(o.Panes)
	}
	return p >= now-back && p <= now
}

// kept returns the samples that first, last, delta and time_since choose from, by (time, log order): of the sixteen that are kept, those
// in the window and not after t.
func (w Window) kept(samples []sample, t int64, o Options) []sample {
	if w.Kind == "events" {
		samples = samples[max(0, len(samples)-min(w.N, keptMax)):]
		return keep(byTime(samples), func(s sample) bool { return s.at <= t })
	}
	rows := byTime(samples)
	rows = keep(rows[max(0, len(rows)-keptMax):], func(s sample) bool { return s.at <= t })
	switch w.Kind {
	case "sliding":
		return keep(rows, func(s sample) bool { return w.inPanes(s.at, t, o) })
	case "exact":
		return keep(rows, func(s sample) bool { return s.at > t-int64(w.Span) })
	case "calendar":
		b := o.zones.bucket(t, w.Unit, w.Zone)
		return keep(rows, func(s sample) bool { return s.bucket == b })
	case "session":
		first, next := len(rows), t
		for first > 0 && near(rows[first-1].at, next, int64(w.Span), o) {
			first--
			next = rows[first].at
		}
		return rows[first:]
	}
	return rows // forever
}

// session is a run of samples in which no gap is longer than allowed.
type session struct {
	start, end int64
	fold       *fold
}

// sessions grows the sessions in log order: a sample joins what it touches; two that it touches become one, older before newer, and then
// the sample is added.
func sessions(agg string, samples []sample, gap int64, o Options) []*session {
	var open []*session
	for _, s := range samples {
		touched := joined(open, s.at, gap, o)
		grown := &session{start: s.at, end: s.at, fold: newFold(agg)}
		for _, old := range touched {
			grown.start, grown.end = min(grown.start, old.start), max(grown.end, old.end)
			grown.fold.merge(old.fold)
		}
		grown.fold.add(s)
		open = slices.DeleteFunc(open, func(x *session) bool { return slices.Contains(touched, x) })
		open = append(open, grown)
		slices.SortFunc(open, func(a, b *session) int { return cmp.Compare(a.start, b.start) })
	}
	return open
}

// joined returns the sessions that an event at t belongs to, from old to new.
func joined(open []*session, t, gap int64, o Options) []*session {
	var touched []*session
	for _, s := range open {
		if near(t, s.start, gap, o) && near(s.end, t, gap, o) {
			touched = append(touched, s)
		}
	}
	return touched
}

// near reports whether b comes at most gap after a (or before it, at any distance).
func near(a, b, gap int64, o Options) bool {
	if o.SessionStrict {
		return b-a < gap
	}
	return b-a <= gap
}

// byTime sorts by (time, log order).
func byTime(samples []sample) []sample {
	rows := slices.Clone(samples)
	slices.SortStableFunc(rows, func(a, b sample) int { return cmp.Compare(a.at, b.at) })
	return rows
}

func keep(samples []sample, in func(sample) bool) []sample {
	var kept []sample
	for _, s := range samples {
		if in(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

func ordered(byPane map[int64][]sample) [][]sample {
	var numbers []int64
	for p := range byPane {
		numbers = append(numbers, p)
	}
	slices.Sort(numbers)
	var panes [][]sample
	for _, p := range numbers {
		panes = append(panes, byPane[p])
	}
	return panes
}
