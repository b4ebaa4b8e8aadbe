package task

import (
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// Simulations make much that is gone at once.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// schedule is what a simulation does.
type schedule struct {
	seed     uint64
	eager    bool   // delivery at least once
	mutation string // what is broken on purpose; empty: nothing
	steps    int
	off      map[string]bool // kinds of actions and faults that are left out
}

// outcome is what became of it.
type outcome struct {
	difference string // what is wrong; empty: nothing
	refused    bool   // rightly: a store went back
	seen       map[string]bool
}

// all runs the schedules of the first seeds, and returns what was seen in them.
func all(t *testing.T, seeds int, s schedule, run func(schedule) outcome) map[string]bool {
	seen, refused := map[string]bool{}, 0
	for seed := range uint64(seeds) {
		s.seed = seed
		o := run(s)
		if o.difference != "" {
			t.Fatal(minimised(s, o, run))
		}
		if o.refused {
			refused++
		}
		maps.Copy(seen, o.seen)
	}
	t.Logf("%d schedules equal, %d refused after a store went back", seeds-refused, refused)
	return seen
}

// minimised tells of a schedule that fails, after leaving out what it fails without.
func minimised(s schedule, last outcome, run func(schedule) outcome) string {
	s.off = map[string]bool{}
	for _, kind := range slices.Sorted(maps.Keys(last.seen)) {
		s.off[kind] = true
		if o := run(s); o.difference != "" {
			last = o
		} else {
			delete(s.off, kind)
		}
	}
	for cut := s.steps / 2; cut > 0; cut /= 2 {
		for s.steps > cut {
			shorter := s
			shorter.steps -= cut
			o := run(shorter)
			if o.difference == "" {
				break
			}
			s, last = shorter, o
		}
	}
	return fmt.Sprintf("seed %d, at least once: %t; it fails after %d steps with no more than %s:\n%s", s.seed, s.eager, s.steps,
		strings.Join(slices.Sorted(maps.Keys(last.seen)), ", "), last.difference)
}

// shows looks for a schedule that fails with a mutation.
func shows(t *testing.T, s schedule, run func(schedule) outcome) {
	for first := s.seed; s.seed < first+5000; s.seed++ {
		if o := run(s); o.difference != "" {
			t.Logf("shows at seed %d: %.300s", s.seed, o.difference)
			return
		}
	}
	t.Error("5000 schedules do not show it")
}

// need checks that the schedules had what they are to be about.
func need(t *testing.T, seen map[string]bool, kinds ...string) {
	for _, kind := range kinds {
		if !seen[kind] {
			t.Errorf("no schedule has: %s", kind)
		}
	}
}

// differ says how two lists differ; empty: they do not.
func differ(what string, got, want []string) string {
	if slices.Equal(got, want) {
		return ""
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%d %s, want %d; the first difference is at %d:\n got %s\nwant %s", len(got), what, len(want), i, at(got, i), at(want, i))
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

func ofTopic(lines []string, topic string) []string {
	var of []string
	for _, l := range lines {
		if strings.HasPrefix(l, topic) {
			of = append(of, l)
		}
	}
	return of
}

// distinct returns the sorted lines, each once.
func distinct(lines []string) []string { return slices.Compact(slices.Sorted(slices.Values(lines))) }
