package task

import (
	"context"
	"time"

	"insolite/internal/event"
)

// How often a task tells the stages that it sends to how far it has come, and after how long a silence that nothing will come for a while.
const (
	markInterval = time.Second
	idleAfter    = 2 * time.Second
	endGrace     = time.Second // how long the broker may take to say where the log ends
)

// routes is what a task that sends to stages remembers of its life. It decides when frames are sent, which the stages' logs record: it may
// look at the clock.
type routes struct {
	marked time.Time // when the stages were told last
	moved  time.Time // when the last record was stepped
	idle   bool
}

// sends reports whether rows go to stages.
func (t *Task) sends() bool { return len(t.engine.Plan().Routes) > 0 }

// sendRows ends the frames that have rows, and hands them to the producer.
func (t *Task) sendRows(ctx context.Context) error {
	if t.sends() {
		t.engine.Cut(&t.out)
	}
	return t.send(ctx)
}

// mark tells the stages how far this task has come, and whether they need not wait for it. It is called between batches.
func (t *Task) mark(ctx context.Context) error {
	if !t.live || !t.sends() || t.untilMark() > 0 || t.breaker.holds() {
		return nil
	}
	t.routes.marked = t.o.Now()
	idle := t.isIdle(ctx)
	t.engine.Cut(&t.out) // what is marked covers all rows
	t.engine.Mark(&t.out, idle)
	return t.send(ctx)
}

// untilMark is how long the stages can wait to be told.
func (t *Task) untilMark() time.Duration { return markInterval - t.o.Now().Sub(t.routes.marked) }

// isIdle reports whether the input has been caught up with and silent. Where the log ends is asked of the broker before the first time: a
// fetch that does not get through looks like silence, and what it brings late would be late for the stages.
func (t *Task) isIdle(ctx context.Context) bool {
	r, at := &t.routes, t.engine.Position().Offset
	if at < t.feed.End() || t.o.Now().Sub(r.moved) < idleAfter {
		r.idle = false
		return false
	}
	if !r.idle {
		ctx, cancel := context.WithTimeout(ctx, endGrace)
		defer cancel()
		facts, err := t.o.Log.Facts(ctx)
		r.idle = err == nil && at >= facts.End
	}
	return r.idle
}

// leave sends the last frames of the rules in force, which tell the stages that another bundle follows. They belong into the transaction that
// makes it follow.
func (t *Task) leave(ctx context.Context, bundle event.Offset) error {
	if t.sends() {
		t.engine.Leave(&t.out, bundle)
	}
	return t.send(ctx)
}

// frames appends the frames since the last call.
func (t *Task) frames(messages []Message) []Message {
	for i := range t.out.Frames[t.sentFrames:] {
		f := &t.out.Frames[t.sentFrames+i]
		messages = append(messages, Message{Topic: f.Topic, Pinned: true, Partition: f.Partition, Value: f.Value})
	}
	t.sentFrames = len(t.out.Frames)
	return messages
}

// ahead is how long the task waits before it reads on, for others to come after.
func (t *Task) ahead() time.Duration {
	if t.o.Pace == nil || !t.sends() {
		return 0
	}
	return t.o.Pace(t.engine.Watermark())
}

// pause lets time pass without reading.
func (t *Task) pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-timer.C:
	}
	if err := t.warmOn(t.lifetime); err != nil {
		return err
	}
	t.observe()
	t.update(func(s *Status) { s.Progress = t.o.Now() }) // it waits for others, it is not stuck
	return nil
}
