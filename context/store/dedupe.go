package store

import (
	"time"

	"insolite/internal/event"
)

// maxIDs is how many ids are kept of a key: a producer retries soon; 1 KiB.
const maxIDs = 64

// DedupeSpec describes a memory of events' ids.
type DedupeSpec struct {
	Identity uint64
	For      time.Duration // events with one id less than this apart are one event
}

// Dedupe recognises an event that was seen before by its id. The ids of the last 64 events of a key are kept, by arrival.
type Dedupe struct {
	ring    // of hash u64, time i64
	spec    DedupeSpec
	dropped uint64
}

// Absorb reports whether an event with this id, as the hash of its bytes, was seen less than For from an instant; if not, the id is kept.
func (d *Dedupe) Absorb(x *Ctx, id uint64, at event.Time) (duplicate bool) {
	n, next, tail := d.entries(x)
	for i := range n {
		if e := tail[i*ringEntry:]; le.Uint64(e) == id && d.near(event.Time(le.Uint64(e[8:])), at) {
			return true
		}
	}
	if n == maxIDs && d.near(event.Time(le.Uint64(tail[next*ringEntry+8:])), x.Newest()) {
		d.dropped++
	}
	d.push(x, id, uint64(at))
	return false
}

func (d *Dedupe) near(a, b event.Time) bool {
	if a > b {
		a, b = b, a
	}
	return b < a.Add(d.spec.For)
}
