package window

import (
	"unsafe"

	"insolite/internal/event"
)

const (
	recentMax   = 16   // samples kept: an event out of order sees those before it
	recentEntry = 10   // bytes of an entry before its values: size u16, time i64
	maxFields   = 32   // of first and last: an entry's size has 16 bits
	textMax     = 1024 // bytes of a string that is kept; a longer one is read as unknown and counted
)

// The tail of first, last, delta and time_since is its entries in a row, each {size u16, time i64, values}, sorted by (time, log order),
// or by log order in a window of events. What gave way leaves its place free until the others are moved there, so that a sample in order changes
// the end of the tail only. The head, behind the number of entries, has where they end and start, where the last one starts, and its time.
const (
	recentHead   = 24
	recentEnd    = 4  // u32
	recentFirst  = 8  // u32
	recentLast   = 12 // u32
	recentNewest = 16 // i64
)

// recents is a head.
type recents struct {
	n, first, last, end int
	newest              event.Time
}

func loadRecents(head []byte) recents {
	_ = head[recentHead-1]
	return recents{
		n: int(le.Uint16(head[2:])), end: int(le.Uint32(head[recentEnd:])), first: int(le.Uint32(head[recentFirst:])), last: int(le.Uint32(head[recentLast:])),
		newest: event.Time(le.Uint64(head[recentNewest:])),
	}
}

func (r *recents) store(head []byte) {
	_ = head[recentHead-1]
	le.PutUint16(head[2:], uint16(r.n))
	le.PutUint32(head[recentEnd:], uint32(r.end))
	le.PutUint32(head[recentFirst:], uint32(r.first))
	le.PutUint32(head[recentLast:], uint32(r.last))
	le.PutUint64(head[recentNewest:], uint64(r.newest))
}

func entrySize(e []byte) int        { return int(le.Uint16(e)) }
func entryTime(e []byte) event.Time { return event.Time(le.Uint64(e[2:])) }

// recentList is where the entries are.
type recentList struct {
	at  [recentMax]event.Time
	off [recentMax + 1]int32
	n   int
}

func (r *recents) list(tail []byte) (l recentList) {
	l.n = r.n
	off := r.first
	for i := range l.n {
		l.off[i] = int32(off)
		l.at[i] = entryTime(tail[off:])
		off += entrySize(tail[off:])
	}
	l.off[l.n] = int32(off)
	return l
}

func (c *Cell) addRecent(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	r := loadRecents(head)
	full := r.n == c.max
	inOrder := r.n == 0 || at >= r.newest || c.spec.Window.Kind == Events
	if !inOrder && full && entryTime(tail[r.first:]) > at { // it is the oldest, which gives way
		c.Drops.Samples++
		return 0
	}
	size := recentEntry
	for j := range values {
		size += c.encodedSize(&values[j])
	}
	drop := 0
	if full {
		drop = entrySize(tail[r.first:])
	}
	if r.end+size > len(tail) {
		start := r.first + drop
		if used := r.end - start; start < used/4 || used+size > len(tail) { // moving the rest is paid for by those that gave way
			return r.end + size
		}
	}
	if full {
		if c.spec.Window.N != c.max && entryTime(tail[r.first:]) >= c.readable(watermark) {
			c.Drops.Samples++
		}
		r.first += drop
		r.n--
	}
	if r.end+size > len(tail) {
		copy(tail, tail[r.first:r.end])
		r.end, r.last, r.first = r.end-r.first, r.last-r.first, 0
	}
	place := r.end
	if inOrder {
		r.last, r.newest = place, at
	} else {
		l := r.list(tail)
		i := l.n
		for i > 0 && l.at[i-1] > at {
			i--
		}
		place = int(l.off[i])
		copy(tail[place+size:], tail[place:r.end])
		r.last += size
	}
	r.n++
	r.end += size
	r.store(head)
	e := tail[place : place+size]
	le.PutUint16(e, uint16(size))
	le.PutUint64(e[2:], uint64(at))
	c.encode(e[recentEntry:], values)
	return 0
}

// valueBytes is the size of a value behind its kind; a string's is a guess.
func valueBytes(k event.Kind) int {
	switch k {
	case event.KindMissing:
		return 0
	case event.KindBool:
		return 1
	case event.KindTime:
		return 12
	case event.KindIP, event.KindString:
		return 16
	}
	return 8
}

func (c *Cell) encodedSize(v *event.Value) int {
	if v.Kind != event.KindString {
		return 1 + valueBytes(v.Kind)
	}
	if len(v.S) > textMax {
		return 1
	}
	return 3 + len(v.S)
}

func (c *Cell) encode(b []byte, values []event.Value) {
	for i := range values {
		v := &values[i]
		b[0] = byte(v.Kind)
		switch v.Kind {
		case event.KindMissing:
		case event.KindString:
			if len(v.S) > textMax {
				c.Drops.Text++
				b[0] = byte(event.KindMissing)
				break
			}
			le.PutUint16(b[1:], uint16(len(v.S)))
			copy(b[3:], v.S)
		case event.KindBool:
			b[1] = byte(v.N)
		case event.KindTime:
			le.PutUint64(b[1:], v.N)
			le.PutUint32(b[9:], uint32(v.M))
		case event.KindIP:
			le.PutUint64(b[1:], v.M)
			le.PutUint64(b[9:], v.N)
		default:
			le.PutUint64(b[1:], v.N)
		}
		b = b[c.encodedSize(v):]
	}
}

// decode reads len(dst) values; strings are views of b.
func decode(b []byte, dst []event.Value) {
	for i := range dst {
		v := event.Value{Kind: event.Kind(b[0])}
		n := 1 + valueBytes(v.Kind)
		switch v.Kind {
		case event.KindMissing:
		case event.KindString:
			n = 3 + int(le.Uint16(b[1:]))
			if n > 3 {
				v.S = unsafe.String(&b[3], n-3)
			}
		case event.KindBool:
			v.N = uint64(b[1])
		case event.KindTime:
			v.N, v.M = le.Uint64(b[1:]), uint64(int32(le.Uint32(b[9:])))
		case event.KindIP:
			v.M, v.N = le.Uint64(b[1:]), le.Uint64(b[9:])
		default:
			v.N = le.Uint64(b[1:])
		}
		dst[i] = v
		b = b[n:]
	}
}

func (c *Cell) readRecent(head, tail []byte, agg Agg, at event.Time, dst []event.Value) Reading {
	r := loadRecents(head)
	if agg != AggDelta && r.n > 0 && r.newest <= at && c.holdsAll(&r, tail, at) {
		c.readWhole(&r, tail, agg, at, dst)
		return Reading{Samples: r.n, From: c.recentFrom(at), To: at}
	}
	l := r.list(tail)
	var order [recentMax]uint8 // the samples in the window up to t, by (time, log order)
	n, from := c.recentWindow(&l, at, &order)
	clear(dst)
	read := Reading{Samples: n, From: from, To: at}
	values := func(i int) []byte { return tail[l.off[order[i]]+recentEntry:] }
	switch {
	case n == 0:
	case agg == AggFirst:
		decode(values(0), dst)
	case agg == AggLast:
		decode(values(n-1), dst)
	case agg == AggTimeSince:
		dst[0] = event.IntValue(int64(at - l.at[order[n-1]]))
		dst[0].Kind = event.KindDuration
	case n > 1:
		var v [2]event.Value
		decode(values(n-2), v[:1])
		decode(values(n-1), v[1:])
		dst[0] = minus(&v[1], &v[0])
	}
	return read
}

// holdsAll reports whether the window holds every sample that is not after an instant: so the entries need not be looked at one by one.
func (c *Cell) holdsAll(r *recents, tail []byte, at event.Time) bool {
	switch c.spec.Window.Kind {
	case Sliding, Calendar, Forever:
		return entryTime(tail[r.first:]) >= c.recentFrom(at)
	case Exact:
		return entryTime(tail[r.first:]) > c.recentFrom(at)
	}
	return false
}

// recentFrom is the start of a window that depends on time alone.
func (c *Cell) recentFrom(at event.Time) event.Time {
	switch w := c.spec.Window; w.Kind {
	case Sliding, Calendar:
		c.pane(at)
		return c.at.from - event.Time(c.reach)
	case Exact:
		return at.Add(-w.Length)
	}
	return event.NoTime
}

// readWhole is readRecent when all entries are in the window.
func (c *Cell) readWhole(r *recents, tail []byte, agg Agg, at event.Time, dst []event.Value) {
	switch agg {
	case AggFirst:
		decode(tail[r.first+recentEntry:], dst)
	case AggLast:
		decode(tail[r.last+recentEntry:], dst)
	default: // AggTimeSince
		dst[0] = event.IntValue(int64(at - r.newest))
		dst[0].Kind = event.KindDuration
	}
}

// recentWindow finds the samples that are in the window and not after an instant.
func (c *Cell) recentWindow(l *recentList, at event.Time, order *[recentMax]uint8) (n int, from event.Time) {
	lo := 0
	from = c.recentFrom(at)
	switch w := c.spec.Window; w.Kind {
	case Events:
		lo = max(0, l.n-w.N)
	case Session:
		return c.recentSession(l, at, order)
	}
	for i := lo; i < l.n; i++ {
		t := l.at[i]
		if t > at || t < from || t == from && c.spec.Window.Kind == Exact {
			continue
		}
		j := n
		for j > 0 && l.at[order[j-1]] > t { // only in a window of events
			order[j] = order[j-1]
			j--
		}
		order[j] = uint8(i)
		n++
	}
	if c.spec.Window.Kind == Events && n > 0 {
		from = l.at[order[0]]
	}
	return n, from
}

// recentSession walks back from t in steps of at most the gap. Samples after t cannot reach one before it that t does not.
func (c *Cell) recentSession(l *recentList, at event.Time, order *[recentMax]uint8) (n int, from event.Time) {
	hi := l.n
	for hi > 0 && l.at[hi-1] > at {
		hi--
	}
	lo, from := hi, at
	for lo > 0 && l.at[lo-1].Add(c.spec.Window.Length) >= from {
		lo--
		from = l.at[lo]
	}
	for i := lo; i < hi; i++ {
		order[n] = uint8(i)
		n++
	}
	return n, from
}

// minus is a-b of two values of one kind, or missing when it is out of range.
func minus(a, b *event.Value) event.Value {
	if a.Kind == event.KindNumber {
		return finite(a.Float() - b.Float())
	}
	x, y := a.Int(), b.Int()
	if d := x - y; (d < x) == (y > 0) {
		return event.IntValue(d)
	}
	return event.Value{}
}
