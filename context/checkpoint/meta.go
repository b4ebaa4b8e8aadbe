package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

// Meta is what a checkpoint says about its task as of Y. All of it is captured when a sweep starts.
type Meta struct {
	Y           event.Position // a replay starts here
	Previous    event.Position // Y of the meta before; NoPosition: none. Filled in by Flip
	Epoch       Epoch          // of the owner that flipped. Filled in by Flip
	Watermark   event.Time
	Journal     uint64                    // number of the last journal entry that was applied; 0: none
	Bundle      event.Offset              // number of the bundle in force
	Since       map[uint64]event.Position // by identity of a feature: its state from before is void
	TopicID     [16]byte                  // of the input topic: another one means that the topic was created anew
	Partitions  int32                     // of the input topic
	Last        event.Offset              // of the last record stepped before Y: offsets have gaps; -1: none
	Fingerprint uint64                    // of that record
	Engine      uint32                    // version: raised when results change
}

// NoPosition is before every position.
var NoPosition = event.Position{Offset: -1}

// The meta's bytes are the version u8, the fields in their order, fixed numbers little endian, Since as a count u32 and its entries by
// identity, and an XXH3 checksum u64 over all before it.
const (
	metaVersion = 1
	metaFixed   = 1 + 12 + 12 + 16 + 8 + 8 + 8 + 16 + 4 + 8 + 8 + 4 + 4
	sinceEntry  = 8 + 12
)

var errMeta = errors.New("malformed meta")

// Append appends the meta's bytes: the same for the same meta.
func (m *Meta) Append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, metaVersion)
	dst = appendPosition(appendPosition(dst, m.Y), m.Previous)
	dst = le.AppendUint64(le.AppendUint64(dst, m.Epoch.Counter), m.Epoch.Token)
	dst = le.AppendUint64(dst, uint64(m.Watermark))
	dst = le.AppendUint64(dst, m.Journal)
	dst = le.AppendUint64(dst, uint64(m.Bundle))
	dst = append(dst, m.TopicID[:]...)
	dst = le.AppendUint32(dst, uint32(m.Partitions))
	dst = le.AppendUint64(dst, uint64(m.Last))
	dst = le.AppendUint64(dst, m.Fingerprint)
	dst = le.AppendUint32(dst, m.Engine)
	dst = le.AppendUint32(dst, uint32(len(m.Since)))
	for _, id := range slices.Sorted(maps.Keys(m.Since)) {
		dst = appendPosition(le.AppendUint64(dst, id), m.Since[id])
	}
	return le.AppendUint64(dst, xxh3.Hash(dst[at:]))
}

func appendPosition(dst []byte, p event.Position) []byte {
	return le.AppendUint32(le.AppendUint64(dst, uint64(p.Offset)), p.Step)
}

// ParseMeta reads what Append wrote.
func ParseMeta(b []byte) (*Meta, error) {
	if len(b) < 9 {
		return nil, errShort
	}
	body := b[:len(b)-8]
	if le.Uint64(b[len(body):]) != xxh3.Hash(body) {
		return nil, errTorn
	}
	if body[0] != metaVersion {
		return nil, fmt.Errorf("%w: meta format %d, this one reads %d", ErrNewer, body[0], metaVersion)
	}
	if len(body) < metaFixed {
		return nil, errMeta
	}
	r := reader(body[1:])
	m := &Meta{Y: r.position(), Previous: r.position(), Epoch: Epoch{r.uint64(), r.uint64()},
		Watermark: event.Time(r.uint64()), Journal: r.uint64(), Bundle: event.Offset(r.uint64())}
	r = r[copy(m.TopicID[:], r):]
	m.Partitions, m.Last, m.Fingerprint, m.Engine = int32(r.uint32()), event.Offset(r.uint64()), r.uint64(), r.uint32()
	n := int(r.uint32())
	if len(r) != n*sinceEntry {
		return nil, errMeta
	}
	if n > 0 {
		m.Since = make(map[uint64]event.Position, n)
	}
	for range n {
		id := r.uint64()
		m.Since[id] = r.position()
	}
	return m, nil
}

// reader takes numbers off the front of bytes whose length has been checked.
type reader []byte

func (r *reader) uint64() uint64 {
	v := binary.LittleEndian.Uint64(*r)
	*r = (*r)[8:]
	return v
}

func (r *reader) uint32() uint32 {
	v := binary.LittleEndian.Uint32(*r)
	*r = (*r)[4:]
	return v
}

func (r *reader) position() event.Position {
	return event.Position{Offset: event.Offset(r.uint64()), Step: r.uint32()}
}
