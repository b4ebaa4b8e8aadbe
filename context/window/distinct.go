package window

import (
	"math"
	"math/bits"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

const (
	distinctHead = 16 // n u64, hashes u32
	distinctMax  = 16 // hashes of an exact pane; the next makes registers of it
	registers    = 256
	wideSize     = distinctHead + registers
	registered   = math.MaxUint32 // instead of a number of hashes: the pane has registers
)

// distinct is {n, number of hashes, hashes or registers}: the exact set of 64-bit hashes while there are at most 16, then HyperLogLog
// (Flajolet et al. 2007) with 256 registers, whose standard error is 1.04/√256 = 6.5 %. A pane has registers exactly when it held more
// than 16 values, whatever the order they came in. The value is the hashes' number, or α·256²/Σ2^-register with α = 0.7213/(1+1.079/256),
// or 256·ln(256/zeros) when that is at most 640 and a register is zero. Empty: 0.
//
// Samples are hashes, in N. A state has as many bytes as its entry gives it: see widths.
type distinct struct{}

// widths are the sizes that an entry's state may have: for 1, 4 and 16 hashes and for registers.
var widths = [...]int{distinctHead + 8, distinctHead + 32, distinctHead + 128, wideSize}

func (distinct) size() int      { return widths[0] }
func (distinct) commutes() bool { return true }

// width returns the size that s needs to absorb so many more hashes.
func (distinct) width(s []byte, more int) int {
	n := le.Uint32(s[8:])
	if n == registered {
		return wideSize
	}
	for _, w := range widths[:len(widths)-1] {
		if int(n)+more <= (w-distinctHead)/8 {
			return w
		}
	}
	return wideSize
}

func has(s []byte, h uint64) bool {
	for n := int(le.Uint32(s[8:])); n > 0; n-- {
		if le.Uint64(s[distinctHead+8*n-8:]) == h {
			return true
		}
	}
	return false
}

func (d distinct) add(s []byte, v *event.Value) {
	setSamples(s, samples(s)+1)
	d.put(s, v.N)
}

func (d distinct) put(s []byte, h uint64) {
	n := le.Uint32(s[8:])
	switch {
	case n == registered:
		register(s, h)
	case has(s, h):
	case n < distinctMax:
		le.PutUint64(s[distinctHead+8*n:], h)
		le.PutUint32(s[8:], n+1)
	default:
		d.register(s)
		register(s, h)
	}
}

// register turns the hashes of s into registers.
func (distinct) register(s []byte) {
	var hashes [distinctMax]uint64
	n := int(le.Uint32(s[8:]))
	for i := range n {
		hashes[i] = le.Uint64(s[distinctHead+8*i:])
	}
	clear(s[distinctHead:wideSize])
	le.PutUint32(s[8:], registered)
	for _, h := range hashes[:n] {
		register(s, h)
	}
}

func register(s []byte, h uint64) {
	rank := byte(bits.LeadingZeros64(h<<8|1<<7) + 1)
	if at := distinctHead + h>>56; s[at] < rank {
		s[at] = rank
	}
}

func (d distinct) merge(a, b []byte) {
	na, nb := samples(a), samples(b)
	if nb == 0 {
		return
	}
	setSamples(a, na+nb)
	hashes := le.Uint32(b[8:])
	if hashes != registered {
		for i := range int(hashes) {
			d.put(a, le.Uint64(b[distinctHead+8*i:]))
		}
		return
	}
	if le.Uint32(a[8:]) != registered {
		d.register(a)
	}
	maxBytes(a[distinctHead:wideSize], b[distinctHead:wideSize])
}

// maxBytes makes each byte of a the larger one of a's and b's, eight at a time. All are below 128, so that with the top bit set in each byte
// of a word nothing is borrowed from the next byte, and the bit stays where a's byte is not the smaller one.
func maxBytes(a, b []byte) {
	const top = 0x8080808080808080
	for i := 0; i+8 <= len(a) && i+8 <= len(b); i += 8 {
		x, y := le.Uint64(a[i:]), le.Uint64(b[i:])
		keep := ((x | top) - y) & top >> 7 * 0xff
		le.PutUint64(a[i:], x&keep|y&^keep)
	}
}

func (d distinct) fold(a, entries []byte, stride int) {
	for len(entries) > 0 {
		d.merge(a, entries)
		entries = entries[min(stride, len(entries)):]
	}
}

func (d distinct) both(a, b []byte, agg Agg, v *event.Value) int {
	var acc [wideSize]byte
	copy(acc[:], a)
	d.merge(acc[:], b)
	d.read(acc[:], agg, v)
	return int(samples(acc[:]))
}

func (distinct) read(s []byte, _ Agg, v *event.Value) {
	n := le.Uint32(s[8:])
	if n != registered {
		*v = event.IntValue(int64(n))
		return
	}
	const alpha = 0.7213 / (1 + 1.079/registers)
	sum, zeros := harmonic(s[distinctHead:wideSize])
	e := alpha * registers * registers / sum
	if e <= 2.5*registers && zeros > 0 {
		e = registers * math.Log(float64(registers)/float64(zeros))
	}
	*v = event.IntValue(int64(math.Round(e)))
}

// harmonic returns the sum of 2^-r over registers, and how many are zero. The sum of up to 256 terms down to 2^-44 is exact in a double, so
// that it may be made of whole numbers; with a smaller term, it is made term by term.
func harmonic(rs []byte) (sum float64, zeros int) {
	const least = 44
	whole, smaller := uint64(0), false
	for _, r := range rs {
		whole += 1 << ((least - r) & 63)
		smaller = smaller || r > least
		if r == 0 {
			zeros++
		}
	}
	if !smaller {
		return float64(whole) / (1 << least), zeros
	}
	for _, r := range rs {
		sum += math.Float64frombits(uint64(1023-int(r)) << 52) // 2^-r
	}
	return sum, zeros
}

// sample returns what the aggregate absorbs: the value, or its hash for Distinct.
func (c *Cell) sample(values []event.Value) *event.Value {
	if c.spec.Family != Distinct {
		return value(values)
	}
	c.key = event.AppendKeyPart(c.key[:0], &values[0])
	c.sampled.N = xxh3.Hash(c.key)
	return &c.sampled
}

// hashSet is scratch for exact sets: open addressing, where a place is taken when it has the stamp of this time.
type hashSet struct {
	hashes [2 * MaxRows]uint64
	stamps [2 * MaxRows]uint32
	stamp  uint32
}

// add reports whether h is new since the stamp changed.
func (s *hashSet) add(h uint64) bool {
	const mask = 2*MaxRows - 1
	i := h & mask
	for ; s.stamps[i] == s.stamp; i = (i + 1) & mask {
		if s.hashes[i] == h {
			return false
		}
	}
	s.hashes[i], s.stamps[i] = h, s.stamp
	return true
}

// exactDistinct counts the different hashes of rows.
func (c *Cell) exactDistinct(r *run, lo, hi int) (n int64) {
	if c.set.stamp++; c.set.stamp == 0 {
		*c.set = hashSet{stamp: 1}
	}
	for i := lo; i < hi; i++ {
		if c.set.add(le.Uint64(r.at(i)[8:])) {
			n++
		}
	}
	return n
}
