package task

import (
	"context"
	"errors"
	"math"
	"time"

	"insolite/context/checkpoint"
	"insolite/internal/engine"
)

// Warmth says how much of what a task remembers is in memory.
type Warmth uint8

// The degrees of warmth.
const (
	Cold    Warmth = iota // the task is not live
	Warming               // contexts are read from the store, beside the stream; those that events ask for first are read at once
	Partly                // more contexts than memory takes: the others are read when an event asks for them
	Warm                  // every context is in memory, the store is not asked
)

var warmthNames = [...]string{"cold", "warming", "partly", "warm"}

// String returns the degree's name.
func (w Warmth) String() string { return warmthNames[w] }

// warm is the way of a task's contexts back into memory after a take-over. A task that is live steps at once, since a context is loaded when
// it is asked for. Beside that it reads the store from one end to the other, a part at a time, in its own goroutine: so a context that is
// read can't be changed before it is in memory. One that is in memory already holds more, and stays.
type warm struct {
	whole  map[checkpoint.KeyspaceID]bool // the keyspaces of which every context is in memory
	space  int                            // the keyspace that is being read, by its place in the engine
	id     checkpoint.KeyspaceID          // of it
	cursor checkpoint.Cursor
	torn   bool // contexts of it were evicted since its reading began
	full   bool // memory is; there may be room again
	told   bool // that it is
	began  time.Time
	loaded int // contexts
}

func idOf(k engine.Keyspace) checkpoint.KeyspaceID { return checkpoint.KeyspaceIDOf(k.Plan.Name) }

// newWarm begins a life. With an empty store everything that is remembered comes into memory first.
func (t *Task) newWarm(empty bool) {
	t.warm = warm{whole: map[checkpoint.KeyspaceID]bool{}}
	for _, k := range t.engine.Keyspaces() {
		t.warm.whole[idOf(k)] = empty
	}
}

// rewarm goes on with other rules: the keyspaces that both have are as much in memory as before.
func (t *Task) rewarm() {
	before := t.warm
	t.warm = warm{whole: map[checkpoint.KeyspaceID]bool{}, began: before.began, loaded: before.loaded, told: before.told}
	for _, k := range t.engine.Keyspaces() {
		t.warm.whole[idOf(k)] = before.whole[idOf(k)]
	}
}

// evicted notes that a keyspace is not whole in memory any more.
func (t *Task) evicted(id checkpoint.KeyspaceID) {
	t.warm.whole[id] = false
	t.warm.torn = t.warm.torn || t.warm.id == id
}

// warming reports whether there is something to be read and room for it.
func (t *Task) warming() bool {
	return t.live && !t.warm.full && t.warm.space < len(t.engine.Keyspaces())
}

// warmth tells how much is in memory.
func (t *Task) warmth() Warmth {
	switch {
	case !t.live:
		return Cold
	case t.warming():
		return Warming
	}
	for _, whole := range t.warm.whole {
		if !whole {
			return Partly
		}
	}
	return Warm
}

// room is how many bytes may be read into memory, so that nothing has to be evicted for them. Once memory is full, there is none until as
// much has become free as is worth it.
func (t *Task) room() int64 {
	if t.o.Memory == nil {
		return math.MaxInt64
	}
	limit := t.o.Memory()
	goal := limit - limit/evictSlack
	if t.warm.full {
		goal -= limit / evictSlack
	}
	return goal - t.memory()
}

// warmOn reads the next part of the store. The task is live, between two batches.
func (t *Task) warmOn(ctx context.Context) error {
	w := &t.warm
	spaces := t.engine.Keyspaces()
	for ; w.space < len(spaces); w.space++ {
		if !w.whole[idOf(spaces[w.space])] {
			break
		}
	}
	if w.space == len(spaces) {
		return nil
	}
	room := t.room()
	if w.full = room <= 0; w.full {
		t.tellWarmth("memory is full before every context is loaded: the others are loaded when they are asked for; raise state.memory to have all in memory")
		return nil
	}
	if w.began.IsZero() {
		w.began = t.o.Now()
	}
	next, err := t.warmPart(ctx, spaces[w.space], room)
	switch {
	case errors.Is(err, errFull):
		w.full = true
		return nil
	case err != nil:
		return err
	}
	if w.cursor = next; next != nil {
		return nil
	}
	w.whole[idOf(spaces[w.space])] = !w.torn
	if w.space++; w.space == len(spaces) && t.warmth() == Warm {
		t.tellWarmth("warm: every context is in memory")
	}
	return nil
}

// errFull ends the reading of a part for which there is no room. It is read again when there is.
var errFull = errors.New("memory is full")

// warmPart loads the contexts of a keyspace behind the cursor that are not in memory.
func (t *Task) warmPart(ctx context.Context, k engine.Keyspace, room int64) (checkpoint.Cursor, error) {
	w := &t.warm
	if w.cursor == nil {
		w.id, w.torn = idOf(k), false
	}
	limit := k.Contexts.Bytes() + min(room, math.MaxInt64/2)
	return t.store.ScanFrom(ctx, idOf(k), w.cursor, func(c checkpoint.Context) error {
		switch {
		case len(c.Blob) == 0:
			return nil // expired
		case k.Contexts.Bytes() >= limit:
			return errFull
		}
		loaded, err := t.engine.Warm(w.space, c.Key, c.Blob)
		if loaded {
			w.loaded++
		}
		return err
	})
}

// tellWarmth logs how the reading ended, if there was any.
func (t *Task) tellWarmth(text string) {
	w := &t.warm
	if w.told || w.began.IsZero() {
		return
	}
	w.told = true
	t.log.Info(text, "contexts", w.loaded, "bytes", t.memory(), "took", t.o.Now().Sub(w.began).Round(time.Millisecond).String())
}
