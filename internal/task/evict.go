package task

import (
	"context"
	"slices"

	"insolite/context/checkpoint"
	"insolite/context/store"
	"insolite/internal/crash"
	"insolite/internal/engine"
)

// Bounds of eviction.
const (
	evictContexts = 4096 // written and evicted at once
	evictLooks    = 1 << 16
	evictSlack    = 16 // a sixteenth of the limit: how far above it a task comes before it commits early, and how far below it an eviction goes
)

// memory is what the task's contexts take.
func (t *Task) memory() int64 {
	var bytes int64
	for _, k := range t.engine.Keyspaces() {
		bytes += k.Contexts.Bytes()
	}
	return bytes
}

// crowded reports whether the contexts take so much more than they may that the next commit must not wait.
func (t *Task) crowded() bool {
	if t.o.Memory == nil {
		return false
	}
	limit := t.o.Memory()
	return t.memory() > limit+limit/evictSlack
}

// evict moves contexts that were not used for a while out of memory until the rest fits. The task stands at a commit.
func (t *Task) evict(ctx context.Context) error {
	if t.o.Memory == nil {
		return nil
	}
	limit := t.o.Memory()
	if t.memory() <= limit {
		return nil
	}
	goal := limit - limit/evictSlack
	for _, k := range t.largest() {
		for looks := 0; looks < evictLooks && t.memory() > goal; looks += evictContexts {
			if err := t.evictSome(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// largest returns the keyspaces, the one that takes most first.
func (t *Task) largest() []engine.Keyspace {
	all := t.engine.Keyspaces()
	slices.SortStableFunc(all, func(a, b engine.Keyspace) int {
		switch x, y := a.Contexts.Bytes(), b.Contexts.Bytes(); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return all
}

// evictSome looks at some contexts of a keyspace and evicts those that were not used since they were looked at last; what the store does not
// have of them is written before.
func (t *Task) evictSome(ctx context.Context, k engine.Keyspace) error {
	if err := t.addLayout(ctx, k); err != nil {
		return err
	}
	s := &t.sweep
	s.items, s.blobs, s.cold = s.items[:0], s.blobs[:0], s.cold[:0]
	id := checkpoint.KeyspaceIDOf(k.Plan.Name)
	k.Contexts.Cold(evictContexts, func(h store.Handle) bool {
		s.cold = append(s.cold, h)
		if !k.Contexts.IsDirty(h) {
			return true
		}
		s.take(id, k.Contexts, h)
		return len(s.blobs) < checkpoint.ChunkBytesMax
	})
	if err := t.write(ctx); err != nil {
		return err
	}
	t.did(Work{Kind: Written, Contexts: len(s.items), Bytes: len(s.blobs)})
	crash.At(crash.BeforeEviction)
	for _, h := range s.cold {
		k.Contexts.Evict(h)
	}
	crash.At(crash.Evicted)
	if len(s.cold) > 0 {
		t.evicted(id)
	}
	return nil
}
