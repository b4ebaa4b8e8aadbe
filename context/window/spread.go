package window

import (
	"math"

	"insolite/internal/event"
)

// spread is {n, mean, M2}: Welford's running mean and sum of squared distances from it, merged as by Chan, Golub and LeVeque (1979).
// The standard deviation is √(M2/(n-1)). Below two samples, or when it is not finite: unknown.
type spread struct{}

// moments is the state of spread.
type moments struct {
	n        uint64
	mean, m2 float64
}

func loadMoments(s []byte) moments {
	_ = s[23]
	return moments{samples(s), getFloat(s, 8), getFloat(s, 16)}
}

func (a moments) store(s []byte) {
	_ = s[23]
	setSamples(s, a.n)
	putFloat(s, 8, a.mean)
	putFloat(s, 16, a.m2)
}

func (a moments) plus(b moments) moments {
	switch {
	case b.n == 0:
		return a
	case a.n == 0:
		return b
	}
	na, nb, n := float64(a.n), float64(b.n), float64(a.n+b.n)
	d := b.mean - a.mean
	return moments{
		n:    a.n + b.n,
		mean: a.mean + float64(d*float64(nb/n)),
		m2:   a.m2 + b.m2 + float64(float64(d*d)*float64(float64(na*nb)/n)),
	}
}

func (a moments) read(v *event.Value) {
	if a.n < 2 {
		*v = event.Value{}
		return
	}
	*v = finite(math.Sqrt(a.m2 / float64(a.n-1)))
}

func (spread) size() int      { return 24 }
func (spread) commutes() bool { return false }

func (a moments) and(x float64) moments {
	d := x - a.mean
	m := a.mean + d/float64(a.n+1)
	return moments{a.n + 1, m, a.m2 + float64(d*(x-m))}
}

func (spread) add(s []byte, v *event.Value) { loadMoments(s).and(v.Float()).store(s) }

func (spread) merge(a, b []byte) { loadMoments(a).plus(loadMoments(b)).store(a) }

func (spread) fold(a, entries []byte, stride int) {
	m := loadMoments(a)
	for len(entries) > 0 {
		m = m.plus(loadMoments(entries))
		entries = entries[min(stride, len(entries)):]
	}
	m.store(a)
}

func (spread) read(s []byte, _ Agg, v *event.Value) { loadMoments(s).read(v) }

func (spread) both(a, b []byte, _ Agg, v *event.Value) int {
	m := loadMoments(a).plus(loadMoments(b))
	m.read(v)
	return int(m.n)
}
