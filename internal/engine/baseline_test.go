package engine_test

import (
	"strings"
	"testing"

	"insolite/internal/oracle"
	"insolite/internal/testsize"
)

// Engine and brute-force evaluator agree on every value that a baseline gives, to the last bit.
func TestBaselinesAgreeWithTheEvaluator(t *testing.T) {
	findings := 0
	for seed := range uint64(testsize.Of(4, 60)) {
		j, lines := oracle.RandomBaselines(seed)
		difference, result := differ(t, j, lines, oracle.Options{})
		findings += len(result.Findings)
		if difference != "" {
			j, lines = oracle.Minimize(j, lines, func(j oracle.Job, lines []string) bool { d, _ := differ(t, j, lines, oracle.Options{}); return d != "" })
			difference, _ = differ(t, j, lines, oracle.Options{})
			t.Errorf("seed %d: %s\n%s\n%s\n%s", seed, difference, j.ConfigYAML(), j.RulesYAML(), strings.Join(lines, "\n"))
		}
	}
	if findings < 1000 {
		t.Errorf("%d findings", findings)
	}
	t.Logf("%d findings agree", findings)
}
