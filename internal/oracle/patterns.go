package oracle

import (
	"math"
	"slices"
	"strings"
	"time"
)

// NewValue is the trigger of a rule that tells of values which a key has not shown before.
type NewValue struct {
	Fields            []string
	History, Learning time.Duration
}

// Sequence is the trigger of a rule that tells of events which follow each other.
type Sequence struct {
	Within    time.Duration
	Unordered bool
	Steps     []Step
}

// Step is a step of a sequence, or what must not come between two.
type Step struct {
	Not    bool
	Source string // empty: the rule's
	Where  *Expr  // nil: every event
	Times  int
	As     string // empty: it is not named
}

// Patterns holds mutations of the definitions of new_value and sequence.
type Patterns struct {
	HistoryPanes   int  // for so many panes before that of t a value is known; 0: 60
	LearningStrict bool // a key learns when it is watched for ≤ instead of < the time
	Values         int  // so many are remembered; 0: 64
	WithinStrict   bool // the last event lies < instead of ≤ within after the first
	StepStrict     bool // a step lies > instead of ≥ the step before
	Matches        int  // so many are open; 0: 8
	OldestAlways   bool // the oldest match gives way, whether or not another has caught up
	NotLast        bool // an event that takes a match further is not forbidden
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// values is what a rule remembers of a key: the values with the highest pane in which each was shown, in the order in which they became new.
type values struct {
	list  []shownValue
	since int64
}

type shownValue struct {
	value string
	pane  int64
}

// isNew notes the value that the event shows, and tells whether it is new to a key that is known for long enough.
func (e *evaluation) isNew(rule *Rule, key string, r *row) bool {
	n, o := rule.NewValue, e.options.Patterns
	value := ""
	for _, name := range n.Fields {
		v := r.value(name)
		if !v.Known() {
			e.result.Unknown++
			return false
		}
		value += v.JSON() + "\x00"
	}
	id := rule.ID + "\x00" + key
	if e.shown[id] == nil {
		e.shown[id] = &values{}
	}
	kept := e.shown[id]
	ms := (int64(n.History) + 59) / 60
	step := (ms + 999_999) / 1_000_000 * 1_000_000
	pane := floorDiv(r.at, step)
	remembered := func(v shownValue) bool { return v.pane >= pane-int64(or(o.HistoryPanes, 60)) }
	if !slices.ContainsFunc(kept.list, remembered) {
		kept.since = r.at
	}
	at := slices.IndexFunc(kept.list, func(v shownValue) bool { return v.value == value })
	if at >= 0 && remembered(kept.list[at]) {
		kept.list[at].pane = max(kept.list[at].pane, pane)
		return false
	}
	if at >= 0 {
		kept.list = slices.Delete(kept.list, at, at+1)
	}
	if len(kept.list) == or(o.Values, 64) {
		oldest := 0
		for i, v := range kept.list {
			if v.pane < kept.list[oldest].pane {
				oldest = i
			}
		}
		kept.list = slices.Delete(kept.list, oldest, oldest+1)
	}
	kept.list = append(kept.list, shownValue{value, pane})
	if age := r.at - kept.since; age < int64(n.Learning) || o.LearningStrict && age == int64(n.Learning) {
		e.result.Unknown++
		return false
	}
	return true
}

// reads reports whether a step of the rule's sequence is of a source's events, forbidden ones included.
func (j *Job) reads(r *Rule, s *Source) bool {
	return r.Sequence != nil && slices.ContainsFunc(r.Sequence.Steps, func(x Step) bool { return j.stepSource(r, &x) == s })
}

func (j *Job) stepSource(r *Rule, s *Step) *Source {
	if s.Source != "" {
		return j.of(s.Source)
	}
	return j.of(r.Source)
}

// fits reports whether an event is what a step asks for: of the rule's own source, its where holds, too.
func (e *evaluation) fits(rule *Rule, s *Step, r *row) bool {
	if e.job.stepSource(rule, s) != r.source || e.job.of(rule.Source) == r.source && !rule.Where.holds(r.value, e.options) {
		return false
	}
	return s.Where.holds(r.value, e.options)
}

// search is what is known of a rule's sequence in a key.
type search struct {
	fitting [][]*row // by step: the events that fit it, the last ones
	open    []*match
}

// match is a sequence that has begun.
type match struct {
	step, have      int // the step that it waits for, and how many of its events have come
	start, end, top int64
	events          []*row
	named           map[string]*row
}

// follow takes the event to the rule's sequence, and returns the match that it completes, or nil.
func (e *evaluation) follow(rule *Rule, key string, r *row) *match {
	id := rule.ID + "\x00" + key
	if e.searches[id] == nil {
		e.searches[id] = &search{}
	}
	s := e.searches[id]
	q := rule.Sequence
	var steps []*Step
	bars := map[int][]*Step{} // by the step behind them
	for i := range q.Steps {
		if x := &q.Steps[i]; x.Not {
			bars[len(steps)] = append(bars[len(steps)], x)
		} else {
			steps = append(steps, x)
		}
	}
	if s.fitting == nil {
		s.fitting = make([][]*row, len(steps))
	}
	var found *match
	if q.Unordered {
		found = e.gathered(rule, steps, s, r)
	} else {
		found = e.inOrder(rule, steps, bars, s, r)
	}
	if found != nil {
		e.searches[id] = nil
	}
	return found
}

// inOrder takes every open match further, the oldest first, and then lets the event open one.
func (e *evaluation) inOrder(rule *Rule, steps []*Step, bars map[int][]*Step, s *search, r *row) *match {
	o, within := e.options.Patterns, int64(rule.Sequence.Within)
	for _, m := range slices.Clone(s.open) {
		if r.at < m.end || o.StepStrict && r.at == m.end {
			continue
		}
		fits := e.fits(rule, steps[m.step], r)
		if slices.ContainsFunc(bars[m.step], func(x *Step) bool { return e.fits(rule, x, r) }) && !(o.NotLast && fits) {
			s.open = slices.DeleteFunc(s.open, func(x *match) bool { return x == m })
			continue
		}
		if !fits || r.at-m.start > within || o.WithinStrict && r.at-m.start == within {
			continue
		}
		m.events, m.top = append(m.events, r), max(m.top, r.at)
		if m.have++; m.have < steps[m.step].Times {
			continue
		}
		m.named[steps[m.step].As] = r
		m.end, m.have = m.top, 0
		if m.step++; m.step == len(steps) {
			return m
		}
	}
	if !e.fits(rule, steps[0], r) {
		return nil
	}
	s.fitting[0] = append(s.fitting[0], r)
	last := s.fitting[0][max(0, len(s.fitting[0])-steps[0].Times):]
	m := begun(last)
	if len(last) < steps[0].Times || m.top-m.start > within || o.WithinStrict && m.top-m.start == within && len(last) > 1 {
		return nil
	}
	if m.named[steps[0].As] = r; len(steps) == 1 {
		return m
	}
	m.step = 1
	if s.open = append(s.open, m); len(s.open) > or(o.Matches, 8) {
		loser := e.loser(s.open, r.at, within)
		s.open = slices.Delete(s.open, loser, loser+1)
	}
	return nil
}

// begun is a match of some events.
func begun(events []*row) *match {
	m := &match{start: math.MaxInt64, top: math.MinInt64, events: slices.Clone(events), named: map[string]*row{}}
	for _, r := range events {
		m.start, m.top = min(m.start, r.at), max(m.top, r.at)
	}
	m.end = m.top
	return m
}

// loser is the match that gives way to the last one: one that is too old, one with which another has caught up, or the oldest.
func (e *evaluation) loser(open []*match, at, within int64) int {
	if i := slices.IndexFunc(open, func(m *match) bool { return at-m.start > within }); i >= 0 {
		return i
	}
	for i, m := range open {
		behind := func(x *match) bool { return x.step > m.step || x.step == m.step && x.have >= m.have }
		if !e.options.Patterns.OldestAlways && slices.ContainsFunc(open[i+1:], behind) {
			return i
		}
	}
	return 0
}

// gathered gives the event to the first step that it fits; there is a match when the last events of all steps lie near each other.
func (e *evaluation) gathered(rule *Rule, steps []*Step, s *search, r *row) *match {
	mine := slices.IndexFunc(steps, func(x *Step) bool { return e.fits(rule, x, r) })
	if mine < 0 {
		return nil
	}
	s.fitting[mine] = append(s.fitting[mine], r)
	var all []*row
	named := map[string]*row{}
	for i, x := range steps {
		n := len(s.fitting[i])
		if n < x.Times {
			return nil
		}
		all = append(all, s.fitting[i][n-x.Times:]...)
		named[x.As] = s.fitting[i][n-1]
	}
	m := begun(all)
	if span := m.top - m.start; span > int64(rule.Sequence.Within) || e.options.Patterns.WithinStrict && span == int64(rule.Sequence.Within) {
		return nil
	}
	m.named = named
	m.events = slices.DeleteFunc(m.events, func(x *row) bool { return x == r })
	slices.SortStableFunc(m.events, func(a, b *row) int { return int(max(-1, min(1, a.at-b.at))) })
	m.events = append(m.events, r)
	return m
}

// evidence is the last events before the one that completed the match, by the lines of the log.
func (m *match) evidence() []int {
	var lines []int
	for _, r := range m.events[:len(m.events)-1] {
		lines = append(lines, r.offset)
	}
	return lines[max(0, len(lines)-16):]
}

// peek reads the features of a rule for an event of another source.
func (e *evaluation) peek(rule *Rule, r *row, readings map[string]Reading) {
	key, _ := keyOf(strings.Split(spaceOf(rule.GroupBy), ","), r)
	for i := range rule.Features {
		f := &rule.Features[i]
		seen := e.samples[f.id(rule, key)]
		switch f.Agg {
		case "first", "last", "delta", "time_since":
			f.readKept(f.Window.kept(seen, r.at, e.options), r.at, readings)
		default:
			whole := f.folded(seen, r.at, e.options)
			f.put(readings, f.Name, whole.value(e.job.samplesOf(rule, f).kindOf(f.Field), e.options), whole.n)
		}
	}
}

// triggers reports whether the rule's trigger lets the event come to the condition, and gives the names that this may use.
func (e *evaluation) triggers(rule *Rule, key string, r *row, readings map[string]Reading) (names env, m *match, ok bool) {
	names = func(name string) Value {
		if reading, found := readings[name]; found {
			return reading.Value
		}
		if alias, field, dotted := strings.Cut(name, "."); dotted && m != nil {
			if x := m.named[alias]; x != nil {
				return x.value(field)
			}
		}
		return r.value(name)
	}
	switch {
	case rule.NewValue != nil:
		return names, nil, e.isNew(rule, key, r)
	case rule.Sequence != nil:
		if m = e.follow(rule, key, r); m == nil {
			return names, nil, false
		}
		if e.job.of(rule.Source) != r.source {
			e.peek(rule, r, readings)
		}
		return names, m, true
	}
	return names, nil, true
}

// Shown are the fields of named events that alerts show.
var Shown = []string{"item", "qty", "flag", "addr"}

// values returns the fields Shown of the named events, by step.
func (m *match) values(rule *Rule) (all []Value) {
	for _, s := range rule.Sequence.Steps {
		if s.As == "" {
			continue
		}
		for _, name := range Shown {
			all = append(all, m.named[s.As].value(name))
		}
	}
	return all
}

// pattern tells what a rule with new_value or a sequence finds.
func (e *evaluation) pattern(rule *Rule, way []place, key string, r *row, readings map[string]Reading, behind bool) {
	names, m, ok := e.triggers(rule, key, r, readings)
	if !ok {
		return
	}
	verdict := boolean(true)
	if rule.Condition != nil {
		verdict = rule.Condition.eval(names, e.options)
	}
	if !verdict.Known() {
		e.result.Unknown++
	}
	if verdict != boolean(true) {
		return
	}
	if slices.ContainsFunc(rule.Exceptions, func(x Exception) bool { return x.Where.holds(r.value, e.options) }) {
		e.result.Silenced++
		return
	}
	if f := e.find(rule, way, key, r, readings, behind); f != nil && m != nil {
		f.Evidence, f.Named = m.evidence(), m.values(rule)
	}
}
