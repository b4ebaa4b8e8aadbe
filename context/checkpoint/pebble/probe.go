package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FreeBytesMin is the free disk space that writes leave, unless [Options.MinFreeBytes] says otherwise.
const FreeBytesMin = 128 << 20

// Probe looks at the store in a folder without opening it: the free space of the disk that existing, a folder, is on, and whether a process
// has the store open. A process that opens it at this very moment may find it locked.
func Probe(dir, existing string) (free uint64, held bool, err error) {
	u, err := vfs.Default.GetDiskUsage(existing)
	switch {
	case errors.Is(err, vfs.ErrUnsupported):
		free = FreeBytesMin
	case err != nil:
		return 0, false, fmt.Errorf("free space of %s: %w", existing, err)
	default:
		free = u.AvailBytes
	}
	lock := filepath.Join(dir, lockName)
	if _, err := os.Stat(lock); errors.Is(err, fs.ErrNotExist) {
		return free, false, nil
	}
	unlock, err := vfs.Default.Lock(lock)
	switch {
	case err == nil:
		return free, false, unlock.Close()
	case inUse(err):
		return free, true, nil
	}
	return free, false, fmt.Errorf("lock of the checkpoint store %s: %w", dir, err)
}

// inUse reports whether err says that a process has the store open.
func inUse(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || err.Error() == "lock held by current process"
}
