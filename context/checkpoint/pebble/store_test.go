package pebble

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/checkpointtest"
	"insolite/internal/event"
)

func TestContract(t *testing.T) {
	checkpointtest.Run(t, func(t *testing.T) checkpoint.Store { return open(t, vfs.NewMem()) })
}

// open opens a store on a file system.
func open(t testing.TB, on vfs.FS) *Store {
	t.Helper()
	s, err := Open(Options{Dir: "data", fs: on})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var id = checkpoint.TaskID{App: "shop", Topic: "payments", Partition: 3}

func at(key string, offset int, blob string) checkpoint.Item {
	return checkpoint.Item{Keyspace: 1, Key: []byte(key), Position: event.Position{Offset: event.Offset(offset)}, Deadline: event.Never, Blob: []byte(blob)}
}

func upTo(offset int) *checkpoint.Meta {
	return &checkpoint.Meta{Y: event.Position{Offset: event.Offset(offset)}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, task checkpoint.Task) (n int) {
	t.Helper()
	must(t, task.Scan(t.Context(), 1, func(checkpoint.Context) error { n++; return nil }))
	return n
}

func TestEverythingOutlivesTheProcess(t *testing.T) {
	disk := vfs.NewMem()
	for n := 1; n <= 3; n++ {
		s := open(t, disk)
		task, other := mustOpen(t, s, id), mustOpen(t, s, checkpoint.TaskID{Topic: fmt.Sprint("new in ", n)})
		if got := task.Epoch().Counter; got != uint64(n) {
			t.Errorf("epoch %d, want %d", got, n)
		}
		if got := count(t, task); got != n-1 {
			t.Errorf("%d contexts, want %d", got, n-1)
		}
		if got := count(t, other); got != 0 {
			t.Errorf("a new task has %d contexts", got)
		}
		must(t, task.Write(t.Context(), []checkpoint.Item{at(fmt.Sprint(n), n, "blob")}))
		must(t, task.Flip(t.Context(), upTo(n)))
		must(t, s.Close())
	}
}

// Each kind of stored bytes, damaged, is an error that says where and what to do, and no call goes on with it.
func TestDamageIsNoticed(t *testing.T) {
	load := func(t *testing.T, task checkpoint.Task) error {
		return task.Load(t.Context(), 1, [][]byte{[]byte("ann")}, func(int, checkpoint.Context) error { return nil })
	}
	scan := func(t *testing.T, task checkpoint.Task) error {
		return task.Scan(t.Context(), 1, func(checkpoint.Context) error { return nil })
	}
	flip := func(t *testing.T, task checkpoint.Task) error { return task.Flip(t.Context(), upTo(9)) }
	meta := func(t *testing.T, task checkpoint.Task) error { _, err := task.Meta(t.Context()); return err }
	layouts := func(t *testing.T, task checkpoint.Task) error { _, err := task.Layouts(t.Context()); return err }
	for name, c := range map[string]struct {
		key  []byte
		op   func(*testing.T, checkpoint.Task) error
		want string
	}{
		"load":    {appendContextKey(nil, 0, 1, []byte("ann")), load, `key "ann"`},
		"scan":    {appendContextKey(nil, 0, 1, []byte("ann")), scan, `key "ann"`},
		"meta":    {taskKey('M', 0), meta, "meta"},
		"flip":    {taskKey('M', 0), flip, "meta"},
		"layouts": {layoutKey(0, 5), layouts, "layout"},
		"fence":   {taskKey('E', 0), load, "epoch"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, vfs.NewMem())
			task := mustOpen(t, s, id)
			must(t, task.AddLayout(t.Context(), 5, []byte("five")))
			must(t, task.Write(t.Context(), []checkpoint.Item{at("ann", 1, "blob")}))
			must(t, task.Flip(t.Context(), upTo(1)))
			must(t, c.op(t, task))
			v, err := s.get(c.key)
			must(t, err)
			v[len(v)/2] ^= 4
			must(t, s.db.Set(c.key, v, nil))
			for range 2 {
				err = c.op(t, task)
				torn := new(checkpoint.TornError)
				if !errors.As(err, &torn) || torn.Task != id || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rebuild") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// A damaged meta is found when the task is opened, and a rebuild is possible.
func TestDropCuresADamagedMeta(t *testing.T) {
	s := open(t, vfs.NewMem())
	must(t, mustOpen(t, s, id).Flip(t.Context(), upTo(5)))
	must(t, s.db.Set(taskKey('M', 0), []byte("damaged, but long enough"), nil))
	task := mustOpen(t, s, id)
	if err := task.Flip(t.Context(), upTo(6)); err == nil {
		t.Error("a flip over a damaged meta is accepted")
	}
	must(t, task.Drop(t.Context()))
	must(t, task.Flip(t.Context(), upTo(1)))
}

// A store that went back is noticed by the owner that goes on with it.
func TestDoubt(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s *Store, before []byte){
		"write number": func(t *testing.T, s *Store, before []byte) { must(t, s.db.Set(taskKey('E', 0), before, nil)) },
		"meta":         func(t *testing.T, s *Store, _ []byte) { must(t, s.db.Set(taskKey('M', 0), upTo(1).Append(nil), nil)) },
		"no meta":      func(t *testing.T, s *Store, _ []byte) { must(t, s.db.Delete(taskKey('M', 0), nil)) },
	} {
		s := open(t, vfs.NewMem())
		task := mustOpen(t, s, id)
		before, err := s.get(taskKey('E', 0))
		must(t, err)
		must(t, task.Flip(t.Context(), upTo(5)))
		change(t, s, before)
		if err := task.Flip(t.Context(), upTo(6)); !errors.Is(err, checkpoint.ErrDoubt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMoreExpiredThanAChunk(t *testing.T) {
	s := open(t, vfs.NewMem())
	task := mustOpen(t, s, id)
	for n := range 3 {
		items := make([]checkpoint.Item, checkpoint.ChunkItemsMax)
		for i := range items {
			items[i] = at(fmt.Sprint(n, i), n+1, "")
		}
		must(t, task.Write(t.Context(), items))
	}
	must(t, task.Write(t.Context(), []checkpoint.Item{at("alive", 1, "blob")}))
	must(t, task.Flip(t.Context(), upTo(2)))
	if got := count(t, task); got != checkpoint.ChunkItemsMax+1 {
		t.Errorf("%d contexts are left", got)
	}
	must(t, task.Flip(t.Context(), upTo(3)))
	entries := 0
	must(t, s.each([]byte{'X'}, []byte{'X' + 1}, func(_, _ []byte) error { entries++; return nil }))
	if got := count(t, task); got != 1 || entries != 0 {
		t.Errorf("%d contexts and %d entries are left", got, entries)
	}
}

func TestOpenRefusals(t *testing.T) {
	newer, foreign, foreignContent := vfs.NewMem(), vfs.NewMem(), vfs.NewMem()
	s := open(t, newer)
	must(t, s.db.Set(formatKey, le.AppendUint32(nil, formatVersion+1), nil))
	must(t, s.Close())
	other := func(on vfs.FS, m *pebble.Merger) {
		db, err := pebble.Open("data", &pebble.Options{FS: on, Merger: m, Logger: logger{&Store{opts: Options{Log: t.Logf}}}})
		must(t, err)
		must(t, db.Set([]byte("a"), []byte("b"), nil))
		must(t, db.Close())
	}
	other(foreign, nil)
	other(foreignContent, newMerger())
	for name, c := range map[string]struct {
		fs   vfs.FS
		is   error
		want string
	}{
		"newer":   {newer, checkpoint.ErrNewer, "start the newer version"},
		"foreign": {foreign, nil, "of another program"},
		"content": {foreignContent, nil, "of another program"},
		"full":    {&smallDisk{FS: vfs.NewMem()}, checkpoint.ErrFull, "free some space"},
	} {
		for range 2 { // the refusal releases the folder
			_, err := Open(Options{Dir: "data", fs: c.fs})
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "data") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	dir := t.TempDir()
	first, err := Open(Options{Dir: dir, MinFreeBytes: 1})
	must(t, err)
	if _, err := Open(Options{Dir: dir, MinFreeBytes: 1}); err == nil || !strings.Contains(err.Error(), "stop the other instance") {
		t.Errorf("held by this process: %v", err)
	}
	must(t, first.Close())
}
