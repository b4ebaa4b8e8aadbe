package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// pour produces until the function returned is called, which waits for the end.
func (r *rig) pour(perSecond float64) (end func()) {
	r.enough = make(chan struct{})
	wait := r.load(10_000_000, perSecond, 0.001)
	return func() {
		r.t.Helper()
		close(r.enough)
		wait()
		r.enough = nil
	}
}

// run starts the program and waits until all partitions are live.
func (r *rig) run() {
	r.t.Helper()
	mark := r.mark()
	r.start("run")
	r.eachTask("msg=live", mark, patience)
}

// mark is where the program's log ends now.
func (r *rig) mark() int64 {
	r.t.Helper()
	info, err := r.log.Stat()
	if err != nil {
		r.t.Fatal(err)
	}
	return info.Size()
}

// eachTask waits until the log says a text of every partition, behind a mark.
func (r *rig) eachTask(text string, mark int64, limit time.Duration) {
	r.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		missing := map[string]bool{}
		for p := range rigPartitions {
			missing[fmt.Sprintf(" partition=%d ", p)] = true
		}
		for line := range strings.Lines(r.told()[mark:]) {
			if strings.Contains(line, text) {
				maps.DeleteFunc(missing, func(partition string, _ bool) bool { return strings.Contains(line, partition) })
			}
		}
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the log does not say %q within %s of %v", text, limit, slices.Collect(maps.Keys(missing)))
		}
	}
}

// troubled does something, waits until every task tells of it, ends it, and waits until every task writes checkpoints again.
func (r *rig) troubled(begin func(), text string, end func()) {
	r.t.Helper()
	mark := r.mark()
	begin()
	r.eachTask(text, mark, patience)
	mark = r.mark()
	end()
	r.eachTask("msg=checkpoint", mark, patience) // it may have been live before: what is full has room for one, sometimes
}

// finish ends what runs, reads to the end, and compares.
func (r *rig) finish() {
	r.t.Helper()
	r.interrupt()
	r.drain()
	r.judge()
	r.closed()
}

// rebuilt goes the way out of a lost store. Nothing of the log is lost, so what is rebuilt is what was lost.
func (r *rig) rebuilt() {
	r.t.Helper()
	r.setting("checkpoint_interval:", "on_missing: rebuild, checkpoint_interval:")
	r.drain()
	r.judge()
	r.setting("on_missing: rebuild, ", "")
}

// refusedDrain expects that a drain gives up for a reason, and writes nothing.
func (r *rig) refusedDrain(because string) {
	r.t.Helper()
	before := len(r.visible(r.project.Config.Alerts))
	told := r.lines(because)
	r.start("drain")
	if err := r.await(patience); err == nil {
		r.t.Fatalf("%s: not refused", because)
	}
	r.logged(because, told+1, patience)
	if n := len(r.visible(r.project.Config.Alerts)); n != before {
		r.t.Errorf("%s: %d alerts are visible, before there were %d", because, n, before)
	}
}
