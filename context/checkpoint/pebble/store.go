// Package pebble keeps checkpoints in one pebble database per data directory, shared by all tasks of a process. It fulfils the contract of
// package checkpoint.
//
// The database belongs to one process at a time: a lock file sees to it. So the compare of epoch and write number is a read under a mutex
// per task, and what the epoch keeps out are older handles of the same process.
//
// # Durability
//
// Chunks go to the write-ahead log without a sync. The log is one sequence, so the sync of a Flip makes durable whatever was written before
// it, and a crash takes away a suffix: never an older write without the newer ones. Open, SetNote and Drop sync too.
//
// # Memory and disk
//
// Memory is [Options.CacheBytes], two memtables of 16 MiB, and the indexes and filters of tables in use. Every write first asks the file
// system for its free space; below [Options.MinFreeBytes] it returns checkpoint.ErrFull and writes nothing, so that a full disk pauses a
// task instead of breaking the database. Should the disk fill up nevertheless, or fail, the store is broken until it is opened anew: the
// write, or the next call, returns checkpoint.ErrDoubt with the cause, and [Options.Failed] is told. So it is when the folder is deleted or
// replaced while it is in use. A failure to write pebble's manifest ends the process, which is what a
// crash does, and the next start says what is wrong.
//
// # Speed
//
// A write does not read: which of a key's writes has the latest position is found when pebble merges them. So Write notices no damage in
// what was stored, and a load may have to look into several tables until pebble has compacted them. Keyspaces in which something waits are the
// exception: which entry of the index of deadlines a context has is read before it is written, which then takes about 10 µs with another deadline
// each time. Per context of 240 bytes, scattered
// over 250,000, the background work included, a write takes about 3 µs of CPU, a load 2 and a scan 0.15. Blobs are compressed one by one, when
// they are written: by blocks, as pebble does it, each compaction would expand and compress all that it moves, and each load a block.
//
// # What is stored
//
// Numbers in keys are big endian, so that keys of one task and keyspace lie together.
//
//	F                                        format version of all this
//	N app topic partition                    number of the task u32
//	E task                                   epoch counter, token, write number, checksum
//	M task                                   meta
//	O task                                   note of the owner, checksum
//	L task layout                            description of a layout, checksum
//	C task keyspace key                      context, its blob compressed by snappy
//	T task keyspace deadline key             nothing; it says that the context is due then
//	X task position keyspace key             an expired context, to be forgotten when Y has reached the position
//
// A database of a newer format is refused.
package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
)

// Options of a store.
type Options struct {
	Dir          string                           // the database's folder; created when it is not there
	CacheBytes   int64                            // blocks kept in memory; default 32 MiB
	MinFreeBytes uint64                           // free disk space that writes leave; default 128 MiB
	Log          func(format string, args ...any) // what pebble reports of its background errors; default: nothing
	Failed       func(error)                      // told once why the store is broken, until it is opened anew; it must not call the store; default: nothing

	fs       vfs.FS // tests: another file system
	memTable uint64 // tests: a smaller memtable
}

const (
	formatVersion = 1

	// memTableBytes is four chunks: a chunk beyond half of it would take pebble's slow path for large batches.
	memTableBytes = 4 * checkpoint.ChunkBytesMax
)

// lockName is the file that pebble holds while the database is open.
const lockName = "LOCK"

// Store is an open database. It may be used concurrently.
type Store struct {
	opts   Options
	db     *pebble.DB
	lock   os.FileInfo           // of the lock file; nil: not on the disk
	broken atomic.Pointer[error] // set once a write has failed
	stuck  atomic.Bool           // pebble has given up within a write
	use    sync.RWMutex          // held for reading by each call, for writing by Close
	closed bool

	mu     sync.Mutex
	owners map[checkpoint.TaskID]*owner
	next   uint32 // number of the next new task
}

var _ checkpoint.Store = (*Store)(nil)

// Open opens the database of a folder, or creates it.
func Open(opts Options) (*Store, error) {
	if opts.CacheBytes == 0 {
		opts.CacheBytes = 32 << 20
	}
	if opts.MinFreeBytes == 0 {
		opts.MinFreeBytes = FreeBytesMin
	}
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	if opts.Failed == nil {
		opts.Failed = func(error) {}
	}
	onDisk := opts.fs == nil
	if onDisk {
		opts.fs = vfs.Default
	}
	if opts.memTable == 0 {
		opts.memTable = memTableBytes
	}
	s := &Store{opts: opts, owners: map[checkpoint.TaskID]*owner{}}
	if err := s.room(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open checkpoint store: %w", err)
	}
	db, err := pebble.Open(opts.Dir, s.pebbleOptions())
	if err != nil {
		return nil, openError(opts.Dir, err)
	}
	s.db = db
	if onDisk {
		if s.lock, err = os.Stat(filepath.Join(opts.Dir, lockName)); err != nil {
			return nil, errors.Join(fmt.Errorf("open checkpoint store %s: %w", opts.Dir, err), db.Close())
		}
	}
	if err := errors.Join(s.checkFormat(), s.countTasks()); err != nil {
		return nil, errors.Join(fmt.Errorf("open checkpoint store %s: %w", opts.Dir, err), db.Close())
	}
	return s, nil
}

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                    &watchedFS{s.opts.fs, s.fail, func() bool { return s.broken.Load() != nil }},
		Merger:                newMerger(),
		CacheSize:             s.opts.CacheBytes + 2*int64(s.opts.memTable), // pebble takes its memtables out of the cache
		MemTableSize:          s.opts.memTable,
		FormatMajorVersion:    pebble.FormatTableFormatV6, // fixed: a newer pebble must not make going back impossible by itself
		L0CompactionThreshold: 4,                          // with the larger base level a sweep is rewritten less often, and a load reads as few tables as before
		LBaseMaxBytes:         1 << 30,
		MaxOpenFiles:          500,
		WALBytesPerSync:       512 << 10, // so that a Flip's sync does not find a whole sweep
		Logger:                logger{s},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { s.opts.Log("checkpoint store %s: %v", s.opts.Dir, err) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				s.opts.Log("checkpoint store %s: damaged file %s: %v", s.opts.Dir, i.Path, i.Details)
			},
		},
	}
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = 32 << 20
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 8 << 10
		o.Levels[i].Compression = func() *block.CompressionProfile { return block.NoCompression } // the blobs are compressed
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)                                         // many loads ask for keys that are not there
	}
	return o
}

var errForeign = errors.New("the folder holds a pebble database of another program; give the store a folder of its own in state.pebble.path")

// openError names the cure of what commonly keeps a database from opening.
func openError(dir string, err error) error {
	switch {
	case inUse(err):
		return fmt.Errorf("open checkpoint store %s: it is in use, %s is locked: %w; stop the other instance, or give each its own state.pebble.path",
			dir, filepath.Join(dir, lockName), err)
	case strings.Contains(err.Error(), "merger name"):
		return fmt.Errorf("open checkpoint store %s: %w: %w", dir, errForeign, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("open checkpoint store %s: %w: %w; free some space", dir, checkpoint.ErrFull, err)
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("open checkpoint store %s: it is damaged: %w; check the disk, then restore a copy, or delete it and start with state.on_missing: rebuild", dir, err)
	}
	return fmt.Errorf("open checkpoint store %s: %w", dir, err)
}

// Close flushes and ends the store.
func (s *Store) Close() error {
	s.use.Lock()
	defer s.use.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.failure()
	if s.stuck.Load() {
		return err // pebble may hold its locks: what is left of it must not be touched
	}
	if err := errors.Join(err, s.db.Close()); err != nil {
		return fmt.Errorf("close checkpoint store %s: %w", s.opts.Dir, err)
	}
	return nil
}
