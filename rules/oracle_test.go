package rules_test

import (
	"slices"
	"strings"
	"testing"

	"insolite/internal/config"
	"insolite/internal/oracle"
	"insolite/rules"
)

// TestOracleJobsLoad feeds what the evaluator's generator writes: every aggregate over every window.
func TestOracleJobsLoad(t *testing.T) {
	seeds := uint64(50)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		job, _ := oracle.Random(seed)
		c, list := config.Load("insolite.yaml", config.Options{
			Env:      func(string) (string, bool) { return "", false },
			ReadFile: func(string) ([]byte, error) { return []byte(job.ConfigYAML()), nil },
		})
		if err := list.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		set, list := rules.Load([]rules.File{{Path: "rules/job.yaml", Data: []byte(job.RulesYAML())}}, c.Sources, nil, rules.Options{})
		if list.HasErrors() {
			for _, p := range list.Sorted() {
				t.Errorf("seed %d: %s\n%s", seed, p, p.Caret())
			}
			continue
		}
		checkSet(t, set, job)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, job.RulesYAML())
		}
	}
}

// checkSet holds a set against the job that it was made from.
func checkSet(t *testing.T, set *rules.Set, job oracle.Job) {
	t.Helper()
	stages := map[string]bool{}
	for i := range job.Rules {
		if fields := slices.Sorted(slices.Values(job.Rules[i].GroupBy)); len(job.Source.Key) == 0 || !slices.Contains(fields, job.Source.Key[0]) {
			stages["by."+strings.Join(fields, "-")+".1"] = true
		}
	}
	if len(set.Rules) != len(job.Rules) || len(set.Plans) != 1+len(stages) || set.Plan(job.Source.Topic) == nil {
		t.Fatalf("%d rules in %d plans, want %d in the topic's and those of %v", len(set.Rules), len(set.Plans), len(job.Rules), stages)
	}
	for i := range job.Rules {
		want, r := &job.Rules[i], set.Rules[i]
		if r.ID != want.ID || set.Rule(want.ID) != r || len(r.GroupBy) != len(want.GroupBy) || len(r.Features) != len(want.Features) {
			t.Errorf("rule %d is %+v, want %+v", i, r, want)
			continue
		}
		for j := range want.Features {
			w, f := &want.Features[j], r.Features[j]
			read := f.Read
			cell := r.Keyspace.Cells[read.Cell]
			fields := len(w.Fields)
			if w.Field != "" {
				fields = 1
			}
			if f.Name != w.Name || read.Agg.String() != w.Agg || read.ExcludeCurrent != w.ExcludeCurrent || read.MinSamples != w.MinSamples ||
				len(read.Fields) != fields || len(cell.Fields) != fields || cell.Spec.Check() != nil || r.Keyspace.Reads[read.Index] != read ||
				len(read.Results) != max(1, fields) || int(read.Results[0]) < len(r.Source.Fields) {
				t.Errorf("feature %s of %s is %+v in %+v, want %+v", f.Name, r.ID, read, cell, w)
			}
		}
	}
}
