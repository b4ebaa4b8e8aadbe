package task

import (
	"bytes"
	"context"
	"slices"

	"insolite/context/checkpoint"
	"insolite/context/store"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// read is what was read of the store some time ago.
type read struct {
	t         *Task
	e         *engine.Engine
	space     int
	key, blob []byte
}

// warmLate loads what was read a few steps before, without a look at whether the store still has that.
func (s *simulation) warmLate(t *Task) error {
	for _, r := range s.late {
		if r.t == t && r.e == t.engine {
			if _, err := t.engine.Warm(r.space, r.key, r.blob); err != nil {
				return err
			}
		}
	}
	if s.rand.IntN(8) > 0 {
		return nil
	}
	s.late = s.late[:0]
	return stored(t, func(i int, _ engine.Keyspace, c checkpoint.Context) error {
		s.late = append(s.late, read{t, t.engine, i, bytes.Clone(c.Key), bytes.Clone(c.Blob)})
		return nil
	})
}

// warmAtOnce loads all contexts, of whatever position.
func warmAtOnce(t *Task) {
	_ = stored(t, func(_ int, k engine.Keyspace, c checkpoint.Context) error {
		hash := store.Hash(c.Key)
		if _, ok := k.Contexts.Find(hash, c.Key); ok {
			return nil
		}
		_, err := k.Contexts.Load(hash, c.Blob)
		return err
	}) // a fenced one shows soon enough
}

// stored calls each for every stored context that has not expired.
func stored(t *Task, each func(i int, k engine.Keyspace, c checkpoint.Context) error) error {
	for i, k := range slices.Clone(t.engine.Keyspaces()) {
		for cursor, more := checkpoint.Cursor(nil), true; more; more = cursor != nil {
			var err error
			cursor, err = t.store.ScanFrom(context.Background(), idOf(k), cursor, func(c checkpoint.Context) error {
				if len(c.Blob) == 0 {
					return nil
				}
				return each(i, k, c)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAround asks for every key: whoever looks changes nothing.
func (s *simulation) lookAround(t *Task) error {
	for _, k := range slices.Clone(t.engine.Keyspaces()) {
		for _, who := range []string{"a", "b", "c", "nobody"} {
			v := event.StringValue(who)
			if _, err := t.look(context.Background(), k.Plan.Name, event.AppendKeyPart(nil, &v)); err != nil {
				return err
			}
		}
	}
	return nil
}
