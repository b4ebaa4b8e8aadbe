package window

import "insolite/internal/event"

// The tail of a percentile that is not exact is groups in a row, one for each pane, or session, that has samples: {key i64, how many words u32,
// for sessions end i64} and a list of bins, see percentile.go. They are sorted by key. What is past leaves its place free until the others are
// moved there. So a quiet key pays for the bins that it used, and a busy one for no more.
//
// Behind the groups of a sliding window is its total: the bins of the panes of one window, which is that of pane at. A sample is put into its
// group and into the total; a pane that leaves is taken out. Counts lose nothing by that, so a read looks at one list. The window moves on as
// events, or reads, come that are newer; what is older than the window's newest pane is read from the groups.
const (
	groupHead   = 12
	sessionHead = 20

	groupsN       = 2  // u16: groups
	groupsFirst   = 4  // u32: where in the tail the first one starts
	groupsLast    = 8  // u32: and the last one
	groupsEnd     = 12 // u32: and where it ends
	groupsIn      = 16 // u32: where the first group that is in the total starts
	groupsTotal   = 20 // u32: bytes of the total
	groupsPane    = 24 // i64
	groupsSamples = 32 // u64: in the total
	groupsSize    = 40
)

// groups is a state of groups.
type groups struct {
	head, tail          []byte
	n, first, last, end int
	in, total           int
	pane                int64
	samples             uint64
	header              int // bytes of a group before its list
}

func (c *Cell) groups(head, tail []byte) groups {
	_ = head[groupsSize-1]
	g := groups{
		head: head, tail: tail, n: int(le.Uint16(head[groupsN:])),
		first: int(le.Uint32(head[groupsFirst:])), last: int(le.Uint32(head[groupsLast:])), end: int(le.Uint32(head[groupsEnd:])),
		in: int(le.Uint32(head[groupsIn:])), total: int(le.Uint32(head[groupsTotal:])),
		pane: int64(le.Uint64(head[groupsPane:])), samples: le.Uint64(head[groupsSamples:]), header: c.keyLen,
	}
	return g
}

func (g *groups) store() {
	h := g.head[:groupsSize]
	le.PutUint16(h[groupsN:], uint16(g.n))
	le.PutUint32(h[groupsFirst:], uint32(g.first))
	le.PutUint32(h[groupsLast:], uint32(g.last))
	le.PutUint32(h[groupsEnd:], uint32(g.end))
	le.PutUint32(h[groupsIn:], uint32(g.in))
	le.PutUint32(h[groupsTotal:], uint32(g.total))
	le.PutUint64(h[groupsPane:], uint64(g.pane))
	le.PutUint64(h[groupsSamples:], g.samples)
}

func (g *groups) key(at int) int64        { return int64(le.Uint64(g.tail[at:])) }
func (g *groups) until(at int) event.Time { return event.Time(le.Uint64(g.tail[at+groupHead:])) }
func (g *groups) bytes(at int) int        { return 4 * int(le.Uint32(g.tail[at+8:])) }
func (g *groups) next(at int) int         { return at + g.header + g.bytes(at) }
func (g *groups) list(at int) []byte      { return g.tail[at+g.header : g.next(at)] }

// totals returns the list of the total.
func (g *groups) totals() []byte { return g.tail[g.end : g.end+g.total] }

// leave takes the first group of the total out of it.
func (g *groups) leave() {
	for list := g.list(g.in); len(list) > 0; list = list[4:] {
		w := le.Uint32(list)
		g.total -= take(g.totals(), w>>binCounts, w&countMax)
		g.samples -= uint64(w & countMax)
	}
	g.in = g.next(g.in)
}

// advance makes the total that of the window of pane p, which is not older.
func (c *Cell) advance(g *groups, p int64) {
	if g.n == 0 || g.key(g.last) < p-c.span {
		g.in, g.total, g.samples = g.end, 0, 0
	}
	for g.in < g.end && g.key(g.in) < p-c.span {
		g.leave()
	}
	g.pane = p
}

// drop forgets the first group.
func (g *groups) drop() {
	if g.total > 0 && g.in == g.first {
		g.leave()
	}
	g.first = g.next(g.first)
	if g.n--; g.n == 0 {
		g.first, g.last, g.end, g.in, g.total = 0, 0, 0, 0, 0
	}
}

// room makes sure that a group and a word of a list and of the total fit, or returns the bytes that the tail needs.
func (g *groups) room() (need int) {
	used := g.end + g.total
	more := g.header + 8
	switch {
	case used+more <= len(g.tail):
		return 0
	case g.first < used/8 || used-g.first+more > len(g.tail):
		return used + more
	}
	copy(g.tail, g.tail[g.first:used]) // paid for by the groups that left
	g.last, g.end, g.in, g.first = g.last-g.first, g.end-g.first, max(0, g.in-g.first), 0
	return 0
}

// open makes an empty group at a place.
func (g *groups) open(at int, key int64) {
	b := g.tail[at : g.end+g.total+g.header]
	copy(b[g.header:], b)
	clear(b[:g.header])
	le.PutUint64(b, uint64(key))
	if at == g.end {
		g.last = at
	} else {
		g.last += g.header
	}
	g.n++
	g.end += g.header
}

// put counts a sample in the group at a place.
func (g *groups) put(at int, bin uint32) {
	from := at + g.header
	grown := put(g.tail[from:], g.bytes(at), g.end+g.total-from, bin)
	if grown == 0 {
		return
	}
	le.PutUint32(g.tail[at+8:], le.Uint32(g.tail[at+8:])+1)
	g.end += grown
	if g.last > at {
		g.last += grown
	}
	if g.in > at {
		g.in += grown
	}
}

// find returns where the group of a key is, or would be.
func (g *groups) find(key int64) (at int, found bool) {
	if g.n == 0 || g.key(g.last) < key {
		return g.end, false
	}
	if g.key(g.last) == key {
		return g.last, true
	}
	at = g.first
	for g.key(at) < key {
		at = g.next(at)
	}
	return at, g.key(at) == key
}

// addGroup counts a sample in its pane.
func (c *Cell) addGroup(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	p, g := c.pane(at), c.groups(head, tail)
	if p > g.pane || g.n == 0 {
		c.advance(&g, p)
	}
	if g.end+g.total+g.header+8 > len(tail) || g.n == c.max {
		for dead := c.dead(watermark); g.n > 0 && g.key(g.first) < dead; {
			g.drop()
		}
	}
	defer g.store()
	if need = g.room(); need > 0 {
		return need
	}
	to, found := g.find(p)
	if !found {
		if g.n == c.max {
			c.Drops.Panes++
			if to == g.first {
				return 0 // it is the oldest, which gives way
			}
			g.drop()
		}
		if p < g.pane-c.span {
			g.in += g.header
		}
		g.open(to, p)
	}
	bin := binOf(c.spec.Kinds[0], &values[0])
	g.put(to, bin)
	if c.span > 0 && p >= g.pane-c.span {
		g.total += put(g.tail[g.end:], g.total, g.total, bin)
		g.samples++
	}
	return 0
}

func (c *Cell) readGroups(head, tail []byte, q Query, at event.Time, dst *event.Value) Reading {
	p, g := c.pane(at), c.groups(head, tail)
	read := Reading{From: c.at.from - event.Time(c.reach), To: at}
	if c.span > 0 && g.n > 0 && p >= g.pane {
		if p > g.pane {
			c.advance(&g, p)
			g.store()
		}
		read.Samples = c.percentile(g.totals(), g.samples, q.P, dst)
		return read
	}
	lo, hi := g.first, g.end
	for lo < hi && g.key(lo) < p-c.span {
		lo = g.next(lo)
	}
	for hi = lo; hi < g.end && g.key(hi) <= p; {
		hi = g.next(hi)
	}
	read.Samples = c.percentileOf(&g, lo, hi, q.P, dst)
	return read
}

// percentile reads a list of n samples.
func (c *Cell) percentile(list []byte, n uint64, p Percent, dst *event.Value) (samples int) {
	if *dst = (event.Value{}); n > 0 {
		*dst = binValue(c.spec.Kinds[0], ranked(list, p.rank(n), n))
	}
	return int(n)
}

// percentileOf reads the groups from lo to hi.
func (c *Cell) percentileOf(g *groups, lo, hi int, p Percent, dst *event.Value) (samples int) {
	if lo < hi && g.next(lo) == hi {
		list := g.list(lo)
		return c.percentile(list, samplesOf(list), p, dst)
	}
	c.bins.reset()
	for ; lo < hi; lo = g.next(lo) {
		c.Folded++
		c.bins.add(g.list(lo))
	}
	return int(c.bins.percentile(c.spec.Kinds[0], p, dst))
}

// touched returns the sessions that an event at an instant joins, at most two: from lo to hi.
func (c *Cell) touched(g *groups, at event.Time) (lo, hi int) {
	gap := c.spec.Window.Length
	for lo = g.first; lo < g.end && g.until(lo).Add(gap) < at; {
		lo = g.next(lo)
	}
	for hi = lo; hi < g.end && event.Time(g.key(hi)) <= at.Add(gap); {
		hi = g.next(hi)
	}
	return lo, hi
}

// addGroupSession counts a sample in its session.
func (c *Cell) addGroupSession(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	g := c.groups(head, tail)
	for g.n > 0 && g.until(g.first).Add(c.spec.Window.Length) < watermark {
		g.drop()
	}
	defer g.store()
	if need = g.room(); need > 0 {
		return need
	}
	lo, hi := c.touched(&g, at)
	if lo == hi {
		if g.n == c.max {
			c.Drops.Sessions++
			g.drop()
			lo = max(lo, g.first)
		}
		g.open(lo, int64(at))
		le.PutUint64(tail[lo+groupHead:], uint64(at))
	} else if g.next(lo) < hi {
		c.mergeGroups(&g, lo)
	}
	le.PutUint64(tail[lo:], uint64(min(g.key(lo), int64(at))))
	le.PutUint64(tail[lo+groupHead:], uint64(max(g.until(lo), at)))
	g.put(lo, binOf(c.spec.Kinds[0], &values[0]))
	return 0
}

// mergeGroups makes one session of that at a place and the next.
func (c *Cell) mergeGroups(g *groups, at int) {
	b := g.next(at)
	behind := g.next(b)
	c.bins.reset()
	c.bins.add(g.list(at))
	c.bins.add(g.list(b))
	le.PutUint64(g.tail[at+groupHead:], uint64(max(g.until(at), g.until(b))))
	size := c.bins.list(g.tail[at+g.header:])
	le.PutUint32(g.tail[at+8:], uint32(size/4))
	copy(g.tail[g.next(at):], g.tail[behind:g.end])
	gone := behind - g.next(at)
	if g.n--; g.last == b {
		g.last = at
	} else {
		g.last -= gone
	}
	g.end -= gone
}

func (c *Cell) readGroupSession(head, tail []byte, q Query, at event.Time, dst *event.Value) Reading {
	g := c.groups(head, tail)
	read := Reading{From: at, To: at}
	lo, hi := c.touched(&g, at)
	for s := lo; s < hi; s = g.next(s) {
		if s == lo {
			read.From = event.Time(g.key(s))
		}
		read.To = g.until(s)
	}
	read.Samples = c.percentileOf(&g, lo, hi, q.P, dst)
	return read
}
