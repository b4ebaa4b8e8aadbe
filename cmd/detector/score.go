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

// story is an anomaly of another key than the record's. Which of its events comes last to the rule is not known before.
type story struct {
	rule, entity string
	at           event.Time
	due          event.Time // when its event was due
}

// storyNear is how far the alert may be from the event with the label: stories of other keys are shorter.
const storyNear = time.Minute

// hit is an alert as the tally has found it.
type hit struct {
	entity string     // its key
	at     event.Time // of its event
	read   event.Time // when it could be read first
}

// tally holds what is expected against what is found.
type tally struct {
	expected map[finding]event.Time // when the event was due
	stories  []story
	found    map[finding]hit
}

func newTally() tally {
	return tally{expected: map[finding]event.Time{}, found: map[finding]hit{}}
}

// expect notes an anomaly; one that was stored nobody knows where cannot be compared.
func (t *tally) expect(l *label, due event.Time) {
	switch at, _ := parseTime(l.At); {
	case l.Offset < 0:
	case l.Entity != "":
		t.stories = append(t.stories, story{l.Rule, l.Entity, at, due})
	default:
		t.expected[finding{l.Rule, l.Topic, event.Partition(l.Partition), event.Offset(l.Offset)}] = due
	}
}

// find notes an alert, the first time that it is seen.
func (t *tally) find(f finding, h hit) {
	if _, known := t.found[f]; !known {
		t.found[f] = h
	}
}

// ofStories returns the alerts of stories, by their index.
func (t *tally) ofStories() map[int]finding {
	type entity struct{ rule, key string }
	by := map[entity][]int{}
	for i, s := range t.stories {
		by[entity{s.rule, s.entity}] = append(by[entity{s.rule, s.entity}], i)
	}
	hits := map[int]finding{}
	for f, h := range t.found {
		for _, i := range by[entity{f.rule, h.entity}] {
			if d := time.Duration(h.at - t.stories[i].at); d.Abs() <= storyNear {
				hits[i] = f
			}
		}
	}
	return hits
}

func (t *tally) missing() bool {
	for f := range t.expected {
		if _, found := t.found[f]; !found {
			return true
		}
	}
	return len(t.stories) > 0 && len(t.ofStories()) < len(t.stories)
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
	take := func(rule string, due event.Time, f finding) {
		x := of(rule)
		x.Injected++
		if h, found := t.found[f]; found {
			x.Found++
			x.delays.add(time.Duration(h.read - due))
		} else {
			x.Missed++
		}
	}
	told := map[finding]bool{}
	for f, due := range t.expected {
		take(f.rule, due, f)
		told[f] = true
	}
	hits := t.ofStories()
	for i, s := range t.stories {
		take(s.rule, s.due, hits[i])
		told[hits[i]] = true
	}
	for f := range t.found {
		if !told[f] && ours(f) {
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
