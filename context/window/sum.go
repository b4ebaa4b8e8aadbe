package window

import (
	"math"
	"math/bits"

	"insolite/internal/event"
)

// sumInts is {n, lo, hi}: the exact sum in 128 bits, which 2^64 samples cannot overflow. It serves sum and avg. The mean is the sum as a
// number, divided by n; a sum that does not fit 64 bits is hi·2^64 + lo, which would lose small negative ones, as lo rounds up to 2^64.
// Empty: sum 0, avg unknown; a sum beyond 64 bits is unknown.
type sumInts struct{}

// intSum is the state of sumInts.
type intSum struct{ n, lo, hi uint64 }

func loadIntSum(s []byte) intSum {
	_ = s[23]
	return intSum{samples(s), le.Uint64(s[8:]), le.Uint64(s[16:])}
}

func (a intSum) store(s []byte) {
	_ = s[23]
	setSamples(s, a.n)
	le.PutUint64(s[8:], a.lo)
	le.PutUint64(s[16:], a.hi)
}

func (a intSum) plus(b intSum) intSum {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return intSum{a.n + b.n, lo, hi}
}

func (a intSum) minus(b intSum) intSum {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return intSum{a.n - b.n, lo, hi}
}

func (a intSum) read(agg Agg, v *event.Value) {
	fits := int64(a.hi) == int64(a.lo)>>63
	switch {
	case agg == AggAvg && fits:
		*v = mean(float64(int64(a.lo)), a.n)
	case agg == AggAvg:
		*v = mean(float64(float64(int64(a.hi))*(1<<64))+float64(a.lo), a.n)
	case fits:
		*v = event.IntValue(int64(a.lo))
	default:
		*v = event.Value{}
	}
}

func (sumInts) size() int      { return 24 }
func (sumInts) commutes() bool { return true }

func (sumInts) add(s []byte, v *event.Value) {
	loadIntSum(s).plus(intSum{1, v.N, uint64(v.Int() >> 63)}).store(s)
}

func (sumInts) merge(a, b []byte) { loadIntSum(a).plus(loadIntSum(b)).store(a) }

func (sumInts) unmerge(a, b []byte) bool {
	loadIntSum(a).minus(loadIntSum(b)).store(a)
	return true
}

func (sumInts) fold(a, entries []byte, stride int) {
	sum := loadIntSum(a)
	for len(entries) > 0 {
		sum = sum.plus(loadIntSum(entries))
		entries = entries[min(stride, len(entries)):]
	}
	sum.store(a)
}

func (sumInts) read(s []byte, agg Agg, v *event.Value) { loadIntSum(s).read(agg, v) }

func (sumInts) both(a, b []byte, agg Agg, v *event.Value) int {
	sum := loadIntSum(a).plus(loadIntSum(b))
	sum.read(agg, v)
	return int(sum.n)
}

// sumNumbers is {n, sum}. A pane's sum starts with its first value; the fold of panes starts with the first sum. Empty: sum 0, avg
// unknown; what is not finite is unknown.
type sumNumbers struct{}

// numberSum is the state of sumNumbers.
type numberSum struct {
	n   uint64
	sum float64
}

func loadNumberSum(s []byte) numberSum {
	_ = s[15]
	return numberSum{samples(s), getFloat(s, 8)}
}

func (a numberSum) store(s []byte) {
	_ = s[15]
	setSamples(s, a.n)
	putFloat(s, 8, a.sum)
}

// plus starts with the first sum, so that the sum of negative zeros is one.
func (a numberSum) plus(b numberSum) numberSum {
	switch {
	case a.n == 0:
		return b
	case b.n == 0:
		return a
	}
	return numberSum{a.n + b.n, a.sum + b.sum}
}

func (a numberSum) read(agg Agg, v *event.Value) {
	if agg == AggAvg {
		*v = mean(a.sum, a.n)
		return
	}
	*v = finite(a.sum)
}

func (sumNumbers) size() int      { return 16 }
func (sumNumbers) commutes() bool { return false }

func (sumNumbers) add(s []byte, v *event.Value) {
	loadNumberSum(s).plus(numberSum{1, v.Float()}).store(s)
}

func (sumNumbers) addRows(s, rows []byte, stride int) {
	sum := loadNumberSum(s)
	for ; len(rows) > 0; rows = rows[min(stride, len(rows)):] {
		sum = sum.plus(numberSum{1, getFloat(rows, 8)})
	}
	sum.store(s)
}

func (sumNumbers) merge(a, b []byte) { loadNumberSum(a).plus(loadNumberSum(b)).store(a) }

func (sumNumbers) fold(a, entries []byte, stride int) {
	if samples(a) == 0 { // start with the first sum
		copy(a[8:16], entries[8:])
		setSamples(a, samples(entries))
		entries = entries[min(stride, len(entries)):]
	}
	n, sum := samples(a), getFloat(a, 8)
	for ; len(entries) >= 16; entries = entries[min(stride, len(entries)):] { // none is empty
		n += samples(entries)
		sum += getFloat(entries, 8)
	}
	numberSum{n, sum}.store(a)
}

func (sumNumbers) read(s []byte, agg Agg, v *event.Value) { loadNumberSum(s).read(agg, v) }

func (sumNumbers) both(a, b []byte, agg Agg, v *event.Value) int {
	sum := loadNumberSum(a).plus(loadNumberSum(b))
	sum.read(agg, v)
	return int(sum.n)
}

func mean(sum float64, n uint64) event.Value {
	if n == 0 {
		return event.Value{}
	}
	return finite(sum / float64(n))
}

// finite is a number, or missing when f is not finite: no comparison with it would mean anything.
func finite(f float64) event.Value {
	if math.IsInf(f, 0) {
		return event.Value{}
	}
	return event.NumberValue(f)
}

func getFloat(s []byte, at int) float64    { return math.Float64frombits(le.Uint64(s[at:])) }
func putFloat(s []byte, at int, f float64) { le.PutUint64(s[at:], math.Float64bits(f)) }
