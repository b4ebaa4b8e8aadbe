package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"insolite/internal/event"
)

// ruleScore says how well the alerts of a rule agree with the truth.
type ruleScore struct {
	Rule      string   `json:"rule"`
	Injected  int      `json:"injected"`
	Found     int      `json:"found"`
	Missed    int      `json:"missed"`
	Other     int      `json:"other"`               // alerts at events that have no label
	Precision *float64 `json:"precision,omitempty"` // found / (found + other)
	Recall    *float64 `json:"recall,omitempty"`    // found / injected
	Delay     *delays  `json:"delay,omitempty"`     // from when the event was due until the alert could be read

	delays histogram
}

// finding is an alert of a rule at a record.
type finding struct {
	rule      string
	topic     string
	partition event.Partition
	offset    event.Offset
}

// tally holds what is expected against what is found.
type tally struct {
	expected map[finding]event.Time // when the event was due
	found    map[finding]event.Time // when the alert could be read first
}

func newTally() tally {
	return tally{map[finding]event.Time{}, map[finding]event.Time{}}
}

// expect notes an anomaly; one that was stored nobody knows where cannot be compared.
func (t *tally) expect(l *label, due event.Time) {
	if l.Offset >= 0 {
		t.expected[finding{l.Rule, l.Topic, event.Partition(l.Partition), event.Offset(l.Offset)}] = due
	}
}

func (t *tally) missing() bool {
	for f := range t.expected {
		if _, found := t.found[f]; !found {
			return true
		}
	}
	return false
}

// compare compares; alerts that nobody expects count when their events are ours.
func (t *tally) compare(ours func(finding) bool) []*ruleScore {
	byRule := map[string]*ruleScore{}
	of := func(rule string) *ruleScore {
		if byRule[rule] == nil {
			byRule[rule] = &ruleScore{Rule: rule}
		}
		return byRule[rule]
	}
	for f, due := range t.expected {
		x := of(f.rule)
		x.Injected++
		if at, found := t.found[f]; found {
			x.Found++
			x.delays.add(time.Duration(at - due))
		} else {
			x.Missed++
		}
	}
	for f := range t.found {
		if _, wanted := t.expected[f]; !wanted && ours(f) {
			of(f.rule).Other++
		}
	}
	var all []*ruleScore
	for _, x := range byRule {
		x.Precision, x.Recall = ratio(x.Found, x.Found+x.Other), ratio(x.Found, x.Injected)
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *ruleScore) int { return strings.Compare(a.Rule, b.Rule) })
	return all
}

func ratio(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}

// tellScore prints the scores for people.
func tellScore(w io.Writer, p paint, scores []*ruleScore) error {
	heading := []string{"RULE", ">INJECTED", ">FOUND", ">MISSED", ">OTHER", ">PRECISION", ">RECALL"}
	if slices.ContainsFunc(scores, func(x *ruleScore) bool { return x.Delay != nil }) {
		heading = append(heading, ">DELAY P50", ">MAX")
	}
	t := newGrid(heading...)
	percent := func(r *float64) string {
		if r == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f %%", 100**r)
	}
	for _, x := range scores {
		half, last := "-", "-"
		if x.Delay != nil {
			half, last = seconds(x.Delay.P50), seconds(x.Delay.Max)
		}
		cells := []string{x.Rule, thousands(x.Injected), thousands(x.Found), thousands(x.Missed), thousands(x.Other), percent(x.Precision), percent(x.Recall), half, last}
		t.add(cells[:len(heading)]...)
	}
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	return t.write(w, "", p)
}
