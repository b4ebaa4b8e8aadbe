package redis

import (
	"fmt"
	"strings"
	"testing"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/checkpointtest"
	"insolite/internal/event"
	"insolite/internal/golden"
	"insolite/internal/redistest"
)

func waiting(key string, offset int, deadline event.Time, blob string) checkpoint.Item {
	it := at(key, offset, blob)
	it.Deadline = deadline
	return it
}

// Entries that a context does not have any more, as an older version of the program leaves them over, are passed over and removed.
func TestStaleEntriesVanish(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{waiting("k", 1, 5, "waits"), at("idle", 1, "idle"), at("expired", 1, "")}))
	for i := range 3 {
		for _, key := range []string{"k", "idle", "expired", "gone"} {
			entry := timerEntry(checkpoint.Timer{Deadline: event.Time(1 + 3*i), Key: []byte(key)})
			must(t, s.client.Do(t.Context(), "ZADD", task.indexKey(1), 0, entry).Err())
		}
	}
	var got []string
	next, err := task.Due(t.Context(), 1, checkpoint.FirstTimer, 6, 9, func(c checkpoint.Context) error {
		got = append(got, fmt.Sprintf("%s %d", c.Key, c.Deadline))
		return nil
	})
	if fmt.Sprint(got, next.Deadline, err) != "[k 5] 7 <nil>" {
		t.Errorf("got %q, %v is next, %v", got, next, err)
	}
	if next, err = task.Due(t.Context(), 1, next, event.Never, 2, func(checkpoint.Context) error { t.Error("a stale entry is due"); return nil }); err != nil {
		t.Errorf("%v is next, %v", next, err)
	}
	if next, err = task.Due(t.Context(), 1, next, event.Never, 9, func(checkpoint.Context) error { t.Error("a stale entry is due"); return nil }); err != nil || next.Deadline != event.Never {
		t.Errorf("%v is next, %v", next, err)
	}
	if n, err := s.client.ZCard(t.Context(), task.indexKey(1)).Result(); n != 1 || err != nil {
		t.Errorf("%d entries are left, %v", n, err)
	}
	checkpointtest.Index(t, task, 1)
	must(t, task.Flip(t.Context(), upTo(1)))
}

// What this version has stored once of what waits is read, and stored the same.
func TestGoldenTimers(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{waiting("ann", 1, 5, "A"), waiting("bob", 1, -5, "B")}))
	key := keyPrefix(id) + "t:1"
	entries, err := s.client.ZRange(t.Context(), key, 0, -1).Result()
	must(t, err)
	now := [][]byte{[]byte(key)}
	for _, e := range entries {
		now = append(now, []byte(e))
	}
	for i, e := range golden.Same(t, "testdata/timers-1.hex", now...)[1:] {
		if got, ok := parseTimer(string(e)); !ok || got.Deadline != event.Time(-5+10*i) || string(got.Key) != [...]string{"bob", "ann"}[i] {
			t.Errorf("entry %d is read as %v", i, got)
		}
	}
}

// Contexts may be so large that few of them fit one answer; the others are due next.
func TestLargeContextsAreDueLittleByLittle(t *testing.T) {
	server := redistest.Start(t)
	task := mustOpen(t, open(t, Options{Addresses: []string{server.Addr()}}), id)
	for i := range 10 {
		must(t, task.Write(t.Context(), []checkpoint.Item{waiting(fmt.Sprint(i), 1, event.Time(i), strings.Repeat("x", replyBytesMax/3))}))
	}
	calls, given := 0, 0
	for next := checkpoint.FirstTimer; next.Deadline != event.Never; calls++ {
		var err error
		next, err = task.Due(t.Context(), 1, next, event.Never, 100, func(c checkpoint.Context) error {
			if string(c.Key) != fmt.Sprint(given) {
				t.Errorf("%s is due, want %d", c.Key, given)
			}
			given++
			return nil
		})
		must(t, err)
	}
	if given != 10 || calls < 2 || calls > 5 {
		t.Errorf("%d contexts in %d calls", given, calls)
	}
}
