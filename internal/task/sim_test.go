package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
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
}

// do calls one step of an instance. A doubt ends its life, and the next call begins another one.
func (s *simulation) do(t *Task, step func(t *Task) error) error {
	ctx := context.Background()
	if t.engine == nil || !t.live {
		t.forget()
		t.lifetime, t.last = ctx, last{offset: -1}
		err := t.recover(ctx)
		if err == nil {
			err = s.replayFrames(t)
		}
		return s.settle(t, err)
	}
	err := step(t)
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
	s.actions, s.left = simActions, 60
	for range steps {
		if err := s.act(); err != nil {
			return err, s.back
		}
		s.now = s.now.Add(time.Duration(s.script.IntN(3)) * time.Millisecond)
	}
	s.faults = false
	for n := 0; s.own.engine == nil || !s.own.live || s.own.committed.Offset < s.end || s.own.bundle != s.newest; n++ {
		if n == 500 {
			return errors.New("the task does not come to rest"), s.back
		}
		for _, name := range []string{"poll", "boundary"} {
			s.now = s.now.Add(2 * time.Second)
			if err := s.do(s.own, simSteps[name]); err != nil {
				return err, s.back
			}
		}
	}
	return nil, s.back
}

// exclude journals that a record close by is to be passed over.
func (s *simulation) exclude(t *Task) error {
	if len(t.pending) > 0 || s.sameRules || s.eager { // what was seen already may be excluded afterwards when it is not in a transaction
		return nil
	}
	return t.journal(context.Background(), journal.Entry{Kind: journal.Exclude, Excluded: t.engine.Position().Offset + event.Offset(s.rand.IntN(3))})
}

// expected is the output of one engine that steps the log once, with the journal's bundles at their places.
func (s *simulation) expected() ([]string, error) {
	first := s.journal[0]
	plan := func(n event.Offset) *rules.Plan { return s.plans[int(n)%len(s.plans)] }
	e, err := engine.New(plan(first.Bundle), engine.Options{})
	if err != nil {
		return nil, err
	}
	var out engine.Output
	entries := s.journal[1:]
	oracle := New(Options{App: "app", Topic: "pays", DeadLettersTopic: "dead", Logger: s.own.log})
	var lines []string
	excluded := map[event.Offset]bool{}
	flush := func() {
		for _, a := range out.Alerts {
			lines = append(lines, "alerts "+string(a.Key)+" "+string(a.Value))
		}
		for i := range out.DeadLetters {
			m := oracle.deadLetter(&out.DeadLetters[i])
			lines = append(lines, "dead "+string(m.Key)+" "+string(m.Value))
		}
		out.Reset()
	}
	apply := func(to event.Offset) error {
		for len(entries) > 0 && entries[0].At.Offset <= to {
			e.Restore(event.Position{Offset: entries[0].At.Offset, Step: entries[0].At.Step + 1}, e.Watermark())
			switch entries[0].Kind {
			case journal.Exclude:
				excluded[entries[0].Excluded] = true
			case journal.Bundle:
				next, err := e.Switch(plan(entries[0].Bundle), entries[0].Bundle)
				if err != nil {
					return err
				}
				e = next
			}
			entries = entries[1:]
		}
		return nil
	}
	for i := range s.records {
		r := s.records[i]
		if err := apply(r.Offset); err != nil {
			return nil, err
		}
		if excluded[r.Offset] {
			out.DeadLetters = append(out.DeadLetters, excludedLetter(&s.records[i]))
		} else if err := e.Step(&ingest.Batch{Topic: "pays", Records: s.records[i : i+1], Next: r.Offset + 1}, &out); err != nil {
			return nil, err
		}
		flush()
	}
	return lines, nil
}

func simulate(plans []*rules.Plan, seed uint64, mutation string) (refused error, back bool, difference string) {
	s := &simulation{world: newWorld(plans, seed)}
	s.mutation, s.evicts = mutation, true
	s.own = s.instance()
	refused, back = s.run(700)
	if refused != nil {
		return refused, back, ""
	}
	want, err := s.expected()
	if err != nil {
		return err, back, ""
	}
	// Within one commit alerts go before dead letters, so each topic is compared on its own.
	for _, topic := range []string{"alerts ", "dead "} {
		got, want := ofTopic(s.output, topic), ofTopic(want, topic)
		if !slices.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			return nil, back, fmt.Sprintf("seed %d: %d %s visible, %d expected; the first difference is at %d:\n got %s\nwant %s", seed, len(got), topic, len(want), i, at(got, i), at(want, i))
		}
	}
	return nil, back, ""
}

func ofTopic(lines []string, topic string) []string {
	var of []string
	for _, l := range lines {
		if len(l) > len(topic) && l[:len(topic)] == topic {
			of = append(of, l)
		}
	}
	return of
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// The visible output of any schedule is that of one uninterrupted evaluation. Only a store that went back may be refused.
func TestSchedulesGiveTheSameAlerts(t *testing.T) {
	n := uint64(testsize.Of(60, 1000))
	plans := simPlans(t)
	refusals, alerts := 0, 0
	for seed := range n {
		refused, back, difference := simulate(plans, seed, "")
		switch {
		case difference != "":
			t.Fatal(difference)
		case refused != nil && !back:
			t.Fatalf("seed %d: %v", seed, refused)
		case refused != nil:
			refusals++
		default:
			alerts++
		}
	}
	t.Logf("%d schedules equal, %d refused after the store went back", alerts, refusals)
}

// With delivery at least once output can be read before it is committed. Then an alert may come again, but none is lost or different.
func TestAtLeastOnceRepeatsTheSame(t *testing.T) {
	plans := simPlans(t)
	repeated := 0
	for seed := range uint64(testsize.Of(30, 300)) {
		s := &simulation{world: newWorld(plans, seed), sameRules: true}
		s.eager = true
		s.own = s.instance()
		if refused, back := s.run(700); refused != nil {
			if !back {
				t.Fatalf("seed %d: %v", seed, refused)
			}
			continue
		}
		want, err := s.expected()
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(slices.Values(s.output))
		repeated += len(got) - len(want)
		slices.Sort(want)
		if got, want = slices.Compact(got), slices.Compact(want); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d different alerts and dead letters, want %d", seed, len(got), len(want))
		}
	}
	if repeated == 0 {
		t.Error("nothing was repeated: the test shows nothing")
	}
}

// The simulation notices when a part of the protocol is missing.
func TestMutationsShow(t *testing.T) {
	plans := simPlans(t)
	for mutation, first := range map[string]uint64{ // where the search begins: some show in one of a thousand
		"no fencing": 0, "journal before commit": 0, "read uncommitted": 0, "positions without steps": 0, "no write number": 0,
		"position of the flip": 115, "watermark of the flip": 1820,
		"eviction between commits": 0, "warming over memory": 0, "warming late": 0, "warm too early": 0, "warming in a replay": 50,
	} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			for seed := first; seed < first+5000; seed++ {
				refused, back, difference := simulate(plans, seed, mutation)
				if difference != "" || refused != nil && !back {
					t.Logf("shows at seed %d", seed)
					return
				}
			}
			t.Error("5000 schedules do not show it")
		})
	}
}
