package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/internal/oracle"
	"insolite/internal/testsize"
)

const (
	patternSeeds      = 60
	patternSeedsShort = 12
)

// toldMatch writes what an alert says of the match of a sequence.
func toldMatch(j oracle.Job, w *wire) string {
	q := sequenceOf(j, w.Rule.ID)
	if q == nil {
		return ""
	}
	s := " evidence"
	for _, e := range w.Evidence {
		s += fmt.Sprintf(" %d", e.Offset)
	}
	for _, x := range q.Steps {
		if x.As != "" {
			return s + " named " + w.Summary
		}
	}
	return s
}

// foundMatch writes the same of a finding.
func foundMatch(j oracle.Job, f *oracle.Finding) string {
	if sequenceOf(j, f.Rule) == nil {
		return ""
	}
	s := " evidence"
	for _, line := range f.Evidence {
		s += fmt.Sprintf(" %d", line)
	}
	var named []string
	for _, v := range f.Named {
		text := "n/a"
		if v.Known() {
			text = strings.Trim(v.JSON(), `"`)
		}
		named = append(named, text)
	}
	if len(named) > 0 {
		s += " named " + strings.Join(named, "|")
	}
	return s
}

func sequenceOf(j oracle.Job, rule string) *oracle.Sequence {
	for i := range j.Rules {
		if j.Rules[i].ID == rule {
			return j.Rules[i].Sequence
		}
	}
	return nil
}

// Engine and evaluator agree on rules with new_value and sequences, and nothing that happens to contexts changes an alert.
func TestPatternsAgreeWithTheEvaluator(t *testing.T) {
	found := map[string]int{}
	for seed := range uint64(testsize.Of(patternSeedsShort, patternSeeds)) {
		j, lines := oracle.RandomPatterns(seed)
		difference, result := differ(t, j, lines, oracle.Options{})
		if difference != "" {
			report(t, seed, j, lines, func(j oracle.Job, lines []string) string { d, _ := differ(t, j, lines, oracle.Options{}); return d })
		}
		difference, _, _ = survive(t, seed, j, lines, "")
		if difference != "" {
			report(t, seed, j, lines, func(j oracle.Job, lines []string) string { d, _, _ := survive(t, seed, j, lines, ""); return d })
		}
		for _, f := range result.Findings {
			found[kindOf(j, f.Rule)]++
		}
	}
	t.Logf("findings that agree: %v", found)
	for _, kind := range []string{"new_value", "sequence", "sequence of two sources", "unordered", "with not"} {
		if found[kind] == 0 {
			t.Errorf("none of %s", kind)
		}
	}
}

// kindOf tells what is special about a rule.
func kindOf(j oracle.Job, rule string) string {
	q := sequenceOf(j, rule)
	if q == nil {
		return "new_value"
	}
	kind := "sequence"
	for _, s := range q.Steps {
		switch {
		case q.Unordered:
			return "unordered"
		case s.Source != "":
			return "sequence of two sources"
		case s.Not:
			kind = "with not"
		}
	}
	return kind
}

// Each mutation of the definitions is noticed, first of all at the seed that once showed it.
func TestComparisonNoticesOtherPatterns(t *testing.T) {
	const tries = 60
	for _, c := range []struct {
		name     string
		seed     uint64
		mutation oracle.Patterns
	}{
		{"59 panes of history", 0, oracle.Patterns{HistoryPanes: 59}},
		{"learning inclusive", 0, oracle.Patterns{LearningStrict: true}},
		{"63 values", 2, oracle.Patterns{Values: 63}},
		{"65 values", 1, oracle.Patterns{Values: 65}},
		{"within exclusive", 0, oracle.Patterns{WithinStrict: true}},
		{"a step after the one before", 2, oracle.Patterns{StepStrict: true}},
		{"7 matches", 7, oracle.Patterns{Matches: 7}},
		{"9 matches", 7, oracle.Patterns{Matches: 9}},
		{"the oldest gives way", 13, oracle.Patterns{OldestAlways: true}},
		{"not is asked last", 3, oracle.Patterns{NotLast: true}},
	} {
		noticed := false
		for i := uint64(0); i < tries && !noticed; i++ {
			j, lines := oracle.RandomPatterns((c.seed + i) % tries)
			difference, _ := differ(t, j, lines, oracle.Options{Patterns: c.mutation})
			noticed = difference != ""
		}
		if !noticed {
			t.Errorf("%s: no seed shows it", c.name)
		}
	}
}
