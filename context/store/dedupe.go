package store

import (
	"time"

	"insolite/internal/event"
)

const (
	maxIDs      = 64 // ids kept of a key: a producer retries soon; 1 KiB
	dedupeEntry = 16 // hash u64, time i64
)

// DedupeSpec describes a memory of events' ids.
type DedupeSpec struct {
	Identity uint64
	For      time.Duration // events with one id less than this apart are one event
}

// Dedupe recognises an event that was seen before by its id. The ids of the last 64 events of a key are kept, by arrival.
type Dedupe struct {
	spec    DedupeSpec
	slot    slot
	dropped uint64
}

// Absorb reports whether an event with this id, as the hash of its bytes, was seen less than For from an instant; if not, the id is kept.
func (d *Dedupe) Absorb(x *Ctx, id uint64, at event.Time) (duplicate bool) {
	head, tail := d.slot.head(x), d.slot.tail(x)
	n, next := int(le.Uint16(head)), int(le.Uint16(head[2:]))
	for i := range n {
		if e := tail[i*dedupeEntry:]; le.Uint64(e) == id && d.near(event.Time(le.Uint64(e[8:])), at) {
			return true
		}
	}
	if n == maxIDs {
		if d.near(event.Time(le.Uint64(tail[next*dedupeEntry+8:])), x.Newest()) {
			d.dropped++
		}
	} else {
		next = n
		n++
		if n*dedupeEntry > len(tail) {
			d.slot.grow(x, n*dedupeEntry)
			head, tail = d.slot.head(x), d.slot.tail(x)
		}
	}
	e := tail[next*dedupeEntry:]
	le.PutUint64(e, id)
	le.PutUint64(e[8:], uint64(at))
	le.PutUint16(head, uint16(n))
	le.PutUint16(head[2:], uint16((next+1)%maxIDs))
	return false
}

func (d *Dedupe) near(a, b event.Time) bool {
	if a > b {
		a, b = b, a
	}
	return b < a.Add(d.spec.For)
}
