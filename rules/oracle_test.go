package rules_test

import (
	"slices"
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
	var topics []string
	for _, p := range set.Plans {
		topics = append(topics, p.Topic)
	}
	if len(set.Rules) != len(job.Rules) || !slices.Equal(topics, job.Tasks()) {
		t.Fatalf("%d rules in plans of %v, want %d in those of %v", len(set.Rules), topics, len(job.Rules), job.Tasks())
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
			k := keyspaceOf(set, read)
			if k == nil || len(w.By) == 0 && k != r.Keyspace || len(w.By) > 0 && !slices.Equal(k.Fields, slices.Sorted(slices.Values(w.By))) {
				t.Errorf("feature %s of %s is read in %+v", f.Name, r.ID, k)
				continue
			}
			cell := k.Cells[read.Cell]
			fields := len(w.Fields)
			if w.Field != "" {
				fields = 1
			}
			if f.Name != w.Name || read.Agg.String() != w.Agg || read.ExcludeCurrent != w.ExcludeCurrent || read.MinSamples != w.MinSamples ||
				len(read.Fields) != fields || len(cell.Fields) != fields || cell.Spec.Check() != nil ||
				len(read.Results) != max(1, fields) || int(read.Results[0]) < len(r.Source.Fields) {
				t.Errorf("feature %s of %s is %+v in %+v, want %+v", f.Name, r.ID, read, cell, w)
			}
		}
	}
}

// keyspaceOf returns where a feature is read.
func keyspaceOf(set *rules.Set, read *rules.Read) *rules.Keyspace {
	for _, p := range set.Plans {
		for _, k := range p.Keyspaces {
			if slices.Contains(k.Reads, read) && k.Reads[read.Index] == read {
				return k
			}
		}
	}
	return nil
}
