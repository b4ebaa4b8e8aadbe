package app

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"insolite/internal/stagelog"
	"insolite/internal/testsize"
)

// The program is killed again and again.
func stagesKilled(r *rig, rules ...string) {
	stageRig(r, rules...)
	end := r.pourBoth(2500)
	r.killed(3, rand.New(rand.NewPCG(7, 8)), 700*time.Millisecond, 2700*time.Millisecond)
	end()
	r.drain()
	r.judgeStages()
}

// With at_least_once rows may come again; none is absorbed twice.
func stagesRepeated(r *rig) {
	stageRig(r, terminalRule, settledRules)
	end := r.pourBoth(2500)
	r.killed(3, rand.New(rand.NewPCG(9, 8)), 700*time.Millisecond, 2700*time.Millisecond)
	end()
	r.drain()
	want := r.evaluate()
	visible := r.visible(r.project.Config.Alerts)
	same(r.t, "different alerts", slices.Compact(slices.Clone(visible)), slices.Compact(slices.Clone(want.alerts)))
	if n := len(slices.Compact(slices.Clone(want.alerts))); n != len(want.alerts) {
		r.t.Errorf("the recorded logs give %d alerts, %d of them different: a row was absorbed twice", len(want.alerts), n)
	}
	same(r.t, "different rows", slices.Compact(slices.Clone(want.recorded)), want.sent)
	r.t.Logf("%d alerts and %d rows were repeated", len(visible)-len(want.alerts), len(want.recorded)-len(want.sent))
	r.ofStages(want.alerts)
}

// A rule of a stage comes while the program runs, goes, and comes back, under kills. Nothing of the others is interrupted by it.
func stageAddedAndDropped(r *rig) {
	stageRig(r)
	end := r.loadBoth(40_000, 3000)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	r.rules(func(text string) string { return text + terminalRule })
	r.logged("the topics that are read have changed", 1, patience)
	r.logged("msg=live", 2*rigPartitions, patience)
	if n := strings.Count(r.told(), "partition given up"); n != 0 {
		r.t.Errorf("%d tasks were interrupted when the stage came", n)
	}
	time.Sleep(time.Second)
	r.drop(terminalRule)
	r.logged("before=", 2*rigPartitions, patience)
	time.Sleep(500 * time.Millisecond)
	r.kill()
	r.rules(func(text string) string { return text + settledRules + terminalRule })
	r.start("run")
	time.Sleep(3 * time.Second)
	r.kill()
	r.start("run")
	end()
	r.interrupt()
	r.drain()
	r.reload()
	r.judgeStages()
}

// Two instances share their contexts in Redis and are killed in turn; rules go by one and by two keys.
func twoInstancesKilled(one *rig) {
	stageRig(one, terminalRule, settledRules, twoKeyRule)
	two := one.twin(func(text string) string { return strings.Replace(text, "static_id: one", "static_id: two", 1) })
	end := one.pourBoth(2500)
	one.start("run")
	two.start("run")
	one.logged("msg=live", 1, patience)
	random := rand.New(rand.NewPCG(11, 6))
	for n := range testsize.Rounds(4) {
		time.Sleep(700*time.Millisecond + time.Duration(random.IntN(1800))*time.Millisecond)
		r := []*rig{one, two}[n%2]
		r.kill()
		r.start("run")
	}
	end()
	one.leave()
	two.leave()
	one.drain()
	one.judgeStages()
	for _, r := range []*rig{one, two} {
		r.logged("msg=live", 2, patience) // both had a share
	}
	if strings.Contains(one.told()+two.told(), "refused") {
		one.t.Error("a task was refused")
	}
}

// pourBoth is pour for both sources, and follows the topics of stages, which are shortened.
func (r *rig) pourBoth(perSecond float64) (end func()) {
	r.enough, r.kept = make(chan struct{}), stagelog.Keep(r.t, r.client, r.project.Set)
	wait := r.loadBoth(10_000_000, perSecond)
	return func() {
		r.t.Helper()
		close(r.enough)
		wait()
	}
}
