package baseline

import (
	"math"

	"insolite/internal/event"
)

var unknown = math.NaN()

// Read tells about a value at an instant.
func (m *robust) Read(b []byte, q Query, at event.Time, x float64) Reading {
	r := Reading{From: event.NoTime, Expected: unknown, Lower: unknown, Upper: unknown, Score: unknown, P: unknown}
	s := state(b)
	if len(b) == 0 || m.ended(s, at) {
		return r
	}
	r.Samples, r.From = int(s.samples()), s.began()
	if r.Samples < q.MinSamples || m.spec.Season != None && at < s.began().Add(m.spec.Season.Period()) {
		return r
	}
	u := m.expect(s, m.spec.bucket(at))
	least := q.MinDeviation
	if q.Relative {
		least = math.Abs(mul(least, u.value))
	}
	r.Expected = u.value
	r.Lower, r.Upper = min(u.at(-bandAt), u.value-least), max(u.at(bandAt), u.value+least)
	if math.Abs(x) <= Limit {
		r.Score, r.P = u.score(x, q.Direction, least)
	}
	return r
}

// score returns how many standard deviations a value is off, and how probable it is to be so far off.
func (u *usual) score(x float64, d Direction, least float64) (score, p float64) {
	score = u.certain(u.normal(x))
	if math.Abs(x-u.value) < least || d == Up && score < 0 || d == Down && score > 0 {
		return 0, 1
	}
	p = tail(math.Abs(score))
	if d == Both {
		p = mul(2, p)
	}
	return score, min(p, 1)
}

// certain turns what follows Student's distribution, as long as there are few samples, into what is normal: Wallace's approximation.
func (u *usual) certain(t float64) float64 {
	n := u.free
	z := mul(math.Sqrt(mul(n, ln1p(mul(t, t)/n))), (mul(8, n)+1)/(mul(8, n)+3))
	return math.Copysign(min(z, scoreMax), t)
}

// at is the value of a score: the inverse.
func (u *usual) at(score float64) float64 {
	n := u.free
	z := mul(score, (mul(8, n)+3)/(mul(8, n)+1))
	t := math.Copysign(math.Sqrt(mul(n, exp(mul(z, z)/n)-1)), score)
	return u.value + mul(skewed(t, u.skew), u.scale)
}
