package oracle

import (
	"math"
	"slices"
	"strings"
)

// Options holds mutations of the definitions. The zero Options is right.
type Options struct {
	Panes         int  // how many panes before that of t a sliding window has; 0: 60
	SessionStrict bool // a gap joins a session when it is < instead of ≤ the allowed one
	LateInclusive bool // an event is late when its time is ≤ instead of < the watermark
	SwapKleene    bool // an unknown operand of and is treated as or does, and the other way round
	RankFloor     bool // the rank of a percentile is rounded down instead of up
	CoarseBins    bool // eight bins to a power of two instead of sixteen

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
	Skipped    int // events without a rule's key, summed over rules of the source's own task
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
	e.order = j.order()
	watermark := int64(math.MinInt64)
	for offset, line := range lines {
		r, err := parseRow(&j.Source, offset, line)
		if err != nil {
			e.result.Malformed++
			continue
		}
		if r.at < watermark || o.LateInclusive && r.at == watermark {
			e.result.Late++
			continue
		}
		e.step(r)
		watermark = max(watermark, r.at-int64(j.Source.Lateness))
	}
	return e.result
}

// arrival is a kept id.
type arrival struct {
	id string
	at int64
}

type evaluation struct {
	job     *Job
	order   []*Rule // in which findings of one event are emitted
	options Options
	ids     map[string][]arrival // by keyspace and key, in order of arrival
	samples map[string][]sample  // by rule, feature and key: all that was ever absorbed, in log order
	emitted map[string][]*memory // by rule and key: one for each value of suppress.by, the last used last
	newest  map[string]int64     // by rule and key: the highest event time absorbed
	result  Result
}

func (e *evaluation) step(r *row) {
	duplicate := map[string]bool{}
	for _, rule := range e.order {
		space := spaceOf(rule.GroupBy)
		if _, judged := duplicate[space]; !judged {
			duplicate[space] = e.comes(space, r) && e.seenBefore(space, r)
		}
	}
	for _, rule := range e.order {
		key, ok := keyOf(rule.GroupBy, r)
		switch {
		case !ok:
			if e.job.Source.direct(rule.GroupBy) {
				e.result.Skipped++
			}
		case duplicate[spaceOf(rule.GroupBy)]:
		case rule.Where.holds(r.value, e.options):
			e.evaluate(rule, key, r)
		}
	}
}

// comes reports whether an event comes to the tasks of a keyspace: always where the source's own key is part of it; behind a stage, if some rule
// there wants the event, and it has the key.
func (e *evaluation) comes(space string, r *row) bool {
	fields := strings.Split(space, ",")
	if e.job.Source.direct(fields) {
		return true
	}
	wanted := slices.ContainsFunc(e.order, func(rule *Rule) bool { return spaceOf(rule.GroupBy) == space && rule.Where.holds(r.value, e.options) })
	_, keyed := keyOf(fields, r)
	if wanted && !keyed {
		e.result.Unsent++
	}
	return wanted && keyed
}

// seenBefore reports whether the keyspace keeps the event's id with a time near the event's, and keeps it if not. The last 64 ids of a
// key are kept.
func (e *evaluation) seenBefore(space string, r *row) bool {
	d := e.job.Source.Dedupe
	key, ok := keyOf(strings.Split(space, ","), r)
	if d == nil || !ok || !r.value(d.ID).Known() {
		return false
	}
	id := string(r.value(d.ID).keyBytes())
	kept := e.ids[space+"\x00"+key]
	for _, a := range kept {
		if a.id == id && max(a.at-r.at, r.at-a.at) < int64(d.For) {
			e.result.Duplicates++
			return true
		}
	}
	kept = append(kept, arrival{id, r.at})
	e.ids[space+"\x00"+key] = kept[max(0, len(kept)-64):]
	return false
}

// evaluate absorbs the event into the rule's features, and tells what the rule finds.
func (e *evaluation) evaluate(rule *Rule, key string, r *row) {
	readings := map[string]Reading{}
	for i := range rule.Features {
		e.absorb(rule, &rule.Features[i], key, r, readings)
	}
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
	e.result.Cells.count(rule, readings, behind)
}

// spaceOf names the keyspace of a key: its fields in alphabetical order.
func spaceOf(groupBy []string) string {
	fields := slices.Clone(groupBy)
	slices.Sort(fields)
	return strings.Join(fields, ",")
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
