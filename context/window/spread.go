package window

import (
	"math"

	"insolite/internal/event"
)

// spread is {n, mean, M2}: Welford's running mean and sum of squared distances from it, merged as by Chan, Golub and LeVeque (1979).
// The standard deviation is √(M2/(n-1)). Below two samples, or when it is not finite: unknown.
type spread struct{}

func (spread) size() int      { return 24 }
func (spread) commutes() bool { return false }

func (spread) add(s []byte, v *event.Value) {
	n, x := samples(s)+1, v.Float()
	m := getFloat(s, 8)
	d := x - m
	m += d / float64(n)
	setSamples(s, n)
	putFloat(s, 8, m)
	putFloat(s, 16, getFloat(s, 16)+float64(d*(x-m)))
}

func (spread) merge(a, b []byte) {
	na, nb := samples(a), samples(b)
	if nb == 0 {
		return
	}
	if na == 0 {
		copy(a, b[:24])
		return
	}
	n := na + nb
	d := getFloat(b, 8) - getFloat(a, 8)
	m := getFloat(a, 8) + float64(d*float64(float64(nb)/float64(n)))
	both := float64(float64(na)*float64(nb)) / float64(n)
	m2 := getFloat(a, 16) + getFloat(b, 16) + float64(float64(d*d)*both)
	setSamples(a, n)
	putFloat(a, 8, m)
	putFloat(a, 16, m2)
}

func (spread) read(s []byte, _ Agg, v *event.Value) {
	n := samples(s)
	if n < 2 {
		*v = event.Value{}
		return
	}
	*v = finite(math.Sqrt(getFloat(s, 16) / float64(n-1)))
}
