package oracle

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Options holds mutations of the definitions. The zero Options is right.
type Options struct {
	Panes         int  // how many panes before that of t a sliding window has; 0: 60
	SessionStrict bool // a gap joins a session when it is < instead of ≤ the allowed one
	LateInclusive bool // an event is late when its time is ≤ instead of < the watermark
	SwapKleene    bool // an unknown operand of and is treated as or does, and the other way round
	RankFloor     bool // the rank of a percentile is rounded down instead of up
	CoarseBins    bool // eight bins to a power of two instead of sixteen

	ByBefore      bool // a feature of another key is read before the event is absorbed there
	WhereOfOthers bool // a rule's where is asked of the samples of another source, too

	DueAtWatermark bool // a deadline has passed when the watermark is there, and not only behind it
	WithinOpen     bool // an event at the deadline of an absence does not end the wait
	LaterEnds      bool // an event behind the deadline ends the wait as long as it has not fired
	ForgetsEnds    bool // an event begins a wait though what ends it has come before, with a later time
	ForOpen        bool // a condition that does not hold at the deadline comes too late
	KeepOpen       bool // an event at the end of keep_firing_for belongs to it no more
	OneMoreWaits   bool // five timers of a rule and key wait at most

	Patterns Patterns

	probe func(r *Rule, names env) // sees every evaluation before the condition; for the generator
	zones zones                    // of this evaluation
}

// Finding is one emitted alert.
type Finding struct {
	Rule   string
	Offset int    // the line of the event, from 0; of an alert by timer, of the one that it carries
	At     int64  // the time of the event, or the deadline
	State  string // firing or resolved
	// Of the first alert that this one belongs to: itself when it is firing.
	FirstOffset int
	FirstAt     int64
	Key         string             // the key as a JSON object in the order of group_by
	Features    map[string]Reading // by name, or name.member of a feature with several fields
	Suppressed  int                // held back since the emitted one before, of the same rule, key and by
	Evidence    []int              // of a sequence: the lines of its events before the last
	Named       []Value            // of a sequence: the fields Shown of its named events, by step
}

// Reading is what a feature showed for an event.
type Reading struct {
	Value   Value
	Samples int // in the window
}

// Result is all that a job finds in a log.
type Result struct {
	Findings   []Finding
	Late       int // events below the watermark
	Duplicates int // events that a keyspace refused, summed over keyspaces
	Skipped    int // events without a rule's key that come to its task, summed over rules
	Unsent     int // events without the key of rules behind a stage that want them, summed over stages
	Silenced   int // by exceptions
	HeldBack   int // by suppress
	Unknown    int // conditions that were neither true nor false
	Malformed  int // lines that are no event of the source
	Cells      Cells
}

// Evaluate finds what the job's rules find in the log.
func Evaluate(j Job, lines []string, o Options) Result {
	o.zones = zones{}
	e := &evaluation{job: &j, options: o, ids: map[string][]arrival{}, samples: map[string][]sample{}, emitted: map[string][]*memory{}, shown: map[string]*values{}, searches: map[string]*search{}, newest: map[string]int64{}, waiting: map[string]*waits{}, result: Result{Cells: Cells{}}}
	e.tasks = j.tasks()
	for i := range j.Rules {
		e.ways = append(e.ways, j.way(&j.Rules[i]))
	}
	e.watermarks, e.upstreams = map[string]int64{}, j.upstreams(e.ways)
	for _, t := range e.tasks {
		if t.hop == 0 {
			e.watermarks[t.topic] = math.MinInt64
		}
	}
	for offset, line := range lines {
		source := j.sourceOf(line)
		watermark, read := e.watermarks[source.Topic]
		if !read {
			continue
		}
		r, err := parseRow(source, offset, line)
		if err != nil {
			e.result.Malformed++
			continue
		}
		if r.at < watermark || o.LateInclusive && r.at == watermark {
			e.result.Late++
			continue
		}
		e.step(r)
	}
	return e.result
}

// lateness is the largest of the sources of a topic.
func (j *Job) lateness(topic string) (d time.Duration) {
	for _, s := range []*Source{&j.Source, j.Other} {
		if s != nil && s.Topic == topic {
			d = max(d, s.Lateness)
		}
	}
	return d
}

// arrival is a kept id.
type arrival struct {
	id string
	at int64
}

type evaluation struct {
	job      *Job
	tasks    []*task   // in which findings of one event are emitted
	ways     [][]place // by rule
	options  Options
	ids      map[string][]arrival // by task, keyspace, source and key, in order of arrival
	samples  map[string][]sample  // by rule, feature and key: all that was ever absorbed, in log order
	emitted  map[string][]*memory // by rule and key: one for each value of suppress.by, the last used last
	shown    map[string]*values   // by rule and key
	searches map[string]*search   // by rule and key
	newest   map[string]int64     // by rule and key: the highest event time absorbed

	waiting    map[string]*waits // by rule and key
	watermarks map[string]int64  // by topic of sources
	upstreams  map[string]map[string]bool
	result     Result
}

// step takes an event to each task in turn.
func (e *evaluation) step(r *row) {
	readings := make([]map[string]Reading, len(e.job.Rules))
	for i := range readings {
		readings[i] = map[string]Reading{}
	}
	for _, stages := range []bool{false, true} {
		for _, t := range e.tasks {
			if t.hop > 0 == stages && (stages || t.topic == r.source.Topic) {
				e.stepIn(t, r, readings)
			}
		}
		e.watermarks[r.source.Topic] = max(e.watermarks[r.source.Topic], r.at-int64(e.job.lateness(r.source.Topic)))
		for _, t := range e.tasks {
			if t.hop > 0 == stages {
				e.fire(t.topic)
			}
		}
	}
}

// stepIn takes an event to a task.
func (e *evaluation) stepIn(t *task, r *row, readings []map[string]Reading) {
	accepted := map[string]bool{}
	for _, space := range t.spaces {
		accepted[space] = e.visit(place{t.hop, t.topic, space}, r, readings)
	}
	here := func(way []place) bool {
		end := way[len(way)-1]
		return end.topic == t.topic && accepted[end.space]
	}
	for i, way := range e.ways {
		if rule := &e.job.Rules[i]; here(way) && e.endedBy(rule, r) {
			e.cancel(e.waitsOf(rule, way, r), r.at)
		}
	}
	for i, way := range e.ways {
		rule := &e.job.Rules[i]
		if own := e.job.of(rule.Source) == r.source; here(way) && (own && rule.Where.holds(r.value, e.options) || !own && e.job.reads(rule, r.source)) {
			e.evaluate(rule, way, r, readings[i])
		}
	}
}

// visit lets the features of a place absorb the event, and reads those of the rules that see it. It reports whether the event was accepted: it
// came there, has the key, and is no duplicate.
func (e *evaluation) visit(at place, r *row, readings []map[string]Reading) bool {
	var ending, passing, lent int // rules that end here, that go on from here, features of rules of the other source
	wanted := false
	e.each(at, r, func(rule *Rule, way []place) {
		if way[len(way)-1] == at {
			ending++
		} else {
			passing++
		}
		wanted = wanted || rule.Where.holds(r.value, e.options) || e.endedBy(rule, r)
	}, func(rule *Rule, f *Feature) {
		lent++
		wanted = wanted || f.Where.holds(r.value, e.options)
	})
	for i, way := range e.ways {
		if rule := &e.job.Rules[i]; way[len(way)-1] == at && slices.Contains(e.job.ends(rule), r.source) {
			lent++
			wanted = wanted || e.endedBy(rule, r)
		}
		rule := &e.job.Rules[i]
		if way[len(way)-1] == at && e.job.of(rule.Source) != r.source && e.job.reads(rule, r.source) {
			ending++
			wanted = wanted || slices.ContainsFunc(rule.Sequence.Steps, func(s Step) bool { return e.fits(rule, &s, r) })
		}
	}
	key, keyed := keyOf(strings.Split(at.space, ","), r)
	switch {
	case ending+passing+lent == 0:
		return false
	case at.hop > 0 && !wanted:
		return false
	case at.hop > 0 && !keyed && passing == 0:
		e.result.Unsent++
		return false
	case !keyed:
		e.result.Skipped += ending
		return false
	case e.seenBefore(at, key, r):
		return false
	}
	e.each(at, r, func(rule *Rule, way []place) {
		if !rule.Where.holds(r.value, e.options) {
			return
		}
		for i := range rule.Features {
			if f := &rule.Features[i]; f.space(rule) == at.space {
				e.read(rule, f, key, r, readings[e.index(rule)])
			}
		}
	}, func(rule *Rule, f *Feature) { e.absorb(rule, f, key, r) })
	return true
}

func (e *evaluation) index(rule *Rule) int {
	return slices.IndexFunc(e.job.Rules, func(x Rule) bool { return x.ID == rule.ID })
}

// each calls own for the rules of the event's source that come by a place, and lent for the features there, of rules of the other source, whose
// samples are the event's source's.
func (e *evaluation) each(at place, r *row, own func(*Rule, []place), lent func(*Rule, *Feature)) {
	for i, way := range e.ways {
		rule := &e.job.Rules[i]
		if !slices.Contains(way, at) {
			continue
		}
		if e.job.of(rule.Source) == r.source {
			own(rule, way)
		}
		for k := range rule.Features {
			if f := &rule.Features[k]; f.Source != "" && e.job.of(f.Source) == r.source && f.space(rule) == at.space {
				lent(rule, f)
			}
		}
	}
}

// seenBefore reports whether the keyspace keeps the event's id with a time near the event's, and keeps it if not. The last 64 ids of a
// source and key are kept.
func (e *evaluation) seenBefore(at place, key string, r *row) bool {
	d := r.source.Dedupe
	if d == nil || !r.value(d.ID).Known() {
		return false
	}
	id := string(r.value(d.ID).keyBytes())
	memory := strings.Join([]string{at.topic, at.space, r.source.Name, key}, "\x00")
	kept := e.ids[memory]
	for _, a := range kept {
		if a.id == id && max(a.at-r.at, r.at-a.at) < int64(d.For) {
			e.result.Duplicates++
			return true
		}
	}
	kept = append(kept, arrival{id, r.at})
	e.ids[memory] = kept[max(0, len(kept)-64):]
	return false
}

// evaluate tells what the rule finds.
func (e *evaluation) evaluate(rule *Rule, way []place, r *row, readings map[string]Reading) {
	key, _ := keyOf(rule.GroupBy, r)
	at, before := e.newest[rule.ID+"\x00"+key]
	behind := before && r.at < at
	if !behind {
		e.newest[rule.ID+"\x00"+key] = r.at
	}
	if rule.NewValue != nil || rule.Sequence != nil {
		e.pattern(rule, way, key, r, readings, behind)
		return
	}
	m := moment{r, readings}
	var w *waits
	if rule.timed() {
		w = e.waitsOf(rule, way, r)
	}
	if rule.Absence != nil {
		e.arm(w, m)
		return
	}
	if !e.verdict(rule, m) {
		if w != nil {
			e.failed(w, r.at)
		}
		return
	}
	var run *wait
	if w != nil {
		var now bool
		if run, now = e.held(w, m); !now {
			return
		}
		run.open, run.deadline = true, w.until(run)
	}
	if f := e.find(rule, way, key, r, readings, behind); f != nil && run != nil {
		told := *f
		run.told = &told
	}
}

// find notes what a rule finds at an event; nil: it is held back. It may be completed until the next one is found.
func (e *evaluation) find(rule *Rule, way []place, key string, r *row, readings map[string]Reading, behind bool) *Finding {
	held, ok := e.emit(rule, key, r)
	if !ok {
		e.result.HeldBack++
		return nil
	}
	e.result.Findings = append(e.result.Findings, Finding{
		Rule: rule.ID, Offset: r.offset, At: r.at, State: "firing", FirstOffset: r.offset, FirstAt: r.at, Key: key, Features: readings, Suppressed: held,
	})
	e.result.Cells.count(e.job, rule, way, readings, behind)
	return &e.result.Findings[len(e.result.Findings)-1]
}

// verdict tells whether the rule's condition holds, and no exception does.
func (e *evaluation) verdict(rule *Rule, m moment) bool {
	names := func(name string) Value {
		if reading, found := m.readings[name]; found {
			return reading.Value
		}
		return m.row.value(name)
	}
	if e.options.probe != nil {
		e.options.probe(rule, names)
	}
	if rule.Condition != nil {
		verdict := rule.Condition.eval(names, e.options)
		if !verdict.Known() {
			e.result.Unknown++
		}
		if verdict != boolean(true) {
			return false
		}
	}
	if slices.ContainsFunc(rule.Exceptions, func(x Exception) bool { return x.Where.holds(m.row.value, e.options) }) {
		e.result.Silenced++
		return false
	}
	return true
}

// keyOf returns the key as a JSON object, or false when a field is missing.
func keyOf(groupBy []string, r *row) (string, bool) {
	var parts []string
	for _, name := range groupBy {
		v := r.value(name)
		if !v.Known() {
			return "", false
		}
		parts = append(parts, `"`+name+`":`+v.JSON())
	}
	return "{" + strings.Join(parts, ",") + "}", true
}
