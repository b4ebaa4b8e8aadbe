package window

import (
	"math"

	"insolite/internal/event"
)

// maxPanes is how many panes a key's sliding window or calendar may have at once. 61 are in the window; more are kept while events of
// different times are not late yet, or lie ahead of the watermark. 8192 seconds of disorder for a window of a minute is a broken source.
const maxPanes = 8192

// A pane of a cell with folds has its place in the upper bits of its state's first word, counted from the base in the head. So panes at
// most 2^24 apart are kept: 193 days for a window of a minute.
const maxApart = 1 << (64 - samplesBits)

// The head of a cell with folds. Only a run of Distinct has a stride at foldFirst. The base is a multiple of 2^16.
const (
	foldFirst = 4           // u16: how many panes lie before the fold's
	runBase   = headRun     // 40 bits: base/2^16; 24 bits: the place of the pane before which the fold ends
	foldState = headRun + 8 // the fold
)

func base(head []byte) int64 { return int64(le.Uint64(head[runBase:])) >> 24 << 16 }

func setBase(head []byte, base, fold int64) {
	le.PutUint64(head[runBase:], uint64(base)<<8|uint64(fold-base))
}

func (c *Cell) run(head, tail []byte) run {
	r := run{head: head, tail: tail, stride: c.stride, first: int(le.Uint16(head)), n: int(le.Uint16(head[2:]))}
	if c.folds {
		r.base, r.shift = base(head), samplesBits
	} else if c.distinct {
		if s := int(le.Uint16(head[4:])); s != 0 {
			r.stride = s
		}
		r.reserve = c.wideFoldSize(&r)
	}
	return r
}

// newest returns the newest pane of a cell with folds if that is p: what nearly every event of a busy key asks for.
func (c *Cell) newest(head, tail []byte, p int64) []byte {
	n := int(le.Uint16(head[2:]))
	if !c.folds || n == 0 {
		return nil
	}
	at := (int(le.Uint16(head)) + n - 1) * c.stride
	if e := tail[at : at+c.stride]; base(head)+int64(le.Uint64(e)>>samplesBits) == p {
		return e
	}
	return nil
}

// next opens pane p behind the newest of a cell with folds, if there is room: what most events of a quiet key do.
func (c *Cell) next(head, tail []byte, p int64) []byte {
	n := int(le.Uint16(head[2:]))
	if !c.folds || n == 0 || n == c.max {
		return nil
	}
	at, b := (int(le.Uint16(head))+n)*c.stride, base(head)
	if at+c.stride > len(tail) || uint64(p-b) >= maxApart || b+int64(le.Uint64(tail[at-c.stride:])>>samplesBits) >= p {
		return nil
	}
	e := tail[at : at+c.stride]
	clear(e)
	le.PutUint64(e, uint64(p-b)<<samplesBits)
	le.PutUint16(head[2:], uint16(n+1))
	return e
}

func (c *Cell) addPane(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	p := c.pane(at)
	e := c.newest(head, tail, p)
	if e == nil {
		e = c.next(head, tail, p)
	}
	if e != nil {
		v := value(values)
		c.agg.add(e, v)
		if p < c.foldEnd(head) {
			c.addFolded(head, p, v)
		}
		return 0
	}
	v := c.sample(values)
	if c.byValue && (flags(head)&valuesForm != 0 || c.Empty(head)) {
		var done bool
		if need, done = c.addValue(head, tail, v.N, p, watermark); done {
			return need
		}
	}
	r := c.run(head, tail)
	if c.byValue && r.key(r.n-1) < c.dead(watermark) {
		clear(head) // by value again
		return c.addPane(head, tail, at, values, watermark)
	}
	c.dropWideFold(&r)
	i := r.after(p) - 1
	if i < 0 || r.key(i) != p {
		if i, need = c.open(&r, i+1, p, watermark); need > 0 || i < 0 {
			return need
		}
	}
	if c.distinct {
		if need = c.wide(&r, i, v); need > 0 {
			return need
		}
	}
	c.agg.add(r.at(i)[c.keyLen:], v)
	switch {
	case c.folds && p < c.foldEnd(head):
		c.addFolded(head, p, v)
	case c.distinct:
		c.addWideFold(&r, p, v)
	}
	return 0
}

// open makes an empty pane p at place i, or returns the bytes that the tail needs for it, or -1 when the pane gives way at once.
func (c *Cell) open(r *run, i int, p int64, watermark event.Time) (at, need int) {
	if c.folds && uint64(p-r.base) >= maxApart {
		if !c.rebase(r, p, watermark) {
			c.Drops.Panes++
			return -1, 0
		}
		i = r.after(p)
	}
	if r.full() || r.n == c.max {
		if i == r.n && c.inverse != nil && flags(r.head)&foldValid != 0 {
			c.moveFold(r, p) // while what leaves is still there
		}
		gone := r.before(c.dead(watermark))
		if r.n-gone >= c.max {
			c.Drops.Panes++
			gone++
			if c.distinct {
				setFlags(r.head, 0)
			}
		}
		c.forget(r, gone)
		i = max(0, i-gone)
	}
	if need = r.room(); need > 0 {
		return 0, need
	}
	if i < r.n && c.folds && flags(r.head)&foldValid != 0 && p < c.foldEnd(r.head)-c.span {
		le.PutUint16(r.head[foldFirst:], le.Uint16(r.head[foldFirst:])+1)
	}
	r.insert(i, p)
	return i, 0
}

// rebase moves the base so that pane p has a place, or reports that it is the oldest of panes too far apart, which gives way. What is past is
// forgotten.
func (c *Cell) rebase(r *run, p int64, watermark event.Time) bool {
	gone, oldest, newest := r.before(c.dead(watermark)), p, p
	if gone < r.n {
		newest = max(p, r.key(r.n-1))
	}
	for ; gone < r.n && newest-r.key(gone) > maxApart/2; gone++ {
		c.Drops.Panes++
	}
	c.forget(r, gone)
	if r.n > 0 {
		oldest = min(p, r.key(0))
	}
	base := (max(oldest, newest-maxApart/2) - maxApart/4) &^ (1<<16 - 1)
	for i := range r.n {
		e := r.at(i)
		le.PutUint64(e, uint64(r.key(i)-base)<<samplesBits|samples(e))
	}
	fold := c.foldEnd(r.head)
	if uint64(fold-base) >= maxApart {
		setFlags(r.head, 0)
		fold = base
	}
	r.base = base
	setBase(r.head, base, fold)
	return p >= base
}

// forget drops the first n panes, and the fold when one of them is in it.
func (c *Cell) forget(r *run, n int) {
	if c.folds {
		first := int(le.Uint16(r.head[foldFirst:]))
		if n > first {
			setFlags(r.head, 0)
		}
		le.PutUint16(r.head[foldFirst:], uint16(max(0, first-n)))
	}
	r.dropFront(n)
}

// wide makes entry i wide enough for one more hash, or returns the bytes that the tail needs for it.
func (c *Cell) wide(r *run, i int, v *event.Value) (need int) {
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
	}
	return need
}

// foldEnd returns the pane before which the fold ends; without a fold none is before it.
func (c *Cell) foldEnd(head []byte) int64 {
	if flags(head)&foldValid == 0 {
		return math.MinInt64
	}
	return base(head) + int64(le.Uint64(head[runBase:])&(maxApart-1))
}

// addFolded keeps the fold true after pane p before its end has absorbed v.
func (c *Cell) addFolded(head []byte, p int64, v *event.Value) {
	switch {
	case p < c.foldEnd(head)-c.span:
	case c.agg.commutes():
		c.agg.add(head[foldState:], v)
	default:
		setFlags(head, 0)
	}
}

// moveFold makes the head's fold that of the panes p-span to p-1. No pane is behind p, and p has a place.
func (c *Cell) moveFold(r *run, p int64) {
	fold := r.head[foldState : foldState+c.agg.size()]
	f := c.foldEnd(r.head)
	first, from := 0, 0
	if f == math.MinInt64 || f > p {
		clear(fold)
		first = r.before(p - c.span)
		from = first
	} else {
		was := int(le.Uint16(r.head[foldFirst:]))
		for first = was; first < r.n && r.key(first) < p-c.span; first++ { // each pane leaves once
		}
		from = r.upTo(f)
		switch {
		case first == was: // go on from here
		case from > first && c.takeOut(fold, r, was, first):
		default:
			clear(fold)
			from = first
		}
	}
	end := r.n
	if end > 0 && r.key(end-1) == p {
		end--
	}
	if from < end {
		c.Folded += uint64(end - from)
		c.agg.fold(fold, r.states(from, end, c.keyLen), r.stride)
	}
	le.PutUint16(r.head[foldFirst:], uint16(first))
	setBase(r.head, r.base, p)
	setFlags(r.head, foldValid)
}

// takeOut takes the panes lo to hi out of a fold that starts with them, unless it has to be folded anew.
func (c *Cell) takeOut(fold []byte, r *run, lo, hi int) bool {
	for ; lo < hi; lo++ {
		if c.inverse == nil || !c.inverse.unmerge(fold, r.at(lo)[c.keyLen:]) {
			return false
		}
		c.Folded++
	}
	return true
}

func (c *Cell) readPanes(head, tail []byte, agg Agg, at event.Time, dst []event.Value) Reading {
	if c.byValue && flags(head)&valuesForm != 0 {
		return c.readValues(head, tail, at, &dst[0])
	}
	p := c.pane(at)
	read := Reading{From: c.at.from - event.Time(c.reach), To: at}
	if e := c.newest(head, tail, p); e != nil {
		if c.foldEnd(head) != p {
			r := c.run(head, tail)
			c.moveFold(&r, p)
		}
		read.Samples = c.agg.both(head[foldState:], e, agg, &dst[0])
		return read
	}
	r := c.run(head, tail)
	if c.folds && r.n > 0 && p > r.key(r.n-1) && p-r.base < maxApart {
		if c.foldEnd(head) != p {
			c.moveFold(&r, p)
		}
		fold := head[foldState:]
		c.agg.read(fold, agg, &dst[0])
		read.Samples = int(samples(fold))
		return read
	}
	if fold := c.wideFold(&r, p); fold != nil {
		c.Folded++
		read.Samples = c.agg.both(fold, r.at(r.n - 1)[c.keyLen:], agg, &dst[0])
		return read
	}
	acc := c.zeroed()
	if lo, hi := r.before(p-c.span), r.upTo(p+1); lo < hi {
		c.Folded += uint64(hi - lo)
		c.agg.fold(acc, r.states(lo, hi, c.keyLen), r.stride)
	}
	c.agg.read(acc, agg, &dst[0])
	read.Samples = int(samples(acc))
	return read
}

// zeroed returns an empty state to fold into.
func (c *Cell) zeroed() []byte {
	n := c.agg.size()
	if c.distinct {
		n = wideSize
	}
	acc := c.acc[:n]
	clear(acc)
	return acc
}

func flags(head []byte) uint16       { return le.Uint16(head[6:]) }
func setFlags(head []byte, f uint16) { le.PutUint16(head[6:], f) }
