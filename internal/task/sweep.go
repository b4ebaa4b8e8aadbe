package task

import (
	"context"
	"fmt"
	"slices"
	"time"

	"insolite/context/checkpoint"
	"insolite/context/store"
	"insolite/internal/crash"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// Bounds of what is done between two commits, so that a sweep or an expiry of many contexts does not hold up the stream.
const (
	sweepContextsMin = 4096 // and at least a sweepShare-th of what is dirty
	sweepShare       = 50
	expireContexts   = 4096
)

// sweep is a checkpoint in the making. Dirty contexts are listed in the order in which they became dirty, so when as many have been
// written as were dirty at the start, all of these are.
type sweep struct {
	active  bool
	last    time.Time // when one began
	meta    checkpoint.Meta
	left    []int // contexts to be written, by keyspace
	share   int   // contexts to be written after one commit
	flipped event.Position

	items []checkpoint.Item
	blobs []byte
	cold  []store.Handle // to be evicted
}

// restart gives up the sweep: the contexts that it counted are others now.
func (s *sweep) restart() { s.active = false }

// sweepOn goes on with the sweep, or begins one when it is time, if the task stands at a commit: after a journal entry was applied it does
// not, until the next one.
func (t *Task) sweepOn(ctx context.Context) error {
	if t.engine.Position() != t.committed || t.engine.Firing() {
		return nil
	}
	if err := t.expire(ctx); err != nil {
		return err
	}
	if err := t.evict(ctx); err != nil {
		return err
	}
	if err := t.warmOn(ctx); err != nil {
		return err
	}
	s := &t.sweep
	if !s.active {
		if t.committed == s.flipped || t.o.Now().Sub(s.last) < t.o.CheckpointInterval {
			return nil
		}
		t.beginSweep()
	}
	return t.sweepShare(ctx, s.share)
}

// sweepAll writes as much of a whole sweep as there is time for.
func (t *Task) sweepAll(ctx context.Context, deadline time.Time) error {
	if t.committed == t.sweep.flipped || t.engine.Firing() {
		return nil
	}
	t.beginSweep()
	for t.sweep.active && t.o.Now().Before(deadline) {
		if err := t.sweepShare(ctx, sweepContextsMin); err != nil {
			return err
		}
	}
	return nil
}

// beginSweep notes where the task stands and what is dirty.
func (t *Task) beginSweep() {
	s := &t.sweep
	s.active, s.last = true, t.o.Now()
	s.meta = checkpoint.Meta{Y: t.committed, Watermark: t.engine.Watermark(), Journal: t.applied, Bundle: t.bundle, Since: t.engine.Since(),
		TopicID: t.facts.TopicID, Partitions: t.facts.Partitions, Last: t.last.offset, Fingerprint: t.last.fingerprint, Engine: t.o.Engine, Upstreams: t.upstreams()}
	s.left = s.left[:0]
	dirty := 0
	for _, k := range t.engine.Keyspaces() {
		n := 0
		for range k.Contexts.Dirty {
			n++
		}
		s.left = append(s.left, n)
		dirty += n
	}
	s.share = max(t.shareMin, dirty/sweepShare)
	crash.At(crash.SweepBegun)
}

// sweepShare writes up to n of the sweep's contexts, and flips the meta when all are written.
func (t *Task) sweepShare(ctx context.Context, n int) (err error) {
	s := &t.sweep
	defer func() {
		if err != nil {
			t.did(Work{Kind: Swept, Err: err, Took: t.o.Now().Sub(s.last)})
		}
	}()
	for i, k := range t.engine.Keyspaces() {
		for s.left[i] > 0 {
			if n <= 0 {
				return nil
			}
			wrote, err := t.writeDirty(ctx, k, min(n, s.left[i], checkpoint.ChunkItemsMax))
			if err != nil {
				return err
			}
			n -= wrote
			s.left[i] -= wrote
			if wrote == 0 {
				s.left[i] = 0 // some have expired since
			}
		}
	}
	meta := s.meta
	crash.At(crash.BeforeFlip)
	if err := t.store.Flip(ctx, &meta); err != nil {
		return fmt.Errorf("complete the checkpoint: %w", err)
	}
	crash.At(crash.Flipped)
	s.active, s.flipped, t.swept = false, meta.Y, true
	t.update(func(st *Status) { st.Checkpoint, st.Swept = t.o.Now(), s.flipped })
	took := t.o.Now().Sub(s.last)
	t.did(Work{Kind: Swept, Took: took})
	t.log.Debug("checkpoint", "position", s.flipped.String(), "took", took.String())
	t.trim(ctx)
	return nil
}

// writeDirty writes up to n dirty contexts of a keyspace, the oldest first, and marks them clean.
func (t *Task) writeDirty(ctx context.Context, k engine.Keyspace, n int) (int, error) {
	if err := t.addLayout(ctx, k); err != nil {
		return 0, err
	}
	s := &t.sweep
	s.items, s.blobs = s.items[:0], s.blobs[:0]
	id := checkpoint.KeyspaceIDOf(k.Plan.Name)
	for h := range k.Contexts.Dirty {
		if len(s.items) == n || len(s.blobs) > checkpoint.ChunkBytesMax/2 {
			break
		}
		s.take(id, k.Contexts, h)
		k.Contexts.MarkClean(h) // an error below is a doubt, which ends this life
	}
	if len(s.items) == 0 {
		return 0, nil
	}
	if err := t.write(ctx); err != nil {
		return 0, err
	}
	t.did(Work{Kind: Written, Contexts: len(s.items), Bytes: len(s.blobs)})
	return len(s.items), nil
}

// take adds a context, as it stands, to what is written next.
func (s *sweep) take(id checkpoint.KeyspaceID, contexts *store.Keyspace, h store.Handle) {
	x := contexts.View(h)
	from := len(s.blobs)
	s.blobs = contexts.Blob(s.blobs, h)
	s.items = append(s.items, checkpoint.Item{Keyspace: id, Key: x.Key(), Position: x.Position(), Deadline: contexts.Deadline(h), Blob: s.blobs[from:]})
}

// write writes the items of the sweep.
func (t *Task) write(ctx context.Context) error {
	for rest := t.sweep.items; len(rest) > 0; {
		chunk := checkpoint.ChunkLen(rest)
		if err := t.store.Write(ctx, rest[:chunk]); err != nil {
			return fmt.Errorf("write contexts: %w", err)
		}
		crash.At(crash.ChunkWritten)
		rest = rest[chunk:]
	}
	return nil
}

// addLayout tells the store of a keyspace's layout before its first context is written.
func (t *Task) addLayout(ctx context.Context, k engine.Keyspace) error {
	l := k.Contexts.Layout()
	if t.layouts[l.ID()] {
		return nil
	}
	if err := t.store.AddLayout(ctx, l.ID(), l.Describe()); err != nil {
		return fmt.Errorf("write a layout: %w", err)
	}
	t.layouts[l.ID()] = true
	return nil
}

// expire takes contexts out of memory that equal empty ones, and stores them as empty at this position. The store forgets them once a
// checkpoint has come so far; a context that was made anew and written since stands at a later position, which it keeps.
func (t *Task) expire(ctx context.Context) error {
	s := &t.sweep
	for _, k := range t.engine.Keyspaces() {
		s.items, s.blobs = s.items[:0], s.blobs[:0]
		id := checkpoint.KeyspaceIDOf(k.Plan.Name)
		k.Contexts.Expire(t.engine.Watermark(), expireContexts, func(key []byte) {
			from := len(s.blobs)
			s.blobs = append(s.blobs, key...) // views of what it outgrows stay as they are
			s.items = append(s.items, checkpoint.Item{Keyspace: id, Key: s.blobs[from:len(s.blobs):len(s.blobs)], Position: t.committed, Deadline: event.Never})
		})
		if err := t.write(ctx); err != nil {
			return err
		}
	}
	return nil
}

// load looks up contexts that are not in memory. Those that have expired there equal empty ones; in a replay they are found, since they have seen
// more of the log than the task: an event may not begin to wait anew for what was over when the context expired.
func (t *Task) load(k *rules.Keyspace, keys, blobs [][]byte) error {
	id := checkpoint.KeyspaceIDOf(k.Name)
	if t.warm.whole[id] {
		return nil
	}
	t.loaded = t.loaded[:0]
	return t.store.Load(t.lifetime, id, keys, func(i int, c checkpoint.Context) error {
		from := len(t.loaded)
		switch {
		case len(c.Blob) > 0:
			t.loaded = append(t.loaded, c.Blob...)
		case t.live:
			return nil
		default:
			t.loaded = t.contexts(k).Empty(t.loaded, c.Key, c.Position)
		}
		blobs[i] = t.loaded[from:len(t.loaded):len(t.loaded)]
		return nil
	})
}

// contexts are those of a keyspace of the rules in force that are in memory.
func (t *Task) contexts(k *rules.Keyspace) *store.Keyspace {
	all := t.engine.Keyspaces()
	return all[slices.IndexFunc(all, func(a engine.Keyspace) bool { return a.Plan == k })].Contexts
}
