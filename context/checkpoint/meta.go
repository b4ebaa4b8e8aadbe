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
	Upstreams   []event.Upstream          // of a stage: what it knows of the tasks that send to it
}

// NoPosition is before every position.
var NoPosition = event.Position{Offset: -1}

// The meta's bytes are the version u8, the fields in their order, fixed numbers little endian, Since as a count u32 and its entries by
// identity, Upstreams as a count u32 and its entries in their order, the topic with its length u32, and an XXH3 checksum u64 over all before
// it. Without Upstreams the version is 1, which ends with Since: a program that knows no stages reads it.
const (
	metaVersion = 2
	metaAlone   = 1
	metaFixed   = 1 + 12 + 12 + 16 + 8 + 8 + 8 + 16 + 4 + 8 + 8 + 4 + 4
	sinceEntry  = 8 + 12
	upstreamMin = 4 + 4 + 12 + 8 + 1
)

var errMeta = errors.New("malformed meta")

// Append appends the meta's bytes: the same for the same meta.
func (m *Meta) Append(dst []byte) []byte {
	at := len(dst)
	version := byte(metaVersion)
	if len(m.Upstreams) == 0 {
		version = metaAlone
	}
	dst = append(dst, version)
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
	if len(m.Upstreams) > 0 {
		dst = le.AppendUint32(dst, uint32(len(m.Upstreams)))
		for i := range m.Upstreams {
			dst = appendUpstream(dst, &m.Upstreams[i])
		}
	}
	return le.AppendUint64(dst, xxh3.Hash(dst[at:]))
}

func appendPosition(dst []byte, p event.Position) []byte {
	return le.AppendUint32(le.AppendUint64(dst, uint64(p.Offset)), p.Step)
}

func appendUpstream(dst []byte, u *event.Upstream) []byte {
	dst = append(le.AppendUint32(dst, uint32(len(u.Topic))), u.Topic...)
	dst = le.AppendUint32(dst, uint32(u.Partition))
	dst = le.AppendUint64(appendPosition(dst, u.Next), uint64(u.Watermark))
	if u.Idle {
		return append(dst, 1)
	}
	return append(dst, 0)
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
	if body[0] != metaVersion && body[0] != metaAlone {
		return nil, fmt.Errorf("%w: meta format %d, this one reads up to %d", ErrNewer, body[0], metaVersion)
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
	if len(r) < n*sinceEntry || body[0] == metaAlone && len(r) > n*sinceEntry {
		return nil, errMeta
	}
	if n > 0 {
		m.Since = make(map[uint64]event.Position, n)
	}
	for range n {
		id := r.uint64()
		m.Since[id] = r.position()
	}
	if body[0] == metaAlone {
		return m, nil
	}
	var err error
	m.Upstreams, err = r.upstreams()
	return m, err
}

// upstreams takes what a meta ends with.
func (r *reader) upstreams() ([]event.Upstream, error) {
	if len(*r) < 4 {
		return nil, errMeta
	}
	n := r.uint32()
	if n == 0 || int64(n) > int64(len(*r)/upstreamMin) {
		return nil, errMeta
	}
	all := make([]event.Upstream, n)
	for i := range all {
		if len(*r) < upstreamMin {
			return nil, errMeta
		}
		length := int64(r.uint32())
		if int64(len(*r)) < length+upstreamMin-4 {
			return nil, errMeta
		}
		u := event.Upstream{Topic: string((*r)[:length])}
		*r = (*r)[length:]
		u.Partition, u.Next, u.Watermark = event.Partition(r.uint32()), r.position(), event.Time(r.uint64())
		switch (*r)[0] {
		case 0:
		case 1:
			u.Idle = true
		default:
			return nil, errMeta
		}
		*r = (*r)[1:]
		all[i] = u
	}
	if len(*r) > 0 {
		return nil, errMeta
	}
	return all, nil
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
