package engine

import (
	"fmt"

	"insolite/context/store"
)

// Warm brings a stored context into memory before an event asks for it, and reports whether it did: one that is there already holds more and
// stays. Space is the keyspace's place in Keyspaces. It is for a live task, between steps; during a replay the stored context may be of
// rules that are not in force yet.
func (e *Engine) Warm(space int, key, blob []byte) (bool, error) {
	s := e.spaces[space]
	if err := e.behind(blob); err != nil {
		return false, fmt.Errorf("load contexts of keyspace %s: %w", s.plan.Name, err)
	}
	hash := store.Hash(key)
	if _, ok := s.keys.Find(hash, key); ok {
		return false, nil
	}
	h, err := s.keys.Load(hash, blob)
	if err != nil {
		return false, fmt.Errorf("load contexts of keyspace %s: %w", s.plan.Name, err)
	}
	e.next = min(e.next, s.keys.Deadline(h))
	s.warmed++
	return true, nil
}

// behind checks that a stored context has not seen more of the log than a live task.
func (e *Engine) behind(blob []byte) error {
	p, err := store.BlobPosition(blob)
	if err == nil && e.position.Before(p) {
		err = fmt.Errorf("%w: it stands at %v, the task at %v", ErrAhead, p, e.position)
	}
	return err
}
