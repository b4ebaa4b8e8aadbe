package app

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"insolite/internal/engine"
)

// Three instances are replaced one by one by another build with the same engine, with rules by one key and by two.
func replacedOneByOne(r *rig, program string) {
	f := newFleet(r, 3, withStaticIDs)
	f.startAll()
	end := f.load(3000)
	f.live("the start")
	for i, one := range f.instances {
		one.interrupt()
		one.program = program
		one.start("run")
		f.live(fmt.Sprintf("instance %d was replaced", i+1))
	}
	end()
	f.end()
}

// The next version of the engine is refused where something would have to be replayed. After a drain by the version before, and after any stop
// in order, it goes on; so does the one before, on the way back.
func engineReplaced(r *rig, program string) {
	before := r.program
	r.run()
	end := r.pour(3000)
	r.logged("msg=checkpoint", rigPartitions, patience)
	r.killBehind()
	end()
	r.program = program
	r.start("run")
	r.logged(fmt.Sprintf("engine version %d ran up to", engine.Version), 1, patience)
	r.logged("run `detector drain` with the version that ran before", 1, patience)
	r.interrupt()

	r.program = before
	r.drain()
	r.program = program
	mark := r.mark()
	r.run()
	r.eachTask(`msg="engine changed"`, mark, patience)
	end = r.load(6_000, 3000, 0.001)
	time.Sleep(time.Second)
	r.kill() // the same version replays
	r.run()
	end()
	r.interrupt() // everything is checkpointed, so that another version can go on

	r.program = before
	mark = r.mark()
	r.run()
	r.eachTask(`msg="engine changed"`, mark, patience)
	r.load(3_000, 3000, 0.001)()
	r.interrupt()
	r.program = program
	r.run()
	r.load(1_000, 3000, 0.001)()
	r.interrupt()
	r.drain()
	r.judge()
	for p, a := range r.journalled() {
		var versions []uint32
		for _, entry := range a {
			if entry.engine > 0 {
				versions = append(versions, entry.engine)
			}
		}
		const one, two = engine.Version, engine.Version + 1
		if want := []uint32{two, one, two}; !slices.Equal(versions, want) && !slices.Equal(versions, append([]uint32{two, one}, want...)) {
			r.t.Errorf("partition %d: the journal names the versions %d, want %d, and those before once more where the first start was not refused", p, versions, want)
		}
	}
}

// killBehind kills the program when some task has committed more than its checkpoint holds: whoever comes next has something to replay.
func (r *rig) killBehind() {
	r.t.Helper()
	for range 20 {
		for deadline := time.Now().Add(patience); !r.behind(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				r.t.Fatal("no task commits beyond its checkpoint")
			}
		}
		r.kill()
		if r.behind() {
			return
		}
		r.run() // a checkpoint was written meanwhile
	}
	r.t.Fatal("whenever the program is killed, its checkpoints hold all that it has committed")
}

var (
	committedAt  = regexp.MustCompile(`msg=committed topic=\S+ partition=(\d+) offset=(\d+)`)
	liveAt       = regexp.MustCompile(`msg=live topic=\S+ partition=(\d+)`)
	checkpointAt = regexp.MustCompile(`msg=checkpoint topic=\S+ partition=(\d+) position=(\d+)`)
)

// behind reports whether the log tells of a partition that more was committed than its checkpoint holds.
func (r *rig) behind() bool {
	r.t.Helper()
	log := r.told()
	last := func(says *regexp.Regexp) map[string]int {
		at := map[string]int{}
		for _, m := range says.FindAllStringSubmatch(log, -1) {
			at[m[1]], _ = strconv.Atoi(m[2]) // digits
		}
		return at
	}
	held := last(checkpointAt)
	for partition, offset := range last(committedAt) {
		if offset > held[partition] {
			return true
		}
	}
	return false
}

// Two instances that share their contexts are replaced one by one by the next version: a stop in order and a partition that is given up leave
// nothing to replay. What could not be written in time is refused, and drained by the version before.
func engineReplacedOneByOne(one *rig, program string) {
	two, before := one.twin(func(text string) string {
		return regexp.MustCompile("static_id: one").ReplaceAllString(text, "static_id: two")
	}), one.program
	end := one.pour(1500)
	one.start("run")
	two.start("run")
	one.logged("msg=live", 1, patience)
	two.logged("msg=live", 1, patience)
	everyBegun(one, two) // by this version: one that the next one begins has no change in its journal
	for _, r := range []*rig{one, two} {
		time.Sleep(time.Second)
		r.interrupt()
		r.program = program
		r.start("run")
		r.logged("msg=joined", 2, patience)
	}
	time.Sleep(2 * time.Second)
	end()
	one.interrupt()
	two.interrupt()
	if n := one.lines("msg=refused") + two.lines("msg=refused"); n > 0 {
		one.t.Logf("%d tasks were refused meanwhile", n)
		one.program = before
		one.drain()
		one.program = program
	}
	one.drain()
	one.judge()
	for p, a := range one.journalled() {
		version := engine.Version
		for _, entry := range a { // rules may be activated behind it
			if entry.engine > 0 {
				version = entry.engine
			}
		}
		if version != engine.Version+1 {
			one.t.Errorf("partition %d: the journal ends with version %d of the engine, want the next one: %+v", p, version, a)
		}
	}
}

// everyBegun waits until each partition is or was live in some instance.
func everyBegun(instances ...*rig) {
	t := instances[0].t
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		begun := map[string]bool{}
		for _, r := range instances {
			for _, m := range liveAt.FindAllStringSubmatch(r.told(), -1) {
				begun[m[1]] = true
			}
		}
		if len(begun) == rigPartitions {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d partitions are live within %s", len(begun), patience)
		}
	}
}

// Rules that were published before and are not the newest do not come back because the program is another one.
func oldRulesOnDisk(r *rig, program string) {
	r.run()
	r.load(1_000, 3000, 0.001)()
	var first string
	r.rules(func(text string) string { first = text; return text + addedRule })
	r.logged(`msg="rules activated"`, rigPartitions, patience)
	r.interrupt()
	r.rules(func(string) string { return first })
	r.program = program
	published := r.lines("rules published")
	r.run()
	r.logged("the rules on disk are older than the ones in force", 1, patience)
	r.load(2_000, 3000, 0.001)()
	r.interrupt()
	r.drain()
	if n := r.lines("rules published"); n != published {
		r.t.Errorf("rules were published %d times, want %d", n, published)
	}
	r.judge()
}

var summary = regexp.MustCompile(`"summary":"(?:[^"\\]|\\.)*`)

// ofVersion is an alert as a version of the engine writes it.
func ofVersion(version uint32, alert []byte) []byte {
	if version == engine.Version {
		return alert
	}
	at := summary.FindIndex(alert)
	return slices.Concat(alert[:at[1]], []byte(" (next)"), alert[at[1]:])
}
