package oracle

import (
	"reflect"
	"testing"
)

const (
	seedsMax     = 40
	mutationSeed = 12 // seeds among which every mutation must show
)

// The logs of the seeds hold all that the engine has to get right: late events, duplicates, unknown conditions. That every cell of the table has
// findings is checked where engine and evaluator are compared.
func TestSeedsCoverEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("40 seeds take seconds; without -short they run")
	}
	all := Result{}
	for seed := range uint64(seedsMax) {
		j, lines := Random(seed)
		r := Evaluate(j, lines, Options{})
		all.Late += r.Late
		all.Duplicates += r.Duplicates
		all.Unknown += r.Unknown
		all.Silenced += r.Silenced
		all.HeldBack += r.HeldBack
		all.Skipped += r.Skipped
		all.Unsent += r.Unsent
		all.Malformed += r.Malformed
	}
	t.Logf("late %d, duplicates %d, unknown %d, silenced %d, held back %d, without key %d and %d", all.Late, all.Duplicates, all.Unknown, all.Silenced, all.HeldBack, all.Skipped, all.Unsent)
	if min(all.Late, all.Duplicates, all.Unknown, all.Silenced, all.HeldBack, all.Skipped, all.Unsent) < 200 || all.Malformed > 0 {
		t.Errorf("something is rare: %+v", all)
	}
}

func TestSameSeedSameJob(t *testing.T) {
	for seed := range uint64(3) {
		j, lines := Random(seed)
		k, again := Random(seed)
		if j.ConfigYAML() != k.ConfigYAML() || j.RulesYAML() != k.RulesYAML() || !reflect.DeepEqual(lines, again) {
			t.Errorf("seed %d gives two jobs", seed)
		}
		if !reflect.DeepEqual(Evaluate(j, lines, Options{}), Evaluate(k, again, Options{})) {
			t.Errorf("seed %d gives two results", seed)
		}
	}
	if a, _ := Random(1); a.RulesYAML() == func() string { b, _ := Random(2); return b.RulesYAML() }() {
		t.Error("two seeds give one job")
	}
}

// A comparison with findings can fail: each mutation of the definitions changes what is found.
func TestMutationsShow(t *testing.T) {
	shown, mutations := map[string]int{}, map[string]Options{
		"59 panes": {Panes: 59}, "session gap <": {SessionStrict: true}, "late at the watermark": {LateInclusive: true}, "Kleene swapped": {SwapKleene: true},
		"by before the event": {ByBefore: true}, "the rule's where of another source": {WhereOfOthers: true}, "rank rounded down": {RankFloor: true}, "coarse bins": {CoarseBins: true},
	}
	for seed := range uint64(mutationSeed) {
		j, lines := Random(seed)
		right := Evaluate(j, lines, Options{}).Findings
		for name, mutation := range mutations {
			if shown[name] == 0 && !reflect.DeepEqual(right, Evaluate(j, lines, mutation).Findings) {
				shown[name]++
				t.Logf("%s: seen in seed %d", name, seed)
			}
		}
	}
	for name := range mutations {
		if shown[name] == 0 {
			t.Errorf("%s: no seed shows it", name)
		}
	}
}

func TestMinimize(t *testing.T) {
	differs := func(j Job, lines []string) bool {
		return !reflect.DeepEqual(Evaluate(j, lines, Options{}).Findings, Evaluate(j, lines, Options{LateInclusive: true}).Findings)
	}
	for seed := range uint64(mutationSeed) {
		j, lines := Random(seed)
		if !differs(j, lines) {
			continue
		}
		j, lines = Minimize(j, lines, differs)
		if !differs(j, lines) || len(j.Rules) != 1 || len(lines) > 20 {
			t.Errorf("seed %d: %d rules and %d lines are left", seed, len(j.Rules), len(lines))
		}
		return
	}
	t.Fatal("no seed shows a difference")
}
