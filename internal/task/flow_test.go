package task

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"insolite/internal/config"
	"insolite/internal/event"
	"insolite/rules"
)

// flow is two tasks that read sources, and the tasks of the stages that they send to. They share chance, clock and rules; each has its own
// log, store, commits and faults.
type flow struct {
	*nature
	sources, stages []*simulation
	failed          *simulation // the task that refused
}

// layout is which tasks a flow has. Sources and stages are named by topic; a topic that is named twice has two partitions.
type layout struct {
	sources, stages []string
	sets            []string // of rules, that bundles switch between
}

const (
	flowSource = `
    time: {field: at}
    lateness: 3s
    fields: {at: time, who: string, shop: string, kind: {type: string, optional: true}, amount: number}
`
	flowConfig = `version: 1
kafka: {brokers: [localhost:9092]}
sources:
  pay:
    topic: pays
    key: who` + flowSource + `
  refund:
    topic: refunds` + flowSource

	ruleEach   = "- {id: each, source: pay, group_by: [shop], context: {n: {agg: count, window: forever}}, condition: n >= 1}\n"
	ruleRefund = "- {id: each-refund, source: refund, group_by: [shop], context: {n: {agg: count, window: forever}}, condition: n >= 1}\n"
	ruleBusy   = "- {id: busy, source: pay, group_by: [shop], where: amount > 2, context: {n: {agg: count, window: 20s}}, condition: n >= 4, suppress: {for: 7s}}\n"
	ruleMore   = "- {id: more, source: pay, group_by: [shop], context: {s: {agg: sum, field: amount, window: 12s}}, condition: s > 20}\n"
	ruleOwn    = "- {id: own, source: pay, group_by: [who], context: {n: {agg: count, window: 20s}}, condition: n >= 3, suppress: {for: 7s}}\n"
	ruleKind   = "- {id: kind, source: pay, group_by: [kind], where: amount > 4, context: {n: {agg: count, window: 20s}}, condition: n >= 2}\n"

	ruleQuiet = "- {id: quiet, source: pay, group_by: [shop], absence: {of: pay, within: 9s}}\n"
	ruleLasts = "- {id: lasts, source: pay, group_by: [shop], context: {n: {agg: count, window: 20s}}, condition: n >= 3, for: 8s, keep_firing_for: 5s}\n"
	ruleAlone = "- {id: alone, source: pay, group_by: [who], absence: {of: pay, where: amount > 6, within: 12s, arm: first}}\n"

	ruleHops = "- {id: each-kind, source: pay, group_by: [kind], context: {s: {by: [shop], agg: count, window: 20s}, n: {agg: count, window: forever}}, condition: n >= 1}\n"
	ruleFar  = "- {id: far, source: pay, group_by: [kind], context: {s: {by: [shop], agg: sum, field: amount, window: 12s}, n: {agg: count, window: 20s}}, condition: s > 15 and n >= 2, suppress: {for: 7s}}\n"

	ruleRisk = "- {id: risk, source: insolite.alert, group_by: [entity], context: {r: {agg: sum, field: risk, window: 20s}, n: {agg: count, window: forever}}, condition: n >= 1}\n"
	ruleTop  = "- {id: top, source: insolite.alert, where: 'rule == \"own\"', group_by: [who], context: {n: {agg: count, window: 20s}}, condition: n >= 2, suppress: {for: 7s}}\n"

	byShop  = "app.by.shop.1"
	byKind  = "app.by.kind.1"
	farKind = "app.by.kind.2.fba3c4cb" // behind byShop
	onRisk  = "app.by.entity.101"      // on alerts
	onWho   = "app.by.who.101"
)

var flowLayouts = []layout{
	{[]string{"pays", "pays"}, []string{byShop}, []string{ruleEach + ruleBusy + ruleOwn, ruleEach + ruleMore + ruleOwn, ruleOwn}},
	{[]string{"pays", "refunds"}, []string{byShop}, []string{ruleEach + ruleRefund + ruleOwn, ruleRefund + ruleOwn, ruleEach + ruleMore + ruleRefund, ruleEach + ruleBusy}},
	{[]string{"pays", "pays"}, []string{byShop, byShop}, []string{ruleEach + ruleBusy + ruleOwn, ruleEach + ruleMore + ruleOwn}},
	{[]string{"pays", "refunds"}, []string{byShop, byKind}, []string{ruleEach + ruleRefund + ruleKind, ruleEach + ruleRefund + ruleOwn, ruleEach + ruleKind}},
	{[]string{"pays", "pays"}, []string{byShop, byShop, farKind}, []string{ruleEach + ruleHops + ruleOwn, ruleEach + ruleHops + ruleFar, ruleEach + ruleBusy}},
	{[]string{"pays", "pays"}, []string{byShop, byShop}, []string{ruleEach + ruleQuiet + ruleAlone, ruleEach + ruleQuiet + ruleLasts, ruleEach + ruleLasts + ruleAlone}},
	{[]string{"pays", "refunds"}, []string{byShop, farKind, farKind}, []string{ruleEach + ruleRefund + ruleHops, ruleEach + ruleHops + ruleFar}},
	{[]string{"pays", "pays"}, []string{byShop, onRisk}, []string{ruleEach + ruleOwn + ruleRisk, ruleEach + ruleBusy + ruleAlone + ruleRisk, ruleEach + ruleQuiet + ruleOwn + ruleRisk, ruleEach + ruleOwn}},
	{[]string{"pays", "pays"}, []string{byShop, onRisk, onRisk, onWho}, []string{ruleEach + ruleOwn + ruleRisk + ruleTop, ruleEach + ruleOwn + ruleAlone + ruleTop, ruleEach + ruleLasts + ruleOwn + ruleRisk}},
}

// flowSets are the sets of rules of a layout, loaded.
func flowSets(t testing.TB) [][]*rules.Set {
	c, list := config.Load("insolite.yaml", config.Options{ReadFile: func(string) ([]byte, error) { return []byte(flowConfig), nil }, Env: func(string) (string, bool) { return "", false }})
	if c == nil {
		t.Fatal(list.Err())
	}
	var all [][]*rules.Set
	for _, l := range flowLayouts {
		var sets []*rules.Set
		for _, text := range l.sets {
			set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte("version: 1\nrules:\n" + text)}}, c.Sources, nil, rules.Options{App: "app"})
			if set == nil {
				t.Fatal(list.Err())
			}
			sets = append(sets, set)
		}
		all = append(all, sets)
	}
	return all
}

// plansOf is what the sets compute on a topic.
func plansOf(sets []*rules.Set, topic string) (plans []*rules.Plan) {
	for _, set := range sets {
		p := set.Plan(topic)
		switch {
		case p != nil:
		case topic == farKind:
			p = &rules.Plan{Topic: topic, Stage: &rules.Stage{Hop: 2}}
		case strings.HasSuffix(topic, ".101"):
			p = &rules.Plan{Topic: topic, Stage: &rules.Stage{Hop: 101}}
		case strings.HasPrefix(topic, "app.by."):
			p = &rules.Plan{Topic: topic, Stage: &rules.Stage{Hop: 1}}
		default:
			p = &rules.Plan{Topic: topic}
			for _, s := range set.Sources {
				if s.Topic == topic {
					p.Sources = append(p.Sources, &rules.SourcePlan{Source: s, Width: len(s.Fields), Needed: make([]bool, len(s.Fields))})
					p.Lateness = max(p.Lateness, s.Lateness)
				}
			}
		}
		plans = append(plans, p)
	}
	return plans
}

// newFlow makes the flow of a seed.
func newFlow(all [][]*rules.Set, seed uint64, eager bool) *flow {
	n := newNature(seed)
	n.eager = eager
	f := flowOf(all, n.script.IntN(len(flowLayouts)), n)
	for _, s := range f.all() {
		s.sameRules = eager && seed%2 == 0
	}
	if f.hops() > 1 { // frames end within what came in one
		for _, s := range f.stages {
			s.frameBytes = []int{0, 1, 300}[n.script.IntN(3)]
		}
	}
	if n.script.IntN(3) == 0 {
		start := Start{WarmUp: time.Duration(1+n.script.IntN(20)) * time.Second}
		for range 15 {
			f.sources[0].produce()
			f.sources[1].produce()
		}
		for _, s := range f.all() {
			s.start = start
		}
	}
	for _, s := range f.all() {
		s.own = s.instance()
	}
	return f
}

// flowOf makes a flow without instances.
func flowOf(all [][]*rules.Set, n int, shared *nature) *flow {
	f := &flow{nature: shared}
	l, targets := &flowLayouts[n], map[string][]*world{}
	add := func(topics []string, i int) *simulation {
		w := newWorld(plansOf(all[n], topics[i]), 0)
		w.nature, w.topic, w.targets, w.evicts = f.nature, topics[i], targets, true
		for j, topic := range topics {
			if topic == topics[i] {
				w.parts++
				if j < i {
					w.partition++
				}
			}
		}
		w.parts--
		w.value = w.sale
		return &simulation{world: w, actions: flowActions, left: 40}
	}
	for i := range l.sources {
		f.sources = append(f.sources, add(l.sources, i))
	}
	for i := range l.stages {
		s := add(l.stages, i)
		s.left = 0
		f.stages = append(f.stages, s)
		targets[s.topic] = append(targets[s.topic], s.world)
	}
	return f
}

// hops is how many topics of stages an event may come through.
func (f *flow) hops() int { return f.stages[len(f.stages)-1].plans[0].Stage.Hop }

func (f *flow) all() []*simulation { return append(append([]*simulation{}, f.sources...), f.stages...) }

// sale is in disorder, and may be late.
func (w *world) sale() string {
	at := w.now.Add(-time.Duration(w.script.IntN(5000)) * time.Millisecond)
	kind := ""
	if w.script.IntN(3) > 0 {
		kind = fmt.Sprintf(`,"kind":"%c"`, 'a'+w.script.IntN(2))
	}
	return fmt.Sprintf(`{"at":%q,"who":"%c","shop":"%c"%s,"amount":%d}`, at.UTC().Format(time.RFC3339Nano), 'a'+w.script.IntN(3), 'p'+w.script.IntN(3), kind, w.script.IntN(12))
}

// flowActions are those of a single task with those of the clock, less often what concerns all tasks.
var flowActions = func() (all []action) {
	often := map[string]int{"poll": 320, "boundary": 300, "new rules": 5, "exclude": 4, "look around": 2, "store goes back": 1}
	for _, a := range simActions {
		if of, ok := often[a.kind]; ok {
			a.of = of
		}
		all = append(all, a)
	}
	return append(all, action{"tick", 30, tickOn}, action{"mark", 90, func(s *simulation) error { return s.do(s.own, simSteps["mark"]) }},
		action{"silence", 6, func(s *simulation) error {
			s.now = s.now.Add(time.Duration(1+s.script.IntN(40)) * time.Second)
			return nil
		}})
}()

// run goes through a schedule and to its end.
func (f *flow) run(steps int) (refused error) {
	all := f.all()
	for range steps {
		s := all[f.script.IntN(len(all))]
		draws := rand.New(rand.NewPCG(f.script.Uint64(), 3)) // what one step draws does not shift the next ones
		f.nature.script, draws = draws, f.nature.script
		err := s.act()
		f.nature.script = draws
		if err != nil {
			f.failed = s
			return err
		}
		f.now = f.now.Add(time.Duration(f.script.IntN(20)) * time.Millisecond)
	}
	f.faults = false
	return f.rest(all)
}

var errRestless = errors.New("the tasks do not come to rest")

// rest lets the tasks work until nothing changes any more.
func (f *flow) rest(all []*simulation) error {
	for still, n := 0, 0; still < 6; n++ {
		if n == 500 {
			return errRestless
		}
		still++
		for _, s := range all {
			before, was := s.end, s.committedTo()
			for _, name := range []string{"poll", "boundary", "mark", "tick", "boundary"} {
				f.now = f.now.Add(200 * time.Millisecond)
				if err := s.do(s.own, simSteps[name]); err != nil {
					f.failed = s
					return err
				}
			}
			if now := s.committedTo(); now != was || now.Offset < s.end || s.end != before || !s.own.onStage() && s.own.bundle != f.newest {
				still = 0
			}
		}
	}
	return nil
}

// committedTo is how far the task has come, NoPosition while it does not work.
func (s *simulation) committedTo() event.Position {
	if s.own.engine == nil || !s.own.live {
		return event.Position{Offset: -1}
	}
	return s.own.committed
}

func (t *Task) onStage() bool { return t.engine != nil && t.stage() }
