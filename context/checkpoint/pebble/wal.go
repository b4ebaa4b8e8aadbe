package pebble

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watchedFS notices the first write-ahead log that cannot be written. pebble tells of it only those who wait for a sync, and ends the process
// when it comes to the next log. So pebble does not learn of it: the failure is noted, which breaks the store, and from then on logs
// take nothing more. What is on disk is then what a crash at the failure would have left, no write is acknowledged any more, and pebble can
// be closed in good order.
type watchedFS struct {
	vfs.FS
	fail func(error)
	bad  func() bool // whether the store is broken
}

// Create creates a file.
func (f *watchedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	return f.watch(name, category, file, err)
}

// ReuseForWrite takes an old file for a new one.
func (f *watchedFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, category)
	return f.watch(to, category, file, err)
}

func (f *watchedFS) watch(name string, category vfs.DiskWriteCategory, file vfs.File, err error) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") {
		return file, err
	}
	if err != nil {
		f.fail(err)
		if file, err = vfs.NewMem().Create("nowhere", category); err != nil {
			return nil, err
		}
	}
	return &watchedFile{file, f}, nil
}

type watchedFile struct {
	vfs.File
	fs *watchedFS
}

// do does something to the file, unless the store is broken.
func (f *watchedFile) do(op func() error) {
	if f.fs.bad() {
		return
	}
	if err := op(); err != nil {
		f.fs.fail(err)
	}
}

// Write writes at the file's end.
func (f *watchedFile) Write(p []byte) (int, error) {
	f.do(func() error { _, err := f.File.Write(p); return err })
	return len(p), nil
}

// Preallocate reserves space.
func (f *watchedFile) Preallocate(offset, length int64) error {
	f.do(func() error { return f.File.Preallocate(offset, length) })
	return nil
}

// Sync makes the file durable.
func (f *watchedFile) Sync() error {
	f.do(f.File.Sync)
	return nil
}

// SyncData makes the file's content durable.
func (f *watchedFile) SyncData() error {
	f.do(f.File.SyncData)
	return nil
}

// SyncTo makes a part of the file durable.
func (f *watchedFile) SyncTo(length int64) (fullSync bool, err error) {
	f.do(func() error { fullSync, err = f.File.SyncTo(length); return err })
	return fullSync, nil
}

// Close closes the file.
func (f *watchedFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.fs.fail(err)
	}
	return nil
}
