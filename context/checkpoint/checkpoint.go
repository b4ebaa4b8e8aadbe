package checkpoint

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

// TaskID names a task: one partition of one input topic of an application.
type TaskID struct {
	App       string
	Topic     string
	Partition event.Partition
}

// String returns "app/topic/partition".
func (id TaskID) String() string { return fmt.Sprintf("%s/%s/%d", id.App, id.Topic, id.Partition) }

// Epoch is one ownership of a task. The counter orders owners; the token tells apart two that a store which went back has given the same
// counter.
type Epoch struct {
	Counter uint64
	Token   uint64
}

// KeyspaceID names a keyspace within a task.
type KeyspaceID uint64

// KeyspaceIDOf returns the id of the keyspace with that name: its XXH3 hash, so that it needs no register.
func KeyspaceIDOf(name string) KeyspaceID { return KeyspaceID(xxh3.HashString(name)) }

// Context is one stored context. Key and Blob are views that are valid until the callback returns.
type Context struct {
	Key      []byte
	Position event.Position // up to which the log has been applied to it
	Deadline event.Time     // as it was written
	Blob     []byte         // empty: expired, which equals empty, but has seen the log up to Position
}

// Item is a context to be written.
type Item struct {
	Keyspace KeyspaceID
	Key      []byte
	Position event.Position
	Deadline event.Time // the least instant at which something that waits in the context is due; event.Never: nothing waits
	Blob     []byte     // empty: expired, so that nothing waits
}

// Pending returns the deadline by which the context is found when it is due, if it has one.
func (a *Item) Pending() (deadline event.Time, ok bool) {
	return a.Deadline, a.Deadline != event.Never && len(a.Blob) > 0
}

// Compare orders items by keyspace, then key.
func (a *Item) Compare(b *Item) int {
	if c := cmp.Compare(a.Keyspace, b.Keyspace); c != 0 {
		return c
	}
	return bytes.Compare(a.Key, b.Key)
}

// Timer is a place in the index of deadlines: that of the context with this deadline and key, if there is one. Places are ordered by deadline,
// then key.
type Timer struct {
	Deadline event.Time
	Key      []byte
}

// FirstTimer is the first place in the index.
var FirstTimer = Timer{Deadline: event.NoTime}

// Compare orders timers by deadline, then key.
func (a Timer) Compare(b Timer) int {
	return cmp.Or(cmp.Compare(a.Deadline, b.Deadline), bytes.Compare(a.Key, b.Key))
}

// Cursor is where a scan in parts stands. Its bytes are the store's own; nil: the beginning, and the end.
type Cursor []byte

// The bounds of a chunk: small enough that a write holds neither a Redis server nor a memtable for long, large enough that the round trip
// does not count.
const (
	ChunkItemsMax = 4096
	ChunkBytesMax = 4 << 20
)

// ChunkLen returns how many of the first items make one chunk.
func ChunkLen(items []Item) int {
	bytes := 0
	for i := range items {
		bytes += len(items[i].Key) + len(items[i].Blob)
		if i == ChunkItemsMax || i > 0 && bytes > ChunkBytesMax {
			return i
		}
	}
	return len(items)
}

// Store keeps the contexts of many tasks.
type Store interface {
	// Open makes the caller the owner of a task: it raises the epoch, and every older handle is fenced.
	Open(ctx context.Context, id TaskID) (Task, error)

	// Close ends the store; handles are of no use afterwards. It may be called twice.
	Close() error
}

// Task is the handle of a task's owner.
type Task interface {
	// Epoch returns the epoch that Open has raised.
	Epoch() Epoch

	// Meta returns what the newest Flip has set, or nil.
	Meta(ctx context.Context) (*Meta, error)

	// AddLayout keeps the description of a layout, for as long as the task has contexts. To add one again is no error.
	AddLayout(ctx context.Context, id uint64, description []byte) error

	// Layouts returns every description that was added, by id.
	Layouts(ctx context.Context) (map[uint64][]byte, error)

	// Write writes a chunk: all of it or, in a crash or with an error, possibly none. An item whose context is stored at a later position
	// is left out. The keys of a chunk differ. With each context, and as one with it, its entry in the index of deadlines is written: there is
	// one if it has a deadline, and none else.
	Write(ctx context.Context, chunk []Item) error

	// Flip sets the meta if the stored Y is the one that the handle knows, and returns when it and everything written before are durable.
	// The store fills in Previous and Epoch. Y may not fall.
	Flip(ctx context.Context, meta *Meta) error

	// Load calls into once for each key that has a context, in any order, with the key's index. The callback may not use the handle.
	Load(ctx context.Context, keyspace KeyspaceID, keys [][]byte, into func(i int, c Context) error) error

	// Scan calls each for every context of a keyspace, as they stood when it began. It is for whole keyspaces off the hot path.
	// The callback may not use the handle.
	Scan(ctx context.Context, keyspace KeyspaceID, each func(c Context) error) error

	// ScanFrom is a scan in parts: it calls each for about a chunk of contexts behind the cursor, each as it stands now, and returns the
	// cursor behind them; nil when the keyspace is through. Contexts may be written between two parts: one that is there all the time is
	// seen exactly once, one that is new meanwhile at most once. The callback may not use the handle.
	ScanFrom(ctx context.Context, keyspace KeyspaceID, from Cursor, each func(c Context) error) (Cursor, error)

	// Due calls each, the first in the index first, for the contexts that stand there from a place on and have a deadline before an instant,
	// whole as Load does: for up to max of them, and fewer when they are large. It returns the place behind them, which is that of the next
	// context, whatever its deadline; Deadline is event.Never when there is none. Entries that name no context any more are passed over, and
	// removed. The callback may not use the handle.
	Due(ctx context.Context, keyspace KeyspaceID, from Timer, before event.Time, max int, each func(c Context) error) (next Timer, err error)

	// Note returns what the newest SetNote has set, or nil.
	Note(ctx context.Context) ([]byte, error)

	// SetNote keeps some bytes of the owner's beside the checkpoint, until it sets others, and returns when they are durable. None: nothing is
	// kept.
	SetNote(ctx context.Context, note []byte) error

	// Drop forgets all contexts with their index, layouts, the meta and the note. The handle stays the owner.
	Drop(ctx context.Context) error
}
