package store

import (
	"time"

	"insolite/context/window"
	"insolite/internal/event"
)

// ValuesMax is how many values of a key a rule remembers: devices, addresses, counterparts of a person or a machine; 0.5 KiB.
const ValuesMax = 64

// A value is one word: the upper 40 bits of its hash, and the pane in which it was shown last, counted from the base in the head. So a key
// takes 16 bytes and 8 a value. The head is the instant from which the key learns i64, and the number of values u8 with the base i56.
const (
	valueEntry = 8
	valueHead  = 16
	paneBits   = 24
	paneMask   = 1<<paneBits - 1
	paneHalf   = 1 << (paneBits - 1)
	panesSeen  = 60 // panes before an event's own in which a value is remembered; see window.Sliding
)

// NewValueSpec describes a memory of the values that a key has shown.
type NewValueSpec struct {
	Identity uint64
	History  time.Duration // how long a value is remembered, in panes as a sliding window of that length
}

// NewValue remembers when a key has shown which values last. Of more than [ValuesMax] the one that was shown the longest ago gives way.
type NewValue struct {
	slot    slot
	step    int64 // ns of a pane
	dropped uint64
}

// NewValueBytes returns the bytes that a key takes which has shown so many values.
func NewValueBytes(values int) int { return 4 + valueHead + min(max(values, 1), ValuesMax)*valueEntry }

func newNewValue(s NewValueSpec) (*NewValue, part) {
	w := window.Window{Kind: window.Sliding, Length: s.History}
	retention, _ := w.Retention()
	return &NewValue{step: int64(w.Step())}, part{kind: partNewValue, identity: s.Identity, head: valueHead, tail: valueEntry, retention: retention}
}

// valueState is the head.
type valueState struct {
	n    int
	base int64 // the pane that entries count from
}

func (v *NewValue) load(x *Ctx) valueState {
	w := le.Uint64(v.slot.head(x)[8:])
	return valueState{n: int(w & 0xff), base: int64(w) >> 8}
}

func (v *NewValue) store(x *Ctx, s valueState) {
	le.PutUint64(v.slot.head(x)[8:], uint64(s.n)|uint64(s.base)<<8)
}

// pane returns the pane that holds an instant.
func (v *NewValue) pane(at event.Time) int64 {
	p := int64(at) / v.step
	if int64(at)%v.step < 0 {
		p--
	}
	return p
}

func (s *valueState) paneOf(entry uint64) int64 { return s.base + int64(entry&paneMask) }

// Show absorbs an event that shows a value, by its hash. It reports whether the value is fresh: not remembered from the panes that a sliding
// window has before the instant, or later. A key of which nothing is remembered for the instant begins to learn with it; since is when it began.
func (v *NewValue) Show(x *Ctx, hash uint64, at, watermark event.Time) (fresh bool, since event.Time) {
	s, pane := v.load(x), v.pane(at)
	head, tail := v.slot.head(x), v.slot.tail(x)
	found := s.find(tail, hash)
	if found >= 0 {
		if last := s.paneOf(le.Uint64(tail[found*valueEntry:])); last >= pane-panesSeen {
			if pane > last {
				v.put(x, &s, found, hash, pane)
			}
			return false, event.Time(le.Uint64(head))
		}
	}
	if s.live(tail, pane) == 0 {
		le.PutUint64(head, uint64(at))
	}
	since = event.Time(le.Uint64(head))
	if found >= 0 {
		v.forget(x, &s, found)
	}
	v.room(x, &s, pane, watermark)
	s.n++
	v.put(x, &s, s.n-1, hash, pane)
	return true, since
}

// find returns the entry of a hash; -1: there is none.
func (s *valueState) find(tail []byte, hash uint64) int {
	for i, b := 0, tail[:s.n*valueEntry]; len(b) >= valueEntry; i, b = i+1, b[valueEntry:] {
		if (le.Uint64(b)^hash)>>paneBits == 0 {
			return i
		}
	}
	return -1
}

// live returns how many values are remembered for an event in a pane.
func (s *valueState) live(tail []byte, pane int64) (n int) {
	for b := tail[:s.n*valueEntry]; len(b) >= valueEntry; b = b[valueEntry:] {
		if s.paneOf(le.Uint64(b)) >= pane-panesSeen {
			n++
		}
	}
	return n
}

// put writes entry i. The base moves when the pane is out of its reach; what is then further than that from it counts as if it lay at the edge.
func (v *NewValue) put(x *Ctx, s *valueState, i int, hash uint64, pane int64) {
	tail := v.slot.tail(x)
	if s.n == 1 {
		s.base = pane - paneHalf
	}
	if pane-s.base > paneMask {
		base := pane - paneHalf
		for j := range s.n {
			e := le.Uint64(tail[j*valueEntry:])
			le.PutUint64(tail[j*valueEntry:], e&^paneMask|uint64(max(0, s.paneOf(e)-base)))
		}
		s.base = base
	}
	le.PutUint64(tail[i*valueEntry:], hash&^paneMask|uint64(max(0, pane-s.base)))
	v.store(x, *s)
}

// forget removes entry i.
func (v *NewValue) forget(x *Ctx, s *valueState, i int) {
	tail := v.slot.tail(x)
	copy(tail[i*valueEntry:], tail[(i+1)*valueEntry:s.n*valueEntry])
	s.n--
	v.store(x, *s)
}

// room makes room for one more entry: of a full memory the one shown the longest ago gives way, of several the one that was kept first; a short
// one first forgets what no event that is not late can see.
func (v *NewValue) room(x *Ctx, s *valueState, pane int64, watermark event.Time) {
	tail := v.slot.tail(x)
	if s.n == ValuesMax {
		oldest := 0
		for i := range s.n {
			if le.Uint64(tail[i*valueEntry:])&paneMask < le.Uint64(tail[oldest*valueEntry:])&paneMask {
				oldest = i
			}
		}
		if s.paneOf(le.Uint64(tail[oldest*valueEntry:])) >= pane-panesSeen {
			v.dropped++
		}
		v.forget(x, s, oldest)
		return
	}
	if (s.n+1)*valueEntry <= len(tail) {
		return
	}
	if watermark != event.NoTime {
		dead := v.pane(watermark) - panesSeen
		for i := s.n - 1; i >= 0; i-- {
			if s.paneOf(le.Uint64(tail[i*valueEntry:])) < dead {
				v.forget(x, s, i)
			}
		}
	}
	if need := (s.n + 1) * valueEntry; need > len(tail) {
		v.slot.stretch(x, need)
	}
}

// Values returns how many values are remembered for an event at an instant, and when the key began to learn; NoTime: it will with that event.
func (v *NewValue) Values(x *Ctx, at event.Time) (n int, since event.Time) {
	s := v.load(x)
	if n = s.live(v.slot.tail(x), v.pane(at)); n == 0 {
		return 0, event.NoTime
	}
	return n, event.Time(le.Uint64(v.slot.head(x)))
}
