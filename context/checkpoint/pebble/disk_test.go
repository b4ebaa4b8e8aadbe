package pebble

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// smallDisk has as much free space as it is told.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

// Little space: writes are refused and succeed later, reads go on.
func TestLittleSpace(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(1 << 40)
	s := open(t, disk)
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A")}))
	disk.free.Store(100 << 20)
	for name, err := range map[string]error{
		"write": task.Write(t.Context(), []checkpoint.Item{at("b", 1, "B")}),
		"flip":  task.Flip(t.Context(), upTo(1)),
	} {
		if !errors.Is(err, checkpoint.ErrFull) || !strings.Contains(err.Error(), "data has 100 MiB left") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := count(t, task); got != 1 {
		t.Errorf("%d contexts", got)
	}
	disk.free.Store(1 << 40)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("b", 1, "B")}))
	must(t, task.Flip(t.Context(), upTo(1)))
}

// The disk is full although it had told of space: the store is broken for every task, also when there is space again.
func TestDiskFails(t *testing.T) {
	memory := vfs.NewCrashableMem()
	var full atomic.Bool
	disk := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && strings.HasSuffix(op.Path, ".log") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	s := open(t, disk)
	task, other := mustOpen(t, s, id), mustOpen(t, s, checkpoint.TaskID{App: "other"})
	must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A")}))
	must(t, task.Flip(t.Context(), upTo(1)))
	full.Store(true)
	if err := task.Flip(t.Context(), upTo(2)); !errors.Is(err, checkpoint.ErrDoubt) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("flip on a full disk: %v", err)
	}
	full.Store(false)
	for name, err := range map[string]error{"flip again": task.Flip(t.Context(), upTo(2)), "another task": other.Flip(t.Context(), upTo(1)), "close": s.Close()} {
		if !errors.Is(err, checkpoint.ErrDoubt) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
	}
	task = mustOpen(t, open(t, memory.CrashClone(vfs.CrashCloneCfg{})), id)
	if m, err := task.Meta(t.Context()); err != nil || m == nil || m.Y.Offset != 1 || count(t, task) != 1 {
		t.Errorf("after a new start: %+v, %v", m, err)
	}
}

// Tasks that write while the log fails all learn of it, whether or not they wait for a sync and whether it is the log or the next one; what
// was acknowledged is there when the store is opened anew, in the same process.
func TestEveryTaskLearnsThatTheDiskFails(t *testing.T) {
	for name, c := range map[string]struct {
		kind     errorfs.OpKind
		flipping bool
		once     bool // the disk is well again after the first failure
	}{
		"write, flips":    {errorfs.OpFileWrite, true, false},
		"write":           {errorfs.OpFileWrite, false, false},
		"sync, flips":     {errorfs.OpFileSyncData, true, false},
		"write, once":     {errorfs.OpFileWrite, true, true},
		"next log, once":  {errorfs.OpCreate, true, true},
		"next log":        {errorfs.OpCreate, false, false},
		"next log, flips": {errorfs.OpCreate, true, false},
	} {
		var full atomic.Bool
		memory := vfs.NewMem()
		s, err := Open(Options{Dir: "data", fs: errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if full.Load() && strings.HasSuffix(op.Path, ".log") && (op.Kind == c.kind || c.kind == errorfs.OpCreate && op.Kind == errorfs.OpReuseForWrite) {
				full.Store(!c.once)
				return syscall.ENOSPC
			}
			return nil
		})), memTable: 256 << 10})
		must(t, err)
		var wait sync.WaitGroup
		var writes atomic.Int64
		var acked [4]int
		var tasks [len(acked)]checkpoint.Task
		for n := range tasks {
			tasks[n] = mustOpen(t, s, checkpoint.TaskID{Partition: event.Partition(n)})
		}
		for n, task := range tasks {
			wait.Go(func() {
				for i, err := 1, error(nil); err == nil; i++ {
					if writes.Add(1) == 40 { // still in the first log: errorfs forgets itself in one that is used again
						full.Store(true)
					}
					err = task.Write(t.Context(), []checkpoint.Item{at("k", i, strings.Repeat("x", 400))})
					if err == nil && c.flipping {
						if err = task.Flip(t.Context(), upTo(i)); err == nil {
							acked[n] = i
						}
					}
					if err != nil && (!errors.Is(err, checkpoint.ErrDoubt) || !errors.Is(err, syscall.ENOSPC)) {
						t.Errorf("%s: task %d: %v", name, n, err)
					}
				}
			})
		}
		wait.Wait()
		if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: close: %v", name, err)
		}
		s = open(t, memory)
		for n := range acked {
			acknowledged(t, mustOpen(t, s, checkpoint.TaskID{Partition: event.Partition(n)}), acked[n])
		}
		must(t, s.Close())
	}
}

// The folder is deleted or replaced while it is in use: the store is broken, and says so once.
func TestFolderIsAnotherOne(t *testing.T) {
	for name, replace := range map[string]bool{"deleted": false, "replaced": true} {
		dir, told := filepath.Join(t.TempDir(), "data"), 0
		s, err := Open(Options{Dir: dir, MinFreeBytes: 1, Failed: func(error) { told++ }})
		must(t, err)
		task := mustOpen(t, s, id)
		must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A")}))
		must(t, os.Rename(dir, dir+" before"))
		if replace {
			must(t, os.CopyFS(dir, os.DirFS(dir+" before")))
		}
		for range 2 {
			if err := task.Write(t.Context(), []checkpoint.Item{at("a", 2, "A")}); !errors.Is(err, checkpoint.ErrDoubt) || !strings.Contains(err.Error(), "the folder is not the one that was opened") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.Close(); err == nil || told != 1 {
			t.Errorf("%s: told %d times, close: %v", name, told, err)
		}
	}
}

// acknowledged checks that a task has what its flips have promised.
func acknowledged(t *testing.T, task checkpoint.Task, acked int) {
	t.Helper()
	m, err := task.Meta(t.Context())
	must(t, err)
	if y := 0; acked > 0 || m != nil {
		if m != nil {
			y = int(m.Y.Offset)
		}
		stands := -1
		must(t, task.Scan(t.Context(), 1, func(c checkpoint.Context) error { stands = int(c.Position.Offset); return nil }))
		if y < acked || stands < y {
			t.Errorf("Y is %d and the context stands at %d after the flip to %d was acknowledged", y, stands, acked)
		}
	}
}
