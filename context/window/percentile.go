package window

import (
	"math"
	"math/bits"
	"strconv"

	"insolite/internal/event"
)

// Percent is the p of a percentile in thousandths: 95_000 is the 95th percentile.
type Percent uint32

// Hundred is 100 %, which no percentile is: p lies between 0 and it, both excluded.
const Hundred Percent = 100_000

// ParsePercent returns the p of a percentile that is written as a number; false when it does not lie between 0 and 100, both excluded, or has
// more than three decimals.
func ParsePercent(p float64) (Percent, bool) {
	n := math.Round(p * 1000)
	return Percent(max(0, min(n, float64(Hundred)))), n > 0 && n < float64(Hundred) && n/1000 == p
}

// String returns p as users write it: "99.9".
func (p Percent) String() string { return strconv.FormatFloat(float64(p)/1000, 'f', -1, 64) }

// Samples returns how many samples there must be at least for the percentile to be neither the smallest nor the largest of them just because they
// are few: 20 for the 95th and the 5th.
func (p Percent) Samples() int {
	rest := max(1, min(p, Hundred-p))
	return int((Hundred + rest - 1) / rest)
}

// rank returns which sample, counted from the smallest as 1, is the percentile of n: the nearest rank ⌈p·n/100⌉.
func (p Percent) rank(n uint64) uint64 {
	return (uint64(p)*n + uint64(Hundred) - 1) / uint64(Hundred)
}

// A percentile that is not exact is read from bins. The bin of a value is its sign, the exponent e of the largest power of two that is not above
// its magnitude, and the first four bits behind: the magnitudes from (1 + i/16)·2^e to below (1 + (i+1)/16)·2^e, for i from 0 to 15. What is
// given for a bin is its middle, which is off by at most a 32nd of any value in it: 3.2 %. Of ints it is the middle int, the lower one of two in
// magnitude, so that ints up to 31 are exact. A magnitude below 2^-32 counts as zero, which is a bin of its own; one of 2^63 or more counts to
// the outermost bin, which ends there.
const (
	binParts  = 16                                  // to a power of two
	binLeast  = -32                                 // e of the innermost bins
	binMost   = 62                                  // e of the outermost ones
	binZero   = (binMost + 1 - binLeast) * binParts // the bin of zero; those of negative values lie below it
	binsMax   = 2*binZero + 1
	binCounts = 20 // bits of a word of a list of bins that are its count; the upper ones are the bin
	countMax  = 1<<binCounts - 1
)

// binOf returns the bin of an int or a number.
func binOf(k event.Kind, v *event.Value) uint32 {
	e, i := int(v.N>>52&0x7ff)-1023, int(v.N>>48&15)
	if k == event.KindInt {
		m := v.N
		if v.Int() < 0 {
			m = -m
		}
		e = bits.Len64(m) - 1
		i = int(m << (63 - e&63) >> 59 & 15)
		if m == 0 {
			return binZero
		}
	}
	switch {
	case e < binLeast:
		return binZero
	case e > binMost:
		e, i = binMost, binParts-1
	}
	at := (e-binLeast)*binParts + i + 1
	if int64(v.N) < 0 {
		at = -at
	}
	return uint32(binZero + at)
}

// binValue returns what is given for a bin.
func binValue(k event.Kind, bin uint32) event.Value {
	at, negative := int(bin)-binZero, bin < binZero
	if at == 0 {
		return event.Value{Kind: k}
	}
	if negative {
		at = -at
	}
	e, i := (at-1)/binParts+binLeast, (at-1)%binParts
	if k == event.KindNumber {
		n := uint64(e+1023)<<52 | uint64(i)<<48 | 1<<47
		if negative {
			n |= 1 << 63
		}
		return event.Value{Kind: k, N: n}
	}
	m := int64(binParts+i) << max(0, e-4) >> max(0, 4-e)
	if e > 4 {
		m += (1<<(e-4) - 1) / 2
	}
	if negative {
		m = -m
	}
	return event.IntValue(m)
}

// A list of bins is its bins in use, sorted, a word of 4 bytes each: the bin and how many samples it has. What does not fit a word is in further
// ones of the same bin, of which all but the last are full.

// behind returns where the words of bins up to bin end.
func behind(list []byte, bin uint32) int {
	lo, hi := 0, len(list)/4
	for lo < hi {
		if m := (lo + hi) / 2; le.Uint32(list[4*m:])>>binCounts <= bin {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return 4 * lo
}

// put counts a sample in the list that b starts with, and returns by how many bytes it grew: what is used of b behind it moves, there is room.
func put(b []byte, list, used int, bin uint32) (grown int) {
	i := behind(b[:list], bin)
	if i > 0 {
		if w := le.Uint32(b[i-4:]); w>>binCounts == bin && w&countMax < countMax {
			le.PutUint32(b[i-4:], w+1)
			return 0
		}
	}
	copy(b[i+4:used+4], b[i:used])
	le.PutUint32(b[i:], bin<<binCounts|1)
	return 4
}

// take takes n samples of a bin out of a list, which has them, and returns by how many bytes it shrank.
func take(list []byte, bin, n uint32) (shrunk int) {
	for i := behind(list, bin); n > 0; i -= 4 {
		w := le.Uint32(list[i-4:])
		has := w & countMax
		if has > n {
			le.PutUint32(list[i-4:], w-n)
			return shrunk
		}
		n -= has
		copy(list[i-4:], list[i:])
		list = list[:len(list)-4]
		shrunk += 4
	}
	return shrunk
}

// samplesOf returns how many samples a list has.
func samplesOf(list []byte) (n uint64) {
	for ; len(list) > 0; list = list[4:] {
		n += uint64(le.Uint32(list) & countMax)
	}
	return n
}

// ranked returns the bin of a rank, counted from 1, of n samples in a list, looked for from the nearer end.
func ranked(list []byte, rank, n uint64) uint32 {
	if rank > n/2 {
		for rank = n - rank + 1; ; list = list[:len(list)-4] {
			w := le.Uint32(list[len(list)-4:])
			if has := uint64(w & countMax); rank > has {
				rank -= has
				continue
			}
			return w >> binCounts
		}
	}
	for ; ; list = list[4:] {
		w := le.Uint32(list)
		if has := uint64(w & countMax); rank > has {
			rank -= has
			continue
		}
		return w >> binCounts
	}
}

// bins is scratch to add lists in: of every bin how many samples it has, those in use from lo to hi.
type bins struct {
	n      [binsMax]uint64
	lo, hi uint32
}

// reset makes b empty.
func (b *bins) reset() {
	if b.lo <= b.hi {
		clear(b.n[b.lo : b.hi+1])
	}
	b.lo, b.hi = binsMax-1, 0
}

// add adds a list.
func (b *bins) add(list []byte) {
	if len(list) == 0 {
		return
	}
	b.lo = min(b.lo, le.Uint32(list)>>binCounts)
	b.hi = max(b.hi, le.Uint32(list[len(list)-4:])>>binCounts)
	for ; len(list) > 0; list = list[4:] {
		w := le.Uint32(list)
		b.n[w>>binCounts] += uint64(w & countMax)
	}
}

// list writes a list, which has room, and returns its bytes.
func (b *bins) list(to []byte) (size int) {
	for bin := b.lo; bin <= b.hi; bin++ {
		for n := b.n[bin]; n > 0; size += 4 {
			has := min(n, countMax)
			le.PutUint32(to[size:], bin<<binCounts|uint32(has))
			n -= has
		}
	}
	return size
}

// percentile returns the percentile and the number of samples.
func (b *bins) percentile(k event.Kind, p Percent, v *event.Value) (n uint64) {
	*v = event.Value{}
	for bin := b.lo; bin <= b.hi; bin++ {
		n += b.n[bin]
	}
	rank := p.rank(n)
	for bin := b.lo; bin <= b.hi; bin++ {
		if rank <= b.n[bin] {
			*v = binValue(k, bin)
			return n
		}
		rank -= b.n[bin]
	}
	return n
}

// rowsPercentile is the exact percentile of rows: no bins, the sample of the rank itself.
func (c *Cell) rowsPercentile(r *run, lo, hi int, p Percent, v *event.Value) {
	*v = event.Value{}
	if lo == hi {
		return
	}
	ordered := c.ordered[:0]
	k := c.spec.Kinds[0]
	for i := lo; i < hi; i++ {
		ordered = append(ordered, toOrder(k, le.Uint64(r.at(i)[8:])))
	}
	*v = event.Value{Kind: k, N: fromOrder(k, smallest(ordered, int(p.rank(uint64(hi-lo)))))}
}

// toOrder makes a word of an int or a number whose order is that of the values; of two zeros the negative one is less.
func toOrder(k event.Kind, n uint64) uint64 {
	if k == event.KindNumber && int64(n) < 0 {
		return ^n
	}
	return n ^ 1<<63
}

// fromOrder takes back what toOrder did.
func fromOrder(k event.Kind, n uint64) uint64 {
	if k == event.KindNumber && int64(n) >= 0 {
		return ^n
	}
	return n ^ 1<<63
}

// smallest returns the word of a rank, counted from 1, and leaves words in disorder. It goes byte by byte from the upper one and keeps the words
// that have the byte of the one looked for: no order of words makes it slow.
func smallest(words []uint64, rank int) uint64 {
	for shift := 56; shift >= 0 && len(words) > 1; shift -= 8 {
		var n [256]uint16
		for _, w := range words {
			n[w>>shift&255]++
		}
		digit := uint64(0)
		for ; rank > int(n[digit]); digit++ {
			rank -= int(n[digit])
		}
		kept := words[:0]
		for _, w := range words {
			if w>>shift&255 == digit {
				kept = append(kept, w)
			}
		}
		words = kept
	}
	return words[0]
}
