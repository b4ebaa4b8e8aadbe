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

func (sumInts) size() int      { return 24 }
func (sumInts) commutes() bool { return true }

func (sumInts) add(s []byte, v *event.Value) {
	setSamples(s, samples(s)+1)
	addInt128(s, v.N, uint64(v.Int()>>63))
}

func (sumInts) merge(a, b []byte) {
	setSamples(a, samples(a)+samples(b))
	addInt128(a, le.Uint64(b[8:]), le.Uint64(b[16:]))
}

func addInt128(s []byte, lo, hi uint64) {
	lo, carry := bits.Add64(le.Uint64(s[8:]), lo, 0)
	hi, _ = bits.Add64(le.Uint64(s[16:]), hi, carry)
	le.PutUint64(s[8:], lo)
	le.PutUint64(s[16:], hi)
}

func (sumInts) read(s []byte, agg Agg, v *event.Value) {
	n, lo, hi := samples(s), le.Uint64(s[8:]), int64(le.Uint64(s[16:]))
	fits := hi == int64(lo)>>63
	switch {
	case agg == AggAvg && fits:
		*v = mean(float64(int64(lo)), n)
	case agg == AggAvg:
		*v = mean(float64(float64(hi)*(1<<64))+float64(lo), n)
	case fits:
		*v = event.IntValue(int64(lo))
	default:
		*v = event.Value{}
	}
}

// sumNumbers is {n, sum}. A pane's sum starts with its first value; the fold of panes starts with the first sum. Empty: sum 0, avg
// unknown; what is not finite is unknown.
type sumNumbers struct{}

func (sumNumbers) size() int      { return 16 }
func (sumNumbers) commutes() bool { return false }

func (sumNumbers) add(s []byte, v *event.Value) {
	n, x := samples(s), v.Float()
	if n > 0 {
		x = getFloat(s, 8) + x
	}
	setSamples(s, n+1)
	putFloat(s, 8, x)
}

func (sumNumbers) merge(a, b []byte) {
	na, nb := samples(a), samples(b)
	switch {
	case nb == 0:
	case na == 0:
		copy(a, b[:16])
	default:
		setSamples(a, na+nb)
		putFloat(a, 8, getFloat(a, 8)+getFloat(b, 8))
	}
}

func (sumNumbers) read(s []byte, agg Agg, v *event.Value) {
	if agg == AggAvg {
		*v = mean(getFloat(s, 8), samples(s))
		return
	}
	*v = finite(getFloat(s, 8))
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
