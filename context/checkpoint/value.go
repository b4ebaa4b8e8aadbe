package checkpoint

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

var le, be = binary.LittleEndian, binary.BigEndian

// A stored context is the version u8, the position's offset i64 and step u32, the deadline, the blob, and the checksum u64 over all before it,
// which is seeded with keyspace and key: a context under another key's name fails too. The deadline is as AppendDeadline writes it. A context
// without one has none of it, and the version 1: a program that knows no deadlines reads it.
const (
	valueVersion = 2
	valueAlone   = 1
	valueHeader  = 1 + 8 + 4
	valueMin     = valueHeader + 8
)

// AppendValue appends the bytes that a store keeps of an item.
func AppendValue(dst []byte, it *Item) []byte {
	at := len(dst)
	deadline, ok := it.Pending()
	if ok {
		dst = append(dst, valueVersion)
	} else {
		dst = append(dst, valueAlone)
	}
	dst = le.AppendUint64(dst, uint64(it.Position.Offset))
	dst = le.AppendUint32(dst, it.Position.Step)
	if ok {
		dst = AppendDeadline(dst, deadline)
	}
	dst = append(dst, it.Blob...)
	return le.AppendUint64(dst, checksum(it.Keyspace, it.Key, dst[at:]))
}

// ValueLen returns the length of what AppendValue appends.
func ValueLen(it *Item) int {
	if _, ok := it.Pending(); ok {
		return valueMin + DeadlineLen + len(it.Blob)
	}
	return valueMin + len(it.Blob)
}

// ParseValue returns what was stored under this key. Its blob is a view of the value.
func ParseValue(keyspace KeyspaceID, key, value []byte) (Context, error) {
	c := Context{Key: key}
	if len(value) < valueMin {
		return c, errShort
	}
	body := value[:len(value)-8]
	if le.Uint64(value[len(body):]) != checksum(keyspace, key, body) {
		return c, errTorn
	}
	if v := body[0]; v != valueVersion && v != valueAlone {
		return c, fmt.Errorf("%w: context format %d, this one reads up to %d", ErrNewer, v, valueVersion)
	}
	c.Position, c.Deadline, c.Blob = ValuePosition(value), ValueDeadline(value), body[valueHeader:]
	if body[0] == valueAlone {
		return c, nil
	}
	if len(c.Blob) <= DeadlineLen {
		return c, errShort
	}
	c.Blob = c.Blob[DeadlineLen:]
	return c, nil
}

// ValuePosition returns the position of what AppendValue wrote, unchecked; NoPosition when it is too short for that.
func ValuePosition(value []byte) event.Position {
	if len(value) < valueMin {
		return NoPosition
	}
	return event.Position{Offset: event.Offset(le.Uint64(value[1:])), Step: le.Uint32(value[9:])}
}

// ValueDeadline returns the deadline of what AppendValue wrote, unchecked; event.Never when it has none.
func ValueDeadline(value []byte) event.Time {
	if len(value) < valueMin+DeadlineLen || value[0] != valueVersion {
		return event.Never
	}
	return ParseDeadline(value[valueHeader:])
}

// DeadlineLen is the length of what AppendDeadline appends.
const DeadlineLen = 8

// AppendDeadline appends a deadline so that the order of the bytes is that of time.
func AppendDeadline(dst []byte, t event.Time) []byte { return be.AppendUint64(dst, uint64(t)^1<<63) }

// ParseDeadline reads what AppendDeadline wrote at the beginning of b.
func ParseDeadline(b []byte) event.Time { return event.Time(be.Uint64(b) ^ 1<<63) }

func checksum(keyspace KeyspaceID, key, body []byte) uint64 {
	return xxh3.HashSeed(body, xxh3.HashSeed(key, uint64(keyspace)))
}
