package checkpointtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// waiting is a context in which something waits.
func waiting(key string, offset int64, deadline event.Time, blob string) checkpoint.Item {
	it := item(key, offset, []byte(blob))
	it.Deadline = deadline
	return it
}

// Index checks that the index of deadlines says what the contexts of a keyspace do, no more and no less, and returns how many entries it has.
func Index(t testing.TB, task checkpoint.Task, keyspace checkpoint.KeyspaceID) int {
	t.Helper()
	want, n := map[string]event.Time{}, 0
	must(t, task.Scan(t.Context(), keyspace, func(c checkpoint.Context) error {
		if c.Deadline != event.Never {
			want[string(c.Key)] = c.Deadline
		}
		return nil
	}))
	for next := checkpoint.FirstTimer; next.Deadline != event.Never; {
		var err error
		next, err = task.Due(t.Context(), keyspace, next, event.Never, 5, func(c checkpoint.Context) error {
			n++
			if d, ok := want[string(c.Key)]; !ok || d != c.Deadline {
				t.Errorf("key %q is due at %d, its context says %d", c.Key, c.Deadline, d)
			}
			delete(want, string(c.Key))
			return nil
		})
		must(t, err)
	}
	for key, d := range want {
		t.Errorf("key %q is missing in the index, its context is due at %d", key, d)
	}
	return n
}

func dueInOrder(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	if got, next := timers(t, task, keyspace, event.Never, 9); len(got) > 0 || next.Deadline != event.Never {
		t.Errorf("a new task has %q due, and %v is next", got, next)
	}
	deadlines := []event.Time{event.NoTime, event.NoTime + 1, -1 << 40, -1, 0, 1, 255, 256, 1 << 40, 1<<62 + 1, event.Never - 1}
	var chunk []checkpoint.Item
	var want []string
	for _, d := range deadlines {
		for _, key := range []string{"", "a", "a\x00", "b", "\xff"} {
			it := waiting(fmt.Sprint(d)+key, 3, d, "waits for "+key)
			if d == 0 {
				it.Key = []byte(key) // an empty one too
			}
			chunk = append(chunk, it)
			want = append(want, timer(d, string(it.Key), it.Position, it.Blob))
		}
	}
	slices.Reverse(chunk)
	must(t, task.Write(t.Context(), append(chunk, item("nothing waits", 3, []byte("idle")))))
	task = mustOpen(t, s, id)
	for i, before := range append(deadlines, event.Never) {
		for _, max := range []int{1, 2, 5, 7, 1000} {
			got, next := timers(t, task, keyspace, before, max)
			if !slices.Equal(got, want[:5*i]) {
				t.Fatalf("before %d, %d at a time: got %q, want %q", before, max, got, want[:5*i])
			}
			if before != next.Deadline {
				t.Fatalf("before %d, %d at a time: %v is next", before, max, next)
			}
		}
	}
	mine, calls := errors.New("mine"), 0
	_, err := task.Due(t.Context(), keyspace, checkpoint.FirstTimer, event.Never, 9, func(checkpoint.Context) error { calls++; return mine })
	if !errors.Is(err, mine) || calls != 1 {
		t.Errorf("a callback's error: %v after %d calls", err, calls)
	}
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(1)}))
}

func dueFollows(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	other := id
	other.Partition++
	beside := mustOpen(t, s, other)
	apart := waiting("k", 1, 5, "another keyspace")
	apart.Keyspace++
	must(t, task.Write(t.Context(), []checkpoint.Item{apart}))
	must(t, beside.Write(t.Context(), []checkpoint.Item{waiting("k", 1, 6, "another task")}))
	expect := func(what string, want ...string) {
		t.Helper()
		if got, _ := timers(t, task, keyspace, event.Never, 2); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	write := func(items ...checkpoint.Item) { t.Helper(); must(t, task.Write(t.Context(), items)) }
	write(waiting("k", 10, 7, "K"), waiting("l", 10, 8, "L"))
	expect("new", timer(7, "k", pos(10), []byte("K")), timer(8, "l", pos(10), []byte("L")))
	write(waiting("k", 11, 9, "later"))
	expect("its deadline rose", timer(8, "l", pos(10), []byte("L")), timer(9, "k", pos(11), []byte("later")))
	write(waiting("k", 12, 9, "same"), waiting("l", 12, 3, "earlier"))
	expect("one stays, one falls", timer(3, "l", pos(12), []byte("earlier")), timer(9, "k", pos(12), []byte("same")))
	write(waiting("k", 11, 1, "left out"), item("l", 11, []byte("left out")))
	expect("left out", timer(3, "l", pos(12), []byte("earlier")), timer(9, "k", pos(12), []byte("same")))
	write(waiting("l", 11, 2, "")) // left out, too
	expect("left out", timer(3, "l", pos(12), []byte("earlier")), timer(9, "k", pos(12), []byte("same")))
	task = mustOpen(t, s, id)
	write(item("k", 13, []byte("nothing waits")), waiting("l", 13, 3, "")) // an expired one waits for nothing, whatever it says
	expect("nothing waits")
	write(waiting("k", 13, 4, "again"), waiting("l", 14, 4, "alive again"))
	expect("alive again", timer(4, "k", pos(13), []byte("again")), timer(4, "l", pos(14), []byte("alive again")))
	write(item("l", 15, nil))
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(20)}))
	expect("forgotten", timer(4, "k", pos(13), []byte("again")))
	if got, _ := timers(t, task, keyspace+1, event.Never, 1); !slices.Equal(got, []string{timer(5, "k", pos(1), []byte("another keyspace"))}) {
		t.Errorf("another keyspace: %q", got)
	}
	must(t, task.Drop(t.Context()))
	expect("dropped")
	if got, _ := timers(t, task, keyspace+1, event.Never, 1); len(got) > 0 {
		t.Errorf("dropped: %q", got)
	}
	if got, _ := timers(t, beside, keyspace, event.Never, 1); !slices.Equal(got, []string{timer(6, "k", pos(1), []byte("another task"))}) {
		t.Errorf("another task: %q", got)
	}
	write(waiting("k", 1, 2, "a rebuild begins earlier"))
	expect("a rebuild begins earlier", timer(2, "k", pos(1), []byte("a rebuild begins earlier")))
}

func dueMany(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	total := 100_000
	if testing.Short() {
		total /= 10
	}
	blob := bytes.Repeat([]byte("x"), 100)
	at := func(i int) event.Time { return event.Time(i * 7919 % total / 10) } // ten at once
	for round := range 2 {
		for i := 0; i < total; {
			var chunk []checkpoint.Item
			for ; i < total && len(chunk) < checkpoint.ChunkItemsMax; i++ {
				if round == 0 || i%10 == 0 {
					chunk = append(chunk, waiting(fmt.Sprint(i), int64(round), at(i)+event.Time(round*total), string(blob)))
				}
			}
			must(t, task.Write(t.Context(), chunk))
		}
	}
	seen, last := map[string]bool{}, event.NoTime
	for next := checkpoint.FirstTimer; next.Deadline < event.Never; {
		var err error
		next, err = task.Due(t.Context(), keyspace, next, event.Never, checkpoint.ChunkItemsMax, func(c checkpoint.Context) error {
			if seen[string(c.Key)] || c.Deadline < last || !bytes.Equal(c.Blob, blob) {
				t.Fatalf("%q at %d, behind %d", c.Key, c.Deadline, last)
			}
			seen[string(c.Key)], last = true, c.Deadline
			return nil
		})
		must(t, err)
	}
	if len(seen) != total {
		t.Errorf("%d are due, want %d", len(seen), total)
	}
}
