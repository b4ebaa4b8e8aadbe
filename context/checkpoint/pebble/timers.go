package pebble

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// writer adds the items of a chunk to a batch, in the order of their keys, and their entries to the index of deadlines. For that it reads
// which entry a context has: only in keyspaces that have some, the others are written without a read.
type writer struct {
	task   *task
	batch  *pebble.Batch
	stored *pebble.Iterator // nil: nothing was read yet
	key    []byte
}

func (w *writer) write(it *checkpoint.Item) error {
	next, pending := it.Pending()
	if !pending {
		next = event.Never
	}
	timed, err := w.task.mayHaveTimers(it.Keyspace)
	if err != nil {
		return err
	}
	was := event.Never
	if timed {
		value, err := w.value(it)
		switch {
		case err != nil:
			return err
		case value != nil && it.Position.Before(checkpoint.ValuePosition(value)):
			return nil // it is left out
		case value != nil:
			was = checkpoint.ValueDeadline(value)
		}
	}
	if was != next {
		if err := w.move(it, was, next); err != nil {
			return err
		}
	}
	return w.task.put(w.batch, it)
}

// value returns the bytes of the stored context, as a view; nil: there is none.
func (w *writer) value(it *checkpoint.Item) (_ []byte, err error) {
	if w.stored == nil {
		if w.stored, err = w.task.stored(); err != nil {
			return nil, err
		}
	}
	return w.task.value(w.stored, it.Keyspace, it.Key)
}

// move moves a context's entry from one deadline to another.
func (w *writer) move(it *checkpoint.Item, was, next event.Time) error {
	number := w.task.owner.number
	if was != event.Never {
		w.key = appendTimerKey(w.key[:0], number, it.Keyspace, checkpoint.Timer{Deadline: was, Key: it.Key})
		if err := w.batch.Delete(w.key, nil); err != nil {
			return err
		}
	}
	if next == event.Never {
		return nil
	}
	w.task.owner.timed[it.Keyspace] = true
	w.key = appendTimerKey(w.key[:0], number, it.Keyspace, checkpoint.Timer{Deadline: next, Key: it.Key})
	return w.batch.Set(w.key, nil, nil)
}

func (w *writer) close() error {
	if w.stored == nil {
		return nil
	}
	err := w.stored.Close()
	w.stored = nil
	return err
}

// mayHaveTimers reports whether contexts of a keyspace may have entries in the index of deadlines.
func (t *task) mayHaveTimers(keyspace checkpoint.KeyspaceID) (bool, error) {
	timed, known := t.owner.timed[keyspace]
	if known {
		return timed, nil
	}
	it, err := t.timers(keyspace, checkpoint.FirstTimer)
	if err != nil {
		return false, err
	}
	timed = it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return false, err
	}
	t.owner.timed[keyspace] = timed
	return timed, nil
}

// timers returns an iterator over a keyspace's index of deadlines from a place on.
func (t *task) timers(keyspace checkpoint.KeyspaceID, from checkpoint.Timer) (*pebble.Iterator, error) {
	to := appendTimerKey(nil, t.owner.number, keyspace+1, checkpoint.FirstTimer)
	if keyspace+1 == 0 {
		to = taskKey('T', t.owner.number+1)
	}
	return t.s.db.NewIter(&pebble.IterOptions{LowerBound: appendTimerKey(nil, t.owner.number, keyspace, from), UpperBound: to})
}

// due is one call of Due.
type due struct {
	task     *task
	keyspace checkpoint.KeyspaceID
	before   event.Time
	left     int // contexts that may still be given
	bytes    int // that were given
	each     func(c checkpoint.Context) error
	stale    [][]byte // entries that name no context
}

// Due reads contexts in the order of the index, which is not the one in which they lie: each costs as much as a load.
func (t *task) Due(ctx context.Context, keyspace checkpoint.KeyspaceID, from checkpoint.Timer, before event.Time, max int, each func(c checkpoint.Context) error) (next checkpoint.Timer, err error) {
	err = t.locked(ctx, "read due contexts of", func() error {
		d := due{task: t, keyspace: keyspace, before: before, left: min(max, checkpoint.ChunkItemsMax), each: each}
		if next, err = d.run(ctx, from); err != nil || len(d.stale) == 0 {
			return err
		}
		b := t.s.db.NewBatch()
		defer b.Close()
		for _, entry := range d.stale {
			if err := b.Delete(entry, nil); err != nil {
				return err
			}
		}
		return t.commit(b, pebble.NoSync)
	})
	return next, err
}

func (d *due) run(ctx context.Context, from checkpoint.Timer) (next checkpoint.Timer, err error) {
	next.Deadline = event.Never
	index, err := d.task.timers(d.keyspace, from)
	if err != nil {
		return next, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	stored, err := d.task.stored()
	if err != nil {
		return next, err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	for index.First(); index.Valid(); index.Next() {
		at, ok := parseTimerKey(index.Key())
		if !ok {
			return next, d.task.torn("index of deadlines", errors.New("malformed"))
		}
		if at.Deadline >= d.before || d.left <= 0 || d.bytes > checkpoint.ChunkBytesMax || len(d.stale) >= checkpoint.ChunkItemsMax {
			return checkpoint.Timer{Deadline: at.Deadline, Key: bytes.Clone(at.Key)}, nil
		}
		if err := errors.Join(ctx.Err(), d.give(stored, index.Key(), at)); err != nil {
			return next, err
		}
	}
	return next, index.Error()
}

// give calls back with the context of an entry.
func (d *due) give(stored *pebble.Iterator, entry []byte, at checkpoint.Timer) error {
	c, ok, err := d.task.read(stored, d.keyspace, at.Key)
	switch {
	case err != nil:
		return err
	case !ok || c.Deadline != at.Deadline:
		d.stale = append(d.stale, bytes.Clone(entry))
		return nil
	}
	d.left--
	d.bytes += len(c.Key) + len(c.Blob)
	return d.each(c)
}
