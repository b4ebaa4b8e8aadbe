// Package ruletest runs the tests that stand in rules, through the engine that runs live.
//
//	results, problems := ruletest.Run(files, sources, lookups, ruletest.Options{})
//	for _, r := range results {
//		if !r.Passed() { … r.Problems … }
//	}
//
// A test tells its rule a story and lists all alerts that the rule is to answer with, in order. The rule runs alone, live even if it is
// disabled, from an empty context, with the test's lookups in the place of the configured ones; the records' own timestamps are the event
// times. A rule by another key than its source's sees the events behind a stage, as it does live. What differs is told at the place of the
// expectation, in the rule's terms: what was wanted, what came, and why.
package ruletest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"insolite/ingest"
	"insolite/internal/chain"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/lookup"
)

// Options choose what runs. The zero Options run all.
type Options struct {
	Match func(rule, test string) bool // whether to run this test of this rule; nil: all
}

// Result is what became of one test.
type Result struct {
	Rule     string
	Name     string
	Position diag.Position
	Alerts   int            // raised
	Problems []diag.Problem // what differs from what is expected, each at its place; none: passed
}

// Passed reports whether the rule answered as expected.
func (r *Result) Passed() bool { return len(r.Problems) == 0 }

// Run loads the rules and runs their tests, in the order of the files and of the rules in them. With errors in the list there are no results.
func Run(files []rules.File, sources []*event.Source, lookups *lookup.Set, o Options) ([]Result, *diag.List) {
	set, list := rules.Load(files, sources, lookups, rules.Options{})
	if list.HasErrors() {
		return nil, list
	}
	byPath := map[string]rules.File{}
	for _, f := range files {
		byPath[f.Path] = f
	}
	var results []Result
	for _, r := range set.Rules {
		s := stage{file: byPath[r.Position.File], sources: sources, lookups: lookups, id: r.ID}
		if s.files = []rules.File{s.file}; r.Level > 0 {
			s.files = files // which fields alerts have depends on the other rules
		}
		for i := range r.Tests {
			if o.Match == nil || o.Match(r.ID, r.Tests[i].Name) {
				results = append(results, s.test(i, &r.Tests[i]))
			}
		}
	}
	return results, list
}

// stage is where the tests of one rule run.
type stage struct {
	file    rules.File   // the rule's own
	files   []rules.File // that it is loaded from
	sources []*event.Source
	lookups *lookup.Set
	id      string
	set     *rules.Set // with the configured lookups; nil: not made yet
}

// test runs test i of the rule.
func (s *stage) test(i int, t *rules.Test) Result {
	result := Result{Rule: s.id, Name: t.Name, Position: t.Position}
	set, err := s.setFor(t)
	if err == nil {
		var raised []raised
		rule := set.Rule(s.id)
		t = &rule.Tests[i] // its slots are those of this set
		if raised, err = play(set, rule, t); err == nil {
			c := checker{rule: rule, test: t, raised: raised}
			result.Problems = c.check()
			for _, r := range raised {
				result.Alerts += len(r.alerts)
			}
		}
	}
	if err != nil {
		result.Problems = []diag.Problem{{Position: t.Position, Message: err.Error(), Length: 1}}
	}
	for i := range result.Problems {
		p := &result.Problems[i]
		p.Snippet = line(s.file.Data, p.Position.Line)
	}
	return result
}

// line returns line n of a text, from 1.
func line(text []byte, n int) string {
	for l := range bytes.Lines(text) {
		if n--; n == 0 {
			return strings.TrimRight(string(l), "\r\n")
		}
	}
	return ""
}

// setFor returns the rule alone, with the test's lookups.
func (s *stage) setFor(t *rules.Test) (*rules.Set, error) {
	if t.Lookups == nil && s.set != nil {
		return s.set, nil
	}
	lookups := s.lookups
	if t.Lookups != nil {
		lookups = overlay(s.lookups, t.Lookups)
	}
	set, list := rules.Load(s.files, s.sources, lookups, rules.Options{Only: s.id})
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("with the lookups of this test the rule does not load: %w", err)
	}
	if t.Lookups == nil {
		s.set = set
	}
	return set, nil
}

// overlay returns the lookups with some of them replaced; a list may replace a table, and the other way round.
func overlay(under, over *lookup.Set) *lookup.Set {
	all := &lookup.Set{Lists: map[string]*lookup.List{}, Tables: map[string]*lookup.Table{}}
	if under != nil {
		maps.Copy(all.Lists, under.Lists)
		maps.Copy(all.Tables, under.Tables)
	}
	for name := range over.Lists {
		delete(all.Tables, name)
	}
	for name := range over.Tables {
		delete(all.Lists, name)
	}
	maps.Copy(all.Lists, over.Lists)
	maps.Copy(all.Tables, over.Tables)
	return all
}

// raised is one step of a story with what the rule made of it.
type raised struct {
	step   *rules.Step
	x      *engine.Explanation     // nil: time passes, or the event is of a topic that the rule does not read
	rule   *engine.RuleExplanation // nil: the event did not get as far, or is of another source
	now    event.Time              // the watermark behind it
	alerts []engine.Alert
}

// play tells the story, and returns its steps. Events of topics that the rule does not read only let time pass.
func play(set *rules.Set, rule *rules.Rule, t *rules.Test) ([]raised, error) {
	c, err := chain.New(set, chain.Options{Files: true, Rows: true})
	if err != nil {
		return nil, err
	}
	var story []raised
	var out engine.Output
	for i := range t.Steps {
		r := raised{step: &t.Steps[i]}
		out.Reset()
		if s := r.step; s.Event == 0 || !c.Reads(s.Source.Topic, 0) {
			err = c.Pass(s.At, &out)
		} else {
			rec := ingest.Record{Offset: event.Offset(s.Event - 1), Timestamp: s.At, Value: s.JSON}
			if r.x, err = c.Explain(s.Source.Topic, 0, &rec, &out); err == nil {
				err = c.Pass(s.At, &out)
			}
		}
		if err != nil {
			return nil, err
		}
		if r.x != nil {
			if k := slices.IndexFunc(r.x.Rules, func(re engine.RuleExplanation) bool { return re.Rule == rule }); k >= 0 {
				r.rule = &r.x.Rules[k]
			}
		}
		for _, task := range c.Tasks() {
			if task.Plan() == rule.Plan {
				r.now = task.Watermark()
			}
		}
		r.alerts = slices.Clone(out.Alerts)
		story = append(story, r)
	}
	return story, nil
}
