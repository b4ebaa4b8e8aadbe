package engine_test

import (
	"bytes"
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
	set       *rules.Set
	all       []ingest.Record
	engine    *engine.Engine
	blobs     map[string][]byte // by keyspace and key
	position  event.Position    // Y
	watermark event.Time
	expired   []string
	random    *rand.Rand
	loads     int
	restarts  int
	removals  int
}

func (s *shelf) start() {
	e, err := engine.New(s.set.Plans[0], engine.Options{Files: true, Load: func(k *rules.Keyspace, keys, blobs [][]byte) error {
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

// sweep writes every dirty context, and Y.
func (s *shelf) sweep() {
	s.write(1, 0)
	s.position, s.watermark = s.engine.Position(), s.engine.Watermark()
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

// Whatever is written, evicted, loaded, expired or lost between two steps, the alerts are the same bytes.
func TestEvictionAndRestartsDoNotMatter(t *testing.T) {
	var loads, restarts, removals int
	for seed := range seeds() {
		j, lines := oracle.Random(seed)
		set := load(t, j)
		out, _ := run(t, set, lines, 4096)
		want := emitted(out)
		s := &shelf{t: t, set: set, all: records(lines), blobs: map[string][]byte{}, watermark: event.NoTime, random: rand.New(rand.NewPCG(seed, 1))}
		s.start()
		got := &engine.Output{}
		for int(s.engine.Position().Offset) < len(s.all) {
			rest := s.all[s.engine.Position().Offset:]
			n := min(len(rest), 1+s.random.IntN(100))
			if err := s.engine.Step(&ingest.Batch{Records: rest[:n], Next: rest[n-1].Offset + 1}, got); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			switch s.random.IntN(6) {
			case 0:
				s.sweep()
			case 1:
				s.write(0.5, 0.5)
			case 2:
				s.write(1, 1)
			case 3:
				s.expire()
			case 4:
				s.restart()
			}
		}
		if !bytes.Equal(emitted(got), want) {
			t.Errorf("seed %d: other bytes after %d restarts, %d loads\n%s\nwant\n%s", seed, s.restarts, s.loads, first(emitted(got), want), first(want, emitted(got)))
		}
		loads, restarts, removals = loads+s.loads, restarts+s.restarts, removals+s.removals
	}
	t.Logf("%d contexts loaded, %d expired, %d restarts", loads, removals, restarts)
	if loads == 0 || restarts == 0 || removals == 0 {
		t.Error("something did not happen")
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
