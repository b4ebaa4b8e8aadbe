package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"insolite/internal/kafkatest"
	"insolite/internal/redistest"
	"insolite/internal/testsize"
)

// docs/faults.md lists these and the other faults.
var faults = []struct {
	fault string
	run   func(r *rig)
}{
	{"three-instances-one-killed-again-and-again", instancesKilled},
	{"members-come-and-go-with-static-ids", func(r *rig) { comeAndGo(newFleet(r, 3, withStaticIDs)) }},
	{"members-come-and-go-without-static-ids", func(r *rig) { comeAndGo(newFleet(r, 3, withoutStaticIDs)) }},
	{"gomaxprocs-1", func(r *rig) { onProcessors(r, 1) }},
	{"gomaxprocs-2", func(r *rig) { onProcessors(r, 2) }},
}

// What a reader sees is what the recorded logs give, whatever happens to the instances, which have rules by one key and by two.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and kills take a minute; run without -short")
	}
	cluster, program, server := kafkatest.Start(t, 1), build(t), redistest.Start(t)
	for i, f := range faults {
		t.Run(f.fault, func(t *testing.T) {
			t.Parallel()
			f.run(newRig(t, cluster.Bootstrap(), program, fmt.Sprint("fault-", i), onRedis(server)))
		})
	}
}

// onRedis is the configuration of contexts in a server.
func onRedis(s *redistest.Server) string {
	return fmt.Sprintf("state: {store: redis, redis: {addresses: [%q]}, checkpoint_interval: 300ms}\n", s.Addr())
}

// soaking reports whether tests may take as long as they say in docs/faults.md.
func soaking() bool { return testsize.Of(1, 1) > 1 }

// One of three is killed every few seconds, in a soak every 20 s for ten minutes. The others have its partitions until it comes back.
func instancesKilled(r *rig) {
	kills, every := 3, time.Duration(0)
	if soaking() {
		kills, every = 30, 20*time.Second
	}
	f := newFleet(r, 3, withStaticIDs)
	end := f.load(2000)
	f.startAll()
	f.live("start")
	random := rand.New(rand.NewPCG(3, 20))
	var took []time.Duration
	for n := range kills {
		began, victim := time.Now(), f.instances[n%3]
		victim.kill()
		took = append(took, f.live(fmt.Sprintf("kill %d", n+1)))
		victim.start("run")
		time.Sleep(max(time.Duration(random.IntN(1500))*time.Millisecond, every-time.Since(began)))
	}
	slices.Sort(took)
	r.t.Logf("live again after a kill: median %s, most %s", took[len(took)/2], took[len(took)-1])
	end()
	f.end()
}

// Instances start, stop in order and are killed every second or two; one at least runs.
func comeAndGo(f *fleet) {
	random := rand.New(rand.NewPCG(uint64(len(f.t.Name())), 21))
	end := f.load(2000)
	f.instances[0].start("run")
	f.live("start")
	for range testsize.Of(0, 10) {
		running := slices.DeleteFunc(slices.Clone(f.instances), func(r *rig) bool { return r.process == nil })
		r := f.instances[random.IntN(len(f.instances))]
		switch {
		case r.process == nil:
			r.start("run")
		case len(running) == 1:
			continue
		case random.IntN(2) == 0:
			r.interrupt()
		default:
			r.kill()
		}
		time.Sleep(500*time.Millisecond + time.Duration(random.IntN(1500))*time.Millisecond)
	}
	f.live("the last change")
	end()
	f.end()
}

// The program has few processors, little memory, so that contexts are evicted all the time, and is killed.
func onProcessors(r *rig, n int) {
	f := newFleet(r, 1, withStaticIDs)
	for _, i := range f.instances {
		i.env = []string{fmt.Sprintf("GOMAXPROCS=%d", n)}
		i.setting("store: redis", "memory: 2MiB, store: redis")
	}
	end := f.load(2000)
	for range testsize.Of(0, 2) {
		f.startAll()
		f.live("start")
		f.instances[0].kill()
	}
	f.startAll()
	f.live("start")
	end()
	f.end()
}
