package task

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/testsize"
	"insolite/rules"
)

// simulation drives one task through a random schedule of steps, commits (some doubtful), sweeps, new bundles, crashes, zombies and a store
// that loses its tail. The production code of recovery, commit and sweep runs; only Kafka, store and clock are made up.
type simulation struct {
	*world
	own       *Task
	late      []read // for "warming late"
	zombies   []*Task
	sameRules bool
	actions   []action
	left      int  // records to come
	back      bool // the store lost its tail
	kills     bool // records may kill; none is excluded but for that
}

// do calls one step of an instance. A doubt ends its life, and the next call begins another one.
func (s *simulation) do(t *Task, step func(t *Task) error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case death:
			if err, t.engine, t.live = nil, nil, false; t == s.own {
				s.own = s.instance()
			}
		default:
			panic(p)
		}
	}()
	ctx := context.Background()
	if t.engine == nil || !t.live {
		t.forget()
		t.lifetime, t.last = ctx, last{offset: -1, timestamp: event.NoTime}
		err := t.recover(ctx)
		if err == nil {
			err = s.replayFrames(t)
		}
		return s.settle(t, err)
	}
	err = step(t)
	if err == nil && t.live {
		err = s.mutate(t)
	}
	return s.settle(t, err)
}

// settle throws an instance's memory away after an error, and passes on what a person has to decide.
func (s *simulation) settle(t *Task, err error) error {
	if err == nil {
		return nil
	}
	t.engine, t.live = nil, false
	err = t.refusal(err)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return err
	}
	return nil
}

var simSteps = map[string]func(t *Task) error{
	"poll":     func(t *Task) error { return t.poll(context.Background(), 0) },
	"boundary": func(t *Task) error { return t.boundary(context.Background()) },
	"tick":     func(t *Task) error { return t.tick(context.Background()) },
	"mark":     func(t *Task) error { return t.mark(context.Background()) },
	"stop":     func(t *Task) error { return t.stop(context.Background()) },
}

// action is what may happen next.
type action struct {
	kind string
	of   int // a thousand times, how often
	do   func(s *simulation) error
}

// simActions are those of a single task.
var simActions = []action{
	{"produce", 140, func(s *simulation) error {
		if s.left > 0 {
			s.produce()
			s.left--
		}
		return nil
	}},
	{"poll", 340, func(s *simulation) error { return s.do(s.own, simSteps["poll"]) }},
	{"boundary", 410, func(s *simulation) error { return s.do(s.own, simSteps["boundary"]) }},
	{"new rules", 15, func(s *simulation) error {
		if !s.sameRules {
			s.newest++
		}
		return nil
	}},
	{"exclude", 7, func(s *simulation) error { return s.do(s.own, s.exclude) }},
	{"look around", 4, func(s *simulation) error { return s.do(s.own, s.lookAround) }},
	{"crash", 14, func(s *simulation) error { s.own = s.instance(); return nil }},
	{"takeover", 15, func(s *simulation) error { // the old one does not know
		s.zombies = append(s.zombies, s.own)
		s.own = s.instance()
		return nil
	}},
	{"stop", 5, func(s *simulation) error {
		err := s.do(s.own, simSteps["stop"])
		s.own = s.instance()
		return err
	}},
	{"store goes back", 5, func(s *simulation) error {
		if len(s.store.history) > 0 {
			s.store.state = s.store.history[s.rand.IntN(len(s.store.history))].clone()
			s.back = true
		}
		return nil
	}},
	{"zombie", 45, func(s *simulation) error {
		if len(s.zombies) == 0 {
			return nil
		}
		z := s.zombies[s.rand.IntN(len(s.zombies))]
		if z.engine != nil && z.live { // one that has stopped stepping does not recover: its group tells it
			name := []string{"poll", "boundary", "mark"}[s.rand.IntN(3)]
			_ = s.do(z, simSteps[name]) // whatever it says, nobody listens
		}
		return nil
	}},
}

// act does what comes next.
func (s *simulation) act() error {
	n := s.script.IntN(1000)
	for _, a := range s.actions {
		if n -= a.of; n >= 0 {
			continue
		}
		if s.off[a.kind] {
			return nil
		}
		s.seen[a.kind] = true
		return a.do(s)
	}
	return nil
}

// run goes through a schedule and to its end. back tells that the store lost its tail, after which a refusal is right.
func (s *simulation) run(steps int) (refused error, back bool) {
	if s.left = 60; s.actions == nil {
		s.actions = simActions
	}
	for range steps {
		if err := s.act(); err != nil {
			return err, s.back
		}
		s.now = s.now.Add(time.Duration(s.script.IntN(3)) * time.Millisecond)
	}
	s.faults = false
	for n := 0; !s.atRest(); n++ {
		if n == 2000 {
			return errors.New("the task does not come to rest"), s.back
		}
		for _, name := range []string{"tick", "poll", "boundary"} {
			s.now = s.now.Add(2 * time.Second)
			if err := s.do(s.own, simSteps[name]); err != nil {
				return err, s.back
			}
		}
	}
	return nil, s.back
}

// atRest reports whether all of the log is committed.
func (s *simulation) atRest() bool {
	t := s.own
	return t.engine != nil && t.live && !t.engine.Firing() && t.committed.Offset == s.end && t.engine.Position() == t.committed && !t.cycle.output && t.bundle == s.newest
}

// exclude journals that a record close by is to be passed over.
func (s *simulation) exclude(t *Task) error {
	if len(t.pending) > 0 || t.engine.Firing() || s.sameRules || s.eager || s.kills { // what was seen already may be excluded afterwards when it is not in a transaction
		return nil
	}
	return t.journal(context.Background(), journal.Entry{Kind: journal.Exclude, Excluded: t.engine.Position().Offset + event.Offset(s.rand.IntN(3))})
}

// expected is what can be read in the end.
func (s *simulation) expected() ([]string, error) {
	x, err := s.evaluate()
	if err != nil {
		return nil, err
	}
	return x.lines, nil
}

const simLength = 700

// simulate runs schedules of one task.
func simulate(plans []*rules.Plan) func(schedule) outcome {
	return simulateWith(plans, simActions, nil)
}

// simulateWith runs schedules of other actions and events.
func simulateWith(plans []*rules.Plan, actions []action, value func(*world) string) func(schedule) outcome {
	return func(c schedule) outcome {
		s := &simulation{world: newWorld(plans, c.seed), sameRules: c.eager, actions: actions}
		if value != nil {
			s.value = func() string { return value(s.world) }
		}
		s.mutation, s.eager, s.off, s.evicts = c.mutation, c.eager, c.off, true
		if s.script.IntN(3) == 0 {
			s.start = Start{WarmUp: 10 * time.Second}
			for range 15 {
				s.produce()
			}
			s.seen["warm-up"] = true
		}
		s.own = s.instance()
		return s.outcome(c.steps)
	}
}

// outcome runs the schedule and compares.
func (s *simulation) outcome(steps int) outcome {
	refused, back := s.run(steps)
	if s.store.dues > 0 {
		s.seen["cold timers"] = true
	}
	if refused != nil && back {
		return outcome{"", true, s.seen}
	}
	err := refused
	if err == nil {
		var want *evaluation
		if want, err = s.evaluate(); err == nil {
			s.seen["repeated output"] = s.seen["repeated output"] || len(s.output) > len(want.lines)
			return outcome{s.compare(want), false, s.seen}
		}
	}
	return outcome{err.Error(), false, s.seen}
}

// compare compares what can be read of a task with its evaluation.
func (s *simulation) compare(want *evaluation) string {
	if s.own.engine.Watermark() != want.watermark {
		return fmt.Sprintf("the watermark of %s/%d is %d, want %d", s.topic, s.partition, s.own.engine.Watermark(), want.watermark)
	}
	if s.eager {
		if !s.sameRules && !s.own.onStage() {
			return "" // what is repeated after a crash may be repeated with other rules
		}
		return differ("different alerts and dead letters of "+s.topic, distinct(s.output), distinct(want.lines))
	}
	for _, topic := range []string{"alerts ", "dead "} { // within one commit alerts go before dead letters
		if d := differ(topic+"of "+s.topic, ofTopic(s.output, topic), ofTopic(want.lines, topic)); d != "" {
			return d
		}
	}
	return ""
}

// The visible output of any schedule is that of one uninterrupted evaluation. Only a store that went back may be refused.
func TestSchedulesGiveTheSameAlerts(t *testing.T) {
	t.Parallel()
	seen := all(t, testsize.Of(60, 5000), schedule{steps: simLength}, simulate(simPlans(t)))
	need(t, seen, "warm-up", "commit failed", "reply lost", "crash", "takeover", "zombie", "new rules", "exclude", "store goes back")
}

// With delivery at least once output can be read before it is committed. Then an alert may come again, but none is lost or different.
func TestAtLeastOnceRepeatsTheSame(t *testing.T) {
	t.Parallel()
	seen := all(t, testsize.Of(30, 2000), schedule{steps: simLength, eager: true}, simulate(simPlans(t)))
	need(t, seen, "warm-up", "repeated output", "crash", "zombie")
}
