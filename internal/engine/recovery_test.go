package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"insolite/internal/engine"
	"insolite/internal/oracle"
	"insolite/internal/testsize"
	"insolite/rules"
)

// emitted is everything that an output would put on topics.
func emitted(out *engine.Output) []byte {
	var b []byte
	for _, a := range out.Alerts {
		b = append(append(append(append(b, a.Key...), '\t'), a.Value...), '\n')
	}
	return b
}

func seeds() uint64 { return uint64(testsize.Of(4, 30)) }

func TestBatchesAndProcessorsDoNotMatter(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for seed := range seeds() {
		j, lines := oracle.Random(seed)
		set := load(t, j)
		out, _ := run(t, j, set, lines, 4096)
		want := emitted(out)
		if len(want) == 0 {
			t.Errorf("seed %d has no alerts", seed)
		}
		for _, procs := range []int{1, 2} {
			runtime.GOMAXPROCS(procs)
			var group sync.WaitGroup
			for _, size := range []int{1, 7, 64, 65, 4096} {
				group.Go(func() { // engines that share a plan don't meet
					if out, _ := run(t, j, set, lines, size); !bytes.Equal(emitted(out), want) {
						t.Errorf("seed %d, batches of %d, GOMAXPROCS %d: other bytes", seed, size, procs)
					}
				})
			}
			group.Wait()
		}
	}
}

// lives counts what happened to the tasks of topics, and to those of stages.
type lives [2]struct{ loads, restarts, removals, reloads, alerts, timers, pauses, dues int }

func (l *lives) add(tasks []*shelf, alerts []engine.Alert) {
	for _, s := range tasks {
		x := &l[min(s.hop(), 1)]
		x.loads, x.restarts, x.removals, x.reloads = x.loads+s.loads, x.restarts+s.restarts, x.removals+s.removals, x.reloads+int(s.bundle)
		x.pauses, x.dues = x.pauses+s.pauses, x.dues+s.dues
	}
	for _, a := range alerts {
		x := &l[0]
		if a.Rule.Plan.Stage != nil {
			x = &l[1]
		}
		x.alerts++
		if a.Timer {
			x.timers++
		}
	}
}

// check reports what did not happen.
func (l *lives) check(t *testing.T) {
	t.Logf("of topics and of stages: %+v", *l)
	for _, x := range l {
		if min(x.loads, x.restarts, x.reloads, x.alerts, x.timers, x.pauses, x.dues, l[0].removals+l[1].removals) == 0 {
			t.Error("something did not happen")
		}
	}
}

// survive runs the job's tasks with a rule that comes and goes, once as they are and once with restarts, evictions and expiry at random places, and
// returns how their alerts differ, or how those of the job's rules differ from those of a run without that rule; empty: they are the same bytes.
// Mutation is what restarts lose; empty: nothing.
func survive(t *testing.T, seed uint64, j oracle.Job, lines []string, mutation string) (string, []*shelf, []engine.Alert) {
	set := load(t, j)
	sets := [2]*rules.Set{set, load(t, withGuest(j, rand.New(rand.NewPCG(seed, 1))))}
	ticks := seed%4 == 3
	_, calm := shelves(t, j, sets, lines, fate{seed: seed, ticks: ticks})
	tasks, got := shelves(t, j, sets, lines, fate{seed, rand.New(rand.NewPCG(seed, 3)), mutation, ticks})
	if (fate{seed: seed}).marks() { // what is due behind a stage is told when the time comes in its log, which is another one
		behind := func(a engine.Alert) bool { return a.Rule.Timed() && a.Rule.Plan.Stage != nil }
		calm, got = slices.DeleteFunc(calm, behind), slices.DeleteFunc(got, behind)
	}
	if a, b := emitted(&engine.Output{Alerts: got}), emitted(&engine.Output{Alerts: calm}); !bytes.Equal(a, b) {
		return fmt.Sprintf("other bytes after restarts, evictions and expiry\n%s\nwant\n%s", first(a, b), first(b, a)), tasks, got
	}
	out, _ := run(t, j, set, lines, 4096)
	other := func(a engine.Alert) bool { // by ticks, or by how rows come to a stage
		return a.Rule.ID == guest || a.Rule.Timed() && (ticks || a.Rule.Plan.Stage != nil)
	}
	inOrder(out.Alerts, set)
	calm, out.Alerts = slices.DeleteFunc(calm, other), slices.DeleteFunc(out.Alerts, other)
	if a, b := emitted(&engine.Output{Alerts: calm}), emitted(out); !bytes.Equal(a, b) {
		return fmt.Sprintf("other bytes beside a rule that comes and goes\n%s\nwant\n%s", first(a, b), first(b, a)), tasks, got
	}
	return "", tasks, got
}

// first returns the first line of a that is not in b at the same place.
func first(a, b []byte) []byte {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range x {
		if i >= len(y) || !bytes.Equal(x[i], y[i]) {
			return x[i]
		}
	}
	return nil
}
