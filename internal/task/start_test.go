package task

import (
	"slices"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// A task that has never run begins where it is told to, builds contexts from before, and begins there again when it crashes before its first
// checkpoint, whatever the clock says then. An older version committed at once where the output begins, and replayed what lies before it.
func TestWhereTheFirstStartBegins(t *testing.T) {
	after := func(s *simulation, at event.Time) event.Offset {
		for i := range s.records {
			if s.records[i].Timestamp >= at {
				return s.records[i].Offset
			}
		}
		return s.end
	}
	now := func(s *simulation) event.Time { return event.Time(s.now.UnixNano()) }
	middle := func(s *simulation) event.Time { return s.records[len(s.records)/2].Timestamp }
	for name, c := range map[string]struct {
		start func(s *simulation) Start
		x, y  func(s *simulation) event.Offset
	}{
		"latest": {func(*simulation) Start { return Start{} },
			func(s *simulation) event.Offset { return s.end }, func(s *simulation) event.Offset { return s.end }},
		"latest, warmed up": {func(*simulation) Start { return Start{WarmUp: 15 * time.Second} },
			func(s *simulation) event.Offset { return s.end }, func(s *simulation) event.Offset { return after(s, now(s).Add(-15*time.Second)) }},
		"earliest": {func(*simulation) Start { return Start{From: FromEarliest} },
			func(*simulation) event.Offset { return 7 }, func(*simulation) event.Offset { return 7 }},
		"a time": {func(s *simulation) Start { return Start{From: FromTime, At: middle(s)} },
			func(s *simulation) event.Offset { return after(s, middle(s)) }, func(s *simulation) event.Offset { return after(s, middle(s)) }},
		"a time, warmed up": {func(s *simulation) Start { return Start{From: FromTime, At: middle(s), WarmUp: 10 * time.Second} },
			func(s *simulation) event.Offset { return after(s, middle(s)) }, func(s *simulation) event.Offset { return after(s, middle(s).Add(-10*time.Second)) }},
		"warmed up from before the log": {func(*simulation) Start { return Start{WarmUp: time.Hour} },
			func(s *simulation) event.Offset { return s.end }, func(*simulation) event.Offset { return 7 }},
		"a time to come": {func(s *simulation) Start { return Start{From: FromTime, At: now(s).Add(time.Hour)} },
			func(s *simulation) event.Offset { return s.end }, func(s *simulation) event.Offset { return s.end }},
	} {
		test := func(t *testing.T, older bool) {
			s := &simulation{world: newWorld(simPlans(t), 5)}
			s.faults = false
			for range 60 {
				s.produce()
			}
			s.earliest = 7
			s.records = slices.DeleteFunc(s.records, func(r ingest.Record) bool { return r.Offset < 7 })
			start, x, y := c.start(s), c.x(s), c.y(s)
			s.own = s.instance()
			s.own.o.Start = start
			if err := s.do(s.own, nil); err != nil {
				t.Fatal(err)
			}
			if first := s.journal[0]; first.At.Offset != x || first.From != y || s.x != y {
				t.Fatalf("the journal begins with %+v and %d is committed, want %d, contexts from %d", first, s.x, x, y)
			}
			if older {
				s.x = x
			}
			s.now = s.now.Add(time.Hour)
			s.own = s.instance() // after a crash
			s.own.o.Start = start
			for range 60 {
				s.produce()
			}
			if err := s.settled(); err != nil {
				t.Fatal(err)
			}
			if got, want := ofTopic(s.output, "alerts "), s.from(t, x, y); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("%d alerts, want %d", len(got), len(want))
			}
		}
		t.Run(name, func(t *testing.T) { test(t, false) })
		t.Run(name+", by an older version", func(t *testing.T) { test(t, true) })
	}
}

// from are the alerts of one engine that begins at y and gives output from x on.
func (s *simulation) from(t *testing.T, x, y event.Offset) (lines []string) {
	t.Helper()
	e, err := engine.New(s.plans[0], engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.records {
		var out engine.Output
		if r := &s.records[i]; r.Offset >= y {
			if err := e.Step(&ingest.Batch{Topic: "pays", Records: s.records[i : i+1], Next: r.Offset + 1}, &out); err != nil {
				t.Fatal(err)
			}
			for _, a := range out.Alerts {
				if r.Offset >= x {
					lines = append(lines, "alerts "+string(a.Key)+" "+string(a.Value))
				}
			}
		}
	}
	return lines
}
