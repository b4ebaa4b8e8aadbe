package task

import (
	"slices"
	"testing"

	"insolite/internal/event"
	"insolite/internal/journal"
)

// Where another version of the engine goes on is an entry of the journal, at the place where the one before had stopped, once: whatever
// fails on the way, and also on the way back.
func TestEngineChangeIsJournalled(t *testing.T) {
	for seed := range uint64(20) {
		s := &simulation{world: newWorld(simPlans(t), seed)}
		s.own = s.instance()
		var want []journal.Entry
		run := func(engine uint32, n int) {
			for lives := 0; lives < 3; lives++ { // the first one may end before it has told
				s.own = s.instance()
				s.own.o.Engine = engine
				for range n {
					s.produce()
				}
				s.faults = lives < 2
				if err := s.settled(); err != nil {
					t.Fatalf("seed %d, engine %d: %v", seed, engine, err)
				}
			}
			if err := s.do(s.own, simSteps["stop"]); err != nil || s.own.sweep.flipped != s.own.committed {
				t.Fatalf("seed %d: stopped at %v, the checkpoint is at %v: %v", seed, s.own.committed, s.own.sweep.flipped, err)
			}
		}
		changes := func(to uint32) {
			c, err := journal.ParseCommit(s.metadata)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, journal.Entry{Number: c.Journal + 1, Kind: journal.Engine, At: event.Position{Offset: s.x, Step: c.Step}, Engine: to})
		}
		run(1, 20)
		changes(2)
		s.newest++ // new rules at the same moment come after it
		run(2, 20)
		changes(1)
		run(1, 20)
		got := slices.DeleteFunc(slices.Clone(s.journal), func(e journal.Entry) bool { return e.Kind != journal.Engine })
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: the journal has %+v, want %+v", seed, got, want)
		}
		if lines, err := s.expected(); err != nil || !slices.Equal(ofTopic(s.output, "alerts "), ofTopic(lines, "alerts ")) {
			t.Errorf("seed %d: the alerts are others than expected: %v", seed, err)
		}
	}
}
