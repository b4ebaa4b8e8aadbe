package task

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/event"
)

// source is a task that sends to a stage, run by the clock.
func source(t *testing.T) (s *simulation, w *waiting, own *Task) {
	t.Helper()
	f := flowOf(flowSets(t), 0, newNature(1))
	s = f.sources[0]
	w, own = running(t, s)
	return s, w, own
}

// frames are those that the stage has got, which say something.
func (s *simulation) frames(t *testing.T, says func(h *frame.Header) bool) (n int) {
	t.Helper()
	for _, r := range s.targets[byShop][0].records {
		var f frame.Reader
		if err := f.Reset(r.Value); err != nil {
			t.Fatal(err)
		}
		if says(&f.Header) {
			n++
		}
	}
	return n
}

// A task that is too far ahead does not read on, and does all else: it takes over rules, it counts as alive, it stops.
func TestPaceHoldsATaskBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, own := source(t)
		var wait atomic.Int64
		own.o.Pace = func(watermark event.Time) time.Duration { return time.Duration(wait.Load()) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- own.Run(ctx) }()
		minute := func() Status {
			time.Sleep(time.Minute)
			synctest.Wait()
			return own.Status()
		}
		w.change(func() { s.produce() })
		if st := minute(); st.Phase != Live || st.Committed.Offset != s.end {
			t.Fatalf("%+v", st)
		}
		before := s.end
		wait.Store(int64(time.Hour))
		minute() // a read was under way
		w.change(func() { s.produce(); s.newest++ })
		switch st := minute(); {
		case st.Position.Offset != before || st.Position.Step != 1 || st.Bundle != s.newest:
			t.Errorf("held back it stands at %v with bundle %d", st.Position, st.Bundle)
		case time.Since(st.Progress) > 2*time.Second:
			t.Errorf("held back it seems stuck since %s", time.Since(st.Progress))
		}
		wait.Store(0)
		if st := minute(); st.Committed.Offset != s.end {
			t.Errorf("it does not go on: %+v", st)
		}
		wait.Store(int64(time.Hour))
		cancel()
		asked := time.Now()
		if err := <-done; err != nil || time.Since(asked) > stopGrace {
			t.Errorf("the stop took %s: %v", time.Since(asked), err)
		}
	})
}

// stuck is a feed whose fetch does not get through: it brings nothing, and knows of nothing.
type stuck struct {
	Feed
	w   *waiting
	end event.Offset
	is  *atomic.Bool
}

func (f *stuck) Poll(ctx context.Context, wait time.Duration) (*ingest.Batch, error) {
	if !f.is.Load() {
		return f.Feed.Poll(ctx, wait)
	}
	time.Sleep(wait)
	f.w.seen()
	return nil, nil
}

func (f *stuck) End() event.Offset {
	if !f.is.Load() {
		f.end = f.Feed.End()
	}
	return f.end
}

type stuckLog struct {
	*waiting
	is atomic.Bool
}

func (l *stuckLog) Open(ctx context.Context, from event.Offset) (Feed, error) {
	f, err := l.waiting.Open(ctx, from)
	return &stuck{Feed: f, w: l.waiting, is: &l.is}, err
}

// A task tells stages that it is idle when its log has ended and nothing has come for a while, not when it can't be read; and that it is here.
func TestIdleIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, own := source(t)
		log := &stuckLog{waiting: w}
		own.o.Log = log
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- own.Run(ctx) }()
		idle := func(h *frame.Header) bool { return h.Idle }
		any := func(h *frame.Header) bool { return true }
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if s.frames(t, any) == 0 {
			t.Error("half a second after its start the stage knows nothing of it")
		}
		log.is.Store(true)
		w.change(func() { s.produce() })
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := s.frames(t, idle); n > 0 {
			t.Errorf("%d frames say that it is idle, with records that were not read", n)
		}
		log.is.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		records := s.targets[byShop][0].records
		if n := s.frames(t, idle); n != 1 || len(records) > 4 {
			t.Errorf("%d of %d frames say that it is idle, want one", n, len(records))
		}
		w.change(func() { s.produce() })
		time.Sleep(time.Second)
		synctest.Wait()
		if last := s.targets[byShop][0].records; len(last) == len(records) {
			t.Error("the stage does not know that it is idle no more")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
