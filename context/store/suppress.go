package store

import (
	"time"

	"insolite/context/window"
	"insolite/internal/event"
)

const (
	maxCoolDowns = 64 // by values of a rule and key whose cool-down is kept
	maxBuckets   = 8  // calendar buckets in which an alert was emitted: disorder rarely reaches back further

	// A cool-down is by u64, held u32, number of buckets u32, and the latest emitted time i64 or the starts of the buckets.
	coolDown         = 24
	calendarCoolDown = 16 + 8*maxBuckets
)

// SuppressSpec describes the cool-downs of one rule.
type SuppressSpec struct {
	Identity uint64
	For      time.Duration  // after an emitted alert; or
	Calendar *window.Window // one alert a bucket
}

// Suppress holds back the alerts of one rule for a key, by values, after one was emitted. The 64 by values used last are kept.
type Suppress struct {
	spec    SuppressSpec
	slot    slot
	dropped uint64
	last    struct{ from, to event.Time } // the bucket looked up last
}

// Emit decides about an alert at an instant; by is the hash of the rule's by values, 0 without. An alert that is held back is counted; one
// that is emitted starts a cool-down and is told how many were held back since the one before.
func (s *Suppress) Emit(x *Ctx, by uint64, at event.Time) (emit bool, held int) {
	e := s.find(x, by)
	held = int(le.Uint32(e[8:]))
	if s.cools(e, at) {
		le.PutUint32(e[8:], uint32(held+1))
		return false, held + 1
	}
	le.PutUint32(e[8:], 0)
	if s.spec.Calendar == nil {
		if last := event.Time(le.Uint64(e[16:])); le.Uint32(e[12:]) == 0 || at > last {
			le.PutUint64(e[16:], uint64(at))
		}
		le.PutUint32(e[12:], 1)
		return true, held
	}
	n := int(le.Uint32(e[12:]))
	if n == maxBuckets {
		copy(e[16:], e[24:])
		n--
	}
	le.PutUint64(e[16+8*n:], uint64(s.bucket(at)))
	le.PutUint32(e[12:], uint32(n+1))
	return true, held
}

// Until returns the end of the cool-down that just held back an alert at an instant.
func (s *Suppress) Until(x *Ctx, by uint64, at event.Time) event.Time {
	if s.spec.Calendar != nil {
		_, end := s.spec.Calendar.Bucket(at)
		return end
	}
	return event.Time(le.Uint64(s.find(x, by)[16:])).Add(s.spec.For)
}

// cools reports whether an instant lies in the cool-down e.
func (s *Suppress) cools(e []byte, at event.Time) bool {
	n := int(le.Uint32(e[12:]))
	if n == 0 {
		return false
	}
	if s.spec.Calendar == nil {
		return at < event.Time(le.Uint64(e[16:])).Add(s.spec.For)
	}
	b := s.bucket(at)
	for i := range n {
		if event.Time(le.Uint64(e[16+8*i:])) == b {
			return true
		}
	}
	return false
}

func (s *Suppress) bucket(at event.Time) event.Time {
	if at < s.last.from || at >= s.last.to {
		s.last.from, s.last.to = s.spec.Calendar.Bucket(at)
	}
	return s.last.from
}

func (s *Suppress) stride() int {
	if s.spec.Calendar != nil {
		return calendarCoolDown
	}
	return coolDown
}

// find returns the cool-down of a by value, which becomes the one used last; a new one is zero.
func (s *Suppress) find(x *Ctx, by uint64) []byte {
	stride := s.stride()
	head, tail := s.slot.head(x), s.slot.tail(x)
	n := int(le.Uint16(head))
	for i := n - 1; i >= 0; i-- {
		if le.Uint64(tail[i*stride:]) == by {
			return useLast(tail[i*stride:n*stride], stride)
		}
	}
	if n == maxCoolDowns {
		s.dropped++
		e := useLast(tail[:n*stride], stride)
		clear(e)
		le.PutUint64(e, by)
		return e
	}
	if (n+1)*stride > len(tail) {
		s.slot.grow(x, (n+1)*stride)
		head, tail = s.slot.head(x), s.slot.tail(x)
	}
	le.PutUint16(head, uint16(n+1))
	e := tail[n*stride : (n+1)*stride]
	clear(e)
	le.PutUint64(e, by)
	return e
}

// useLast moves the first entry behind the others.
func useLast(entries []byte, stride int) []byte {
	last := len(entries) - stride
	if last > 0 {
		var e [calendarCoolDown]byte
		copy(e[:], entries[:stride])
		copy(entries, entries[stride:])
		copy(entries[last:], e[:stride])
	}
	return entries[last:]
}

// pins keeps a context whose next alert has to tell how many were held back.
func (s *Suppress) pins(x *Ctx, _ event.Time) bool {
	tail, stride := s.slot.tail(x), s.stride()
	for i := range int(le.Uint16(s.slot.head(x))) {
		if le.Uint32(tail[i*stride+8:]) != 0 {
			return true
		}
	}
	return false
}

// CoolDown is how the alerts of one by value stand.
type CoolDown struct {
	By    uint64     // the hash of the values; 0: none
	Until event.Time // alerts are held back before; NoTime: none are
	Held  int        // since the last one that was emitted
}

// CoolDowns appends those that hold alerts back at an instant, or have since the last one that was emitted.
func (s *Suppress) CoolDowns(dst []CoolDown, x *Ctx, at event.Time) []CoolDown {
	tail, stride := s.slot.tail(x), s.stride()
	for i := range int(le.Uint16(s.slot.head(x))) {
		e := tail[i*stride : (i+1)*stride]
		c := CoolDown{By: le.Uint64(e), Until: event.NoTime, Held: int(le.Uint32(e[8:]))}
		if s.cools(e, at) {
			c.Until = event.Time(le.Uint64(e[16:])).Add(s.spec.For)
			if s.spec.Calendar != nil {
				_, c.Until = s.spec.Calendar.Bucket(at)
			}
		}
		if c.Held > 0 || c.Until != event.NoTime {
			dst = append(dst, c)
		}
	}
	return dst
}
