package checkpoint

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

var le = binary.LittleEndian

// A stored context is the version u8, the position's offset i64 and step u32, the blob, and the checksum u64 over all before it, which is
// seeded with keyspace and key: a context under another key's name fails too.
const (
	valueVersion = 1
	valueHeader  = 1 + 8 + 4
	valueMin     = valueHeader + 8
)

// AppendValue appends the bytes that a store keeps of an item.
func AppendValue(dst []byte, it *Item) []byte {
	at := len(dst)
	dst = append(dst, valueVersion)
	dst = le.AppendUint64(dst, uint64(it.Position.Offset))
	dst = le.AppendUint32(dst, it.Position.Step)
	dst = append(dst, it.Blob...)
	return le.AppendUint64(dst, checksum(it.Keyspace, it.Key, dst[at:]))
}

// ValueLen returns the length of what AppendValue appends.
func ValueLen(it *Item) int { return valueMin + len(it.Blob) }

// ParseValue returns the position and the blob, a view, of a context that is stored under this key.
func ParseValue(keyspace KeyspaceID, key, value []byte) (event.Position, []byte, error) {
	if len(value) < valueMin {
		return event.Position{}, nil, errShort
	}
	body := value[:len(value)-8]
	if le.Uint64(value[len(body):]) != checksum(keyspace, key, body) {
		return event.Position{}, nil, errTorn
	}
	if body[0] != valueVersion {
		return event.Position{}, nil, fmt.Errorf("%w: context format %d, this one reads %d", ErrNewer, body[0], valueVersion)
	}
	return ValuePosition(value), body[valueHeader:], nil
}

// ValuePosition returns the position of what AppendValue wrote, unchecked; NoPosition when it is too short for that.
func ValuePosition(value []byte) event.Position {
	if len(value) < valueMin {
		return NoPosition
	}
	return event.Position{Offset: event.Offset(le.Uint64(value[1:])), Step: le.Uint32(value[9:])}
}

func checksum(keyspace KeyspaceID, key, body []byte) uint64 {
	return xxh3.HashSeed(body, xxh3.HashSeed(key, uint64(keyspace)))
}
