package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

var be, le = binary.BigEndian, binary.LittleEndian

var formatKey = []byte("F")

func nameKey(id checkpoint.TaskID) []byte {
	b := []byte{'N'}
	for _, text := range []string{id.App, id.Topic} {
		b = append(be.AppendUint32(b, uint32(len(text))), text...)
	}
	return be.AppendUint32(b, uint32(id.Partition))
}

func taskKey(kind byte, task uint32) []byte { return be.AppendUint32([]byte{kind}, task) }

func layoutKey(task uint32, id uint64) []byte { return be.AppendUint64(taskKey('L', task), id) }

const contextPrefix = 1 + 4 + 8

func appendContextKey(dst []byte, task uint32, keyspace checkpoint.KeyspaceID, key []byte) []byte {
	dst = be.AppendUint32(append(dst, 'C'), task)
	dst = be.AppendUint64(dst, uint64(keyspace))
	return append(dst, key...)
}

const expiredPrefix = 1 + 4 + 8 + 4 + 8

func appendExpiredKey(dst []byte, task uint32, it *checkpoint.Item) []byte {
	dst = appendExpiredBound(dst, task, it.Position)
	dst = be.AppendUint64(dst, uint64(it.Keyspace))
	return append(dst, it.Key...)
}

// appendExpiredBound appends the key before those of contexts that expired at a position.
func appendExpiredBound(dst []byte, task uint32, p event.Position) []byte {
	dst = be.AppendUint32(append(dst, 'X'), task)
	return be.AppendUint32(be.AppendUint64(dst, uint64(p.Offset)), p.Step)
}

// parseExpiredKey returns the item that the entry was written for; its key is a view.
func parseExpiredKey(b []byte) (it checkpoint.Item, ok bool) {
	if len(b) < expiredPrefix {
		return it, false
	}
	it.Position = event.Position{Offset: event.Offset(be.Uint64(b[5:])), Step: be.Uint32(b[13:])}
	it.Keyspace, it.Key = checkpoint.KeyspaceID(be.Uint64(b[17:])), b[expiredPrefix:]
	return it, true
}

const timerPrefix = 1 + 4 + 8 + checkpoint.DeadlineLen

// appendTimerKey appends the key of an entry of the index of deadlines.
func appendTimerKey(dst []byte, task uint32, keyspace checkpoint.KeyspaceID, t checkpoint.Timer) []byte {
	dst = be.AppendUint64(be.AppendUint32(append(dst, 'T'), task), uint64(keyspace))
	return append(checkpoint.AppendDeadline(dst, t.Deadline), t.Key...)
}

// parseTimerKey returns the place that the entry stands at; its key is a view.
func parseTimerKey(b []byte) (t checkpoint.Timer, ok bool) {
	if len(b) < timerPrefix {
		return t, false
	}
	return checkpoint.Timer{Deadline: checkpoint.ParseDeadline(b[timerPrefix-checkpoint.DeadlineLen:]), Key: b[timerPrefix:]}, true
}

// fence is what every write and load compares.
type fence struct {
	epoch checkpoint.Epoch
	write uint64 // number of the last write
}

func (f fence) append(dst []byte) []byte {
	at := len(dst)
	for _, v := range [...]uint64{f.epoch.Counter, f.epoch.Token, f.write} {
		dst = le.AppendUint64(dst, v)
	}
	return sum(dst, at)
}

func parseFence(b []byte) (f fence, ok bool) {
	b, ok = unsum(b)
	if !ok || len(b) != 24 {
		return f, false
	}
	return fence{checkpoint.Epoch{Counter: le.Uint64(b), Token: le.Uint64(b[8:])}, le.Uint64(b[16:])}, true
}

// sum appends the checksum of what follows at.
func sum(dst []byte, at int) []byte { return le.AppendUint64(dst, xxh3.Hash(dst[at:])) }

func unsum(b []byte) (body []byte, ok bool) {
	if len(b) < 8 {
		return nil, false
	}
	body = b[:len(b)-8]
	return body, le.Uint64(b[len(body):]) == xxh3.Hash(body)
}

// get returns a copy of a value, or nil.
func (s *Store) get(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(v)), v...), closer.Close()
}

// each calls f for every key in [from, to); views are valid until it returns.
func (s *Store) each(from, to []byte, f func(key, value []byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := f(it.Key(), v); err != nil {
			return err
		}
	}
	return it.Error()
}

// checkFormat refuses a database that is not ours or newer, and marks a new one.
func (s *Store) checkFormat() error {
	v, err := s.get(formatKey)
	if err != nil {
		return err
	}
	if v == nil {
		if err := s.each(nil, nil, func(_, _ []byte) error { return errForeign }); err != nil {
			return err
		}
		return s.db.Set(formatKey, le.AppendUint32(nil, formatVersion), pebble.Sync)
	}
	if len(v) != 4 || le.Uint32(v) > formatVersion {
		return fmt.Errorf("%w: format %x, this one reads up to %d; start the newer version, or delete the folder and start with state.on_missing: rebuild",
			checkpoint.ErrNewer, v, formatVersion)
	}
	return nil
}

// countTasks finds the number of the next new task.
func (s *Store) countTasks() error {
	return s.each([]byte{'N'}, []byte{'N' + 1}, func(_, v []byte) error {
		if len(v) != 4 {
			return errors.New("damaged number of a task; restore a copy, or delete the folder and start with state.on_missing: rebuild")
		}
		s.next = max(s.next, be.Uint32(v)+1)
		return nil
	})
}
