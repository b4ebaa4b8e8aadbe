package window

import (
	"insolite/internal/event"
)

// rowBytes is the size of a row's value behind its time: nothing to count, the lower half of numbers, ints and hashes, both of times.
func rowBytes(s Spec) int {
	switch {
	case s.Family == Count:
		return 0
	case s.Kinds[0] == event.KindTime && s.Family == Extremes:
		return 16
	}
	return 8
}

// addRow keeps a sample as a row: by (time, log order), or by log order in a window of events. At most c.max rows are kept.
func (c *Cell) addRow(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	v, r := c.sample(values), c.run(head, tail)
	if r.n == c.max || r.full() {
		r.dropFront(r.before(int64(c.readable(watermark))))
	}
	byLog := c.spec.Window.Kind == Events
	i := r.n
	if !byLog {
		i = r.after(int64(at))
	}
	if r.n == c.max {
		if !byLog {
			c.Drops.Rows++
			if i == 0 {
				return 0 // it is the oldest, which gives way
			}
		}
		r.dropFront(1)
		i--
	}
	if need = r.room(); need > 0 {
		return need
	}
	row := r.insert(i, int64(at))
	if len(row) > 8 {
		le.PutUint64(row[8:], v.N)
	}
	if len(row) > 16 {
		le.PutUint64(row[16:], v.M)
	}
	return 0
}

// readable returns the earliest instant whose sample an event at or after the watermark may read, where that depends on time alone.
func (c *Cell) readable(watermark event.Time) event.Time {
	if watermark == event.NoTime {
		return event.NoTime
	}
	switch w := c.spec.Window; w.Kind {
	case Sliding:
		return event.Time(c.dead(watermark) * c.step)
	case Exact:
		return watermark.Add(1 - w.Length)
	case Calendar:
		return event.Time(c.dead(watermark))
	}
	return event.NoTime
}

// rows returns the rows that are in the window of an event at an instant.
func (c *Cell) rows(r *run, at event.Time) (lo, hi int) {
	switch w := c.spec.Window; w.Kind {
	case Exact:
		return r.before(int64(at.Add(1 - w.Length))), r.after(int64(at))
	case Sliding:
		p := c.pane(at)
		return r.before((p - c.span) * c.step), r.before((p + 1) * c.step)
	case Calendar:
		c.pane(at)
		return r.before(int64(c.at.from)), r.before(int64(c.at.to))
	case Session:
		lo = r.after(int64(at))
		hi = lo
		for reach := int64(at.Add(-w.Length)); lo > 0 && r.key(lo-1) >= reach; lo-- {
			reach = int64(event.Time(r.key(lo - 1)).Add(-w.Length))
		}
		for reach := int64(at.Add(w.Length)); hi < r.n && r.key(hi) <= reach; hi++ {
			reach = int64(event.Time(r.key(hi)).Add(w.Length))
		}
		return lo, hi
	}
	return 0, r.n
}

func (c *Cell) readRows(head, tail []byte, q Query, at event.Time, dst []event.Value) Reading {
	r := c.run(head, tail)
	lo, hi := c.rows(&r, at)
	switch {
	case c.spec.Family == Count:
		dst[0] = event.IntValue(int64(hi - lo))
	case c.spec.Family == Distinct && c.spec.Exact:
		dst[0] = event.IntValue(c.exactDistinct(&r, lo, hi))
	case c.spec.Family == Bins:
		c.rowsPercentile(&r, lo, hi, q.P, &dst[0])
	default:
		c.foldRows(&r, lo, hi, q.Agg, &dst[0])
	}
	return c.rowsReading(&r, lo, hi, at)
}

// foldRows folds row by row, in the order in which they are kept.
func (c *Cell) foldRows(r *run, lo, hi int, agg Agg, dst *event.Value) {
	acc := c.zeroed()
	if a, ok := c.agg.(rowAdder); ok {
		a.addRows(acc, r.states(lo, hi, 0), r.stride)
		c.agg.read(acc, agg, dst)
		return
	}
	v := &c.sampled
	*v = event.Value{Kind: c.spec.Kinds[0]}
	for i := lo; i < hi; i++ {
		row := r.at(i)
		v.N = le.Uint64(row[8:])
		if len(row) > 16 {
			v.M = le.Uint64(row[16:])
		}
		c.agg.add(acc, v)
	}
	c.agg.read(acc, agg, dst)
}

func (c *Cell) rowsReading(r *run, lo, hi int, at event.Time) Reading {
	read := Reading{Samples: hi - lo, From: event.NoTime, To: at}
	switch c.spec.Window.Kind {
	case Events:
		from := int64(at)
		for rows := r.states(lo, hi, 0); len(rows) > 0; rows = rows[r.stride:] {
			from = min(from, int64(le.Uint64(rows)))
		}
		read.From = event.Time(from)
	case Session:
		read.From = at
		if hi > lo {
			read.From, read.To = event.Time(r.key(lo)), event.Time(r.key(hi-1))
		}
	case Exact:
		read.From = at.Add(-c.spec.Window.Length)
	case Calendar:
		read.From = c.at.from
	case Sliding:
		read.From = c.at.from - event.Time(c.reach)
	}
	return read
}
