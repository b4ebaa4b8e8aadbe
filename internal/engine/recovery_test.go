package engine_test

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
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
		out, _ := run(t, set, lines, 4096)
		want := emitted(out)
		if len(want) == 0 {
			t.Errorf("seed %d has no alerts", seed)
		}
		for _, procs := range []int{1, 2} {
			runtime.GOMAXPROCS(procs)
			var group sync.WaitGroup
			for _, size := range []int{1, 7, 64, 65, 4096} {
				group.Go(func() { // engines that share a plan don't meet
					if out, _ := run(t, set, lines, size); !bytes.Equal(emitted(out), want) {
						t.Errorf("seed %d, batches of %d, GOMAXPROCS %d: other bytes", seed, size, procs)
					}
				})
			}
			group.Wait()
		}
	}
}

// shelf is a checkpoint store in memory, and a task that writes to it.
type shelf struct {
	t         *testing.T
	plan      *rules.Plan
	most      int             // records between two commits
	all       []ingest.Record // the task's log
	engine    *engine.Engine
	blobs     map[string][]byte // by keyspace and key
	position  event.Position    // Y
	watermark event.Time
	upstreams []event.Upstream // of a stage
	expired   []string
	random    *rand.Rand
	loads     int
	restarts  int
	removals  int
}

func newShelf(t *testing.T, plan *rules.Plan, most int, random *rand.Rand) *shelf {
	s := &shelf{t: t, plan: plan, most: most, blobs: map[string][]byte{}, watermark: event.NoTime, random: random}
	s.start()
	s.upstreams = slices.Clone(s.engine.Upstreams())
	return s
}

func (s *shelf) start() {
	e, err := engine.New(s.plan, engine.Options{Files: true, Load: func(k *rules.Keyspace, keys, blobs [][]byte) error {
		for i, key := range keys {
			if blobs[i] = s.blobs[k.Name+"\x00"+string(key)]; blobs[i] != nil {
				s.loads++
			}
		}
		return nil
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine = e
}

// step steps some of the records that are left, as between two commits, and then does something to the contexts.
func (s *shelf) step(out *engine.Output) {
	rest := s.all[s.engine.Position().Offset:]
	n := min(len(rest), 1+s.random.IntN(s.most))
	if n > 0 {
		if err := s.engine.Step(&ingest.Batch{Records: rest[:n], Next: rest[n-1].Offset + 1}, out); err != nil {
			s.t.Fatal(err)
		}
		s.engine.Cut(out)
	}
	switch s.random.IntN(7) {
	case 0:
		s.sweep()
	case 1:
		s.write(0.5, 0.5)
	case 2:
		s.write(1, 1)
	case 3, 5:
		s.expire()
	case 4:
		s.restart()
	}
	if s.random.IntN(4) == 0 {
		s.engine.Mark(out, s.random.IntN(2) == 0)
	}
}

// sweep writes every dirty context, and Y.
func (s *shelf) sweep() {
	s.write(1, 0)
	s.position, s.watermark, s.upstreams = s.engine.Position(), s.engine.Watermark(), slices.Clone(s.engine.Upstreams())
	for _, key := range s.expired {
		delete(s.blobs, key)
	}
	s.expired = nil
}

// write writes some of the dirty contexts, and then evicts some of those that are written.
func (s *shelf) write(share, evict float64) {
	for _, k := range s.engine.Keyspaces() {
		for h := range k.Contexts.Dirty {
			if s.random.Float64() < share {
				s.put(k, h)
			}
		}
		handles := slices.Collect(k.Contexts.All)
		for _, h := range handles {
			if !k.Contexts.IsDirty(h) && s.random.Float64() < evict {
				k.Contexts.Evict(h)
			}
		}
	}
}

func (s *shelf) put(k engine.Keyspace, h store.Handle) {
	v := k.Contexts.View(h)
	key := k.Plan.Name + "\x00" + string(v.Key())
	s.blobs[key] = k.Contexts.Blob(nil, h)
	s.expired = slices.DeleteFunc(s.expired, func(e string) bool { return e == key })
	k.Contexts.MarkClean(h)
}

// expire removes what equals nothing; what is stored of it stays as it is until Y has passed.
func (s *shelf) expire() {
	s.write(1, 0)
	for _, k := range s.engine.Keyspaces() {
		k.Contexts.Expire(s.engine.Watermark(), 1000, func(key []byte) {
			s.expired = append(s.expired, k.Plan.Name+"\x00"+string(key))
			s.removals++
		})
	}
}

// restart loses the memory, and comes back from the checkpoint.
func (s *shelf) restart() {
	at := s.engine.Position()
	s.start()
	s.restarts++
	s.engine.Restore(s.position, s.watermark)
	s.engine.RestoreUpstreams(s.upstreams)
	for rest := s.all[s.position.Offset:at.Offset]; len(rest) > 0; {
		n := min(len(rest), 1+s.random.IntN(100))
		if err := s.engine.Replay(&ingest.Batch{Records: rest[:n], Next: rest[n-1].Offset + 1}); err != nil {
			s.t.Fatal(err)
		}
		rest = rest[n:]
	}
	if s.engine.Position() != at {
		s.t.Fatalf("after replay the task is at %v, was at %v", s.engine.Position(), at)
	}
}

// done reports whether the task has stepped all of its log.
func (s *shelf) done() bool { return int(s.engine.Position().Offset) == len(s.all) }

// shelves runs the tasks of a set, each at its own pace, and returns them and all alerts in the order in which one process tells them.
func shelves(t *testing.T, set *rules.Set, lines []string, random *rand.Rand) ([]*shelf, *engine.Output) {
	var all []*shelf
	for _, p := range set.Plans {
		most := 60
		if p.Stage != nil {
			most = 3 // frames
		}
		all = append(all, newShelf(t, p, most, random))
	}
	source, stages := all[0], all[1:]
	source.all = records(lines)
	told := make([]engine.Output, len(all))
	undone := func(s *shelf) bool { return !s.done() }
	for slices.ContainsFunc(all, undone) {
		i := random.IntN(len(all))
		if all[i].step(&told[i]); i > 0 {
			continue
		}
		for _, f := range told[0].Frames {
			for _, s := range stages {
				if s.plan.Topic == f.Topic {
					s.all = append(s.all, ingest.Record{Offset: event.Offset(len(s.all)), Value: slices.Clone(f.Value)})
				}
			}
		}
		told[0].Frames = nil
	}
	out := &engine.Output{}
	for i := range told {
		out.Alerts = append(out.Alerts, told[i].Alerts...)
	}
	slices.SortStableFunc(out.Alerts, func(a, b engine.Alert) int { return cmp.Compare(a.Offset, b.Offset) })
	return all, out
}

// Whatever is written, evicted, loaded, expired or lost between two steps, of the topic's task and those of stages, the alerts are the same bytes.
func TestEvictionAndRestartsDoNotMatter(t *testing.T) {
	var of [2]struct{ loads, restarts, removals, alerts int } // of the topic, and of stages
	for seed := range seeds() + 8 {
		j, lines := oracle.Random(seed)
		set := load(t, j)
		out, _ := run(t, set, lines, 4096)
		want := emitted(out)
		tasks, got := shelves(t, set, lines, rand.New(rand.NewPCG(seed, 1)))
		if !bytes.Equal(emitted(got), want) {
			t.Errorf("seed %d: other bytes\n%s\nwant\n%s", seed, first(emitted(got), want), first(want, emitted(got)))
		}
		for i, s := range tasks {
			x := &of[min(i, 1)]
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
