package pebble

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/golang/snappy"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// Write writes a chunk as one batch, in the order of the keys, which is how the memtable takes them fastest.
func (t *task) Write(ctx context.Context, chunk []checkpoint.Item) error {
	if len(chunk) == 0 {
		return nil
	}
	return t.locked(ctx, "write checkpoint of", func() error {
		if err := cmp.Or(checkpoint.CheckChunk(chunk), t.s.room()); err != nil {
			return err
		}
		size := 0
		for i := range chunk {
			size += contextPrefix + len(chunk[i].Key) + checkpoint.ValueLen(&chunk[i]) + 16
		}
		b := t.s.db.NewBatchWithSize(size)
		defer b.Close()
		order := t.sorted(len(chunk), func(i, j int32) int { return chunk[i].Compare(&chunk[j]) })
		w := writer{task: t, batch: b}
		for n, i := range order {
			if n > 0 && chunk[order[n-1]].Compare(&chunk[i]) == 0 {
				return errors.Join(errors.New("a key stands twice in the chunk"), w.close())
			}
			if err := w.write(&chunk[i]); err != nil {
				return errors.Join(err, w.close())
			}
		}
		if err := w.close(); err != nil {
			return err
		}
		return t.commit(b, pebble.NoSync)
	})
}

// put adds an item to the batch, its blob compressed. The merger sees to it that no position is lowered.
func (t *task) put(b *pebble.Batch, it *checkpoint.Item) error {
	small := *it
	if len(it.Blob) > 0 {
		t.blob = snappy.Encode(t.blob[:cap(t.blob)], it.Blob)
		small.Blob = t.blob
	}
	d := b.MergeDeferred(contextPrefix+len(it.Key), checkpoint.ValueLen(&small))
	appendContextKey(d.Key[:0], t.owner.number, it.Keyspace, it.Key)
	checkpoint.AppendValue(d.Value[:0], &small)
	if err := d.Finish(); err != nil || len(it.Blob) > 0 {
		return err
	}
	return b.Set(appendExpiredKey(nil, t.owner.number, it), nil, nil)
}

// stored returns an iterator for reads. Over keys in their order it costs half of as many gets, and asks the filters of the tables too.
func (t *task) stored() (*pebble.Iterator, error) {
	n := t.owner.number
	return t.s.db.NewIter(&pebble.IterOptions{LowerBound: taskKey('C', n), UpperBound: taskKey('C', n+1),
		UseL6Filters: true}) // else a key that is not there is looked for in the level that holds most of them
}

// read returns the context of a key, if there is one, and leaves its database key in t.key.
func (t *task) read(from *pebble.Iterator, keyspace checkpoint.KeyspaceID, key []byte) (c checkpoint.Context, ok bool, err error) {
	v, err := t.value(from, keyspace, key)
	if v == nil || err != nil {
		return c, false, err
	}
	c, err = t.parse(keyspace, key, v)
	return c, err == nil, err
}

// value returns the bytes of a stored context, as a view; nil: there is none.
func (t *task) value(from *pebble.Iterator, keyspace checkpoint.KeyspaceID, key []byte) ([]byte, error) {
	t.key = appendContextKey(t.key[:0], t.owner.number, keyspace, key)
	if !from.SeekPrefixGE(t.key) {
		return nil, from.Error()
	}
	return from.ValueAndErr()
}

// parse reads a stored context. Its blob is valid until the next call.
func (t *task) parse(keyspace checkpoint.KeyspaceID, key, value []byte) (checkpoint.Context, error) {
	c, err := checkpoint.ParseValue(keyspace, key, value)
	if err == nil && len(c.Blob) > 0 {
		t.blob, err = snappy.Decode(t.blob[:cap(t.blob)], c.Blob)
		c.Blob = t.blob
	}
	if err != nil && !errors.Is(err, checkpoint.ErrNewer) {
		err = &checkpoint.TornError{Task: t.id, What: "context", Keyspace: keyspace, Key: bytes.Clone(key), Err: err}
	}
	return c, err
}

// sorted returns the numbers below n in an order; it is valid until the next call.
func (t *task) sorted(n int, compare func(i, j int32) int) []int32 {
	t.order = t.order[:0]
	for i := range n {
		t.order = append(t.order, int32(i))
	}
	slices.SortFunc(t.order, compare)
	return t.order
}

// Load reads contexts by key, in the order of the keys.
func (t *task) Load(ctx context.Context, keyspace checkpoint.KeyspaceID, keys [][]byte, into func(i int, c checkpoint.Context) error) error {
	return t.locked(ctx, "load contexts of", func() error {
		stored, err := t.stored()
		if err != nil {
			return err
		}
		defer stored.Close()
		for _, i := range t.sorted(len(keys), func(i, j int32) int { return bytes.Compare(keys[i], keys[j]) }) {
			c, ok, err := t.read(stored, keyspace, keys[i])
			if ok {
				err = into(int(i), c)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Scan reads a keyspace in the order of its keys. A later owner does not have to wait for it.
func (t *task) Scan(ctx context.Context, keyspace checkpoint.KeyspaceID, each func(c checkpoint.Context) error) error {
	t.s.use.RLock()
	defer t.s.use.RUnlock()
	var it *pebble.Iterator // shows the instant at which it is made
	err := t.owned(ctx, "scan contexts of", func() (err error) {
		it, err = t.behind(keyspace, nil)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(t.scan(ctx, it, keyspace, each), it.Close())
}

// behind returns an iterator over a keyspace's contexts from a key on.
func (t *task) behind(keyspace checkpoint.KeyspaceID, key []byte) (*pebble.Iterator, error) {
	to := appendContextKey(nil, t.owner.number, keyspace+1, nil)
	if keyspace+1 == 0 {
		to = taskKey('C', t.owner.number+1)
	}
	return t.s.db.NewIter(&pebble.IterOptions{LowerBound: appendContextKey(nil, t.owner.number, keyspace, key), UpperBound: to})
}

// ScanFrom reads the next chunk in the order of the keys; the cursor is the key to begin with.
func (t *task) ScanFrom(ctx context.Context, keyspace checkpoint.KeyspaceID, from checkpoint.Cursor, each func(c checkpoint.Context) error) (next checkpoint.Cursor, err error) {
	items, size := 0, 0
	some := func(c checkpoint.Context) error {
		if items == checkpoint.ChunkItemsMax || size > checkpoint.ChunkBytesMax {
			next = bytes.Clone(c.Key)
			return errEnough
		}
		items, size = items+1, size+len(c.Key)+len(c.Blob)
		return each(c)
	}
	err = t.locked(ctx, "scan contexts of", func() error {
		it, err := t.behind(keyspace, from)
		if err != nil {
			return err
		}
		if err = t.scan(ctx, it, keyspace, some); errors.Is(err, errEnough) {
			err = nil
		}
		return errors.Join(err, it.Close())
	})
	return next, err
}

func (t *task) scan(ctx context.Context, it *pebble.Iterator, keyspace checkpoint.KeyspaceID, each func(c checkpoint.Context) error) error {
	for it.First(); it.Valid(); it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		c, err := t.parse(keyspace, it.Key()[contextPrefix:], v)
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if err := each(c); err != nil {
			return err
		}
	}
	return it.Error()
}

// forget removes the contexts that had expired when Y was reached, in chunks. What a crash leaves over is found by the next Flip.
func (t *task) forget(y event.Position) error {
	n := t.owner.number
	from := taskKey('X', n)
	to := appendExpiredBound(nil, n, event.Position{Offset: y.Offset, Step: y.Step + 1})
	if y.Step == math.MaxUint32 {
		to = appendExpiredBound(nil, n, event.Position{Offset: y.Offset + 1})
	}
	for {
		b := t.s.db.NewBatch()
		more, err := t.forgetSome(b, from, to)
		if err == nil && !b.Empty() {
			err = t.commit(b, pebble.NoSync)
		}
		if err := errors.Join(err, b.Close()); err != nil || !more {
			return err
		}
	}
}

// forgetSome adds what there is to forget to a batch, and reports whether there is more than fits.
func (t *task) forgetSome(b *pebble.Batch, from, to []byte) (more bool, err error) {
	stored, err := t.stored()
	if err != nil {
		return false, err
	}
	defer stored.Close()
	err = t.s.each(from, to, func(entry, _ []byte) error {
		if b.Count() >= 2*checkpoint.ChunkItemsMax {
			return errEnough
		}
		return t.forgetOne(b, stored, entry)
	})
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

// errEnough ends an iteration whose batch is full.
var errEnough = errors.New("enough")

// forgetOne removes an entry and its context, unless an event has brought that back to life.
func (t *task) forgetOne(b *pebble.Batch, stored *pebble.Iterator, entry []byte) error {
	it, ok := parseExpiredKey(entry)
	if !ok {
		return t.torn("list of expired contexts", errors.New("malformed"))
	}
	c, ok, err := t.read(stored, it.Keyspace, it.Key)
	if err == nil && ok && len(c.Blob) == 0 && c.Position == it.Position {
		err = b.Delete(t.key, nil)
	}
	return errors.Join(err, b.Delete(entry, nil))
}
