package task

import (
	"bytes"
	"testing"

	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/testsize"
)

// comesThrough runs a simulation and compares it with the truth; false: the store went back, and the task refuses.
func comesThrough(t *testing.T, s *simulation, seed uint64) bool {
	t.Helper()
	s.own = s.instance()
	if refused, back := s.run(700); refused != nil {
		if !back {
			t.Fatalf("seed %d: %v", seed, refused)
		}
		return false
	}
	want, err := s.evaluate()
	if err != nil {
		t.Fatal(err)
	}
	if d := s.compare(want); d != "" {
		t.Fatalf("seed %d: %s", seed, d)
	}
	return true
}

// A record that kills whatever instance steps it ends excluded, once, and no other does; all the rest is as if it had never been there.
func TestRecordThatKillsIsExcluded(t *testing.T) {
	plans := simPlans(t)
	excluded, deaths := 0, 0
	for seed := range uint64(testsize.Of(25, 400)) {
		s := &simulation{world: newWorld(plans, seed), kills: true}
		s.evicts, s.poisons = true, true
		s.killer = func(value []byte) bool { return bytes.HasPrefix(value, []byte(poison)) }
		if !comesThrough(t, s, seed) {
			continue
		}
		times := map[event.Offset]int{}
		for _, e := range s.journal {
			if e.Kind == journal.Exclude {
				times[e.Excluded]++
			}
		}
		for i := range s.records {
			r, n := &s.records[i], 0
			if s.killer(r.Value) {
				n = 1
			}
			if times[r.Offset] != n {
				t.Errorf("seed %d: the record at %d, %s, is excluded %d times", seed, r.Offset, r.Value, times[r.Offset])
			}
			excluded += n
		}
		deaths += s.deaths
	}
	t.Logf("%d records excluded after %d deaths", excluded, deaths)
	if excluded == 0 || deaths > 10*excluded {
		t.Errorf("%d records were excluded after %d deaths; the first one takes 3 deaths and 3 more, others that are close 3", excluded, deaths)
	}
}

// Where processes die by chance, in replays too, nothing is excluded and nothing refused.
func TestDeathsByChanceExcludeNothing(t *testing.T) {
	plans := simPlans(t)
	deaths := 0
	for seed := range uint64(testsize.Of(25, 400)) {
		s := &simulation{world: newWorld(plans, seed), kills: true}
		s.evicts = true
		s.killer = func([]byte) bool { return s.chance("death", 0.04) }
		if !comesThrough(t, s, seed) {
			continue
		}
		for _, e := range s.journal {
			if e.Kind == journal.Exclude {
				t.Errorf("seed %d: the record at %d is excluded", seed, e.Excluded)
			}
		}
		deaths += s.deaths
	}
	if deaths == 0 {
		t.Error("nothing has died: the test shows nothing")
	}
}

// A note of another version of the program, or of none, is no note.
func TestNotesOfOtherVersions(t *testing.T) {
	n := note{writer: 1, at: event.Position{Offset: 2, Step: 3}, lives: 4, care: single, until: 5, mark: span{6, 7, false}, suspect: span{8, 9, true}, deaths: 10}
	b := n.append(nil)
	if got, ok := parseNote(b); !ok || got != n {
		t.Errorf("got %+v, %v, want %+v", got, ok, n)
	}
	newer := bytes.Clone(b)
	newer[0]++
	for name, b := range map[string][]byte{"none": nil, "newer": newer, "short": b[:len(b)-1], "long": append(bytes.Clone(b), 0)} {
		if got, ok := parseNote(b); ok || got != (note{}) {
			t.Errorf("%s: got %+v, %v", name, got, ok)
		}
	}
}
