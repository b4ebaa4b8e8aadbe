package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"insolite/internal/kafkatest"
	"insolite/internal/redistest"
	"insolite/internal/testsize"
)

// rollingSeed is the environment variable that gives the seed of a sequence again.
const rollingSeed = "INSOLITE_ROLLING_SEED"

const rollingOperations = 20

// Instances come, go, are killed and replaced by another build, rules change, leaders move and Redis is full, in any order.
func rollingSequences(t *testing.T, g *ground, three *kafkatest.Cluster) {
	for n := range testsize.Rounds(1) {
		seed := uint64(n + 1)
		if text := os.Getenv(rollingSeed); text != "" {
			var err error
			seed, err = strconv.ParseUint(text, 10, 64)
			must(t, err)
		}
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Logf("%s=%d gives this sequence again", rollingSeed, seed)
			server := redistest.Start(t)
			r := newRig(t, three.Bootstrap(), g.program, fmt.Sprint("rolling-", n), redisState(server.Addr(), ""))
			r.java = three.Java
			(&rolling{newFleet(r, 4, withStaticIDs), server, []string{g.program, g.crashing}, rand.New(rand.NewPCG(seed, 20)), 0}).run()
		})
	}
}

// rolling is a fleet to which something happens.
type rolling struct {
	*fleet
	redis  *redistest.Server
	builds []string // of the program
	random *rand.Rand
	edits  int
}

// operations are what may happen. One that is not possible at the moment gives way to the next draw.
var operations = []struct {
	name string
	do   func(f *rolling) (done bool)
}{
	{"add", func(f *rolling) bool {
		i := f.any(false)
		if i != nil {
			i.start("run")
		}
		return i != nil
	}},
	{"remove", func(f *rolling) bool {
		if f.running() < 2 {
			return false
		}
		f.any(true).leave()
		return true
	}},
	{"kill", func(f *rolling) bool {
		i := f.any(true)
		i.kill()
		if f.running() == 0 {
			i.start("run")
		}
		return true
	}},
	{"upgrade", func(f *rolling) bool {
		i := f.any(true)
		i.leave()
		i.program = f.builds[f.random.IntN(len(f.builds))]
		i.start("run")
		return true
	}},
	{"edit rules", func(f *rolling) bool {
		f.edits++
		f.edit(f.edits)
		return true
	}},
	{"move leaders", func(f *rolling) bool { f.moveLeaders(); return true }},
	{"fill Redis", func(f *rolling) bool {
		f.redis.CLI("CONFIG", "SET", "maxmemory", "1mb")
		f.pause()
		f.redis.CLI("CONFIG", "SET", "maxmemory", "0")
		return true
	}},
}

func (f *rolling) run() {
	end := f.load(2000)
	f.instances[0].start("run")
	f.instances[1].start("run")
	f.live("start")
	for n := 0; n < rollingOperations; {
		o := operations[f.random.IntN(len(operations))]
		if !o.do(f) {
			continue
		}
		n++
		f.t.Logf("%2d: %s, %d instances run", n, o.name, f.running())
		f.pause()
	}
	f.live("the last operation")
	end()
	f.end()
}

func (f *rolling) pause() { time.Sleep(time.Duration(100+f.random.IntN(900)) * time.Millisecond) }

func (f *rolling) running() int { return len(f.which(true)) }

func (f *rolling) which(running bool) []*rig {
	return slices.DeleteFunc(slices.Clone(f.instances), func(r *rig) bool { return (r.process != nil) != running })
}

// any is one of the instances that run, or that do not; nil: there is none.
func (f *rolling) any(running bool) *rig {
	all := f.which(running)
	if len(all) == 0 {
		return nil
	}
	return all[f.random.IntN(len(all))]
}

var threshold = regexp.MustCompile(`amount > 3[.0-9]* \* usual`)

// edit writes the n-th version of the rules, and publishes it.
func (r *rig) edit(n int) {
	r.t.Helper()
	r.rules(func(text string) string {
		return threshold.ReplaceAllString(text, fmt.Sprintf("amount > 3.%03d * usual", n))
	})
	r.reload()
	_, err := Apply(r.t.Context(), r.project, discard)
	must(r.t, err)
}

// patternRules remember more of a customer than sums.
const patternRules = `
- id: small-then-large
  source: payment.made
  group_by: [customer_id]
  sequence:
    within: 1m
    steps: [{where: amount < 40, times: 2}, {not: {where: approved == false}}, {where: amount > 60, as: large}]
- id: new-terminal
  source: payment.made
  group_by: [customer_id]
  new_value: {fields: [terminal_id], history: 30d, learning: 100ms}
- id: out-of-pattern
  source: payment.made
  group_by: [customer_id]
  baseline: {usual: {field: amount, min_samples: 3}}
  condition: usual.score > 3
`

// The rules change again and again, by the file or by being published, while the program works and while it is dead. What customers have done, what
// is waited for and what is usual of them is kept through all of it.
func rulesChanged(r *rig) {
	r.setting("lateness: 1m", "lateness: 2s") // so that what waits is due while the test lasts
	r.rules(func(text string) string { return text + timerRules + patternRules })
	r.reload()
	end := r.pour(2000)
	r.run()
	random := rand.New(rand.NewPCG(12, 100))
	changes := 0
	for n := range testsize.Rounds(10) {
		changes++
		if random.IntN(3) == 0 {
			r.kill()
		}
		r.edit(n + 1)
		if r.process == nil {
			r.start("run")
		}
		time.Sleep(time.Duration(200+random.IntN(1000)) * time.Millisecond)
	}
	end()
	r.logged("before=", rigPartitions, patience)
	r.finish()
	for _, id := range []string{"small-then-large", "new-terminal", "out-of-pattern", "gone-quiet"} {
		if !slices.ContainsFunc(r.visible(r.project.Config.Alerts), func(a string) bool { return strings.Contains(a, `"id":"`+id+`"`) }) {
			r.t.Errorf("rule %s has told nothing: the test shows nothing about it", id)
		}
	}
	for p, a := range r.journalled() {
		if r.t.Logf("partition %d has had %d sets of rules in force, of %d", p, len(a), changes+1); len(a) < 3 {
			r.t.Errorf("partition %d has had %d sets of rules: the test shows nothing", p, len(a))
		}
	}
}
