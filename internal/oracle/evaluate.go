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

	probe func(r *Rule, names env) // sees every evaluation before the condition; for the generator
	zones zones                    // of this evaluation
}

// Finding is one emitted alert.
type Finding struct {
	Rule       string
	Offset     int                // the line of the event, from 0
	Key        string             // the key as a JSON object in the order of group_by
	Features   map[string]Reading // by name, or name.member of a feature with several fields
	Suppressed int                // held back since the emitted one before, of the same rule, key and by
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
	e := &evaluation{job: &j, options: o, ids: map[string][]arrival{}, samples: map[string][]sample{}, emitted: map[string][]*memory{}, newest: map[string]int64{}, result: Result{Cells: Cells{}}}
	e.tasks = j.tasks()
	for i := range j.Rules {
		e.ways = append(e.ways, j.way(&j.Rules[i]))
	}
	watermarks := map[string]int64{}
	for _, t := range e.tasks {
		if t.hop == 0 {
			watermarks[t.topic] = math.MinInt64
		}
	}
	for offset, line := range lines {
		source := j.sourceOf(line)
		watermark, read := watermarks[source.Topic]
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
		watermarks[source.Topic] = max(watermark, r.at-int64(j.lateness(source.Topic)))
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
	job     *Job
	tasks   []*task   // in which findings of one event are emitted
	ways    [][]place // by rule
	options Options
	ids     map[string][]arrival // by task, keyspace, source and key, in order of arrival
	samples map[string][]sample  // by rule, feature and key: all that was ever absorbed, in log order
	emitted map[string][]*memory // by rule and key: one for each value of suppress.by, the last used last
	newest  map[string]int64     // by rule and key: the highest event time absorbed
	result  Result
}

// step takes an event to each task in turn.
func (e *evaluation) step(r *row) {
	readings := make([]map[string]Reading, len(e.job.Rules))
	for i := range readings {
		readings[i] = map[string]Reading{}
	}
	for _, t := range e.tasks {
		if t.hop == 0 && t.topic != r.source.Topic {
			continue
		}
		accepted := map[string]bool{}
		for _, space := range t.spaces {
			accepted[space] = e.visit(place{t.hop, t.topic, space}, r, readings)
		}
		for i, way := range e.ways {
			rule, end := &e.job.Rules[i], way[len(way)-1]
			if end.topic == t.topic && accepted[end.space] && e.job.of(rule.Source) == r.source && rule.Where.holds(r.value, e.options) {
				e.evaluate(rule, way, r, readings[i])
			}
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
		wanted = wanted || rule.Where.holds(r.value, e.options)
	}, func(rule *Rule, f *Feature) {
		lent++
		wanted = wanted || f.Where.holds(r.value, e.options)
	})
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
	names := func(name string) Value {
		if reading, found := readings[name]; found {
			return reading.Value
		}
		return r.value(name)
	}
	if e.options.probe != nil {
		e.options.probe(rule, names)
	}
	verdict := rule.Condition.eval(names, e.options)
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
	held, ok := e.emit(rule, key, r)
	if !ok {
		e.result.HeldBack++
		return
	}
	e.result.Findings = append(e.result.Findings, Finding{Rule: rule.ID, Offset: r.offset, Key: key, Features: readings, Suppressed: held})
	e.result.Cells.count(e.job, rule, way, readings, behind)
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
