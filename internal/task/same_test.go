package task

import (
	"fmt"
	"testing"

	"insolite/internal/testsize"
	"insolite/rules"
	"insolite/rules/expr"
)

// Whatever batches the log comes in, and though no context outlasts a commit in memory, the output is that of one uninterrupted evaluation.
func TestBatchesAndEvictionsChangeNothing(t *testing.T) {
	plans := simPlans(t)
	for _, size := range []int{1, 7, 4096} {
		for _, tight := range []bool{false, true} {
			t.Run(fmt.Sprintf("batches of %d, evicted at every commit %t", size, tight), func(t *testing.T) {
				t.Parallel()
				run := func(c schedule) outcome {
					s := &simulation{world: newWorld(plans, c.seed)}
					s.off, s.exactly, s.tight = c.off, size, tight
					s.own = s.instance()
					return s.outcome(c.steps)
				}
				seen := all(t, testsize.Of(10, 150), schedule{steps: simLength}, run)
				need(t, seen, "commit failed", "crash", "new rules")
			})
		}
	}
}

// A rule that panics on some records is off for them, and for nothing else, through crashes and doubts.
func TestSchedulesWithARuleThatPanics(t *testing.T) {
	t.Parallel()
	plans := simPlans(t)
	for _, p := range plans {
		panicking(p)
	}
	run := func(c schedule) outcome {
		s := &simulation{world: newWorld(plans, c.seed)}
		s.off, s.evicts = c.off, true
		s.own = s.instance()
		return s.outcome(c.steps)
	}
	need(t, all(t, testsize.Of(20, 300), schedule{steps: simLength}, run), "a panic", "commit failed", "crash", "zombie")
}

// panicking adds a rule to a plan whose condition panics whenever it is asked.
func panicking(p *rules.Plan) {
	broken := *p.Sources[0].Rules[0]
	broken.ID, broken.Condition, broken.Suppress = "broken", &expr.Expr{}, nil
	k, st := p.Keyspaces[0], p.Keyspaces[0].Streams[0]
	all := append([]*rules.Rule{&broken}, k.Rules...)
	p.Sources[0].Rules, k.Rules, st.Rules = all, all, all
}
