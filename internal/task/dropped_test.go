package task

import (
	"testing"

	"insolite/internal/event"
)

// A stage comes with one set of rules and goes with the next, before any task of it has run. What was sent to it is read, with the rules that
// it was sent for.
func TestStageIsDroppedBeforeItIsRead(t *testing.T) {
	for seed := range uint64(30) {
		f := flowOf(flowSets(t), 0, newNature(seed))
		f.faults = seed%2 == 0
		for _, s := range f.all() {
			s.own = s.instance()
		}
		produce := func() {
			for range 12 {
				for _, s := range f.sources {
					s.produce()
				}
			}
		}
		sources := func() {
			t.Helper()
			if err := f.rest(f.sources); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		f.newest = 3 // as 0; the numbers of bundles are offsets
		produce()
		sources()
		f.newest = 5 // as 2: without the stage
		produce()
		sources()
		f.faults = false
		stage := f.stages[0]
		if stage.x != 0 || stage.found || stage.end == 0 {
			t.Fatalf("seed %d: the stage has run already, or nothing was sent to it", seed)
		}
		if err := f.rest(f.all()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if first := stage.journal[0]; first.Bundle != 3 || first.At != (event.Position{}) {
			t.Errorf("seed %d: the stage began with %+v, want bundle 3", seed, first)
		}
		if n := len(ofTopic(stage.output, "alerts ")); n == 0 {
			t.Errorf("seed %d: no alerts of the stage", seed)
		}
		if d, err := f.check(); err != nil || d != "" {
			t.Errorf("seed %d: %s %v", seed, d, err)
		}
	}
}
