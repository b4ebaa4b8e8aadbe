package task

import (
	"context"
	"errors"
	"testing"
	"time"

	"insolite/internal/engine"
	"insolite/internal/event"
)

// diary is an observer that ends the task after a checkpoint and a second recovery.
type diary struct {
	enough          func()
	task            *Task
	work            map[Kind]int
	failed          map[Kind]int
	contexts, bytes int
	records         uint64 // of engines that left
	replayed        uint64
	stepped         int
	oldest          bool // a record that was not committed was seen
}

func (d *diary) Stepped(e *engine.Engine) {
	d.stepped++
	if s := d.task.Status(); s.Oldest != event.NoTime {
		d.oldest = true
	}
}

func (d *diary) Left(e *engine.Engine) {
	d.records += e.Counts().Records
	d.replayed += e.Replayed()
}

func (d *diary) Did(w Work) {
	d.work[w.Kind]++
	if w.Err != nil {
		d.failed[w.Kind]++
	}
	d.contexts += w.Contexts
	d.bytes += w.Bytes
	if d.work[Swept] > 0 && d.work[Recovered] > 1 {
		d.enough()
	}
}

// lossy is a port whose reply to a commit gets lost.
type lossy struct {
	*port
	commits int
}

func (l *lossy) Commit(ctx context.Context, next event.Offset, metadata string) error {
	err := l.port.Commit(ctx, next, metadata)
	if l.commits++; l.commits == 3 {
		return errors.Join(errFault, err)
	}
	return err
}

// An observer is told of all that a task does, and of each engine a last time.
func TestObserver(t *testing.T) {
	w := newWorld(simPlans(t), 1)
	w.faults = false
	for range 400 {
		w.produce()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := &diary{enough: cancel, work: map[Kind]int{}, failed: map[Kind]int{}}
	o := w.instance().o
	o.Producer, o.Observer, o.CheckpointInterval = &lossy{port: &port{w: w}}, d, 50*time.Millisecond
	o.Now = func() time.Time { w.now = w.now.Add(time.Millisecond); return w.now }
	d.task = New(o)
	w.store.present = d.task
	if err := d.task.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if d.work[Began] != 2 || d.failed[Began] != 1 || d.work[Recovered] != 2 || d.work[Committed] < 4 || d.failed[Committed] != 1 {
		t.Errorf("recoveries and commits: %v, failed: %v", d.work, d.failed)
	}
	if d.work[Swept] == 0 || d.failed[Swept] != 0 || d.work[Written] == 0 || d.contexts == 0 || d.bytes == 0 {
		t.Errorf("checkpoints: %v, failed: %v, %d contexts, %d bytes", d.work, d.failed, d.contexts, d.bytes)
	}
	if d.records == 0 || d.replayed == 0 || d.records+d.replayed > 2*uint64(len(w.records)) || d.stepped == 0 || !d.oldest {
		t.Errorf("%d records stepped and %d replayed of %d; %+v", d.records, d.replayed, len(w.records), d)
	}
	if s := d.task.Status(); s.Phase != Stopped || s.Committed.Offset == 0 || s.Swept != s.Committed {
		t.Errorf("in the end: %+v", s)
	}
}
