package pebble

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"insolite/context/checkpoint"
	"insolite/internal/crash"
	"insolite/internal/event"
)

// owner is what the handles of one task share.
type owner struct {
	mu     sync.Mutex // held while fence, contexts and meta are compared and changed
	number uint32
	timed  map[checkpoint.KeyspaceID]bool // whether there may be deadlines, of those keyspaces that were asked about
}

// task is a handle.
type task struct {
	s     *Store
	id    checkpoint.TaskID
	owner *owner
	fence fence
	y     event.Position // of the stored meta, as this handle knows it
	doubt error          // the outcome of a write is not known
	order []int32
	key   []byte
	blob  []byte // compressed in a write, expanded in a read
}

// Open makes the caller the owner of a task.
func (s *Store) Open(ctx context.Context, id checkpoint.TaskID) (checkpoint.Task, error) {
	t, err := s.open(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint of %s: %w", id, err)
	}
	return t, nil
}

func (s *Store) open(ctx context.Context, id checkpoint.TaskID) (*task, error) {
	s.use.RLock()
	defer s.use.RUnlock()
	if err := cmp.Or(ctx.Err(), s.usable()); err != nil {
		return nil, err
	}
	o, err := s.ownerOf(id)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := &task{s: s, id: id, owner: o}
	if t.fence, err = t.readFence(); err != nil {
		return nil, err
	}
	t.fence.epoch.Counter++
	if t.fence.epoch.Token, err = token(); err != nil {
		return nil, err
	}
	if err := s.room(); err != nil {
		return nil, err
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.Set(nameKey(id), be.AppendUint32(nil, o.number), nil); err != nil {
		return nil, err
	}
	if err := t.commit(b, pebble.Sync); err != nil {
		return nil, err
	}
	t.y = checkpoint.NoPosition
	if m, err := t.meta(); err == nil && m != nil { // a damaged one is told by whoever reads it
		t.y = m.Y
	}
	return t, nil
}

// ownerOf returns the shared part of a task's handles, with the task's number.
func (s *Store) ownerOf(id checkpoint.TaskID) (*owner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[id]; o != nil {
		return o, nil
	}
	v, err := s.get(nameKey(id))
	if err != nil {
		return nil, err
	}
	o := &owner{number: s.next, timed: map[checkpoint.KeyspaceID]bool{}}
	if v != nil {
		o.number = be.Uint32(v)
	} else {
		s.next++
	}
	s.owners[id] = o
	return o, nil
}

func token() (uint64, error) {
	var b [8]byte
	_, err := rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func (t *task) readFence() (fence, error) {
	v, err := t.s.get(taskKey('E', t.owner.number))
	if err != nil || v == nil {
		return fence{}, err
	}
	f, ok := parseFence(v)
	if !ok {
		return fence{}, t.torn("epoch", errors.New("malformed"))
	}
	return f, nil
}

func (t *task) torn(what string, err error) error {
	return &checkpoint.TornError{Task: t.id, What: what, Err: err}
}

// locked runs f as the task's owner, when the handle still is it.
func (t *task) locked(ctx context.Context, op string, f func() error) error {
	t.s.use.RLock()
	defer t.s.use.RUnlock()
	return t.owned(ctx, op, f)
}

// owned is locked for a caller that holds s.use.
func (t *task) owned(ctx context.Context, op string, f func() error) error {
	t.owner.mu.Lock()
	defer t.owner.mu.Unlock()
	err := t.check(ctx)
	if err == nil {
		err = f()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, t.id, err)
	}
	return nil
}

func (t *task) check(ctx context.Context) error {
	if err := cmp.Or(ctx.Err(), t.s.usable(), t.doubt); err != nil {
		return err
	}
	f, err := t.readFence()
	switch {
	case err != nil:
		return err
	case f.epoch != t.fence.epoch:
		return checkpoint.ErrFenced
	case f.write != t.fence.write:
		return fmt.Errorf("%w: its last write has number %d, this owner's %d", checkpoint.ErrDoubt, f.write, t.fence.write)
	}
	return nil
}

// commit writes the batch under the next write number.
func (t *task) commit(b *pebble.Batch, o *pebble.WriteOptions) error {
	next := t.fence
	next.write++
	err := b.Set(taskKey('E', t.owner.number), next.append(nil), nil)
	if err == nil {
		err = t.s.commit(b, o)
	}
	if err != nil {
		t.doubt = fmt.Errorf("%w: a write has failed: %w", checkpoint.ErrDoubt, err)
		return t.doubt
	}
	t.fence = next
	return nil
}

// Epoch returns the handle's epoch.
func (t *task) Epoch() checkpoint.Epoch { return t.fence.epoch }

// Meta returns the stored meta.
func (t *task) Meta(ctx context.Context) (m *checkpoint.Meta, err error) {
	err = t.locked(ctx, "read checkpoint of", func() error {
		m, err = t.meta()
		return err
	})
	return m, err
}

func (t *task) meta() (*checkpoint.Meta, error) {
	v, err := t.s.get(taskKey('M', t.owner.number))
	if err != nil || v == nil {
		return nil, err
	}
	m, err := checkpoint.ParseMeta(v)
	if err != nil && !errors.Is(err, checkpoint.ErrNewer) {
		err = t.torn("meta", err)
	}
	return m, err
}

// Flip sets the meta.
func (t *task) Flip(ctx context.Context, meta *checkpoint.Meta) error {
	return t.locked(ctx, "flip checkpoint of", func() error {
		if meta.Y.Before(t.y) {
			return fmt.Errorf("the new Y %s is before the stored one, %s", meta.Y, t.y)
		}
		if err := t.s.room(); err != nil {
			return err
		}
		old, err := t.meta()
		if err != nil {
			return err
		}
		if y := t.y; old == nil && y != checkpoint.NoPosition || old != nil && old.Y != y {
			return fmt.Errorf("%w: the stored Y is not %s", checkpoint.ErrDoubt, y)
		}
		m := *meta
		m.Previous, m.Epoch = t.y, t.fence.epoch
		b := t.s.db.NewBatch()
		defer b.Close()
		if err := b.Set(taskKey('M', t.owner.number), m.Append(nil), nil); err != nil {
			return err
		}
		if err := t.commit(b, pebble.Sync); err != nil {
			return err
		}
		t.y = m.Y
		crash.At(crash.MetaWritten)
		return t.forget(m.Y)
	})
}

// AddLayout keeps a layout's description.
func (t *task) AddLayout(ctx context.Context, id uint64, description []byte) error {
	return t.locked(ctx, "write layout of", func() error {
		key := layoutKey(t.owner.number, id)
		if v, err := t.s.get(key); err != nil || v != nil {
			return err
		}
		if err := t.s.room(); err != nil {
			return err
		}
		b := t.s.db.NewBatch()
		defer b.Close()
		if err := b.Set(key, sum(append([]byte(nil), description...), 0), nil); err != nil {
			return err
		}
		return t.commit(b, pebble.NoSync)
	})
}

// Layouts returns every description.
func (t *task) Layouts(ctx context.Context) (map[uint64][]byte, error) {
	all := map[uint64][]byte{}
	err := t.locked(ctx, "read layouts of", func() error {
		n := t.owner.number
		return t.s.each(taskKey('L', n), taskKey('L', n+1), func(key, value []byte) error {
			d, ok := unsum(value)
			if !ok || len(key) != 13 {
				return t.torn("layout", errors.New("malformed"))
			}
			all[be.Uint64(key[5:])] = append([]byte{}, d...)
			return nil
		})
	})
	return all, err
}

// Note returns the owner's note.
func (t *task) Note(ctx context.Context) (note []byte, err error) {
	err = t.locked(ctx, "read note of", func() error {
		v, err := t.s.get(taskKey('O', t.owner.number))
		if err != nil || v == nil {
			return err
		}
		var ok bool
		if note, ok = unsum(v); !ok {
			return t.torn("note", errors.New("malformed"))
		}
		return nil
	})
	return note, err
}

// SetNote sets the owner's note.
func (t *task) SetNote(ctx context.Context, note []byte) error {
	return t.locked(ctx, "write note of", func() error {
		if err := t.s.room(); err != nil {
			return err
		}
		b := t.s.db.NewBatch()
		defer b.Close()
		key := taskKey('O', t.owner.number)
		var err error
		if len(note) == 0 {
			err = b.Delete(key, nil)
		} else {
			err = b.Set(key, sum(append([]byte(nil), note...), 0), nil)
		}
		if err != nil {
			return err
		}
		return t.commit(b, pebble.Sync)
	})
}

// Drop forgets everything but the epoch.
func (t *task) Drop(ctx context.Context) error {
	return t.locked(ctx, "drop checkpoint of", func() error {
		b := t.s.db.NewBatch()
		defer b.Close()
		n := t.owner.number
		for _, kind := range []byte("MLCTXO") {
			if err := b.DeleteRange(taskKey(kind, n), taskKey(kind, n+1), nil); err != nil {
				return err
			}
		}
		if err := t.commit(b, pebble.Sync); err != nil {
			return err
		}
		t.y = checkpoint.NoPosition
		return nil
	})
}
