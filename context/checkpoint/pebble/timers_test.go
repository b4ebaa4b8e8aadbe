package pebble

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/checkpointtest"
	"insolite/internal/event"
	"insolite/internal/golden"
)

// indexed checks that the index of deadlines has an entry for each context that has one, and no other.
func indexed(t testing.TB, h checkpoint.Task) {
	t.Helper()
	entries, task := 0, h.(*task)
	n := task.owner.number
	must(t, task.s.each(taskKey('T', n), taskKey('T', n+1), func(_, _ []byte) error { entries++; return nil }))
	if contexts := checkpointtest.Index(t, h, 1); contexts != entries {
		t.Errorf("%d entries of the index, %d of which name contexts", entries, contexts)
	}
}

func waiting(key string, offset int, deadline event.Time) checkpoint.Item {
	it := at(key, offset, "waits")
	it.Deadline = deadline
	return it
}

// Entries that a context does not have any more, as an older version of the program leaves them over, are passed over and removed.
func TestStaleEntriesVanish(t *testing.T) {
	s := open(t, vfs.NewMem())
	task := mustOpen(t, s, id).(*task)
	must(t, task.Write(t.Context(), []checkpoint.Item{waiting("k", 1, 5), at("idle", 1, "idle"), at("expired", 1, "")}))
	for i := range 3 {
		for _, key := range []string{"k", "idle", "expired", "gone"} {
			must(t, s.db.Set(appendTimerKey(nil, task.owner.number, 1, checkpoint.Timer{Deadline: event.Time(1 + 3*i), Key: []byte(key)}), nil, pebble.NoSync))
		}
	}
	var got []string
	next, err := task.Due(t.Context(), 1, checkpoint.FirstTimer, 6, 1, func(c checkpoint.Context) error {
		got = append(got, fmt.Sprintf("%s %d", c.Key, c.Deadline))
		return nil
	})
	if fmt.Sprint(got, next.Deadline, err) != "[k 5] 7 <nil>" {
		t.Errorf("got %q, %v is next, %v", got, next, err)
	}
	if next, err = task.Due(t.Context(), 1, next, event.Never, 1, func(checkpoint.Context) error { t.Error("a stale entry is due"); return nil }); err != nil || next.Deadline != event.Never {
		t.Errorf("%v is next, %v", next, err)
	}
	indexed(t, task)
	must(t, task.Flip(t.Context(), upTo(1)))
}

// What this version has stored once of what waits is read, and stored the same.
func TestGoldenTimers(t *testing.T) {
	s := open(t, vfs.NewMem())
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{waiting("ann", 1, 5), waiting("bob", 1, -5)}))
	var entries [][]byte
	must(t, s.each([]byte{'T'}, []byte{'T' + 1}, func(key, _ []byte) error { entries = append(entries, bytes.Clone(key)); return nil }))
	for i, key := range golden.Same(t, "testdata/timers-1.hex", entries...) {
		if got, ok := parseTimerKey(key); !ok || got.Deadline != event.Time(-5+10*i) || string(got.Key) != [...]string{"bob", "ann"}[i] {
			t.Errorf("entry %d is read as %v", i, got)
		}
	}
}

// A keyspace in which nothing waits is written without a read.
func TestWritesReadOnlyWhereSomethingWaits(t *testing.T) {
	disk := vfs.NewMem()
	task := mustOpen(t, open(t, disk), id).(*task)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("k", 1, "K")}))
	if task.owner.timed[1] {
		t.Error("nothing waits")
	}
	must(t, task.Write(t.Context(), []checkpoint.Item{waiting("k", 2, 5)}))
	must(t, task.s.Close())
	again := mustOpen(t, open(t, disk), id)
	must(t, again.Write(t.Context(), []checkpoint.Item{waiting("k", 3, 6)})) // it was not told that something waits
	indexed(t, again)
}
