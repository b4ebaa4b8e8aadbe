package app

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"syscall"
	"time"

	"insolite/internal/testsize"
)

// One of three is killed every few seconds, in a soak every 20 s. The others have its partitions until it comes back.
func instancesKilled(r *rig) {
	every := time.Duration(0)
	if testsize.Row() > 0 {
		every = 20 * time.Second
	}
	f := newFleet(r, 3, withStaticIDs)
	end := f.load(2000)
	f.startAll()
	f.live("start")
	random := rand.New(rand.NewPCG(3, 20))
	var took []time.Duration
	for n := range testsize.Rounds(3) {
		began, victim := time.Now(), f.instances[n%3]
		victim.kill()
		took = append(took, f.live(fmt.Sprintf("kill %d", n+1)))
		victim.start("run")
		time.Sleep(max(time.Duration(random.IntN(1500))*time.Millisecond, every-time.Since(began)))
	}
	slices.Sort(took)
	r.t.Logf("live again after a kill: median %s, most %s", took[len(took)/2], took[len(took)-1])
	f.instances[0].interrupt()
	f.instances[0].start("run")
	f.live("a restart in order, with a static id")
	end()
	f.end()
}

// One of three is stopped past its session in the middle of its work, and goes on when others have its partitions. What it still writes is
// refused, and disturbs each of its successors' tasks once at most.
func stoppedAmongOthers(r *rig) {
	f := newFleet(r, 3, withoutStaticIDs)
	end := f.load(2000)
	f.startAll()
	f.live("start")
	for n := range testsize.Rounds(1) {
		zombie := f.instances[n%3]
		f.signal(zombie, syscall.SIGSTOP)
		f.live("SIGSTOP") // by the others
		marks := map[*rig]int64{}
		for _, i := range f.instances {
			marks[i] = i.mark()
		}
		f.signal(zombie, syscall.SIGCONT)
		f.live("SIGCONT")
		zombie.logged("msg=live", 1, patience) // it has work again
		for _, i := range f.instances {
			for task, n := range i.doubts(marks[i]) {
				if i != zombie && n > 1 {
					r.t.Errorf("the zombie has disturbed %s %d times", task, n)
				}
			}
		}
	}
	end()
	f.end()
}

func (f *fleet) signal(r *rig, s syscall.Signal) {
	f.t.Helper()
	if err := r.process.Process.Signal(s); err != nil {
		f.t.Fatal(err)
	}
}

var recoverLine = regexp.MustCompile(`msg=recover topic=(\S+) partition=(\d+) `)

// doubts are how often each task has had to recover, behind a mark of the log.
func (r *rig) doubts(mark int64) map[string]int {
	r.t.Helper()
	all := map[string]int{}
	for _, m := range recoverLine.FindAllStringSubmatch(r.told()[mark:], -1) {
		all[m[1]+"/"+m[2]]++
	}
	return all
}

// Instances start, stop in order and are killed every second or two; one at least runs.
func comeAndGo(f *fleet) {
	random := rand.New(rand.NewPCG(uint64(len(f.t.Name())), 21))
	end := f.load(2000)
	f.instances[0].start("run")
	f.live("start")
	for range testsize.Rounds(7) {
		running := slices.DeleteFunc(slices.Clone(f.instances), func(r *rig) bool { return r.process == nil })
		r := f.instances[random.IntN(len(f.instances))]
		switch {
		case r.process == nil:
			r.start("run")
		case len(running) == 1:
			continue
		case random.IntN(2) == 0:
			r.leave()
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
	for range testsize.Rounds(1) {
		f.startAll()
		f.live("start")
		f.instances[0].kill()
	}
	f.startAll()
	f.live("start")
	end()
	f.end()
}
