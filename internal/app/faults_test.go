package app

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"insolite/internal/faultproxy"
	"insolite/internal/kafkatest"
	"insolite/internal/redistest"
)

// fault is something that happens to a deployment. Its name is that of the application too.
type fault struct {
	name string
	run  func(t *testing.T, g *ground, app string)
}

// faults is the table of docs/faults.md, which is kept in step with it.
var faults = []struct {
	row    string
	faults []fault
}{
	{"brokers", []fault{
		{"three", brokerFaults}, // the longest goes first
	}},
	{"sigkill", []fault{
		{"each-point-on-pebble", walked("memory: 2MiB, checkpoint_interval: 700ms")},
		{"each-point-on-redis", walked("memory: 2MiB, store: redis, redis: {addresses: [%q]}, checkpoint_interval: 700ms")},
		{"random-moments", alone("", killedAtRandom)},
		{"random-moments-at-least-once", alone("delivery: at_least_once\n", atLeastOnceKilled)},
		{"random-moments-of-stages", alone("", func(r *rig) { stagesKilled(r, terminalRule, settledRules) })},
		{"random-moments-of-two-hops", alone("", func(r *rig) { stagesKilled(r, crossRule) })},
		{"random-moments-of-rules-on-alerts", alone("", func(r *rig) { stagesKilled(r, terminalRule, settledRules, riskRules) })},
		{"random-moments-of-stages-at-least-once", alone("delivery: at_least_once\n", stagesRepeated)},
		{"release-has-no-crash-points", releaseHasNoCrashPoints},
	}},
	{"three-instances", []fault{
		{"one-killed-again-and-again", shared(instancesKilled)},
	}},
	{"sigstop", []fault{
		{"past-the-session-of-a-folder", alone("", stoppedPastItsSession)},
		{"past-the-session-among-others", shared(stoppedAmongOthers)},
	}},
	{"members", []fault{
		{"come-and-go-with-static-ids", shared(func(r *rig) { comeAndGo(newFleet(r, 3, withStaticIDs)) })},
		{"come-and-go-without-static-ids", shared(func(r *rig) { comeAndGo(newFleet(r, 3, withoutStaticIDs)) })},
		{"two-killed-in-turn", shared(twoInstancesKilled)},
		{"second-one-with-its-own-folder", alone("", secondInstance)},
		{"stopped-in-order", alone("", stoppedInOrder)},
	}},
	{"network", []fault{
		{"requests-and-replies-lost", proxied(0, requestsLost)},
		{"silent", proxied(1, networkSilent)},
	}},
	{"redis", []fault{
		{"full-stopped-killed", stored(redisTroubled)},
		{"replica-without-the-newest", stored(redisFailover)},
		{"killed-with-a-lost-tail", stored(redisKilled)},
		{"replies-lost-and-scripts-run-twice", redisBehindProxy},
	}},
	{"store", []fault{
		{"redis-flushed", stored(redisFlushed)},
		{"pebble-stale", stored(pebbleStale)},
		{"pebble-torn", stored(pebbleTorn)},
		{"pebble-gone", stored(pebbleGone)},
		{"pebble-full", stored(pebbleFull)},
	}},
	{"records", []fault{
		{"malformed-and-oversized", alone("", malformedAndOversized)},
		{"that-kill", crashing(recordsThatKill)},
	}},
	{"time", []fault{
		{"shuffled-within-lateness", alone("", shuffledWithinLateness)},
		{"shuffled-beyond-lateness", alone("", shuffledBeyondLateness)},
		{"upstreams-hours-apart", alone("", upstreamsApart)},
		{"silent-for-long-and-back", alone("", silentAndBack)},
	}},
	{"timers", []fault{
		{"of-cold-keys-on-pebble", alone("state: {memory: 64KiB, checkpoint_interval: 700ms}\n", timersKilled)},
		{"of-cold-keys-on-redis", func(t *testing.T, g *ground, app string) {
			timersKilled(g.rig(t, g.program, app, strings.Replace(redisState(g.redis.Addr(), ""), "{", "{memory: 64KiB, ", 1)))
		}},
	}},
	{"hot-key", []fault{
		{"hot-key", alone("", hotKey)},
	}},
	{"rules", []fault{
		{"changed-again-and-again-under-kills", alone("", rulesChanged)},
		{"edited-while-running-and-after-a-crash", alone("", rulesEdited)},
		{"stage-added-and-dropped", alone("", stageAddedAndDropped)},
	}},
	{"upgrade", []fault{ // what a reader sees has the version that the journal names for each position
		{"another-build-one-by-one", func(t *testing.T, g *ground, app string) {
			shared(func(r *rig) { replacedOneByOne(r, g.crashing) })(t, g, app)
		}},
		{"next-engine", func(t *testing.T, g *ground, app string) {
			alone("", func(r *rig) { engineReplaced(r, g.next) })(t, g, app)
		}},
		{"next-engine-one-by-one", func(t *testing.T, g *ground, app string) {
			shared(func(r *rig) { engineReplacedOneByOne(r, g.next) })(t, g, app)
		}},
		{"next-engine-with-old-rules-on-disk", func(t *testing.T, g *ground, app string) {
			alone("", func(r *rig) { oldRulesOnDisk(r, g.next) })(t, g, app)
		}},
	}},
	{"same-bytes", []fault{
		{"batches-of-1-7-4096", alone("", inBatches)},
		{"gomaxprocs-1", shared(func(r *rig) { onProcessors(r, 1) })},
		{"gomaxprocs-2", shared(func(r *rig) { onProcessors(r, 2) })},
	}},
	{"people", []fault{
		{"offsets-reset", alone("", offsetsReset)},
		{"topic-created-anew", alone("", topicAnew)},
		{"partitions-added", alone("", partitionsAdded)},
		{"trimmed-and-compacted", alone("", trimmedAndCompacted)},
		{"refused-and-cured", alone("", refusedAndCured)},
	}},
}

// What a reader sees is what one uninterrupted evaluation of the recorded logs gives, or the service refuses with the way out.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and kills take minutes; run without -short")
	}
	g := newGround(t)
	slots := make(chan struct{}, atOnce)
	var rows sync.WaitGroup
	defer rows.Wait()
	for _, row := range faults {
		begun := make(chan struct{})
		all := sync.OnceFunc(func() { close(begun) })
		rows.Go(func() {
			defer all() // it may not be asked for
			t.Run(row.row, func(t *testing.T) {
				var group sync.WaitGroup
				defer group.Wait()
				for _, f := range row.faults {
					slots <- struct{}{}
					group.Go(func() {
						defer func() { <-slots }()
						t.Run(f.name, func(t *testing.T) { f.run(t, g, f.name) })
					})
				}
				all()
			})
		})
		<-begun
	}
}

// atOnce is how many faults happen at the same time. They wait more than they work, so it does not depend on the processors, as t.Parallel does.
const atOnce = 4

// ground is what all faults share. What they break beyond their own deployment they have of their own.
type ground struct {
	cluster  *kafkatest.Cluster
	proxies  []*faultproxy.Proxy // before the broker
	redis    *redistest.Server
	program  string
	crashing string // the program with crash points
	next     string // the program with the next version of the engine
}

func newGround(t *testing.T) *ground {
	g := &ground{program: build(t), crashing: build(t, "-tags", "crash"), next: build(t, "-tags", "nextengine"), redis: redistest.Start(t)}
	behind := kafkatest.Behind(func(_ int, addr string) string {
		p := faultproxy.Kafka(t, addr)
		g.proxies = append(g.proxies, p)
		return p.Addr()
	})
	g.cluster = kafkatest.Start(t, 1, behind, behind)
	g.proxies = g.proxies[len(g.proxies)-2:] // of the start that succeeded
	return g
}

// rig makes a deployment of its own.
func (g *ground) rig(t *testing.T, program, app, extra string) *rig {
	t.Helper()
	r := newRig(t, g.cluster.Bootstrap(), program, app, extra)
	r.java = g.cluster.Java
	return r
}

// alone is a fault of a deployment with some configuration, whose contexts are in a folder.
func alone(extra string, run func(r *rig)) func(t *testing.T, g *ground, app string) {
	return func(t *testing.T, g *ground, app string) { run(g.rig(t, g.program, app, extra)) }
}

// crashing is a fault of a deployment of the program with crash points.
func crashing(run func(r *rig)) func(t *testing.T, g *ground, app string) {
	return func(t *testing.T, g *ground, app string) { run(g.rig(t, g.crashing, app, "")) }
}

// shared is a fault of a deployment with its contexts in Redis.
func shared(run func(r *rig)) func(t *testing.T, g *ground, app string) {
	return func(t *testing.T, g *ground, app string) {
		run(g.rig(t, g.program, app, redisState(g.redis.Addr(), "")))
	}
}

// stored is a fault of a store that the deployment has for itself.
func stored(run func(t *testing.T, make func(state string) *rig)) func(t *testing.T, g *ground, app string) {
	return func(t *testing.T, g *ground, app string) {
		run(t, func(state string) *rig { return g.rig(t, g.program, app, state) })
	}
}

// walked is a walk over the crash points with a configuration of the state.
func walked(state string) func(t *testing.T, g *ground, app string) {
	return func(t *testing.T, g *ground, app string) {
		if strings.Contains(state, "%q") {
			state = fmt.Sprintf(state, g.redis.Addr())
		}
		killedAtEveryPoint(func(app string) *rig { return g.rig(t, g.crashing, app, "state: {"+state+"}\n") }, app)
	}
}

// proxied is a fault on the way to the broker.
func proxied(proxy int, run func(n *network)) func(t *testing.T, g *ground, app string) {
	return func(t *testing.T, g *ground, app string) {
		r, p := g.rig(t, g.program, app, ""), g.proxies[proxy]
		r.setting(g.cluster.Bootstrap()[0], p.Addr())
		behindProxy(r, p, run)
	}
}

// redisBehindProxy has replies of Redis lost, so that its client sends what was done again.
func redisBehindProxy(t *testing.T, g *ground, app string) {
	proxy := faultproxy.Plain(t, g.redis.Addr())
	behindProxy(g.rig(t, g.program, app, redisState(proxy.Addr(), "")), proxy, storeUnreachable)
}

// brokerFaults have three brokers of their own.
func brokerFaults(t *testing.T, g *ground, _ string) {
	three := kafkatest.Start(t, 3)
	on := func(name string, run func(r *rig)) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, three.Bootstrap(), g.program, name, "")
			r.java = three.Java
			run(r)
		})
	}
	on("leaders-and-coordinators-moved", leadersMoved)
	t.Run("rolling-sequence", func(t *testing.T) { rollingSequences(t, g, three) })
	on("one-killed-then-all", func(r *rig) { brokerKilled(r, three) })
}
