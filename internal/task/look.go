package task

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"insolite/context/checkpoint"
	"insolite/internal/engine"
)

// Look is what a task remembers of one key.
type Look struct {
	*engine.Look        // nil: nothing
	From         string // where it was: memory, store or none
}

// look is somebody who asks for a key.
type look struct {
	ctx      context.Context
	keyspace string
	key      []byte
	answer   chan<- looked // has room for the answer
}

type looked struct {
	Look
	err error
}

// Look tells what the task remembers of a key, which is encoded as in contexts. It may be called from any goroutine. The task answers between
// two batches, one asker at a time, so the wait is that for the present batch or commit; a task that is not live does not answer before the
// context ends.
func (t *Task) Look(ctx context.Context, keyspace string, key []byte) (Look, error) {
	answer := make(chan looked, 1)
	select {
	case t.looks <- look{ctx, keyspace, key, answer}:
		t.mu.Lock()
		if t.wake != nil {
			t.wake()
		}
		t.mu.Unlock()
	case <-ctx.Done():
	}
	select {
	case a := <-answer:
		return a.Look, a.err
	case <-ctx.Done():
		return Look{}, fmt.Errorf("the task %s has not answered: %w", t.name, ctx.Err())
	}
}

// attend returns a context that ends when the other does, and when somebody asks: for waits that they are to break off.
func (t *Task) attend(ctx context.Context) context.Context {
	attending, wake := context.WithCancel(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wake != nil {
		t.wake()
	}
	t.wake = wake
	return attending
}

// show answers one who asks, if there is one. What goes wrong is told to whoever asked: the next step finds out what it means for the task.
func (t *Task) show() {
	select {
	case l := <-t.looks:
		if l.ctx.Err() != nil {
			return // it was asked in an earlier life
		}
		found, err := t.look(l.ctx, l.keyspace, l.key)
		l.answer <- looked{found, err}
	default:
	}
}

// lookGrace bounds how long the stream is held up for one who asks.
const lookGrace = time.Second

// look finds a key's context in memory or in the store, and leaves it there.
func (t *Task) look(ctx context.Context, keyspace string, key []byte) (Look, error) {
	found, from := t.engine.Context(keyspace, key), "memory"
	if id := checkpoint.KeyspaceIDOf(keyspace); found == nil && !t.warm.whole[id] {
		from = "store"
		ctx, cancel := context.WithTimeout(ctx, lookGrace)
		defer cancel()
		err := t.store.Load(ctx, id, [][]byte{key}, func(_ int, c checkpoint.Context) error {
			found = bytes.Clone(c.Blob)
			return nil
		})
		if err != nil {
			return Look{}, fmt.Errorf("look into the store: %w", err)
		}
	}
	if len(found) == 0 {
		return Look{From: "none"}, nil
	}
	l, err := t.engine.Look(keyspace, found)
	return Look{l, from}, err
}
