package pebble

import (
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// newMerger returns what resolves the writes of one context: the latest position wins, and of equal ones the newest write. So a write never
// lowers a position and does not have to read what is stored, which costs twice the write. pebble keeps the name in the database.
func newMerger() *pebble.Merger {
	pool := &sync.Pool{}
	return &pebble.Merger{Name: "insolite.latest-position", Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		l, ok := pool.Get().(*latest)
		if !ok {
			l = &latest{pool: pool}
		}
		l.take(value, checkpoint.ValuePosition(value))
		return l, nil
	}}
}

// latest is the winner so far. Bytes that are too short for a position lose; what else is wrong with them is found by who reads them.
type latest struct {
	pool     *sync.Pool
	value    []byte
	position event.Position
}

func (l *latest) take(value []byte, p event.Position) {
	l.value, l.position = append(l.value[:0], value...), p
}

// MergeNewer takes a write after those seen.
func (l *latest) MergeNewer(value []byte) error {
	if p := checkpoint.ValuePosition(value); !p.Before(l.position) {
		l.take(value, p)
	}
	return nil
}

// MergeOlder takes a write before those seen.
func (l *latest) MergeOlder(value []byte) error {
	if p := checkpoint.ValuePosition(value); l.position.Before(p) {
		l.take(value, p)
	}
	return nil
}

// Finish returns the winner, which is pebble's until it closes it.
func (l *latest) Finish(bool) ([]byte, io.Closer, error) { return l.value, l, nil }

// Close gives the memory back.
func (l *latest) Close() error {
	l.pool.Put(l)
	return nil
}
