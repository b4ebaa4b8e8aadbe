package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"insolite/internal/engine"
	"insolite/internal/oracle"
	"insolite/internal/testsize"
	"insolite/rules"
)

// above is rules on alerts of a job, and what they find: events of it are the findings of the rules below, whose lines are those of the log.
type above struct {
	job      oracle.Job
	findings []oracle.Finding
	found    map[string][]string // by rule
}

func ids(j *oracle.Job) (all []string) {
	for _, r := range j.Rules {
		all = append(all, r.ID)
	}
	return all
}

// stand puts rules on the alerts that a job found.
func stand(seed uint64, j *oracle.Job, findings []oracle.Finding, prefix string, names []string, o oracle.AlertOptions) *above {
	source, lines := j.Alerts(findings, o)
	x := &above{job: oracle.RandomOnAlerts(seed, source, prefix, names), found: map[string][]string{}}
	seen := oracle.Evaluate(x.job, lines, oracle.Options{})
	for _, f := range seen.Findings {
		below := &findings[f.Offset]
		f.Offset, f.FirstOffset = below.Offset, below.Offset // of the record that the alert below names
		x.findings = append(x.findings, f)
	}
	for i, line := range found(x.job, x.findings) {
		id := x.findings[i].Rule
		x.found[id] = append(x.found[id], line)
	}
	return x
}

// differAbove returns what engine and evaluator do not agree on in rules on alerts of two levels; empty: nothing. It counts their alerts.
func differAbove(t testing.TB, seed uint64, o oracle.AlertOptions) (difference string, alerts int) {
	j, lines := oracle.Random(seed)
	set := load(t, j)
	j.Rules = slices.DeleteFunc(j.Rules, func(r oracle.Rule) bool { // what waits behind a stage is told in another order than it comes to the rules above
		rule := set.Rule(r.ID)
		return rule.Timed() && rule.Plan.Stage != nil
	})
	below := oracle.Evaluate(j, lines, oracle.Options{})
	first := stand(seed, &j, below.Findings, "risk", nil, o)
	second := stand(seed+1000, &first.job, first.findings, "top", ids(&first.job)[seed%4:seed%4+1], o) // of one rule: those of several stages come as these are stepped
	out, _ := run(t, j, load(t, j, first.job, second.job), lines, 4096)
	for _, x := range []*above{first, second} {
		got := map[string][]string{}
		for _, id := range ids(&x.job) {
			of := engine.Output{Alerts: slices.DeleteFunc(slices.Clone(out.Alerts), func(a engine.Alert) bool { return a.Rule.ID != id })}
			got[id] = told(t, x.job, &of)
			alerts += len(of.Alerts)
			for i := range max(len(got[id]), len(x.found[id])) {
				var is, want string
				if i < len(got[id]) {
					is = got[id][i]
				}
				if i < len(x.found[id]) {
					want = x.found[id][i]
				}
				if is != want {
					return fmt.Sprintf("alert %d of %s\nengine    %s\nevaluator %s\n%s", i, id, is, want, x.job.RulesYAML()), alerts
				}
			}
		}
	}
	return "", alerts
}

// Rules on alerts find what the evaluator finds in the alerts of the rules below, in two levels.
func TestRulesOnAlertsAgreeWithTheEvaluator(t *testing.T) {
	total := 0
	for seed := range uint64(testsize.Of(4, 40)) {
		difference, alerts := differAbove(t, seed, oracle.AlertOptions{})
		if difference != "" {
			t.Fatalf("seed %d: %s", seed, difference)
		}
		total += alerts
	}
	if t.Logf("%d alerts about alerts", total); total < 1000 {
		t.Errorf("%d alerts about alerts show nothing", total)
	}
	for name, mutation := range map[string]oracle.AlertOptions{"what has ended is a risk": {ResolvedRisk: true}, "entities by the rule's order": {OwnEntity: true}} {
		noticed := false
		for seed := uint64(0); seed < 12 && !noticed; seed++ {
			difference, _ := differAbove(t, seed, mutation)
			noticed = difference != ""
		}
		if !noticed {
			t.Errorf("%s: no seed shows it", name)
		}
	}
}

// Restarts, evictions and expiry at random places lose no alert about an alert, and change none.
func TestRulesOnAlertsSurvive(t *testing.T) {
	total := 0
	for seed := range uint64(testsize.Of(4, 40)) {
		j, lines := oracle.Random(seed)
		names := []string{}
		for _, r := range j.Rules { // when those that wait tell behind a stage depends on how time comes there
			if r.Absence == nil && r.For == 0 && r.Keep == 0 {
				names = append(names, r.ID)
			}
		}
		source, _ := j.Alerts(nil, oracle.AlertOptions{})
		first := oracle.RandomOnAlerts(seed, source, "risk", names)
		set := load(t, j, first)
		total += surviveAbove(t, seed, j, set, lines)
	}
	if t.Logf("%d alerts about alerts", total); total < 1000 {
		t.Errorf("%d alerts about alerts show nothing", total)
	}
}

func surviveAbove(t *testing.T, seed uint64, j oracle.Job, set *rules.Set, lines []string) (alerts int) {
	t.Helper()
	sets := [2]*rules.Set{set, set}
	_, calm := shelves(t, j, sets, lines, fate{seed: seed})
	_, got := shelves(t, j, sets, lines, fate{seed: seed, mishaps: rand.New(rand.NewPCG(seed, 3))})
	below := func(a engine.Alert) bool { return a.Rule.Level == 0 }
	calm, got = slices.DeleteFunc(calm, below), slices.DeleteFunc(got, below)
	if a, b := emitted(&engine.Output{Alerts: got}), emitted(&engine.Output{Alerts: calm}); !bytes.Equal(a, b) {
		t.Fatalf("seed %d: other bytes after restarts, evictions and expiry\n%s\nwant\n%s", seed, first(a, b), first(b, a))
	}
	return len(got)
}
