package engine

import (
	"bytes"
	"fmt"

	"insolite/context/store"
	"insolite/internal/event"
)

// decode turns the sub-batch's records into rows and keys.
func (e *Engine) decode() {
	e.decoder.Reset()
	e.begin()
	e.n = len(e.records)
	for i := range e.records {
		r := &e.records[i]
		e.recs[i] = record{source: -1, partition: e.options.Partition, offset: r.Offset, after: event.Position{Offset: r.Offset + 1}}
		if r.Value == nil {
			continue
		}
		row := e.rows[i*e.width : (i+1)*e.width]
		n, bad := e.decoder.Decode(r.Value, r.Timestamp, row)
		e.recs[i].source, e.recs[i].bad = int32(n), bad
		if bad == nil && n >= 0 {
			e.enter(i, row)
		}
	}
}

// enter notes the keys of event i.
func (e *Engine) enter(i int, row event.Row) {
	for _, st := range e.sources[e.recs[i].source].streams {
		st.space.enter(i, st.plan.Key, row)
	}
}

// enter notes event i's key.
func (s *space) enter(i int, key []event.Slot, row event.Row) {
	at := &s.entries[i]
	from := len(s.bytes)
	*at = entry{from: uint32(from), to: uint32(from)}
	for _, slot := range key {
		if !row[slot].Known() {
			s.bytes = s.bytes[:from]
			return
		}
		s.bytes = event.AppendKeyPart(s.bytes, &row[slot])
	}
	at.to = uint32(len(s.bytes))
	at.hash = store.Hash(s.bytes[from:])
	s.hashes[s.n] = at.hash
	s.n++
}

// missing are the keys of a sub-batch without a context in memory.
type missing struct {
	entries     []*entry
	keys, blobs [][]byte
}

// find looks up the contexts of the sub-batch's records, and loads those that are not in memory.
func (e *Engine) find() error {
	for _, s := range e.spaces {
		s.keys.Touch(s.hashes[:s.n])
	}
	for i := range e.n {
		if e.recs[i].bad != nil || e.recs[i].source < 0 {
			continue
		}
		for _, st := range e.sources[e.recs[i].source].streams {
			st.space.find(i, e.options.Load != nil)
		}
	}
	if e.options.Load == nil {
		return nil
	}
	for _, s := range e.spaces {
		if err := e.load(s); err != nil {
			return fmt.Errorf("load contexts of keyspace %s: %w", s.plan.Name, err)
		}
	}
	return nil
}

func (s *space) find(i int, note bool) {
	at := &s.entries[i]
	if at.from == at.to {
		return
	}
	key := s.bytes[at.from:at.to]
	at.handle, at.found = s.keys.Find(at.hash, key)
	if at.found || !note {
		return
	}
	m := &s.missing
	for _, other := range m.entries {
		if other.hash == at.hash && string(s.bytes[other.from:other.to]) == string(key) {
			return // the later one finds it when it is its turn
		}
	}
	m.entries, m.keys, m.blobs = append(m.entries, at), append(m.keys, key), append(m.blobs, nil)
}

func (e *Engine) load(s *space) error {
	m := &s.missing
	if len(m.keys) == 0 {
		return nil
	}
	err := e.options.Load(s.plan, m.keys, m.blobs)
	for i, blob := range m.blobs {
		if err == nil && blob != nil {
			err = e.take(s, m.entries[i], blob)
		}
	}
	clear(m.blobs)
	m.entries, m.keys, m.blobs = m.entries[:0], m.keys[:0], m.blobs[:0]
	return err
}

func (e *Engine) take(s *space, at *entry, blob []byte) (err error) {
	p, err := store.BlobPosition(blob)
	if err == nil && !e.replay {
		err = e.behind(blob)
	}
	if err != nil {
		return err
	}
	if !p.Before(e.recs[e.n-1].after) {
		s.hold(at) // it may be of rules that are not in force yet, so it is left where it is
		return nil
	}
	s.loaded++
	at.handle, err = s.keys.Load(at.hash, blob)
	if at.found = err == nil; at.found && len(e.timed) > 0 {
		e.next = min(e.next, s.keys.Deadline(at.handle))
	}
	return err
}

// hold notes that the stored context of a key holds all records of the sub-batch.
func (s *space) hold(at *entry) {
	key := s.bytes[at.from:at.to]
	for i := range s.entries {
		if other := &s.entries[i]; other.hash == at.hash && int(other.to) <= len(s.bytes) && bytes.Equal(s.bytes[other.from:other.to], key) {
			other.held = true
		}
	}
}

// context returns the context of record i's key, a new one if it has none.
func (s *space) context(i int) store.Ctx {
	at := &s.entries[i]
	if !at.found { // or an earlier record of the sub-batch made it
		key := s.bytes[at.from:at.to]
		if at.handle, at.found = s.keys.Find(at.hash, key); !at.found {
			at.handle, at.found = s.keys.Create(at.hash, key), true
		}
	}
	return s.keys.View(at.handle)
}
