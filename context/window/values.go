package window

import "insolite/internal/event"

// A sliding window of distinct_count is kept by value as long as a key has few: of each value its hash and the panes in which it came. So a read
// counts values instead of merging 61 panes, and most reads have been counted before. The state turns into panes (see distinct) when there are
// more than valuesMax values, or panes that may still be read lie too far apart, and back when all of them are past. What is read is the same: up
// to 16 values in a window are counted, and when there are more, some pane has registers or merging the panes makes them.
//
// The tail is the values in a row, each {hash u64, panes u64}, where bit k stands for the newest pane less k; room; the panes but the newest, sorted,
// each its number in the lower 24 bits of a word and its samples in the upper 40. The newest is in the head, so that most events change nothing
// in the tail.
const (
	valuesForm  = 2 // flag: the state is by value
	valuesStale = 4 // flag: the estimate does not hold
	valuesMax   = 256
	valuesSpan  = 63   // panes before the newest that a value knows
	valuesRoom  = 4096 // bytes that are left free between values and panes, at most
	valueEntry  = 16
	paneEntry   = 8
	paneMask    = 1<<24 - 1
	windowBits  = 1<<(span+1) - 1

	valuesHead     = 40
	valuesPanes    = 0  // u16: where in the tail the panes start, in words; behind it, at 2, their number with the newest
	valuesN        = 4  // u16
	valuesNewest   = 8  // i64: the newest pane
	valuesSamples  = 16 // u64: in its window
	valuesIn       = 24 // u32: values in its window
	valuesEstimate = 28 // u32: of these, when there are more than 16
	valuesOfNewest = 32 // u64: samples in the newest pane
)

// values is a state by value.
type values struct {
	head, tail []byte
	n          int // values
	at, panes  int // where in the tail the panes start, and how many there are with the newest, which is not there
	newest     int64
}

func loadValues(head, tail []byte) values {
	_ = head[valuesHead-1]
	return values{head, tail, int(le.Uint16(head[valuesN:])), 8 * int(le.Uint16(head[valuesPanes:])), int(le.Uint16(head[2:])), int64(le.Uint64(head[valuesNewest:]))}
}

func (v *values) store() {
	le.PutUint16(v.head[valuesPanes:], uint16(v.at/8))
	le.PutUint16(v.head[2:], uint16(v.panes))
	le.PutUint16(v.head[valuesN:], uint16(v.n))
	le.PutUint64(v.head[valuesNewest:], uint64(v.newest))
}

func (v *values) hash(i int) uint64 { return le.Uint64(v.tail[i*valueEntry:]) }
func (v *values) mask(i int) uint64 { return le.Uint64(v.tail[i*valueEntry+8:]) }

func (v *values) set(i int, hash, mask uint64) {
	e := v.tail[i*valueEntry : (i+1)*valueEntry]
	le.PutUint64(e, hash)
	le.PutUint64(e[8:], mask)
}

// age returns how many panes pane i lies before the newest.
func (v *values) age(i int) int64 {
	if i == v.panes-1 {
		return 0
	}
	return int64(uint32(v.newest)-uint32(le.Uint64(v.tail[v.at+i*paneEntry:]))) & paneMask
}

// samples returns how many samples pane i has.
func (v *values) samples(i int) uint64 {
	if i == v.panes-1 {
		return le.Uint64(v.head[valuesOfNewest:])
	}
	return le.Uint64(v.tail[v.at+i*paneEntry:]) >> 24
}

func bump(b []byte, n uint64) { le.PutUint64(b, le.Uint64(b)+n) }

// addSamples adds samples to those in the newest pane's window.
func (v *values) addSamples(n uint64) { bump(v.head[valuesSamples:], n) }

// enter counts values that came into the newest pane's window, or left it.
func (v *values) enter(n int) {
	if n != 0 {
		le.PutUint32(v.head[valuesIn:], le.Uint32(v.head[valuesIn:])+uint32(n))
		setFlags(v.head, valuesForm|valuesStale)
	}
}

// addValue absorbs a hash in pane p, or reports that the state has turned into panes.
func (c *Cell) addValue(head, tail []byte, hash uint64, p int64, watermark event.Time) (need int, done bool) {
	if c.Empty(head) {
		startValues(head, p)
	}
	v := loadValues(head, tail)
	if p > v.newest {
		switch near, room := v.advance(p, c.dead(watermark)); {
		case !near:
			need = c.toPanes(&v)
			return need, need > 0
		case room > 0:
			return room, true
		}
	}
	age, i := v.newest-p, v.find(hash)
	if age > valuesSpan || i == v.n && v.n == valuesMax {
		need = c.toPanes(&v)
		return need, need > 0
	}
	if i == v.n {
		if need = v.room(1, 0); need > 0 {
			return need, true
		}
	}
	v.mark(i, hash, age)
	if age == 0 {
		bump(head[valuesOfNewest:], 1)
	} else if need = v.addOlder(p, age); need > 0 {
		return need, true // the mark stands, and is set again
	}
	if age <= span {
		v.addSamples(1)
	}
	return 0, true
}

// startValues makes a head that of no values, in pane p.
func startValues(head []byte, p int64) {
	clear(head)
	setFlags(head, valuesForm)
	le.PutUint16(head[2:], 1)
	le.PutUint64(head[valuesNewest:], uint64(p))
}

// addOlder adds a sample to pane p, which is not the newest, or returns the bytes that the tail needs for it.
func (v *values) addOlder(p, age int64) (need int) {
	i := v.panes - 1
	for i > 0 && v.age(i-1) < age {
		i--
	}
	if i == 0 || v.age(i-1) != age {
		if need = v.room(0, 1); need > 0 {
			return need
		}
		e := v.tail[v.at+i*paneEntry : v.at+v.panes*paneEntry]
		copy(e[paneEntry:], e)
		le.PutUint64(e, uint64(p)&paneMask)
		v.panes++
		v.store()
		i++
	}
	bump(v.tail[v.at+(i-1)*paneEntry:], 1<<24)
	return 0
}

// find returns the place of a hash, or n. The values looked for most are to stand first.
func (v *values) find(hash uint64) int {
	for i := range v.n {
		if v.hash(i) != hash {
			continue
		}
		if j := i / 2; j < i {
			mask := v.mask(i)
			v.set(i, v.hash(j), v.mask(j))
			v.set(j, hash, mask)
			return j
		}
		return i
	}
	return v.n
}

// mark notes value i, a new one when it is the n-th, in the pane of an age.
func (v *values) mark(i int, hash uint64, age int64) {
	mask := uint64(0)
	if i < v.n {
		mask = v.mask(i)
	} else {
		v.n++
		le.PutUint16(v.head[valuesN:], uint16(v.n))
	}
	if age <= span && mask&windowBits == 0 {
		v.enter(1)
	}
	if mask>>age&1 == 0 {
		v.set(i, hash, mask|1<<age)
	}
}

// advance makes p the newest pane, without a sample, or reports that it is too far from one that can still be read, or returns the bytes that the
// tail needs for the one before it. What is past is forgotten.
func (v *values) advance(p, dead int64) (near bool, need int) {
	d, gone := p-v.newest, 0
	for ; gone < v.panes && v.age(gone)+d > valuesSpan; gone++ {
		if v.newest-v.age(gone) >= dead {
			return false, 0
		}
	}
	if gone == v.panes {
		startValues(v.head, p)
		*v = loadValues(v.head, v.tail)
		return true, 0
	}
	if need = v.room(0, 1); need > 0 {
		return true, need
	}
	for i := 0; i < v.panes && v.age(i)+d > span; i++ {
		if v.age(i) <= span {
			v.addSamples(-v.samples(i))
		}
	}
	v.shift(d)
	last := v.head[valuesOfNewest:]
	le.PutUint64(v.tail[v.at+(v.panes-1)*paneEntry:], le.Uint64(last)<<24|uint64(v.newest)&paneMask)
	clear(last[:8])
	v.at += gone * paneEntry
	v.panes += 1 - gone
	v.newest = p
	v.store()
	return true, 0
}

// shift lets d panes pass in all values, and forgets those that are past.
func (v *values) shift(d int64) {
	left := 0
	for i := 0; i < v.n; {
		was := v.mask(i)
		mask := was << d
		if was&windowBits != 0 && mask&windowBits == 0 {
			left++
		}
		if mask != 0 {
			v.set(i, v.hash(i), mask)
			i++
		} else {
			v.n--
			v.set(i, v.hash(v.n), v.mask(v.n))
		}
	}
	v.enter(-left)
}

// room makes sure that so many more values and panes fit, or returns the bytes that the tail needs.
func (v *values) room(values, panes int) (need int) {
	n, stored := v.n+values, v.panes-1+panes
	if need = n*valueEntry + stored*paneEntry; need > len(v.tail) {
		return need
	}
	if n*valueEntry > v.at || v.at+stored*paneEntry > len(v.tail) {
		at := n*valueEntry + min(len(v.tail)-need, valuesRoom)/2&^7
		copy(v.tail[at:], v.tail[v.at:v.at+(v.panes-1)*paneEntry])
		v.at = at
		v.store()
	}
	return 0
}

// toPanes turns the state into panes, or returns the bytes that the tail needs for it.
func (c *Cell) toPanes(v *values) (need int) {
	most := 1
	for i := range v.panes {
		n := 0
		for j := range v.n {
			n += int(v.mask(j) >> v.age(i) & 1)
		}
		most = max(most, n)
	}
	r := run{n: v.panes, stride: c.keyLen + distinct{}.width(c.zeroed(), most)}
	r.reserve = c.wideFoldSize(&r)
	if need = r.n*r.stride + r.reserve; need > len(v.tail) {
		return need
	}
	b := append(c.panes[:0], make([]byte, need)...)
	c.panes = b
	for i := range v.panes {
		e := b[i*r.stride : (i+1)*r.stride]
		age := v.age(i)
		le.PutUint64(e, uint64(v.newest-age))
		setSamples(e[c.keyLen:], v.samples(i))
		for j := range v.n {
			if v.mask(j)>>age&1 == 1 {
				distinct{}.put(e[c.keyLen:], v.hash(j))
			}
		}
	}
	copy(v.tail, b)
	clear(v.head)
	le.PutUint16(v.head[2:], uint16(r.n))
	le.PutUint16(v.head[4:], uint16(r.stride))
	return 0
}

func (c *Cell) readValues(head, tail []byte, at event.Time, dst *event.Value) Reading {
	p := c.pane(at)
	read := Reading{From: c.at.from - event.Time(c.reach), To: at}
	if p == int64(le.Uint64(head[valuesNewest:])) {
		read.Samples = int(le.Uint64(head[valuesSamples:]))
		in := le.Uint32(head[valuesIn:])
		if in > distinctMax {
			if flags(head)&valuesStale != 0 {
				v := loadValues(head, tail)
				c.count(&v, windowBits, dst)
				le.PutUint32(head[valuesEstimate:], uint32(dst.N))
				setFlags(head, valuesForm)
			}
			in = le.Uint32(head[valuesEstimate:])
		}
		*dst = event.IntValue(int64(in))
		return read
	}
	v := loadValues(head, tail)
	oldest := v.newest - p + span // its age; that of p is less by span
	for i := range v.panes {
		if age := v.age(i); age <= oldest && age >= oldest-span {
			read.Samples += int(v.samples(i))
		}
	}
	window := uint64(windowBits)
	if p > v.newest {
		window >>= uint64(p - v.newest)
	} else {
		window <<= uint64(v.newest - p)
	}
	c.count(&v, window, dst)
	return read
}

// count counts the values that came in the panes of a window, or estimates their number when they are more than 16.
func (c *Cell) count(v *values, window uint64, dst *event.Value) {
	c.Folded++
	n := 0
	for i := range v.n {
		if v.mask(i)&window != 0 {
			n++
		}
	}
	if *dst = event.IntValue(int64(n)); n <= distinctMax {
		return
	}
	s := c.zeroed()
	le.PutUint32(s[8:], registered)
	for i := range v.n {
		if v.mask(i)&window != 0 {
			register(s, v.hash(i))
		}
	}
	distinct{}.read(s, AggDistinct, dst)
}
