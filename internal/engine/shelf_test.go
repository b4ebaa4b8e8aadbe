package engine_test

import (
	"bytes"
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/oracle"
	"insolite/rules"
)

// shelf is a checkpoint store in memory, and a task that writes to it.
type shelf struct {
	t        *testing.T
	plans    []*rules.Plan // bundles take turns
	most     int           // records between two commits
	calm     int           // at one of so many commits something happens
	idles    bool          // the task says now and then that it is idle
	all      []ingest.Record
	engine   *engine.Engine
	bundle   event.Offset
	journal  []entry               // of the task of a topic
	layouts  [][]byte              // that contexts were written by
	blobs    map[string][]byte     // by keyspace and key
	due      map[string]event.Time // of the same: when something in them is
	y        checkpointed
	expired  []string
	script   *rand.Rand // what the task does
	mishaps  *rand.Rand // what happens to its contexts; nil: nothing
	mutation string     // what a restart loses
	loads    int
	restarts int
	removals int
	pauses   int
	dues     int
	ticks    bool // there are some
	marks    bool // stages are told of time beside rows; after a restart once more, so that their logs are others
}

// entry is where the task of a topic has activated its next bundle, or let time pass up to an instant for what waits.
type entry struct {
	at   event.Position
	tick event.Time // event.NoTime: a bundle
}

// checkpointed is what a checkpoint says beside the contexts.
type checkpointed struct {
	position  event.Position
	watermark event.Time
	upstreams []event.Upstream // of a stage
	bundle    event.Offset
	since     engine.Since
}

func newShelf(t *testing.T, plans []*rules.Plan, most int, script *rand.Rand) *shelf {
	s := &shelf{t: t, plans: plans, most: most, calm: 1, blobs: map[string][]byte{}, due: map[string]event.Time{}, y: checkpointed{watermark: event.NoTime}, script: script}
	s.start()
	s.y.upstreams = slices.Clone(s.engine.Upstreams())
	return s
}

// start makes the engine as of the checkpoint.
func (s *shelf) start() {
	e, err := engine.New(s.plan(s.y.bundle), engine.Options{Files: true, Since: s.y.since, Bundle: s.y.bundle, Due: s.lookUp, Pause: 3, Load: func(k *rules.Keyspace, keys, blobs [][]byte) error {
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
	for _, l := range s.layouts {
		if err := e.RememberLayout(l); err != nil {
			s.t.Fatal(err)
		}
	}
	s.engine, s.bundle = e, s.y.bundle
	s.remember()
}

// lookUp gives some of the stored contexts from a place on in which something is due.
func (s *shelf) lookUp(k *rules.Keyspace, from engine.Place, before event.Time, each func(event.Time, []byte, []byte) error) (engine.Place, error) {
	var all []engine.Place
	for name, deadline := range s.due {
		if space, key, _ := strings.Cut(name, "\x00"); space == k.Name {
			if p := (engine.Place{Deadline: deadline, Key: []byte(key)}); comparePlaces(p, from) >= 0 {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, comparePlaces)
	for i, p := range all {
		if i == 2 || p.Deadline >= before {
			return p, nil
		}
		s.dues++
		if err := each(p.Deadline, p.Key, s.blobs[k.Name+"\x00"+string(p.Key)]); err != nil {
			return engine.Place{}, err
		}
	}
	return engine.Place{Deadline: event.Never}, nil
}

func comparePlaces(a, b engine.Place) int {
	return cmp.Or(cmp.Compare(a.Deadline, b.Deadline), bytes.Compare(a.Key, b.Key))
}

func (s *shelf) plan(bundle event.Offset) *rules.Plan { return s.plans[int(bundle)%len(s.plans)] }

// remember keeps the layouts by which contexts may be written from now on.
func (s *shelf) remember() {
	for _, k := range s.engine.Keyspaces() {
		s.layouts = append(s.layouts, k.Contexts.Layout().Describe())
	}
	slices.SortFunc(s.layouts, bytes.Compare)
	s.layouts = slices.CompactFunc(s.layouts, bytes.Equal)
}

// activate puts another bundle in force. Out is nil in a replay.
func (s *shelf) activate(bundle event.Offset, out *engine.Output) {
	if out != nil {
		s.engine.Leave(out, bundle)
	}
	e, err := s.engine.Switch(s.plan(bundle), bundle)
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine, s.bundle = e, bundle
	s.remember()
}

// reload lets the next bundle follow, at a place of the journal.
func (s *shelf) reload(out *engine.Output) {
	at := s.engine.Position()
	if out != nil {
		s.journal = append(s.journal, entry{at, event.NoTime})
	}
	s.activate(s.bundle+1, out)
	s.engine.Restore(event.Position{Offset: at.Offset, Step: at.Step + 1}, s.engine.Watermark())
}

// tick lets time pass for what waits. Out is nil in a replay.
func (s *shelf) tick(t event.Time, out *engine.Output) {
	at := s.engine.Position()
	if out != nil {
		s.journal = append(s.journal, entry{at, t})
	}
	s.engine.Restore(event.Position{Offset: at.Offset, Step: at.Step + 1}, s.engine.Watermark())
	if err := s.engine.Tick(t, out); err != nil {
		s.t.Fatal(err)
	}
	s.resume(out)
}

// resume goes on behind pauses, in which anything may happen.
func (s *shelf) resume(out *engine.Output) {
	for out != nil && s.engine.Firing() {
		s.pauses++
		s.engine.Cut(out)
		if s.mishaps != nil {
			s.mishap()
		}
		if err := s.engine.Resume(out); err != nil {
			s.t.Fatal(err)
		}
	}
}

// from returns the log from an offset on.
func (s *shelf) from(o event.Offset) []ingest.Record {
	i, _ := slices.BinarySearchFunc(s.all, o, func(r ingest.Record, o event.Offset) int { return cmp.Compare(r.Offset, o) })
	return s.all[i:]
}

// follow activates the bundle that the first frame names, and returns those that can be stepped with it.
func (s *shelf) follow(frames []ingest.Record, out *engine.Output) []ingest.Record {
	for i := range frames {
		bundle, err := engine.FrameBundle(frames[i].Value)
		switch {
		case err != nil:
			s.t.Fatal(err)
		case bundle <= s.bundle:
		case i > 0:
			return frames[:i]
		default:
			s.activate(bundle, out)
		}
	}
	return frames
}

// step steps some of the records that are left, as between two commits, and then something may happen to the contexts.
func (s *shelf) step(out *engine.Output) {
	rest := s.from(s.engine.Position().Offset)
	rest = rest[:min(len(rest), 1+s.script.IntN(s.most))]
	if s.hop() > 0 {
		rest = s.follow(rest, out)
	}
	for n := len(rest); n > 0; n = len(rest) {
		next := rest[n-1].Offset + 1
		if err := s.engine.Step(&ingest.Batch{Records: rest, Next: next}, out); err != nil {
			s.t.Fatal(err)
		}
		s.resume(out)
		s.engine.Cut(out)
		left := s.from(s.engine.Position().Offset) // a restart behind a pause has lost the rest of the batch
		rest = left[:len(left)-len(s.from(next))]
	}
	if s.mishaps != nil {
		s.mishap()
	}
	if w := s.engine.Watermark(); s.ticks && w != event.NoTime && s.script.IntN(6) == 0 {
		s.tick(w+event.Time(s.script.Int64N(int64(s.engine.Plan().Lateness)+1e12)), out)
	}
	if s.script.IntN(4) == 0 && s.marks {
		s.engine.Mark(out, s.idles && s.script.IntN(2) == 0)
	}
	if s.script.IntN(8*s.calm) == 0 && s.hop() == 0 {
		s.reload(out)
	}
}

func (s *shelf) mishap() {
	switch s.mishaps.IntN(7 * s.calm) {
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
}

// sweep writes every dirty context, and Y.
func (s *shelf) sweep() {
	s.write(1, 0)
	if s.engine.Firing() {
		return // a checkpoint is not among timers that are due at once
	}
	s.y = checkpointed{s.engine.Position(), s.engine.Watermark(), slices.Clone(s.engine.Upstreams()), s.bundle, maps.Clone(s.engine.Since())}
	for _, key := range s.expired {
		delete(s.blobs, key)
		delete(s.due, key)
	}
	s.expired = nil
}

// write writes some of the dirty contexts, and then evicts some of those that are written.
func (s *shelf) write(share, evict float64) {
	for _, k := range s.engine.Keyspaces() {
		for h := range k.Contexts.Dirty {
			if s.mishaps.Float64() < share {
				s.put(k, h)
			}
		}
		handles := slices.Collect(k.Contexts.All)
		for _, h := range handles {
			if !k.Contexts.IsDirty(h) && s.mishaps.Float64() < evict {
				k.Contexts.Evict(h)
			}
		}
	}
}

func (s *shelf) put(k engine.Keyspace, h store.Handle) {
	v := k.Contexts.View(h)
	key := k.Plan.Name + "\x00" + string(v.Key())
	s.blobs[key] = k.Contexts.Blob(nil, h)
	if s.due[key] = k.Contexts.Deadline(h); s.due[key] == event.Never || s.mutation == "deadlines" {
		delete(s.due, key)
	}
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
	at, fired, paused := s.engine.Position(), s.engine.Fired(), s.engine.Firing()
	if s.mutation == "since" {
		s.y.since = nil
	}
	s.start()
	s.restarts++
	if s.mutation == "watermark" {
		s.y.watermark = event.NoTime
	}
	s.engine.Restore(s.y.position, s.y.watermark)
	s.engine.RestoreUpstreams(s.y.upstreams)
	s.engine.Limit(at, fired)
	if s.mutation == "limit" {
		s.engine.Limit(at, event.Never)
	}
	journal := slices.DeleteFunc(slices.Clone(s.journal), func(e entry) bool { return e.at.Before(s.y.position) })
	for s.engine.Position().Before(at) {
		now, to := s.engine.Position(), at.Offset
		if len(journal) > 0 {
			to = journal[0].at.Offset
		}
		if now.Offset == to {
			next := journal[0]
			if journal = journal[1:]; next.tick != event.NoTime {
				s.tick(next.tick, nil)
				continue
			}
			if s.reload(nil); s.mutation == "journal" {
				s.activate(s.bundle+1, nil) // other rules than those that were in force
			}
			continue
		}
		rest := s.from(now.Offset)
		rest = rest[:min(len(rest)-len(s.from(to)), 1+s.mishaps.IntN(100))]
		if s.mutation == "a record" && len(rest) > 1 {
			rest = rest[1:]
		}
		if s.hop() > 0 {
			rest = s.follow(rest, nil)
		}
		next := to
		if len(rest) > 0 {
			next = rest[len(rest)-1].Offset + 1
		}
		if err := s.engine.Replay(&ingest.Batch{Records: rest, Next: next}); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.mutation == "" && s.engine.Firing() != paused {
		s.t.Fatalf("after replay timers are left: %v, there were: %v", s.engine.Firing(), paused)
	}
	if s.engine.Position() != at {
		s.t.Fatalf("after replay the task is at %v, was at %v", s.engine.Position(), at)
	}
}

// done reports whether the task has stepped all of its log.
func (s *shelf) done() bool { return len(s.from(s.engine.Position().Offset)) == 0 }

// hop is how many topics the task's events came through.
func (s *shelf) hop() int {
	if s.plans[0].Stage == nil {
		return 0
	}
	return s.plans[0].Stage.Hop
}

// guest is the id of a rule that comes and goes.
const guest = "guest"

// withGuest returns the job with one more rule, which needs the events that one of the others needs, at the same places and for as long, and keeps
// other things of them. So it changes nothing of what the others find.
func withGuest(j oracle.Job, random *rand.Rand) oracle.Job {
	r := j.Rules[random.IntN(len(j.Rules))]
	features := slices.Clone(r.Features)
	for i := range features {
		f := &features[i]
		f.Exact = false
		if f.Baseline != nil {
			f.Baseline = &oracle.Baseline{History: 20 * 24 * time.Hour}
		}
		for k := range r.Features { // another one of that key has its window
			if x := &r.Features[(i+1+k)%len(features)]; x.Source == f.Source && slices.Equal(x.By, f.By) {
				f.Window = x.Window
				break
			}
		}
	}
	r.ID, r.Exceptions, r.Features, r.Condition = guest, nil, features, nil
	if len(features) > 0 { // else it has another trigger
		name := strings.Join(append([]string{"f0"}, features[0].Members()[:min(1, len(features[0].Members()))]...), ".")
		r.Condition = oracle.Op("has", oracle.Ref(name))
	}
	j.Rules = append(slices.Clone(j.Rules), r)
	return j
}

// marks reports whether stages are told of time beside rows.
func (f fate) marks() bool { return f.seed%2 == 1 }

// fate is what becomes of the tasks of a job.
type fate struct {
	seed     uint64     // of what they do
	mishaps  *rand.Rand // what happens to their contexts; nil: nothing
	mutation string     // what restarts lose; empty: nothing
	ticks    bool       // time passes for what waits while there are no events
}

// inOrder puts the alerts of a run into an order that does not depend on how rows came to stages: those by timers behind a stage stand at the end.
func inOrder(all []engine.Alert, set *rules.Set) {
	place := func(a *engine.Alert) int {
		return slices.IndexFunc(set.Plans, func(p *rules.Plan) bool { return p.Topic == a.Rule.Plan.Topic })
	}
	slices.SortStableFunc(all, func(a, b engine.Alert) int {
		if a.After != b.After || !a.Timer || !b.Timer {
			return cmp.Compare(a.After, b.After)
		}
		return cmp.Compare(place(&a), place(&b))
	})
}

// shelves runs the tasks of two sets between which bundles take turns, and returns them and all alerts in the order in which one process tells
// them. Each task goes its own pace, unless some stage is sent to by several: there what comes first would be another event than in one process.
// Then each event comes everywhere before the next one.
func shelves(t *testing.T, j oracle.Job, sets [2]*rules.Set, lines []string, f fate) ([]*shelf, []engine.Alert) {
	inStep := slices.ContainsFunc(sets[0].Plans, func(p *rules.Plan) bool { return p.Stage != nil && len(p.Stage.Upstreams) > 1 })
	all, logs := []*shelf{}, map[string]*shelf{}
	for i, p := range sets[0].Plans {
		s := newShelf(t, []*rules.Plan{p, sets[1].Plan(p.Topic)}, 60, rand.New(rand.NewPCG(f.seed, uint64(i)))) // its own: what stages are told differs
		s.mishaps, s.mutation, s.ticks, s.marks = f.mishaps, f.mutation, f.ticks, f.marks()
		if s.idles = !inStep; inStep {
			s.calm = 12
		} else if s.hop() > 0 {
			s.most = 3 // frames
		}
		all, logs[p.Topic] = append(all, s), s
	}
	told, turns := make([]engine.Output, len(all)), rand.New(rand.NewPCG(f.seed, 1000))
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
			for more := true; more; more = !all[i].done() {
				step(i)
			}
		}
	}
	for slices.ContainsFunc(all, func(s *shelf) bool { return !s.done() }) {
		step(turns.IntN(len(all)))
	}
	var alerts []engine.Alert
	for i := range told {
		alerts = append(alerts, told[i].Alerts...)
	}
	inOrder(alerts, sets[0])
	return all, alerts
}
