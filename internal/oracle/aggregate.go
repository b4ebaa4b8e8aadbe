package oracle

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// sample is an event that a feature has absorbed, with the values of the feature's fields (none for a feature without).
type sample struct {
	at     int64
	log    int // the place in the log
	values map[string]Value
	first  Value  // the value of the only field
	bucket string // of a calendar window: where the event's time lies
}

// fold is the running result over samples, and over parts that follow one another in time.
type fold struct {
	agg      string
	n        int
	whole    *big.Int // sum of ints, without bound
	sum      float64  // sum of numbers, in the order of adding from the first one
	mean, m2 float64  // Welford
	best     Value    // min, max
	distinct map[string]bool
	values   []Value // percentile: samples, or what their bins give
	p        int     // of percentile, in thousandths
	exact    bool    // distinct values are counted, not estimated
	kind     Kind
}

func newFold(agg string) *fold {
	return &fold{agg: agg, whole: new(big.Int), distinct: map[string]bool{}}
}

// add absorbs one sample behind those before it.
func (f *fold) add(s sample) {
	v := s.first
	f.n++
	switch f.agg {
	case "sum", "avg":
		f.kind = v.Kind
		if v.Kind == Int {
			f.whole.Add(f.whole, big.NewInt(v.I))
		} else if f.n == 1 {
			f.sum = v.F
		} else {
			f.sum += v.F
		}
	case "stddev":
		d := v.float() - f.mean
		f.mean += d / float64(f.n)
		f.m2 += float64(d * (v.float() - f.mean))
	case "min", "max":
		f.offer(v)
	case "distinct_count":
		f.distinct[string(v.keyBytes())] = true
	case "percentile":
		f.values = append(f.values, v)
	}
}

// offer replaces the best value by a better one; an equal one does not replace it.
func (f *fold) offer(v Value) {
	if !v.Known() {
		return
	}
	if !f.best.Known() || f.agg == "min" && less(v, f.best) || f.agg == "max" && less(f.best, v) {
		f.best = v
	}
}

// merge appends a newer part.
func (f *fold) merge(b *fold) {
	if b.n == 0 {
		return
	}
	if f.n == 0 {
		f.sum, f.mean, f.m2 = b.sum, b.mean, b.m2
	} else {
		na, nb := float64(f.n), float64(b.n)
		n := na + nb
		d := b.mean - f.mean
		f.sum += b.sum
		f.mean += float64(d * (nb / n))
		f.m2 = f.m2 + b.m2 + float64(float64(d*d)*float64(na*nb/n))
	}
	f.n += b.n
	f.kind = b.kind
	f.whole.Add(f.whole, b.whole)
	f.offer(b.best)
	f.values = append(f.values, b.values...)
	for v := range b.distinct {
		f.distinct[v] = true
	}
}

// value is the aggregate of what was added.
func (f *fold) value(field Kind, o Options) Value {
	switch f.agg {
	case "count":
		return integer(int64(f.n))
	case "distinct_count":
		if f.exact {
			return integer(int64(len(f.distinct)))
		}
		return integer(estimate(f.distinct))
	case "sum":
		if field == Number {
			return number(f.sum)
		}
		if !f.whole.IsInt64() {
			return Value{}
		}
		return integer(f.whole.Int64())
	case "min", "max":
		return f.best
	case "percentile":
		return f.nearest(o)
	}
	switch {
	case f.agg == "avg" && f.n == 0 || f.agg == "stddev" && f.n < 2:
		return Value{}
	case f.agg == "stddev":
		return number(math.Sqrt(f.m2 / float64(f.n-1)))
	case field == Int:
		return number(wholeFloat(f.whole) / float64(f.n))
	}
	return number(f.sum / float64(f.n))
}

// wholeFloat converts a sum of ints: exactly rounded when it fits 64 bits, else from its signed upper and unsigned lower half.
func wholeFloat(x *big.Int) float64 {
	if x.IsInt64() {
		return float64(x.Int64())
	}
	hi := new(big.Int).Rsh(x, 64) // rounds towards minus infinity
	lo := new(big.Int).Sub(x, new(big.Int).Lsh(hi, 64))
	return float64(float64(hi.Int64())*0x1p64) + float64(lo.Uint64())
}

// estimate is the number of distinct values: exact up to sixteen, beyond that HyperLogLog's guess from 256 registers. (Panes of more than
// sixteen make a union of more than sixteen, so the union alone decides.)
func estimate(distinct map[string]bool) int64 {
	if len(distinct) <= 16 {
		return int64(len(distinct))
	}
	var registers [256]int
	for v := range distinct {
		h := xxh3.HashString(v)
		rank := bits.LeadingZeros64(h<<8|1<<7) + 1
		registers[h>>56] = max(registers[h>>56], rank)
	}
	zeros, sum := 0, 0.0
	for _, rank := range registers {
		sum += math.Ldexp(1, -rank)
		if rank == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/256) * 256 * 256 / sum
	if e <= 640 && zeros > 0 {
		e = 256 * math.Log(256/float64(zeros))
	}
	return int64(math.Round(e))
}
