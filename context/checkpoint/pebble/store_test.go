package pebble

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/checkpointtest"
)

func TestContract(t *testing.T) {
	checkpointtest.Run(t, func(t *testing.T) checkpoint.Store { return open(t, vfs.NewMem()) })
}

// open opens a store on a file system.
func open(t testing.TB, on vfs.FS) *Store {
	t.Helper()
	s, err := Open(Options{Dir: "data", Log: t.Logf, fs: on})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
