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
// or by log order in a window of events. In the head, behind the number of entries, is the number of bytes in use.

func recentUsed(head []byte) int { return int(le.Uint32(head[4:])) }

// recentList is where the entries are.
type recentList struct {
	at  [recentMax]event.Time
	off [recentMax + 1]int32
	n   int
}

func listRecent(head, tail []byte) (l recentList) {
	l.n = int(le.Uint16(head[2:]))
	off := 0
	for i := range l.n {
		l.off[i] = int32(off)
		l.at[i] = event.Time(le.Uint64(tail[off+2:]))
		off += int(le.Uint16(tail[off:]))
	}
	l.off[l.n] = int32(off)
	return l
}

func (c *Cell) addRecent(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	l := listRecent(head, tail)
	i := l.n
	if c.spec.Window.Kind != Events {
		for i > 0 && l.at[i-1] > at {
			i--
		}
	}
	size := recentEntry
	for j := range values {
		size += c.encodedSize(&values[j])
	}
	used, place, drop := recentUsed(head), int(l.off[i]), 0
	if l.n == c.max {
		if i == 0 { // it is the oldest, which gives way
			c.Drops.Samples++
			return 0
		}
		drop = int(l.off[1])
	}
	if need = used - drop + size; need > len(tail) {
		return need
	}
	if drop > 0 && c.spec.Window.N != c.max && l.at[0] >= c.readable(watermark) {
		c.Drops.Samples++
	}
	copy(tail, tail[drop:place])
	place -= drop
	copy(tail[place+size:], tail[place+drop:used])
	le.PutUint16(head[2:], uint16(min(l.n+1, c.max)))
	le.PutUint32(head[4:], uint32(used-drop+size))
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
	l := listRecent(head, tail)
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

// recentWindow finds the samples that are in the window and not after an instant.
func (c *Cell) recentWindow(l *recentList, at event.Time, order *[recentMax]uint8) (n int, from event.Time) {
	lo := 0
	from = event.NoTime
	switch w := c.spec.Window; w.Kind {
	case Events:
		lo = max(0, l.n-w.N)
	case Session:
		return c.recentSession(l, at, order)
	case Sliding, Calendar:
		c.pane(at)
		from = c.at.from - event.Time(c.reach)
	case Exact:
		from = at.Add(-w.Length)
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
