package task

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"insolite/internal/testsize"
)

// timerRules are sets with rules that wait: they stay, come, go and come back.
var timerRules = []string{`
- {id: silent, source: pay, group_by: [who], absence: {of: pay, within: 9s}}
- {id: first, source: pay, group_by: [who], where: amount > 3, absence: {of: pay, where: amount < 2, within: 14s, arm: first}, suppress: {for: 5s}}
`, `
- {id: silent, source: pay, group_by: [who], absence: {of: pay, within: 9s}}
- {id: busy, source: pay, group_by: [who], context: {n: {agg: count, window: 20s}}, condition: n >= 2, for: 6s, keep_firing_for: 4s}
`, `
- {id: first, source: pay, group_by: [who], where: amount > 3, absence: {of: pay, where: amount < 2, within: 14s, arm: first}, suppress: {for: 5s}}
- {id: all, source: pay, group_by: [who], context: {a: {agg: count, window: forever}}, condition: a % 5 == 0, suppress: {for: 3s}}
`}

// timerActions are those of a single task whose input is silent now and then.
var timerActions = slices.Concat([]action{
	{"silence", 20, func(s *simulation) error {
		s.now = s.now.Add(time.Duration(2+s.script.IntN(12)) * time.Second)
		return nil
	}},
	{"tick", 60, tickOn},
}, resized(simActions, map[string]int{"poll": 300, "boundary": 370}))

func tickOn(s *simulation) error {
	before := s.own.written
	err := s.do(s.own, simSteps["tick"])
	if s.own.written > before {
		s.seen["ticked"] = true
		if s.own.onStage() {
			s.seen["a stage ticked"] = true
		}
	}
	return err
}

// resized are actions of which some come more or less often.
func resized(actions []action, of map[string]int) []action {
	all := slices.Clone(actions)
	for i := range all {
		if n, ok := of[all[i].kind]; ok {
			all[i].of = n
		}
	}
	return all
}

// manyKeys is a payment of one of many keys, so that most have no events for long.
func (w *world) manyKeys() string {
	at := w.now.Add(-time.Duration(w.script.IntN(5000)) * time.Millisecond).Truncate(500 * time.Millisecond) // some at once
	return fmt.Sprintf(`{"at":%q,"who":"%c","id":"%d","amount":%d}`, at.UTC().Format(time.RFC3339Nano), 'a'+w.script.IntN(9), w.script.IntN(60), w.script.IntN(12))
}

func simulateTimers(t testing.TB) func(schedule) outcome {
	return simulateWith(simPlansOf(t, timerRules), timerActions, (*world).manyKeys)
}

// Each timer fires once, whatever dies when: those of contexts that are not in memory, those that ticks make due, those amid which a commit lies.
func TestTimersFireOnce(t *testing.T) {
	t.Parallel()
	seen := all(t, testsize.Of(60, 5000), schedule{steps: simLength}, simulateTimers(t))
	need(t, seen, "warm-up", "commit failed", "reply lost", "crash", "takeover", "zombie", "new rules", "silence", "ticked", "committed amid timers", "recovered amid timers", "cold timers")
}

// The simulation notices when a part of what makes timers fire once is missing.
func TestTimerMutationsShow(t *testing.T) {
	for _, mutation := range []string{"no index", "cold timers are not looked up", "tick before its entry", "ticks are not replayed", "fired is forgotten",
		"no fencing", "no write number", "read uncommitted", "journal before commit", "eviction between commits"} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			shows(t, schedule{mutation: mutation, steps: simLength}, simulateTimers(t))
		})
	}
}
