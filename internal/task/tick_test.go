package task

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/journal"
)

// ticking is a task without faults whose clock the test moves.
type ticking struct {
	*simulation
	t *testing.T
}

func newTicking(t *testing.T) *ticking {
	s := &simulation{world: newWorld(simPlansOf(t, []string{"\n- {id: silent, source: pay, group_by: [who], absence: {of: pay, within: 10s}}\n"}), 1)}
	s.faults = false
	s.own = s.instance()
	return &ticking{s, t}
}

// pay is an event of a key, so long before its record's timestamp, which is now.
func (s *ticking) pay(who string, before time.Duration) {
	s.add(fmt.Appendf(nil, `{"at":%q,"who":%q,"id":"%d","amount":1}`, s.now.Add(-before).UTC().Format(time.RFC3339Nano), who, s.end))
}

// work lets the task do what there is to do, and returns the ticks that it wrote.
func (s *ticking) work() (ticks []journal.Entry) {
	s.t.Helper()
	before := len(s.journal)
	for range 20 {
		for _, name := range []string{"poll", "boundary", "tick"} {
			if err := s.do(s.own, simSteps[name]); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	for _, e := range s.journal[before:] {
		if e.Kind == journal.Tick {
			ticks = append(ticks, e)
		}
	}
	return ticks
}

func (s *ticking) pass(d time.Duration) { s.now = s.now.Add(d) }

// A tick comes when the input is silent, something is due by the clock, and not sooner; it fires that once.
func TestTick(t *testing.T) {
	s := newTicking(t)
	if ticks := s.work(); len(ticks) > 0 {
		t.Fatalf("without any record: %+v", ticks)
	}
	s.pay("ann", 2*time.Second) // the lateness is 3 s: it is due when the watermark is above 8 s from now, 13 s after this record
	began, _ := event.TimeOf(s.now)
	for _, c := range []struct {
		after time.Duration
		ticks bool
	}{{0, false}, {time.Second, false}, {3 * time.Second, false}, {9 * time.Second, false}, {time.Second, true}, {time.Minute, false}} {
		s.pass(c.after)
		ticks := s.work()
		if (len(ticks) == 1) != c.ticks || len(ticks) > 1 {
			t.Fatalf("after %s more: %+v", c.after, ticks)
		}
		if c.ticks && ticks[0].Time != began.Add(9*time.Second) {
			t.Errorf("until %d, want %d", ticks[0].Time, began.Add(9*time.Second))
		}
	}
	if len(s.output) != 1 || !strings.Contains(s.output[0], `"who":"ann"`) {
		t.Errorf("alerts: %q", s.output)
	}
	if w := s.own.engine.Watermark(); w != began.Add(-5*time.Second) {
		t.Errorf("the watermark has moved to %d", w)
	}
	s.pay("bob", 0)
	s.work()
	s.own = s.instance() // a replay finds the tick where it was
	s.work()
	if len(s.output) != 1 || s.own.engine.Position() != (event.Position{Offset: 2}) {
		t.Errorf("after a restart: %q at %v", s.output, s.own.engine.Position())
	}
}

// There is no tick while records come, while some have not been read, or when it is not known how long the silence has lasted.
func TestNoTick(t *testing.T) {
	for name, c := range map[string]func(s *ticking){
		"records come": func(s *ticking) {
			for i := range 20 {
				s.pass(1900 * time.Millisecond)
				s.pay("bob", time.Duration(i+1)*1900*time.Millisecond) // time does not pass in events
				s.work()
			}
		},
		"not read": func(s *ticking) { s.pass(time.Minute); s.end += 5 },
		"not known": func(s *ticking) {
			s.own.last.timestamp = event.NoTime
			s.pass(time.Minute)
		},
	} {
		s := newTicking(t)
		s.pay("ann", 0)
		s.work()
		c(s)
		if err := s.own.tick(context.Background()); err != nil || len(s.journal) != 1 {
			t.Errorf("%s: %+v, %v", name, s.journal, err)
		}
	}
}

// Ticks are transactions: they do not follow each other closer than a second.
func TestTicksArePaced(t *testing.T) {
	s := newTicking(t)
	for i := range 30 {
		s.pay(fmt.Sprint(i), 0)
		s.pass(100 * time.Millisecond)
	}
	s.work()
	s.pass(10 * time.Second)
	ticks := 0
	for range 50 {
		s.pass(100 * time.Millisecond)
		ticks += len(s.work())
	}
	if ticks < 3 || ticks > 5 || len(s.output) != 30 {
		t.Errorf("%d ticks in 5 s, %d alerts", ticks, len(s.output))
	}
}
