package task

import (
	"fmt"
	"strings"
	"testing"
)

// What is told of a flow that fails is enough to run it again, and less than the flow.
func TestFlowsAreMinimised(t *testing.T) {
	run := simulateFlows(flowSets(t))
	s := schedule{mutation: "offsets only", steps: flowLength}
	for ; s.seed < 500; s.seed++ {
		if o := run(s); o.difference != "" {
			told := minimised(s, o, run)
			t.Logf("%.700s", told)
			var seed uint64
			var eager bool
			var steps int
			if _, err := fmt.Sscanf(told, "seed %d, at least once: %t; it fails after %d steps", &seed, &eager, &steps); err != nil {
				t.Fatal(err)
			}
			kinds, _, _ := strings.Cut(told, "\n")
			if seed != s.seed || eager || steps >= flowLength {
				t.Errorf("of seed %d: %s", s.seed, kinds)
			}
			return
		}
	}
	t.Error("no schedule fails")
}
