package window

import "insolite/internal/event"

// maxPanes is how many panes a key's sliding window or calendar may have at once. 61 are in the window; more are kept while events of
// different times are not late yet, or lie ahead of the watermark. 8192 seconds of disorder for a window of a minute is a broken source.
const maxPanes = 8192

// The head of a cell with folds, behind the run.
const (
	foldPane  = headRun // i64: the pane before which the fold ends
	foldState = headRun + 8
)

func (c *Cell) run(head, tail []byte) run {
	stride := c.stride
	if c.spec.Family == Distinct {
		if s := int(le.Uint16(head[4:])); s != 0 {
			stride = s
		}
	}
	return run{head, tail, stride}
}

func (c *Cell) addPane(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	v, p := c.sample(values), c.pane(at)
	r := c.run(head, tail)
	i := r.after(p) - 1
	if i < 0 || r.key(i) != p {
		if r.len() == c.max || (r.first()+r.len()+1)*r.stride > len(tail) {
			c.forget(head, r, r.before(c.dead(watermark)))
		}
		if r.len() >= c.max {
			c.Drops.Panes++
			c.forget(head, r, 1)
		}
		if need = r.room(); need > 0 {
			return need
		}
		i = r.after(p)
		le.PutUint64(r.insert(i), uint64(p))
	}
	if need = c.wide(&r, i, v); need > 0 {
		return need
	}
	c.agg.add(r.at(i)[8:], v)
	c.foldAdded(head, p, v)
	return 0
}

// forget drops the first n panes, and the fold when one of them is in it.
func (c *Cell) forget(head []byte, r run, n int) {
	if n == 0 {
		return
	}
	if c.folds() && r.key(n-1) >= int64(le.Uint64(head[foldPane:]))-c.span {
		setFlags(head, 0)
	}
	r.dropFront(n)
}

// wide makes entry i wide enough for one more hash, or returns the bytes that the tail needs for it.
func (c *Cell) wide(r *run, i int, v *event.Value) (need int) {
	if c.spec.Family != Distinct {
		return 0
	}
	s := r.at(i)[c.keyLen:]
	if n := le.Uint32(s[8:]); n == registered || has(s, v.N) {
		return 0
	}
	return c.widen(r, distinct{}.width(s, 1))
}

// widen makes all entries wide enough for a state of so many bytes, or returns the bytes that the tail needs for it.
func (c *Cell) widen(r *run, width int) (need int) {
	stride := c.keyLen + width
	if stride <= r.stride {
		return 0
	}
	if need = r.widen(stride); need == 0 {
		le.PutUint16(r.head[4:], uint16(stride))
		r.stride = stride
	}
	return need
}

// foldAdded keeps the fold true after pane p has absorbed v.
func (c *Cell) foldAdded(head []byte, p int64, v *event.Value) {
	if !c.folds() || flags(head)&foldValid == 0 {
		return
	}
	switch f := int64(le.Uint64(head[foldPane:])); {
	case p >= f || p < f-c.span:
	case c.agg.commutes():
		c.agg.add(head[foldState:], v)
	default:
		setFlags(head, 0)
	}
}

// moveFold makes the head's fold that of the panes p-span to p-1. No pane is behind p.
func (c *Cell) moveFold(head []byte, r run, p int64) {
	fold, from := head[foldState:foldState+c.agg.size()], 0
	if flags(head)&foldValid != 0 {
		f := int64(le.Uint64(head[foldPane:]))
		if f == p {
			return
		}
		if i := r.before(f - c.span); f < p && (i == r.len() || r.key(i) >= p-c.span) {
			from = r.before(f) // nothing leaves: go on from here
		} else {
			f = p - c.span
			clear(fold)
			from = r.before(f)
		}
	} else {
		clear(fold)
		from = r.before(p - c.span)
	}
	for i := from; i < r.len() && r.key(i) < p; i++ {
		c.agg.merge(fold, r.at(i)[8:])
	}
	le.PutUint64(head[foldPane:], uint64(p))
	setFlags(head, foldValid)
}

func (c *Cell) readPanes(head, tail []byte, agg Agg, at event.Time, dst []event.Value) Reading {
	p, r := c.pane(at), c.run(head, tail)
	n := r.len()
	acc := c.zeroed()
	if c.folds() && n > 0 && p >= r.key(n-1) {
		c.moveFold(head, r, p)
		copy(acc, head[foldState:foldState+c.agg.size()])
		if r.key(n-1) == p {
			c.agg.merge(acc, r.at(n - 1)[8:])
		}
	} else {
		for i := r.before(p - c.span); i < n && r.key(i) <= p; i++ {
			c.agg.merge(acc, r.at(i)[8:])
		}
	}
	c.agg.read(acc, agg, &dst[0])
	from := c.at.from
	if c.span > 0 {
		from -= event.Time(c.span * c.step)
	}
	return Reading{Samples: int(samples(acc)), From: from, To: at}
}

// zeroed returns an empty state to fold into.
func (c *Cell) zeroed() []byte {
	n := c.agg.size()
	if c.spec.Family == Distinct {
		n = wideSize
	}
	acc := c.acc[:n]
	clear(acc)
	return acc
}

func flags(head []byte) uint16       { return le.Uint16(head[6:]) }
func setFlags(head []byte, f uint16) { le.PutUint16(head[6:], f) }
