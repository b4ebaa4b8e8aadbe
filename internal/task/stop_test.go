package task

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"insolite/context/checkpoint"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// waiting is a world in which time passes, and in which commits may hang and bundles may be broken.
type waiting struct {
	*port
	mu     sync.Mutex // held by the test while it changes the world, when the task waits
	hang   bool
	broken map[event.Offset]bool
}

func (w *waiting) Commit(ctx context.Context, next event.Offset, metadata string) error {
	if w.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return w.port.Commit(ctx, next, metadata)
}

func (w *waiting) Plan(ctx context.Context, number event.Offset) (*rules.Plan, error) {
	if w.broken[number] {
		return nil, errors.New("it does not compile")
	}
	return w.port.Plan(ctx, number)
}

func (w *waiting) Open(ctx context.Context, from event.Offset) (Feed, error) {
	f, err := w.port.Open(ctx, from)
	return &slowFeed{f, w}, err
}

// seen makes the task see what the test has changed.
func (w *waiting) seen() {
	w.mu.Lock()
	defer w.mu.Unlock()
}

// change waits until the task does, and changes the world.
func (w *waiting) change(f func()) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *waiting) Owner(context.Context) error {
	w.seen()
	return nil
}

type slowFeed struct {
	Feed
	w *waiting
}

func (f *slowFeed) Poll(ctx context.Context, wait time.Duration) (*ingest.Batch, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(min(wait, 100*time.Millisecond)):
	}
	f.w.seen()
	return f.Feed.Poll(ctx, 0)
}

func running(t *testing.T, s *simulation) (w *waiting, own *Task) {
	t.Helper()
	s.faults = false
	own = s.instance()
	s.own = own
	w = &waiting{port: own.o.Log.(*port), broken: map[event.Offset]bool{}}
	own.o.Log, own.o.Producer, own.o.Group, own.o.Bundles, own.o.Now = w, w, w, w, time.Now
	return w, own
}

// A task ends within seven seconds of being asked to, although its broker does not answer any more.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{world: newWorld(simPlans(t), 1)}
		w, own := running(t, s)
		for range 20 {
			s.produce()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- own.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if own.Status().Phase != Live || s.x == 0 {
			t.Fatalf("%+v", own.Status())
		}
		w.change(func() { s.produce(); w.hang = true })
		time.Sleep(time.Minute)
		synctest.Wait()
		cancel()
		asked := time.Now()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(asked); took > stopGrace+closeGrace {
			t.Errorf("the stop took %s", took)
		}
		if own.Status().Phase != Stopped {
			t.Errorf("the task is %s", own.Status().Phase)
		}
	})
}

// Rules that cannot be loaded are not put into the journal: the task goes on with those in force, and takes the next ones.
func TestBrokenRulesAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{world: newWorld(simPlans(t), 1)}
		w, own := running(t, s)
		w.broken[1] = true
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- own.Run(ctx) }()
		for n := range event.Offset(3) {
			w.change(func() { s.newest = n; s.produce() })
			time.Sleep(time.Minute)
			synctest.Wait()
			if st := own.Status(); st.Phase != Live || st.Recoveries > 0 || st.Committed.Offset != s.end {
				t.Fatalf("with bundle %d: %+v", n, st)
			}
			if got, want := own.Status().Bundle, []event.Offset{0, 0, 2}[n]; got != want {
				t.Errorf("bundle %d is in force, want %d", got, want)
			}
		}
		cancel()
		if err := <-done; err != nil || len(s.journal) != 2 {
			t.Errorf("%v; the journal has %d entries, want 2", err, len(s.journal))
		}
	})
}

// A first start with rules that cannot be loaded commits nothing.
func TestFirstStartWithBrokenRules(t *testing.T) {
	s := &simulation{world: newWorld(simPlans(t), 1)}
	w, own := running(t, s)
	w.broken[0] = true
	if err := own.recover(t.Context()); err == nil || s.found || len(s.journal) > 0 {
		t.Errorf("error %v; committed: %v, journal: %v", err, s.found, s.journal)
	}
}

// A store without room holds the task up, and nothing else: it goes on where it was when there is room again.
func TestAFullStorePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{world: newWorld(simPlans(t), 1)}
		w, own := running(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- own.Run(ctx) }()
		for _, full := range []bool{false, true, false} {
			w.change(func() {
				s.store.full = full
				for range 20 {
					s.produce()
				}
			})
			time.Sleep(time.Minute)
			synctest.Wait()
			st := own.Status()
			if full && (st.Phase != Recovering || !errors.Is(st.Err, checkpoint.ErrFull)) {
				t.Errorf("the store is full, and the task is %s, %v", st.Phase, st.Err)
			}
			if !full && (st.Phase != Live || st.Committed.Offset != s.end) {
				t.Errorf("the store has room, and the task is %s at %v of %d, %v", st.Phase, st.Committed, s.end, st.Err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want, err := s.expected(); err != nil || !slices.Equal(ofTopic(s.output, "alerts "), ofTopic(want, "alerts ")) {
			t.Errorf("the alerts are others than expected: %v", err)
		}
	})
}

// asking asks the task to stop as soon as it is live.
type asking struct{ stop context.CancelFunc }

func (asking) Stepped(*engine.Engine) {}
func (asking) Left(*engine.Engine)    {}
func (a asking) Did(w Work) {
	if w.Kind == Recovered {
		a.stop()
	}
}

// A task that is asked to stop at the moment in which it becomes live stops in order: what it has replayed is in a checkpoint afterwards. So
// does one that is to step carefully from there, with records at hand.
func TestStoppedWhenLive(t *testing.T) {
	for _, lives := range []uint32{0, livesSingle} {
		s, _, _ := halfway(t)
		for range 20 {
			s.produce()
		}
		s.exactly = 1000 // one batch has it all
		x := event.Position{Offset: s.x}
		s.store.state.note = (&note{at: x, lives: lives}).append(nil)
		ctx, cancel := context.WithCancel(t.Context())
		careful := event.Offset(0)
		s.own.o.Observer = asking{func() {
			careful = s.own.Status().Careful
			cancel()
		}}
		if err := s.own.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if y := s.store.state.meta.Y; y.Offset < x.Offset {
			t.Errorf("after %d lives the checkpoint is at %v, below %v", lives, y, x)
		}
		if is, end := careful > x.Offset, s.own.Status().Careful; is != (lives > 0) || end != 0 {
			t.Errorf("after %d lives it is shown to step carefully to %d, and to %d at the end", lives, careful, end)
		}
	}
}
