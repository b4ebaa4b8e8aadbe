package oracle

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"
)

// Absence makes a rule tell of events that none of another kind follows in time. Its condition, if there is one, is asked when that is over.
type Absence struct {
	Of       string // the source whose events end a wait
	Where    *Expr  // nil: every one of them
	Within   time.Duration
	CancelOn string // a source whose events all end it; empty: none
	First    bool   // an event begins a wait only when none of its key waits; else it begins it anew
}

const (
	waitsMax = 4                  // of a rule and key
	openMax  = 7 * 24 * time.Hour // how long an alert without keep_firing_for stays open when its key is silent
	never    = math.MaxInt64
)

// wait is something that is due at an instant: what an absence waits for, or the time in which a condition holds.
type wait struct {
	since    int64
	deadline int64 // never: nothing is due
	last     int64 // time of the newest event for which the condition held
	end      int64 // from when on it did not hold, beyond the deadline; never: it does
	open     bool  // the alert was due
	told     *Finding
	carried  moment // what the alert carries
	newest   moment // of last
}

// waitsMax is how many timers of a rule and key wait.
func (o Options) waitsMax() int {
	if o.OneMoreWaits {
		return waitsMax + 1
	}
	return waitsMax
}

// moment is an event with what the rule's features showed for it.
type moment struct {
	row      *row
	readings map[string]Reading
}

// waits is what waits for a rule and key, in the order of since.
type waits struct {
	rule  *Rule
	way   []place
	key   string
	order []byte
	ended []int64 // times of all events that ended waits, or for which the condition did not hold
	all   []*wait
}

func (r *Rule) timed() bool { return r.Absence != nil || r.For > 0 || r.Keep > 0 }

// ends returns the topics of the sources whose events end the rule's waits, and of which source an event is one.
func (j *Job) ends(r *Rule) []*Source {
	if r.Absence == nil {
		return nil
	}
	all := []*Source{j.of(r.Absence.Of)}
	if r.Absence.CancelOn != "" {
		all = append(all, j.of(r.Absence.CancelOn))
	}
	return all
}

// endedBy reports whether the event is one that ends the rule's waits of its key.
func (e *evaluation) endedBy(rule *Rule, r *row) bool {
	a := rule.Absence
	if a == nil {
		return false
	}
	return r.source == e.job.of(a.Of) && a.Where.holds(r.value, e.options) || a.CancelOn != "" && r.source == e.job.of(a.CancelOn)
}

// waitsOf returns what waits for a rule and the event's key.
func (e *evaluation) waitsOf(rule *Rule, way []place, r *row) *waits {
	space := strings.Split(way[len(way)-1].space, ",")
	id, _ := keyOf(space, r)
	id = rule.ID + "\x00" + id
	w := e.waiting[id]
	if w == nil {
		w = &waits{rule: rule, way: way}
		w.key, _ = keyOf(rule.GroupBy, r)
		for _, name := range space {
			w.order = append(w.order, r.value(name).keyBytes()...)
		}
		e.waiting[id] = w
	}
	return w
}

// cancel ends the waits of a rule in which an instant lies.
func (e *evaluation) cancel(w *waits, t int64) {
	w.ended = append(w.ended, t)
	w.all = slices.DeleteFunc(w.all, func(x *wait) bool {
		switch {
		case t < x.since:
			return false
		case e.options.LaterEnds:
			return true
		case e.options.WithinOpen:
			return t < x.deadline
		}
		return t <= x.deadline
	})
}

// latest is the newest of the events that ended something, whatever their order.
func (w *waits) latest() int64 {
	if len(w.ended) == 0 {
		return math.MinInt64
	}
	return slices.Max(w.ended)
}

// arm begins a wait at an event.
func (e *evaluation) arm(w *waits, m moment) {
	a, t := w.rule.Absence, m.row.at
	x := &wait{since: t, deadline: t + int64(a.Within), end: never, carried: m}
	if a.First {
		for _, y := range w.all {
			if y.since <= x.deadline && t <= y.deadline {
				return
			}
		}
	} else {
		w.all = slices.DeleteFunc(w.all, func(y *wait) bool { return y.since <= t && t <= y.deadline })
		for _, y := range w.all {
			if t < y.since && y.since <= x.deadline {
				return
			}
		}
	}
	if b := w.latest(); t < b && b <= x.deadline && !e.options.ForgetsEnds {
		return
	}
	if len(w.all) < e.options.waitsMax() {
		w.all = append(w.all, x)
	}
}

// until is the last instant at which an event belongs to a run.
func (w *waits) until(x *wait) int64 {
	last := max(x.last, x.since+int64(w.rule.For))
	if w.rule.Keep > 0 {
		return last + int64(w.rule.Keep)
	}
	return min(last+int64(openMax), x.end-1)
}

// run returns the last run that has begun at an instant, and whether another one begins later.
func (w *waits) run(t int64) (x *wait, later bool) {
	for _, y := range w.all {
		if y.since <= t {
			x, later = y, false
		} else {
			later = true
		}
	}
	return x, later
}

// held goes on with a run, or begins one. It reports whether an alert is due at once.
func (e *evaluation) held(w *waits, m moment) (x *wait, now bool) {
	t, rule := m.row.at, w.rule
	x, later := w.run(t)
	if x != nil && t <= w.until(x) && !(e.options.KeepOpen && w.rule.Keep > 0 && t == w.until(x)) {
		e.goOn(w, x, m)
		return nil, false
	}
	if later {
		return nil, false
	}
	failed := w.latest()
	y := &wait{since: t, last: t, deadline: t + int64(rule.For), end: never, carried: m}
	if t < failed {
		if rule.For > 0 && failed <= y.deadline {
			return nil, false
		}
		y.end = failed
	}
	if x != nil && x.deadline == never { // the key was silent for too long
		w.all = slices.DeleteFunc(w.all, func(z *wait) bool { return z == x })
	}
	if len(w.all) == e.options.waitsMax() {
		return nil, false
	}
	w.all = append(w.all, y)
	return y, rule.For == 0
}

func (e *evaluation) goOn(w *waits, x *wait, m moment) {
	t := m.row.at
	if t >= x.last {
		x.last, x.newest = t, m
		if x.open {
			x.carried = m
		}
	}
	if !x.open && t <= x.deadline && t >= x.carried.row.at {
		x.carried = m
	}
	if x.open && w.rule.Keep > 0 {
		x.deadline = w.until(x)
	}
}

// failed notes that the condition does not hold.
func (e *evaluation) failed(w *waits, t int64) {
	w.ended = append(w.ended, t)
	x, _ := w.run(t)
	if x == nil || t >= x.end {
		return
	}
	within := t <= x.deadline
	if e.options.ForOpen {
		within = t < x.deadline
	}
	switch {
	case !x.open && within, x.open && w.rule.Keep == 0:
		w.all = slices.DeleteFunc(w.all, func(y *wait) bool { return y == x })
	case !x.open && w.rule.Keep == 0:
		x.end = t
	}
}

// timeOf is the watermark of a task: of a stage, the least of those of the tasks that send to it.
func (e *evaluation) timeOf(topic string) int64 {
	if t, ok := e.watermarks[topic]; ok {
		return t
	}
	least := int64(never)
	for up := range e.upstreams[topic] {
		least = min(least, e.timeOf(up))
	}
	return least
}

// upstreams returns what sends to each stage.
func (j *Job) upstreams(ways [][]place) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for i, way := range ways {
		r := &j.Rules[i]
		from := j.of(r.Source).Topic
		for k, p := range way {
			if p.hop == 0 {
				continue
			}
			if all[p.topic] == nil {
				all[p.topic] = map[string]bool{}
			}
			all[p.topic][from] = true
			for n := range r.Features {
				if f := &r.Features[n]; f.Source != "" && f.space(r) == p.space {
					all[p.topic][j.of(f.Source).Topic] = true
				}
			}
			if k == len(way)-1 {
				for _, s := range j.ends(r) {
					all[p.topic][s.Topic] = true
				}
			}
			from = p.topic
		}
	}
	return all
}

// fire fires what is due in a task: deadlines before its watermark, in their order, then that of the rules and the keys.
func (e *evaluation) fire(topic string) {
	for {
		now := e.timeOf(topic)
		var first *waits
		var due *wait
		for _, w := range e.waiting {
			if w.way[len(w.way)-1].topic != topic {
				continue
			}
			for _, x := range w.all {
				if x.deadline == never || x.deadline > now || x.deadline == now && !e.options.DueAtWatermark {
					continue
				}
				if due == nil || x.deadline < due.deadline || x.deadline == due.deadline && e.before(w, first) {
					first, due = w, x
				}
			}
		}
		if due == nil {
			return
		}
		e.due(first, due)
	}
}

func (e *evaluation) before(a, b *waits) bool {
	i, k := e.index(a.rule), e.index(b.rule)
	return i < k || i == k && bytes.Compare(a.order, b.order) < 0
}

// due fires one wait.
func (e *evaluation) due(w *waits, x *wait) {
	rule, at := w.rule, x.deadline
	m := x.carried
	drop := func() { w.all = slices.DeleteFunc(w.all, func(y *wait) bool { return y == x }) }
	switch {
	case rule.Absence != nil:
		drop()
		m.readings = e.readAgain(w, m, at)
		if e.verdict(rule, m) {
			e.raise(w, m, at)
		}
	case x.open:
		drop()
		if x.told != nil {
			f := e.finding(w, m, at)
			f.State, f.FirstOffset, f.FirstAt = "resolved", x.told.Offset, x.told.At
			e.result.Findings = append(e.result.Findings, f)
		}
	default:
		x.open, x.deadline = true, never
		if x.told = e.raise(w, m, at); x.newest.row != nil {
			x.carried = x.newest
		}
		if rule.Keep > 0 {
			x.deadline = w.until(x)
		} else if x.end != never {
			drop()
		}
	}
}

// readAgain tells what the features of the rule's own key show at an instant; those of other keys stay as they were.
func (e *evaluation) readAgain(w *waits, m moment, at int64) map[string]Reading {
	readings := map[string]Reading{}
	for name, r := range m.readings {
		readings[name] = r
	}
	for i := range w.rule.Features {
		if f := &w.rule.Features[i]; len(f.By) == 0 {
			key, _ := keyOf(strings.Split(w.way[len(w.way)-1].space, ","), m.row)
			e.show(w.rule, f, e.samples[f.id(w.rule, key)], at, readings)
		}
	}
	return readings
}

// finding is an alert of a wait.
func (e *evaluation) finding(w *waits, m moment, at int64) Finding {
	return Finding{Rule: w.rule.ID, Offset: m.row.offset, At: at, State: "firing", FirstOffset: m.row.offset, FirstAt: at, Key: w.key, Features: m.readings}
}

// raise emits an alert of a wait, unless it is held back; then it returns nil.
func (e *evaluation) raise(w *waits, m moment, at int64) *Finding {
	now := *m.row
	now.at = at
	f := e.find(w.rule, w.way, w.key, &now, m.readings, false)
	if f == nil {
		return nil
	}
	told := *f
	return &told
}
