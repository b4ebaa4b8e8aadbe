package window

import "insolite/internal/event"

// maxSessions is how many sessions of a key may be open at once: as many as disorder can leave unmerged.
const maxSessions = 1024

// A session's entry is start i64, end i64 and the aggregate. Sessions are sorted and lie further than a gap from each other.
func sessionEnd(e []byte) event.Time { return event.Time(le.Uint64(e[8:])) }

// joined returns the sessions that an event at an instant joins: [lo, hi), at most two.
func (c *Cell) joined(r *run, at event.Time) (lo, hi int) {
	gap := c.spec.Window.Length
	hi = r.after(int64(at.Add(gap)))
	lo = hi
	for lo > 0 && sessionEnd(r.at(lo-1)).Add(gap) >= at {
		lo--
	}
	return lo, hi
}

func (c *Cell) addSession(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	v, r := c.sample(values), c.run(head, tail)
	lo, hi := c.joined(&r, at)
	if lo == hi {
		if r.n == c.max || r.full() {
			c.endSessions(&r, watermark)
		}
		if r.n == c.max {
			c.Drops.Sessions++
			r.dropFront(1)
		}
		if need = r.room(); need > 0 {
			return need
		}
		lo = r.after(int64(at))
		hi = lo + 1
		e := r.insert(lo, int64(at))
		le.PutUint64(e[8:], uint64(at))
	}
	for ; hi > lo+1; hi-- {
		if need = c.mergeSessions(&r, lo); need > 0 {
			return need
		}
	}
	if c.spec.Family == Distinct {
		if need = c.wide(&r, lo, v); need > 0 {
			return need
		}
	}
	e := r.at(lo)
	le.PutUint64(e, uint64(min(r.key(lo), int64(at))))
	le.PutUint64(e[8:], uint64(max(sessionEnd(e), at)))
	c.agg.add(e[16:], v)
	return 0
}

// mergeSessions joins sessions i and i+1.
func (c *Cell) mergeSessions(r *run, i int) (need int) {
	if c.spec.Family == Distinct {
		a, b := r.at(i)[16:], r.at(i + 1)[16:]
		more := registers
		if n := le.Uint32(b[8:]); n != registered {
			more = int(n)
		}
		if need = c.widen(r, distinct{}.width(a, more)); need > 0 {
			return need
		}
	}
	a, b := r.at(i), r.at(i+1)
	c.agg.merge(a[16:], b[16:])
	le.PutUint64(a[8:], uint64(max(sessionEnd(a), sessionEnd(b))))
	r.remove(i + 1)
	return 0
}

// endSessions forgets the sessions that no event at or after the watermark can join.
func (c *Cell) endSessions(r *run, watermark event.Time) {
	n := 0
	for n < r.n && sessionEnd(r.at(n)).Add(c.spec.Window.Length) < watermark {
		n++
	}
	r.dropFront(n)
}

func (c *Cell) readSessions(head, tail []byte, agg Agg, at event.Time, dst []event.Value) Reading {
	r := c.run(head, tail)
	lo, hi := c.joined(&r, at)
	acc := c.zeroed()
	read := Reading{From: at, To: at}
	for i := lo; i < hi; i++ {
		e := r.at(i)
		c.agg.merge(acc, e[16:])
		if i == lo {
			read.From = event.Time(r.key(i))
		}
		read.To = sessionEnd(e)
	}
	c.agg.read(acc, agg, &dst[0])
	read.Samples = int(samples(acc))
	return read
}
