package engine_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/oracle"
	"insolite/rules"
)

// shelf is a checkpoint store in memory, and a task that writes to it.
type shelf struct {
	t         *testing.T
	plan      *rules.Plan
	most      int             // records between two commits
	idles     bool            // the task says now and then that it is idle
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

// from returns the log from an offset on.
func (s *shelf) from(o event.Offset) []ingest.Record {
	i, _ := slices.BinarySearchFunc(s.all, o, func(r ingest.Record, o event.Offset) int { return cmp.Compare(r.Offset, o) })
	return s.all[i:]
}

// step steps some of the records that are left, as between two commits, and then does something to the contexts.
func (s *shelf) step(out *engine.Output) {
	rest := s.from(s.engine.Position().Offset)
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
		s.engine.Mark(out, s.idles && s.random.IntN(2) == 0)
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
	for rest := s.from(s.position.Offset); len(rest) > 0 && rest[0].Offset < at.Offset; {
		n := min(len(rest)-len(s.from(at.Offset)), 1+s.random.IntN(100))
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
func (s *shelf) done() bool { return len(s.from(s.engine.Position().Offset)) == 0 }

// hop is how many topics the task's events came through.
func (s *shelf) hop() int {
	if s.plan.Stage == nil {
		return 0
	}
	return s.plan.Stage.Hop
}

// shelves runs the tasks of a set, and returns them and all alerts in the order in which one process tells them. Each task goes its own pace,
// unless some stage is sent to by several: there what comes first would be another event than in one process. Then each event comes everywhere
// before the next one.
func shelves(t *testing.T, j oracle.Job, set *rules.Set, lines []string, random *rand.Rand) ([]*shelf, *engine.Output) {
	inStep := slices.ContainsFunc(set.Plans, func(p *rules.Plan) bool { return p.Stage != nil && len(p.Stage.Upstreams) > 1 })
	all, logs := []*shelf{}, map[string]*shelf{}
	for _, p := range set.Plans {
		most := 60
		if p.Stage != nil {
			most = 3 // frames
		}
		s := newShelf(t, p, most, random)
		s.idles = !inStep
		all, logs[p.Topic] = append(all, s), s
	}
	told := make([]engine.Output, len(all))
	step := func(i int) {
		all[i].step(&told[i])
		for _, f := range told[i].Frames {
			s := logs[f.Topic]
			s.all = append(s.all, ingest.Record{Offset: event.Offset(len(s.all)), Value: slices.Clone(f.Value)})
		}
		told[i].Frames = nil
	}
	for i, r := range records(lines) {
		s := logs[j.TopicOf(lines[i])]
		if s == nil {
			continue
		}
		s.all = append(s.all, r)
		for i := 0; inStep && i < len(all); i++ {
			for ok := true; ok; ok = !all[i].done() {
				step(i)
			}
		}
	}
	for slices.ContainsFunc(all, func(s *shelf) bool { return !s.done() }) {
		step(random.IntN(len(all)))
	}
	out := &engine.Output{}
	for i := range told {
		out.Alerts = append(out.Alerts, told[i].Alerts...)
	}
	slices.SortStableFunc(out.Alerts, func(a, b engine.Alert) int { return cmp.Compare(a.Offset, b.Offset) })
	return all, out
}
