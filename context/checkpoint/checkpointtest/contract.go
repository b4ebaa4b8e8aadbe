// Package checkpointtest has the tests that every store of checkpoints must pass.
//
//	func TestContract(t *testing.T) {
//		checkpointtest.Run(t, func(t *testing.T) checkpoint.Store { ... })
//	}
//
// Each call of the function gives a new, empty store. The last test compares long random sequences of operations with a model made of maps;
// a failure prints the sequence's seed.
package checkpointtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

const keyspace = checkpoint.KeyspaceID(7)

var id = checkpoint.TaskID{App: "shop", Topic: "payments", Partition: 3}

// Run runs the contract's tests.
func Run(t *testing.T, open func(t *testing.T) checkpoint.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s checkpoint.Store)
	}{
		{"a new task is empty", newTask},
		{"contexts come back as written", contextsComeBack},
		{"a position is never lowered", positionNeverFalls},
		{"an expired context is kept until Y has passed it", expired},
		{"tasks and keyspaces are apart", apart},
		{"a flip needs a Y that does not fall", flips},
		{"an older handle is fenced from everything", fenced},
		{"chunks are bounded and name a key once", chunks},
		{"a scan in parts sees every context once, whatever is written between", parts},
		{"what is due is found, the first first", dueInOrder},
		{"an entry is as its context", dueFollows},
		{"a hundred thousand are due", dueMany},
		{"layouts are kept", layouts},
		{"a note is kept until another one", notes},
		{"drop forgets everything but the owner", drop},
		{"a callback's error ends the read", callbackErrors},
		{"a cancelled call does nothing", cancelled},
		{"a closed store says so", closed},
		{"tasks work side by side", sideBySide},
		{"random operations equal the model", random},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			c.test(t, s)
		})
	}
}

func newTask(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	if m, err := task.Meta(t.Context()); m != nil || err != nil {
		t.Errorf("meta of a new task: %v, %v", m, err)
	}
	if l, err := task.Layouts(t.Context()); len(l) != 0 || err != nil {
		t.Errorf("layouts of a new task: %v, %v", l, err)
	}
	if got := contents(t, task, keyspace); len(got) != 0 {
		t.Errorf("contexts of a new task: %v", got)
	}
	if task.Epoch().Counter != 1 {
		t.Errorf("first epoch is %v", task.Epoch())
	}
}

func contextsComeBack(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	want := map[string]string{}
	var chunk []checkpoint.Item
	for i := range 50 {
		key := bytes.Repeat([]byte{byte(i)}, i) // an empty one too, and each is the prefix of none or many
		blob := bytes.Repeat([]byte{0xff - byte(i)}, 1+i*i)
		chunk = append(chunk, item(string(key), int64(100+i), blob))
		want[string(key)] = show(pos(int64(100+i)), blob)
	}
	slices.Reverse(chunk)
	must(t, task.Write(t.Context(), chunk))
	if got := contents(t, task, keyspace); !maps.Equal(got, want) {
		t.Errorf("scan: got %d contexts, want %d as written", len(got), len(want))
	}
	keys := [][]byte{[]byte("absent"), {9, 9, 9, 9, 9, 9, 9, 9, 9}, {1}, nil, {1}, {1, 1}}
	got := map[int]string{}
	must(t, task.Load(t.Context(), keyspace, keys, func(i int, c checkpoint.Context) error {
		if !bytes.Equal(c.Key, keys[i]) {
			t.Errorf("load: key %d is %x, got %x", i, keys[i], c.Key)
		}
		got[i] = show(c.Position, c.Blob)
		return nil
	}))
	expect := map[int]string{}
	for i, k := range keys {
		if v, ok := want[string(k)]; ok {
			expect[i] = v
		}
	}
	if !maps.Equal(got, expect) {
		t.Errorf("load: got %v, want %v", got, expect)
	}
}

func positionNeverFalls(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	at := func(p event.Position, blob string) []checkpoint.Item {
		return []checkpoint.Item{{Keyspace: keyspace, Key: []byte("k"), Position: p, Blob: []byte(blob)}}
	}
	for _, c := range []struct {
		p    event.Position
		blob string
		want string
	}{
		{event.Position{Offset: 5, Step: 2}, "first", "5+2 first"},
		{event.Position{Offset: 5, Step: 1}, "older step", "5+2 first"},
		{event.Position{Offset: 4, Step: 9}, "older offset", "5+2 first"},
		{event.Position{Offset: 4, Step: 9}, "", "5+2 first"}, // nor does it expire
		{event.Position{Offset: 5, Step: 2}, "same", "5+2 same"},
		{event.Position{Offset: 5, Step: 3}, "newer", "5+3 newer"},
	} {
		must(t, task.Write(t.Context(), at(c.p, c.blob)))
		if got := contents(t, task, keyspace)["k"]; got != c.want {
			t.Errorf("after a write of %q at %s: got %q, want %q", c.blob, c.p, got, c.want)
		}
	}
}

func expired(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{item("a", 10, []byte("A")), item("b", 10, []byte("B")), item("c", 10, []byte("C"))}))
	must(t, task.Write(t.Context(), []checkpoint.Item{item("a", 20, nil), item("b", 20, nil), item("never stored", 25, nil)}))
	expectContents(t, task, map[string]string{"a": "20 ", "b": "20 ", "c": "10 C", "never stored": "25 "})
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: event.Position{Offset: 19, Step: 4}}))
	expectContents(t, task, map[string]string{"a": "20 ", "b": "20 ", "c": "10 C", "never stored": "25 "})
	must(t, task.Write(t.Context(), []checkpoint.Item{item("b", 22, []byte("B again"))}))
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(20)}))
	expectContents(t, task, map[string]string{"b": "22 B again", "c": "10 C", "never stored": "25 "})
	task = mustOpen(t, s, id)
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(30)}))
	expectContents(t, task, map[string]string{"b": "22 B again", "c": "10 C"})
}

func apart(t *testing.T, s checkpoint.Store) {
	ids := []checkpoint.TaskID{id,
		{App: "shop", Topic: "payments", Partition: 4},
		{App: "shoppay", Topic: "ments", Partition: 3},
		{App: "shop", Topic: "payments\x00", Partition: 3}}
	keyspaces := []checkpoint.KeyspaceID{0, 7, 8, ^checkpoint.KeyspaceID(0)}
	tasks := make([]checkpoint.Task, len(ids))
	for i, id := range ids {
		tasks[i] = mustOpen(t, s, id)
		for _, k := range keyspaces {
			blob := fmt.Sprintf("%s/%d", id, k)
			must(t, tasks[i].Write(t.Context(), []checkpoint.Item{{Keyspace: k, Key: []byte("k"), Position: pos(int64(i)), Blob: []byte(blob)}}))
		}
		must(t, tasks[i].Flip(t.Context(), &checkpoint.Meta{Y: pos(int64(i)), Journal: uint64(i)}))
	}
	must(t, tasks[0].Drop(t.Context()))
	for i, task := range tasks {
		for _, k := range keyspaces {
			want := map[string]string{"k": fmt.Sprintf("%d %s/%d", i, ids[i], k)}
			if i == 0 {
				want = map[string]string{}
			}
			if got := contents(t, task, k); !maps.Equal(got, want) {
				t.Errorf("%s, keyspace %d: got %v, want %v", ids[i], k, got, want)
			}
		}
		if m, err := task.Meta(t.Context()); err != nil || i > 0 && (m == nil || m.Journal != uint64(i)) {
			t.Errorf("meta of %s: %v, %v", ids[i], m, err)
		}
	}
}

func flips(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	meta := checkpoint.Meta{Y: event.Position{Offset: 10, Step: 1}, Watermark: event.NoTime, Journal: 2, Bundle: 3,
		Since: map[uint64]event.Position{4: pos(5), 1: {Offset: 6, Step: 7}}, TopicID: [16]byte{8}, Partitions: 9, Fingerprint: 10, Engine: 11}
	must(t, task.Flip(t.Context(), &meta))
	want := meta
	want.Previous, want.Epoch = checkpoint.NoPosition, task.Epoch()
	expectMeta(t, task, &want)
	if err := task.Flip(t.Context(), &checkpoint.Meta{Y: event.Position{Offset: 10}}); err == nil {
		t.Error("a flip that lowers Y is accepted")
	}
	expectMeta(t, task, &want)
	task = mustOpen(t, s, id)
	expectMeta(t, task, &want)
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: meta.Y})) // Y may stay
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(11)}))
	expectMeta(t, task, &checkpoint.Meta{Y: pos(11), Previous: meta.Y, Epoch: task.Epoch()})
}

func fenced(t *testing.T, s checkpoint.Store) {
	old := mustOpen(t, s, id)
	must(t, old.Write(t.Context(), []checkpoint.Item{waiting("k", 1, 5, "old")}))
	must(t, old.Flip(t.Context(), &checkpoint.Meta{Y: pos(1)}))
	task := mustOpen(t, s, id)
	if a, b := old.Epoch(), task.Epoch(); b.Counter != a.Counter+1 || a.Token == b.Token {
		t.Errorf("epoch %v follows %v", b, a)
	}
	nothing := func(int, checkpoint.Context) error { t.Error("a fenced load gives a context"); return nil }
	for name, op := range map[string]func() error{
		"write": func() error { return old.Write(t.Context(), []checkpoint.Item{item("k", 9, []byte("zombie"))}) },
		"flip":  func() error { return old.Flip(t.Context(), &checkpoint.Meta{Y: pos(9)}) },
		"load":  func() error { return old.Load(t.Context(), keyspace, [][]byte{[]byte("k")}, nothing) },
		"scan": func() error {
			return old.Scan(t.Context(), keyspace, func(c checkpoint.Context) error { return nothing(0, c) })
		},
		"due": func() error {
			_, err := old.Due(t.Context(), keyspace, checkpoint.FirstTimer, event.Never, 1, func(c checkpoint.Context) error { return nothing(0, c) })
			return err
		},
		"scan in parts": func() error {
			_, err := old.ScanFrom(t.Context(), keyspace, nil, func(c checkpoint.Context) error { return nothing(0, c) })
			return err
		},
		"drop":   func() error { return old.Drop(t.Context()) },
		"meta":   func() error { _, err := old.Meta(t.Context()); return err },
		"layout": func() error { return old.AddLayout(t.Context(), 1, []byte("x")) },
		"note":   func() error { return old.SetNote(t.Context(), []byte("zombie")) },
		"read":   func() error { _, err := old.Note(t.Context()); return err },
		"list":   func() error { _, err := old.Layouts(t.Context()); return err },
	} {
		if err := op(); !errors.Is(err, checkpoint.ErrFenced) {
			t.Errorf("%s by a fenced handle: %v", name, err)
		}
	}
	expectContents(t, task, map[string]string{"k": "1 old"})
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(2)}))
}

func chunks(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), nil))
	many := make([]checkpoint.Item, checkpoint.ChunkItemsMax+1)
	for i := range many {
		many[i] = item(fmt.Sprint(i), 1, []byte("x"))
	}
	if n := checkpoint.ChunkLen(many); n != checkpoint.ChunkItemsMax {
		t.Errorf("a chunk of %d items", n)
	}
	if err := task.Write(t.Context(), many); err == nil {
		t.Error("too many items are accepted")
	}
	half := bytes.Repeat([]byte("x"), checkpoint.ChunkBytesMax/2)
	large := []checkpoint.Item{item("a", 1, half), item("b", 1, half)}
	if err := task.Write(t.Context(), large); err == nil {
		t.Error("too many bytes are accepted")
	}
	if err := task.Write(t.Context(), []checkpoint.Item{item("a", 1, half), item("c", 1, half[:9]), item("a", 2, half[:9])}); err == nil {
		t.Error("a key that stands twice is accepted")
	}
	expectContents(t, task, map[string]string{})
	huge := item("huge", 1, append(half, append(half, half...)...)) // alone it may have any size
	must(t, task.Write(t.Context(), []checkpoint.Item{huge}))
	must(t, task.Write(t.Context(), many[:checkpoint.ChunkItemsMax]))
	got := contents(t, task, keyspace)
	if len(got) != checkpoint.ChunkItemsMax+1 || got["huge"] != show(huge.Position, huge.Blob) {
		t.Errorf("got %d contexts", len(got))
	}
}

func parts(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	const total = 2*checkpoint.ChunkItemsMax + 100
	blob := bytes.Repeat([]byte("x"), 1500) // so that no store can take all of them as one part
	write := func(from, to int, offset int64) {
		var items []checkpoint.Item
		for i := from; i < to; i++ {
			items = append(items, item(fmt.Sprint(i), offset, blob))
		}
		for len(items) > 0 {
			n := checkpoint.ChunkLen(items)
			must(t, task.Write(t.Context(), items[:n]))
			items = items[n:]
		}
	}
	write(0, total, 1)
	last := 0
	got := inParts(t, task, keyspace, func(part int) {
		last = part
		write(part*500, part*500+600, int64(1+part)) // some are changed
		write(total+part*10, total+part*10+10, 1)    // some are new
	})
	if last == 0 {
		t.Error("all of it is one part")
	}
	for i := range total {
		if got[fmt.Sprint(i)] == "" {
			t.Fatalf("context %d was not seen", i)
		}
	}
	for i := last*500 + 600; i < total; i++ {
		if want := show(pos(1), blob); got[fmt.Sprint(i)] != want {
			t.Fatalf("context %d is not what was written", i)
		}
	}
}

func layouts(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	must(t, task.AddLayout(t.Context(), 5, []byte("five")))
	must(t, task.AddLayout(t.Context(), ^uint64(0), []byte{}))
	must(t, task.AddLayout(t.Context(), 5, []byte("five")))
	task = mustOpen(t, s, id)
	got, err := task.Layouts(t.Context())
	if err != nil || len(got) != 2 || string(got[5]) != "five" || len(got[^uint64(0)]) != 0 {
		t.Errorf("layouts: %v, %v", got, err)
	}
}

func notes(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	expectNote(t, task, "")
	must(t, task.SetNote(t.Context(), []byte("\x00one")))
	expectNote(t, task, "\x00one")
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(10)}))
	old := task
	task = mustOpen(t, s, id)
	if err := old.SetNote(t.Context(), []byte("zombie")); !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("a note by a fenced handle: %v", err)
	}
	expectNote(t, task, "\x00one")
	must(t, task.SetNote(t.Context(), []byte("two")))
	must(t, task.Write(t.Context(), []checkpoint.Item{item("a", 10, []byte("A"))}))
	expectNote(t, task, "two")
	must(t, task.SetNote(t.Context(), nil))
	expectNote(t, mustOpen(t, s, id), "")
}

func expectNote(t *testing.T, task checkpoint.Task, want string) {
	t.Helper()
	if got, err := task.Note(t.Context()); string(got) != want || err != nil {
		t.Errorf("note: got %q, %v, want %q", got, err, want)
	}
}

func drop(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{item("a", 10, []byte("A")), item("b", 10, nil)}))
	must(t, task.AddLayout(t.Context(), 1, []byte("one")))
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(10)}))
	must(t, task.SetNote(t.Context(), []byte("note")))
	must(t, task.Drop(t.Context()))
	expectNote(t, task, "")
	expectMeta(t, task, nil)
	expectContents(t, task, map[string]string{})
	if got, err := task.Layouts(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("layouts: %v, %v", got, err)
	}
	must(t, task.Write(t.Context(), []checkpoint.Item{item("a", 2, []byte("lower"))})) // a rebuild begins earlier
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(2)}))
	expectContents(t, task, map[string]string{"a": "2 lower"})
	if next := mustOpen(t, s, id); next.Epoch().Counter != task.Epoch().Counter+1 {
		t.Errorf("epoch %v follows %v", next.Epoch(), task.Epoch())
	}
}

func callbackErrors(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{item("a", 1, []byte("A")), item("b", 1, []byte("B"))}))
	mine, calls := errors.New("mine"), 0
	stop := func(checkpoint.Context) error { calls++; return mine }
	if err := task.Scan(t.Context(), keyspace, stop); !errors.Is(err, mine) || calls != 1 {
		t.Errorf("scan: %v after %d calls", err, calls)
	}
	err := task.Load(t.Context(), keyspace, [][]byte{[]byte("a"), []byte("b")}, func(_ int, c checkpoint.Context) error { return stop(c) })
	if !errors.Is(err, mine) || calls != 2 {
		t.Errorf("load: %v after %d calls", err, calls)
	}
	if _, err := task.ScanFrom(t.Context(), keyspace, nil, stop); !errors.Is(err, mine) || calls != 3 {
		t.Errorf("scan in parts: %v after %d calls", err, calls)
	}
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: pos(1)}))
}

func cancelled(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := task.Write(ctx, []checkpoint.Item{item("a", 1, []byte("A"))}); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Open(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	expectContents(t, task, map[string]string{})
}

func closed(t *testing.T, s checkpoint.Store) {
	task := mustOpen(t, s, id)
	must(t, s.Close())
	must(t, s.Close())
	if err := task.Write(t.Context(), []checkpoint.Item{item("a", 1, []byte("A"))}); !errors.Is(err, checkpoint.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Open(t.Context(), id); !errors.Is(err, checkpoint.ErrClosed) {
		t.Errorf("open: %v", err)
	}
}
