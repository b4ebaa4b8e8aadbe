package store

import (
	"time"

	"insolite/internal/event"
)

// MaxEvidence is how many events a rule may keep by position.
const MaxEvidence = 64

// EvidenceSpec describes a memory of the events that led to an alert.
type EvidenceSpec struct {
	Identity uint64
	N        int           // how many: 1 to MaxEvidence
	Within   time.Duration // how long before an alert they may lie at most; 0: any time, and the context never expires
}

// Seen is the position of an event that a rule has seen.
type Seen struct {
	Offset event.Offset
	At     event.Time
}

// Evidence remembers the last N events that a rule saw, in the order of the log.
type Evidence struct {
	ring // of offset i64, time i64
	spec EvidenceSpec
}

// Add notes an event; of N+1 the first gives way.
func (e *Evidence) Add(x *Ctx, offset event.Offset, at event.Time) {
	e.push(x, uint64(offset), uint64(at))
}

// Append appends what was noted and is later than within before an instant, the first first. Within is that of the spec or less; 0: any time.
func (e *Evidence) Append(dst []Seen, x *Ctx, at event.Time, within time.Duration) []Seen {
	n, next, tail := e.entries(x)
	start := 0
	if n == e.max {
		start = next
	}
	for i := range n {
		b := tail[(start+i)%e.max*ringEntry:]
		s := Seen{event.Offset(le.Uint64(b)), event.Time(le.Uint64(b[8:]))}
		if within == 0 || s.At > at.Add(-within) {
			dst = append(dst, s)
		}
	}
	return dst
}

func (e *Evidence) pins(x *Ctx, _ event.Time) bool {
	return e.spec.Within == 0 && le.Uint16(e.slot.head(x)) != 0
}
