package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"insolite/internal/engine"
	"insolite/rules"
)

// backtestReport is what a backtest found, as scripts read it.
type backtestReport struct {
	Records    uint64         `json:"records"`
	Events     uint64         `json:"events"`     // of a source
	Late       uint64         `json:"late"`       // of these, below the watermark: not seen by rules
	Duplicates uint64         `json:"duplicates"` // of these, whose id was seen before, once for each key that rules group by
	Dead       uint64         `json:"dead_letters"`
	Unmatched  uint64         `json:"unmatched"` // of no declared source, or without a value
	Unsent     uint64         `json:"unsent"`    // without a field by which rules of another key than the source's group, once for each such key
	Alerts     uint64         `json:"alerts"`
	Rules      []ruleReport   `json:"rules"`
	Keys       []keyReport    `json:"top_keys"`
	Reasons    []reasonReport `json:"dead_letter_reasons"`
	PassedOver []string       `json:"topics_without_rules"`
	NoInput    []string       `json:"rules_without_input"`
	Score      []*ruleScore   `json:"score,omitempty"`

	tally   *tally // nil: nothing is known to be right
	rules   map[*rules.Rule]*ruleReport
	keys    map[string]map[string]uint64
	reasons map[string]*reasonReport
}

type ruleReport struct {
	Rule             string `json:"rule"`
	Mode             string `json:"mode"`
	Alerts           uint64 `json:"alerts"`
	Keys             int    `json:"keys"`
	Evaluated        uint64 `json:"evaluated"`
	Suppressed       uint64 `json:"suppressed"`
	Excepted         uint64 `json:"excepted"`
	InsufficientData uint64 `json:"insufficient_data"`
	MissingField     uint64 `json:"missing_field"`
	NoKey            uint64 `json:"no_key"`
	Panics           uint64 `json:"panics"`

	keys map[string]struct{}
}

type keyReport struct {
	Key    string            `json:"key"`
	Alerts uint64            `json:"alerts"`
	Rules  map[string]uint64 `json:"rules"`
}

type reasonReport struct {
	Reason  string `json:"reason"`
	Count   uint64 `json:"count"`
	Offset  int64  `json:"first_offset"`
	Message string `json:"first_message"`
}

// topKeys is how many keys a report names.
const topKeys = 10

func newBacktestReport() *backtestReport {
	return &backtestReport{
		Rules: []ruleReport{}, Keys: []keyReport{}, Reasons: []reasonReport{}, PassedOver: []string{}, NoInput: []string{},
		rules: map[*rules.Rule]*ruleReport{}, keys: map[string]map[string]uint64{}, reasons: map[string]*reasonReport{},
	}
}

func (r *backtestReport) rule(rule *rules.Rule) *ruleReport {
	if r.rules[rule] == nil {
		r.rules[rule] = &ruleReport{Rule: rule.ID, Mode: rule.Mode.String(), keys: map[string]struct{}{}}
	}
	return r.rules[rule]
}

func (r *backtestReport) alert(a *engine.Alert) {
	rule, key := r.rule(a.Rule), string(a.Key)
	rule.Alerts++
	rule.keys[key] = struct{}{}
	r.Alerts++
	if r.keys[key] == nil {
		r.keys[key] = map[string]uint64{}
	}
	r.keys[key][a.Rule.ID]++
	if r.tally != nil {
		r.tally.find(finding{a.Rule.ID, a.Origin.Topic, a.Origin.Partition, a.Offset}, hit{key, a.At.Time(), a.At.Time()})
	}
}

func (r *backtestReport) deadLetter(d *engine.DeadLetter) {
	if r.reasons[d.Reason] == nil {
		r.reasons[d.Reason] = &reasonReport{Reason: d.Reason, Offset: int64(d.Record.Offset), Message: d.Message}
	}
	r.reasons[d.Reason].Count++
}

// count adds what the tasks have counted.
func (r *backtestReport) count(set *rules.Set, tasks []*engine.Engine, topics []string) {
	for _, t := range tasks {
		c := t.Counts()
		if t.Plan().Stage == nil { // a stage sees the same events again
			r.countSources(c)
		}
		for _, s := range c.Sources {
			r.Duplicates += s.Duplicates
		}
		for _, x := range c.Rules {
			rule := r.rule(x.Rule)
			rule.Evaluated += x.Evaluated
			rule.Suppressed += x.Suppressed
			rule.InsufficientData += x.InsufficientData
			rule.MissingField += x.MissingField
			rule.NoKey += x.NoKey
			rule.Panics += x.Panics
			for _, n := range x.Excepted {
				rule.Excepted += n
			}
		}
	}
	for _, rule := range set.Rules {
		switch {
		case !rule.Enabled():
		case rule.Level == 0 && !slices.Contains(topics, rule.Source.Topic):
			r.NoInput = append(r.NoInput, rule.ID)
		default:
			x := r.rule(rule)
			x.Keys = len(x.keys)
			r.Rules = append(r.Rules, *x)
		}
	}
	r.PassedOver = append(r.PassedOver, passedOver(set, topics)...)
	if r.tally != nil {
		r.Score = r.tally.compare(func(finding) bool { return true })
	}
	r.rank()
}

func (r *backtestReport) countSources(c *engine.Counts) {
	r.Records += c.Records
	r.Dead += c.Malformed
	r.Unmatched += c.Unmatched + c.Tombstones
	for _, s := range c.Sources {
		r.Events += s.Events
		r.Late += s.Late
		r.Unsent += s.Unsent
		r.Dead += s.TooFar
	}
}

// rank finds the keys with most alerts and the reasons of most dead letters.
func (r *backtestReport) rank() {
	for key, byRule := range r.keys {
		k := keyReport{Key: key, Rules: byRule}
		for _, n := range byRule {
			k.Alerts += n
		}
		r.Keys = append(r.Keys, k)
	}
	slices.SortFunc(r.Keys, func(a, b keyReport) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), strings.Compare(a.Key, b.Key))
	})
	r.Keys = r.Keys[:min(len(r.Keys), topKeys)]
	for _, x := range r.reasons {
		r.Reasons = append(r.Reasons, *x)
	}
	slices.SortFunc(r.Reasons, func(a, b reasonReport) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Reason, b.Reason))
	})
}

// tell prints the report for people.
func (r *backtestReport) tell(w io.Writer, p paint) error {
	fmt.Fprintf(w, "%s of %s: %s late, %s, %s\n", count(r.Events, "event"), count(r.Records, "record"),
		thousands(r.Late), count(r.Duplicates, "duplicate"), count(r.Dead, "dead letter"))
	if r.Unmatched > 0 {
		fmt.Fprintf(w, "%s of no declared source\n", count(r.Unmatched, "record"))
	}
	if r.Unsent > 0 {
		fmt.Fprintf(w, "%s without a field that a rule by another key groups by\n", count(r.Unsent, "event"))
	}
	fmt.Fprintf(w, "%s\n\n", p.bold(fmt.Sprintf("%s for %s", count(r.Alerts, "alert"), count(len(r.keys), "key"))))
	table := newGrid("RULE", "MODE", ">ALERTS", ">KEYS", ">EVALUATED", ">SUPPRESSED", ">EXCEPTED", ">UNKNOWN")
	for _, x := range r.Rules {
		table.add(x.Rule, x.Mode, thousands(x.Alerts), thousands(x.Keys), thousands(x.Evaluated), thousands(x.Suppressed), thousands(x.Excepted),
			thousands(x.InsufficientData+x.MissingField+x.NoKey))
	}
	if err := table.write(w, "", p); err != nil {
		return err
	}
	if err := tellScore(w, p, r.Score); err != nil {
		return err
	}
	return r.tellRest(w, p)
}

func (r *backtestReport) tellRest(w io.Writer, p paint) error {
	keys := newGrid("MOST ALERTS", ">", "")
	for _, k := range r.Keys {
		if k.Alerts < 2 {
			break // nobody stands out
		}
		var parts []string
		for _, id := range slices.Sorted(maps.Keys(k.Rules)) {
			parts = append(parts, fmt.Sprintf("%s %d", id, k.Rules[id]))
		}
		keys.add(k.Key, thousands(k.Alerts), strings.Join(parts, ", "))
	}
	reasons := newGrid("DEAD LETTERS", ">", ">FIRST AT OFFSET", "BECAUSE")
	for _, x := range r.Reasons {
		reasons.add(x.Reason, thousands(x.Count), fmt.Sprint(x.Offset), x.Message)
	}
	for _, t := range []*grid{keys, reasons} {
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintln(w)
		if err := t.write(w, "", p); err != nil {
			return err
		}
	}
	for _, x := range r.Rules {
		if x.Panics > 0 {
			fmt.Fprintf(w, "\n%s\n", p.red(fmt.Sprintf("%s panicked on %s and was off for them; this is a bug of the program", x.Rule, count(x.Panics, "event"))))
		}
	}
	if len(r.NoInput) > 0 {
		fmt.Fprintf(w, "\n%s: %s\n", p.yellow("No input for"), strings.Join(r.NoInput, ", "))
	}
	if len(r.PassedOver) > 0 {
		fmt.Fprintf(w, "\n%s: %s\n", p.yellow("No enabled rule reads"), strings.Join(r.PassedOver, ", "))
	}
	return nil
}
