package pebble

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
)

// room returns ErrFull when the disk has too little free space. A file system that cannot tell is taken to have enough.
func (s *Store) room() error {
	if err := s.present(); err != nil {
		return err
	}
	u, err := s.opts.fs.GetDiskUsage(s.opts.Dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.opts.Dir, err)
	}
	if u.AvailBytes < s.opts.MinFreeBytes {
		return fmt.Errorf("%w: %s has %d MiB left and needs %d; free some space, work goes on then", checkpoint.ErrFull, s.opts.Dir, u.AvailBytes>>20, s.opts.MinFreeBytes>>20)
	}
	return nil
}

// present breaks the store when its folder is not the one that was opened: what pebble writes goes to files that nobody finds again, or
// among those of a copy that was put there.
func (s *Store) present() error {
	if s.lock == nil {
		return nil
	}
	now, err := os.Stat(filepath.Join(s.opts.Dir, lockName))
	if err == nil && !os.SameFile(s.lock, now) {
		err = errors.New("it was replaced by another folder")
	}
	if err != nil {
		s.fail(fmt.Errorf("the folder is not the one that was opened, stop the service before a copy is put there: %w", err))
		return s.failure()
	}
	return nil
}

// commit writes a batch. An error means that its outcome is not known and that the store is broken.
func (s *Store) commit(b *pebble.Batch, o *pebble.WriteOptions) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			panic(p) // a bug, not the disk
		case error:
			err = p
		default:
			panic(p)
		}
		if err != nil {
			s.stuck.Store(true)
			s.fail(err)
		}
		err = s.failure() // of the log too, of which pebble does not learn
	}()
	return b.Commit(o)
}

// fail breaks the store, for the first error that it is given.
func (s *Store) fail(err error) {
	err = fmt.Errorf("%w: %s has failed: %w; see to the disk and start anew", checkpoint.ErrDoubt, s.opts.Dir, err)
	if s.broken.CompareAndSwap(nil, &err) {
		s.opts.Log("checkpoint store: %v", err)
		s.opts.Failed(err)
	}
}

// failure returns why the store is broken, or nil.
func (s *Store) failure() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// usable returns why the store cannot be used. The caller holds s.use.
func (s *Store) usable() error {
	if s.closed {
		return checkpoint.ErrClosed
	}
	return s.failure()
}

// fatal is what pebble cannot go on from.
type fatal struct {
	text  string
	cause error
}

func (f *fatal) Error() string { return f.text }
func (f *fatal) Unwrap() error { return f.cause }

// logger tells of pebble's troubles. Fatalf must not return: it panics, which commit turns into an error; elsewhere it ends the process.
type logger struct{ s *Store }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.s.opts.Log("checkpoint store "+l.s.opts.Dir+": "+format, args...)
}

func (l logger) Fatalf(format string, args ...any) {
	f := &fatal{text: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.cause = err
		}
	}
	l.s.opts.Log("checkpoint store %s: %s", l.s.opts.Dir, f.text)
	panic(f)
}
