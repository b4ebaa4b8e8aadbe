package app

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"insolite/internal/crash"
	"insolite/internal/testsize"
)

// killedAtEveryPoint kills the program at every numbered point of its code, one after the other, while payments come in. The first round has
// the first passage of each point, later ones any of the first many.
func killedAtEveryPoint(make func(app string) *rig, app string) {
	for n := range testsize.Rounds(1) {
		r := make(fmt.Sprintf("%s-%d", app, n))
		w := &walk{r: r, random: rand.New(rand.NewPCG(9, uint64(len(app)+n)))}
		w.points(max(1, 5*n), crash.FirstStart, crash.Recovery, crash.Cycle, crash.Rules, crash.Stop)
	}
}

// walk takes a deployment through crash points.
type walk struct {
	r      *rig
	random *rand.Rand
	rules  int // sets of rules published
}

// points kills the program at each point of some kinds, at one of the first passages, and judges what became of it.
func (w *walk) points(passages int, kinds ...crash.Kind) {
	r := w.r
	end := r.pour(1000)
	wanted := map[crash.Kind]bool{}
	for _, k := range kinds {
		wanted[k] = true
	}
	for _, p := range crash.Points() {
		if wanted[p.Kind] {
			w.kill(p, w.passage(p, passages))
		}
	}
	r.env = nil
	before := r.lines("msg=live")
	r.start("run")
	r.logged("msg=live", before+rigPartitions, patience)
	end()
	r.finish()
}

// passage is which passage of a point kills, one of the first ones. Some are sure to be passed only so often.
func (w *walk) passage(p crash.Place, most int) int {
	switch {
	case p.Kind == crash.FirstStart, p.Point == crash.Replaying: // a later task may not come to it any more
		most = 1
	case p.Kind != crash.Cycle:
		most = min(most, rigPartitions)
	}
	return 1 + w.random.IntN(most)
}

// kill lets the program end at a passage of a point.
func (w *walk) kill(p crash.Place, passage int) {
	r := w.r
	switch {
	case p.Kind == crash.Rules:
		w.rules++
		r.rules(func(text string) string {
			return regexp.MustCompile(`amount > 3[.0-9]* \* usual`).ReplaceAllString(text, fmt.Sprintf("amount > 3.%03d * usual", w.rules))
		})
	case p.Point == crash.Replaying: // a checkpoint that is behind the commit, so that there is something to replay
		w.die(crash.SweepBegun, 1, false)
	}
	w.die(p.Point, passage, p.Kind == crash.Stop)
}

func (w *walk) die(p crash.Point, passage int, stop bool) {
	r := w.r
	r.t.Helper()
	r.env = []string{fmt.Sprintf("%s=%s:%d", crash.Variable, p, passage)}
	began := time.Now()
	before := r.lines("msg=live")
	r.start("run")
	if stop {
		r.logged("msg=live", before+rigPartitions, patience)
		r.goesOn("live") // what is asked to stop on its way there does not stop in order
		if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
			r.t.Fatal(err)
		}
	}
	err := r.await(2 * patience) // it steps record by record when it has died without progress
	exit, _ := err.(*exec.ExitError)
	if exit == nil || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		r.t.Fatalf("at passage %d of %s the program was to be killed: %v", passage, p, err)
	}
	r.t.Logf("killed at passage %d of %s after %s", passage, p, time.Since(began).Round(time.Millisecond))
}

// The program that people run has nothing of the crash points, and ends at none.
func releaseHasNoCrashPoints(t *testing.T, g *ground, _ string) {
	for program, want := range map[string]bool{g.program: false, g.crashing: true} {
		b, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range []string{crash.Variable, crash.RecordVariable, string(crash.StopSwept), "insolite/internal/crash.At"} {
			if got := bytes.Contains(b, []byte(trace)); got != want {
				t.Errorf("%s has %q: %v, want %v", program, trace, got, want)
			}
		}
	}
}
