package checkpointtest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

const sequences, operations = 30, 120

// model is what a task's part of a store must look like.
type model struct {
	contexts map[string]modelContext
	meta     *checkpoint.Meta
	layouts  map[uint64]string
	note     string
}

type modelContext struct {
	p    event.Position
	blob string // empty: expired
	due  event.Time
}

func (m *model) clear() {
	*m = model{contexts: map[string]modelContext{}, layouts: map[uint64]string{}}
}

func (m *model) write(chunk []checkpoint.Item) {
	for _, it := range chunk {
		if old, ok := m.contexts[string(it.Key)]; !ok || !it.Position.Before(old.p) {
			m.contexts[string(it.Key)] = modelContext{it.Position, string(it.Blob), it.Deadline}
		}
	}
}

func (m *model) flip(meta checkpoint.Meta, by checkpoint.Epoch) {
	meta.Previous, meta.Epoch = m.y(), by
	m.meta = &meta
	maps.DeleteFunc(m.contexts, func(_ string, c modelContext) bool { return c.blob == "" && !meta.Y.Before(c.p) })
}

func (m *model) y() event.Position {
	if m.meta == nil {
		return checkpoint.NoPosition
	}
	return m.meta.Y
}

func random(t *testing.T, s checkpoint.Store) {
	for seed := range uint64(sequences) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := world{t: t, s: s, r: r, id: checkpoint.TaskID{App: "random", Topic: fmt.Sprint(seed)}}
		w.clear()
		w.open()
		for range operations {
			w.step()
		}
		w.compare()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// world is one task under random operations.
type world struct {
	model
	t    *testing.T
	s    checkpoint.Store
	r    *rand.Rand
	id   checkpoint.TaskID
	task checkpoint.Task
	old  []checkpoint.Task
}

func (w *world) open() {
	if w.task != nil {
		w.old = append(w.old, w.task)
	}
	w.task = mustOpen(w.t, w.s, w.id)
}

func (w *world) position() event.Position {
	return event.Position{Offset: event.Offset(w.r.IntN(40)), Step: uint32(w.r.IntN(3))}
}

func (w *world) chunk() []checkpoint.Item {
	var chunk []checkpoint.Item
	for _, k := range w.r.Perm(8)[:1+w.r.IntN(5)] {
		it := checkpoint.Item{Keyspace: keyspace, Key: []byte{byte(k)}, Position: w.position(), Deadline: event.Time(w.r.IntN(5) - 2)}
		if w.r.IntN(3) == 0 {
			it.Deadline = event.Never
		}
		if w.r.IntN(3) > 0 {
			it.Blob = fmt.Appendf(nil, "%d", w.r.Int())
		}
		chunk = append(chunk, it)
	}
	return chunk
}

func (w *world) step() {
	ctx := w.t.Context()
	switch n := w.r.IntN(100); {
	case n < 50:
		chunk := w.chunk()
		must(w.t, w.task.Write(ctx, chunk))
		w.write(chunk)
	case n < 70:
		meta := checkpoint.Meta{Y: w.position(), Journal: w.r.Uint64()}
		err := w.task.Flip(ctx, &meta)
		if refused := meta.Y.Before(w.y()); refused != (err != nil) {
			w.t.Errorf("flip from %s to %s: %v", w.y(), meta.Y, err)
		} else if !refused {
			w.flip(meta, w.task.Epoch())
		}
	case n < 80:
		w.compare()
	case n < 86:
		w.open()
	case n < 88:
		must(w.t, w.task.Drop(ctx))
		w.clear()
	case n < 91:
		layout := w.r.Uint64N(4)
		must(w.t, w.task.AddLayout(ctx, layout, fmt.Append(nil, layout)))
		w.layouts[layout] = fmt.Sprint(layout)
	case n < 93:
		w.note = fmt.Sprint(w.r.IntN(9))
		must(w.t, w.task.SetNote(ctx, []byte(w.note)))
	case len(w.old) > 0:
		zombie := w.old[w.r.IntN(len(w.old))]
		if err := zombie.Write(ctx, w.chunk()); !errors.Is(err, checkpoint.ErrFenced) {
			w.t.Errorf("write by a zombie: %v", err)
		}
		if err := zombie.Flip(ctx, &checkpoint.Meta{Y: pos(50)}); !errors.Is(err, checkpoint.ErrFenced) {
			w.t.Errorf("flip by a zombie: %v", err)
		}
	}
}

func (w *world) compare() {
	want := map[string]string{}
	for k, c := range w.contexts {
		want[k] = show(c.p, []byte(c.blob))
	}
	if got := contents(w.t, w.task, keyspace); !maps.Equal(got, want) {
		w.t.Errorf("contexts: got %v, want %v", got, want)
	}
	loaded, keys := map[string]string{}, make([][]byte, 8)
	for i, k := range w.r.Perm(8) {
		keys[i] = []byte{byte(k)}
	}
	must(w.t, w.task.Load(w.t.Context(), keyspace, keys, func(i int, c checkpoint.Context) error {
		loaded[string(keys[i])] = show(c.Position, c.Blob)
		return nil
	}))
	if !maps.Equal(loaded, want) {
		w.t.Errorf("loaded: got %v, want %v", loaded, want)
	}
	w.compareTimers()
	layouts, err := w.task.Layouts(w.t.Context())
	if !maps.EqualFunc(layouts, w.layouts, func(a []byte, b string) bool { return string(a) == b }) || err != nil {
		w.t.Errorf("layouts: got %v, %v, want %v", layouts, err, w.layouts)
	}
	expectMeta(w.t, w.task, w.meta)
	expectNote(w.t, w.task, w.note)
}

// compareTimers compares the index of deadlines, a few entries at a time.
func (w *world) compareTimers() {
	var want []string
	for k, c := range w.contexts {
		if c.blob != "" && c.due != event.Never {
			want = append(want, timer(c.due, k, c.p, []byte(c.blob)))
		}
	}
	slices.Sort(want)
	before := event.Time(w.r.IntN(6) - 2)
	got, next := timers(w.t, w.task, keyspace, before, 1+w.r.IntN(4))
	if n := len(got); n > len(want) || !slices.Equal(got, want[:n]) {
		w.t.Errorf("due before %d: got %q of %q", before, got, want)
	} else if rest := want[n:]; len(rest) == 0 && next.Deadline != event.Never || len(rest) > 0 && !strings.HasPrefix(rest[0], timer(next.Deadline, string(next.Key), event.Position{}, nil)[:16]) {
		w.t.Errorf("due before %d: %v is next, want the first of %q", before, next, rest)
	} else if next.Deadline < before {
		w.t.Errorf("due before %d: %v is left", before, next)
	}
}

// timer describes an entry; its order is that of the index.
func timer(at event.Time, key string, p event.Position, blob []byte) string {
	return fmt.Sprintf("%016x", uint64(at)^1<<63) + " " + key + " " + show(p, blob)
}

// timers returns what is due before an instant, so many at a time, and the place behind.
func timers(t *testing.T, task checkpoint.Task, keyspace checkpoint.KeyspaceID, before event.Time, max int) (got []string, next checkpoint.Timer) {
	t.Helper()
	for next = checkpoint.FirstTimer; ; {
		at, calls := next, 0
		var err error
		next, err = task.Due(t.Context(), keyspace, at, before, max, func(c checkpoint.Context) error {
			if calls++; c.Deadline >= before || (checkpoint.Timer{Deadline: c.Deadline, Key: c.Key}).Compare(at) < 0 {
				t.Errorf("due from %v before %d: %q at %d", at, before, c.Key, c.Deadline)
			}
			got = append(got, timer(c.Deadline, string(c.Key), c.Position, c.Blob))
			return nil
		})
		must(t, err)
		if calls > max {
			t.Errorf("%d contexts at once, want %d at most", calls, max)
		}
		if next.Deadline >= before {
			return got, next
		}
		if next.Compare(at) <= 0 {
			t.Fatalf("due from %v goes on at %v", at, next)
		}
	}
}

func mustOpen(t *testing.T, s checkpoint.Store, id checkpoint.TaskID) checkpoint.Task {
	t.Helper()
	task, err := s.Open(t.Context(), id)
	must(t, err)
	return task
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pos(offset int64) event.Position { return event.Position{Offset: event.Offset(offset)} }

func item(key string, offset int64, blob []byte) checkpoint.Item {
	return checkpoint.Item{Keyspace: keyspace, Key: []byte(key), Position: pos(offset), Deadline: event.Never, Blob: blob}
}

func show(p event.Position, blob []byte) string { return fmt.Sprintf("%s %s", p, blob) }

// contents returns a keyspace as a scan shows it, at once and in parts.
func contents(t *testing.T, task checkpoint.Task, keyspace checkpoint.KeyspaceID) map[string]string {
	t.Helper()
	got := map[string]string{}
	must(t, task.Scan(t.Context(), keyspace, func(c checkpoint.Context) error {
		if _, twice := got[string(c.Key)]; twice {
			t.Errorf("scan gives key %q twice", c.Key)
		}
		got[string(c.Key)] = show(c.Position, c.Blob)
		return nil
	}))
	if parts := inParts(t, task, keyspace, nil); !maps.Equal(parts, got) {
		t.Errorf("a scan in parts gives %q, one at once %q", parts, got)
	}
	return got
}

// inParts returns a keyspace as a scan in parts shows it; between is called between two parts.
func inParts(t *testing.T, task checkpoint.Task, keyspace checkpoint.KeyspaceID, between func(part int)) map[string]string {
	t.Helper()
	got := map[string]string{}
	for cursor, part := checkpoint.Cursor(nil), 1; ; part++ {
		var err error
		cursor, err = task.ScanFrom(t.Context(), keyspace, cursor, func(c checkpoint.Context) error {
			if _, twice := got[string(c.Key)]; twice {
				t.Errorf("a scan in parts gives key %q twice", c.Key)
			}
			got[string(c.Key)] = show(c.Position, c.Blob)
			return nil
		})
		must(t, err)
		if cursor == nil {
			return got
		}
		if between != nil {
			between(part)
		}
	}
}

func expectContents(t *testing.T, task checkpoint.Task, want map[string]string) {
	t.Helper()
	if got := contents(t, task, keyspace); !maps.Equal(got, want) {
		t.Errorf("contexts: got %q, want %q", got, want)
	}
}

func expectMeta(t *testing.T, task checkpoint.Task, want *checkpoint.Meta) {
	t.Helper()
	got, err := task.Meta(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("meta: got %+v, %v, want %+v", got, err, want)
	}
}
