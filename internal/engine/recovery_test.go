package engine_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"insolite/internal/engine"
	"insolite/internal/oracle"
	"insolite/internal/testsize"
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

// Whatever is written, evicted, loaded, expired or lost between two steps, of the topic's task and those of stages, the alerts are the same bytes.
func TestEvictionAndRestartsDoNotMatter(t *testing.T) {
	var of [2]struct{ loads, restarts, removals, alerts int } // of the topic, and of stages
	for seed := range seeds() + 8 {
		j, lines := oracle.Random(seed)
		set := load(t, j)
		out, _ := run(t, j, set, lines, 4096)
		want := emitted(out)
		tasks, got := shelves(t, j, set, lines, rand.New(rand.NewPCG(seed, 1)))
		if !bytes.Equal(emitted(got), want) {
			t.Errorf("seed %d: other bytes\n%s\nwant\n%s", seed, first(emitted(got), want), first(want, emitted(got)))
		}
		for _, s := range tasks {
			x := &of[min(s.hop(), 1)]
			x.loads, x.restarts, x.removals = x.loads+s.loads, x.restarts+s.restarts, x.removals+s.removals
		}
		for _, a := range out.Alerts {
			if a.Rule.Plan.Stage == nil {
				of[0].alerts++
			} else {
				of[1].alerts++
			}
		}
	}
	t.Logf("of the topic and of stages: %+v", of)
	for _, x := range of {
		if min(x.loads, x.restarts, x.alerts, of[0].removals+of[1].removals) == 0 {
			t.Error("something did not happen")
		}
	}
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
