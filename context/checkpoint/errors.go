package checkpoint

import (
	"errors"
	"fmt"

	"insolite/internal/event"
)

var (
	// ErrFenced is returned to a handle whose task has been opened anew: another owner has it.
	ErrFenced = errors.New("another owner has opened the task")

	// ErrDoubt is returned when the store is not as the handle left it, or when the outcome of an earlier write is not known.
	ErrDoubt = errors.New("the store is not as this owner left it")

	// ErrFull is returned when the store has no room. Nothing was written; the same call may succeed later.
	ErrFull = errors.New("no room in the checkpoint store")

	// ErrClosed is returned when the store is closed.
	ErrClosed = errors.New("the checkpoint store is closed")

	// ErrNewer is returned for what a newer version of the program has written.
	ErrNewer = errors.New("written by a newer version of the program")

	errTorn  = errors.New("the checksum does not match")
	errShort = errors.New("too short")
)

// TornError tells of stored bytes that are not what was written.
type TornError struct {
	Task     TaskID
	What     string // meta, layout, context
	Keyspace KeyspaceID
	Key      []byte // a context's; else empty
	Err      error
}

// Error names the place, the cause and the cure.
func (e *TornError) Error() string {
	what := e.What
	if e.What == "context" {
		what = fmt.Sprintf("context of key %s in keyspace %016x", keyText(e.Key), uint64(e.Keyspace))
	}
	return fmt.Sprintf("checkpoint of %s: damaged %s: %v; check the disk, then restore the store from a copy, or delete it and start with state.on_missing: rebuild", e.Task, what, e.Err)
}

// Unwrap returns the cause.
func (e *TornError) Unwrap() error { return e.Err }

// keyText shows a key as people read it, or quoted when it is none.
func keyText(key []byte) string {
	values, err := event.ParseKey(key)
	if err != nil || len(values) == 0 {
		return fmt.Sprintf("%q", key)
	}
	text := make([]byte, 0, 64)
	for i := range values {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = values[i].AppendText(text)
	}
	return fmt.Sprintf("%q", text)
}

// CheckChunk returns an error for a chunk beyond the bounds.
func CheckChunk(chunk []Item) error {
	if n := ChunkLen(chunk); n < len(chunk) {
		return fmt.Errorf("a chunk of %d items is too large: only %d of them fit, see ChunkLen", len(chunk), n)
	}
	return nil
}
