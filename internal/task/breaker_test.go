package task

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The breaker opens when half of its window is refused, not before, and is closed for good by a trial that goes well.
func TestBreaker(t *testing.T) {
	now := time.Unix(0, 0)
	b := &breaker{window: 1000}
	if b.add(decodings{800, 800}, now) {
		t.Error("it opens before its window is full")
	}
	if b.add(decodings{1000, 60}, now) {
		t.Error("it opens for a few records of many")
	}
	if opens := b.add(decodings{400, 400}, now); opens {
		t.Error("it opens for 400 of a thousand")
	}
	if !b.add(decodings{200, 200}, now) {
		t.Error("it does not open for 600 of a thousand")
	}
	b.openNow(now, 7)
	if wait := b.wait(now, 7); wait != breakerPauseMin {
		t.Errorf("it waits %s", wait)
	}
	now = now.Add(breakerPauseMin)
	if wait := b.wait(now, 7); wait != 0 || !b.trial || b.holds() {
		t.Errorf("it waits %s", wait)
	}
	if b.add(decodings{60, 60}, now) || !b.holds() {
		t.Error("60 records decide")
	}
	if !b.add(decodings{60, 0}, now) {
		t.Error("half of a trial may be refused")
	}
	b.openNow(now, 7)
	if wait := b.wait(now, 7); wait != 2*breakerPauseMin {
		t.Errorf("after a failed trial it waits %s", wait)
	}
	if wait := b.wait(now, 8); wait != 0 {
		t.Errorf("other rules have to wait %s", wait)
	}
	if b.add(decodings{10, 1}, now) || !b.holds() || b.judge(now.Add(trialTime)) || b.holds() || b.pause != 0 {
		t.Errorf("a trial that goes well does not close it: %+v", b)
	}
	if (&breaker{}).add(decodings{1 << 20, 1 << 20}, now) {
		t.Error("one that is off opens")
	}
}

// A producer goes mad: hardly more than the breaker's window become dead letters, the task waits, and says so; when the schema fits again it goes
// on, and what is visible is as if nothing had been.
func TestMadProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{world: newWorld(simPlans(t), 1)}
		w, own := running(t, s)
		own.breaker.window = 100
		s.bulk = 300
		for range 50 {
			s.produce()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- own.Run(ctx) }()
		time.Sleep(time.Minute)
		w.change(func() {
			for range 400 {
				s.add([]byte(`{"at":"no time"}`))
			}
		})
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		letters := 0
		for _, l := range s.output {
			if strings.HasPrefix(l, "dead ") {
				letters++
			}
		}
		if st := own.Status(); letters > 160 || !errors.Is(st.Broken, errBroken) || st.Committed.Offset >= s.end {
			t.Errorf("%d dead letters, committed %v of %d, %v", letters, st.Committed, s.end, st.Broken)
		}
		bundle := own.Status().Bundle
		w.change(func() { s.newest++ })
		time.Sleep(time.Second)
		synctest.Wait()
		if now := own.Status(); now.Bundle <= bundle {
			t.Errorf("bundle %d is in force, %d was: other rules do not come into force while it waits", now.Bundle, bundle)
		}
		w.change(func() { own.breaker.window, own.breaker.until = 0, time.Time{} }) // a person lets them go
		time.Sleep(time.Minute)
		synctest.Wait()
		if x := s.x; x != s.end {
			t.Errorf("committed %d of %d", x, s.end)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want, err := s.evaluate()
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"alerts ", "dead "} {
			if d := differ(topic, ofTopic(s.output, topic), ofTopic(want.lines, topic)); d != "" {
				t.Error(d)
			}
		}
	})
}
