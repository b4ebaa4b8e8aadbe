package task

import (
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// Observer follows a task, in the task's goroutine: its methods return soon. What they are given is valid during the call.
type Observer interface {
	// Stepped follows each batch, and each wait that brought none.
	Stepped(e *engine.Engine)
	// Left is the last look at an engine, before other rules, a recovery or the end.
	Left(e *engine.Engine)
	// Did tells of what is not stepping.
	Did(w Work)
}

// Kind is a kind of work beside stepping.
type Kind uint8

// The kinds of work.
const (
	Began     Kind = iota // a recovery began
	Recovered             // a recovery came to its end, the task is live
	Committed             // a commit succeeded, or failed
	Written               // a part of a checkpoint was written
	Swept                 // a checkpoint was completed, or failed
	Ticked                // time was journalled to have passed without records
)

// Work is what a task did.
type Work struct {
	Kind     Kind
	Err      error         // Committed, Swept: why it failed; Began: what ended the life before, nil: the partition was assigned
	Took     time.Duration // since it began
	Contexts int           // Written
	Bytes    int           // Written
}

func (t *Task) did(w Work) {
	if t.o.Observer != nil {
		t.o.Observer.Did(w)
	}
}

// left is called when the engine goes.
func (t *Task) left() {
	if t.o.Observer != nil && t.engine != nil {
		t.o.Observer.Left(t.engine)
	}
}

// lag is what the age of the oldest record that is not committed is known from.
type lag struct {
	oldest event.Time // of the first record stepped since the commit; NoTime: none
	newest event.Time // of the last record stepped
	idle   event.Time // when the task was last at the end
}

func (l *lag) stepped(records []ingest.Record) {
	if len(records) == 0 {
		return
	}
	if l.oldest == event.NoTime {
		l.oldest = records[0].Timestamp
	}
	l.newest = records[len(records)-1].Timestamp
}

// since returns the timestamp of the oldest record that is not committed, or, while it has not been read, an earlier time; NoTime: there is
// none, or nothing is known.
func (l *lag) since(unread bool) event.Time {
	if l.oldest != event.NoTime || !unread {
		return l.oldest
	}
	return max(l.newest, l.idle)
}

// observe tells how the task stands.
func (t *Task) observe() {
	position, end := t.engine.Position(), t.feed.End()
	contexts, bytes := 0, t.memory()
	for _, k := range t.engine.Keyspaces() {
		contexts += k.Contexts.Len()
	}
	now := t.o.Now()
	if position.Offset >= end {
		t.lag.idle, _ = event.TimeOf(now)
	}
	t.update(func(s *Status) {
		if position != s.Position || position.Offset >= end {
			s.Progress = now
		}
		s.Position, s.Committed, s.End, s.Watermark, s.Bundle, s.Contexts, s.Bytes, s.Warmth = position, t.committed, end, t.engine.Watermark(), t.bundle, contexts, bytes, t.warmth()
		s.Journal, s.Oldest = t.applied, t.lag.since(position.Offset < end)
	})
	if t.o.Observer != nil {
		t.o.Observer.Stepped(t.engine)
	}
}
