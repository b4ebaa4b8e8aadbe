package baseline

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"insolite/internal/event"
)

// Model is a detector: what is usual of a key, and how far a value is from it. The state is Size bytes that the caller keeps, all zero at first.
type Model interface {
	Size() int
	// Read tells about a value, which may be NaN, at an instant. It changes nothing.
	Read(state []byte, q Query, at event.Time, x float64) Reading
	// Absorb learns from a value.
	Absorb(state []byte, at event.Time, x float64)
}

// New returns the model of a spec. It may be used by one goroutine at a time.
func New(s Spec) (Model, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	m := &robust{spec: s}
	if s.Season != None {
		periods := max(2, int64(s.History/s.Season.Period()))
		m.visit = max(1, weightMax/float64(periods))
		m.most = min(255, math.Floor(mul(m.visit, float64(periods))))
		m.visit = math.Floor(m.visit)
	}
	return m, nil
}

// The constants of the model.
const (
	clip        = 3.0                // how many standard deviations a value counts for at most
	clipVar     = 0.9950072780344535 // mean of min(Z², clip²) of a standard normal Z
	skewMax     = 1.5
	sureFirst   = 2 // samples that the first guess at a season's noise weighs
	latelyKept  = 16
	skewPrior   = 30.0 // samples that speak for no skew
	skewMin     = 1e-9 // below, there is none
	lnFloor     = -2.995732273553991
	floorAt     = 0.05  // of 1 + g·z: beyond, the score goes on along the tangent
	strangeStep = 2     // for each sample beyond clip; each other one takes one off
	strangeMax  = 32    // the level is another one
	weightMax   = 240.0 // of a bucket: it has a byte
	scoreMax    = 100.0
	bandAt      = 3.0 // the score of Lower and Upper
)

// Limit is the largest magnitude that is a sample.
const Limit = 1e30

// robust is the model of the package's doc.
type robust struct {
	spec  Spec
	visit float64 // what one visit of a bucket weighs at most
	most  float64 // what all do
}

// Size is the size of the state in bytes.
func (m *robust) Size() int { return (headBytes + 5*m.spec.Season.Buckets() + 7) &^ 7 }

// ended reports whether what was learned counts no more at an instant.
func (m *robust) ended(s state, at event.Time) bool {
	return s.samples() == 0 || at > s.newest().Add(m.spec.History)
}

// usual is what is expected of a value.
type usual struct {
	value float64
	scale float64 // one standard deviation
	skew  float64
	free  float64 // degrees of freedom
}

// expect returns what is expected in a bucket.
func (m *robust) expect(s state, bucket int) usual {
	n := s.weight()
	u := usual{value: s.level(), skew: s.skew()}
	variance := s.total()
	if s.sure() > 0 {
		noise := s.noise()
		season := max(0, variance-noise)
		if w := mul(float64(s.known()[bucket]), season); w > 0 {
			w /= w + noise
			u.value += mul(w, s.base()+s.offset(bucket)-u.value)
			variance = noise + mul(season, 1-w)
		}
		n = min(n, s.sure())
	}
	u.free = max(1, mul(n, 0.5))
	least := s.step()
	if least == 0 {
		least = math.Abs(u.value) / 100
	}
	u.scale = max(math.Sqrt(mul(variance, 1+1.5/n)), least)
	return u
}

// normal is how many standard deviations of a normal distribution a value is off.
func (u *usual) normal(x float64) float64 {
	d := x - u.value
	if u.scale == 0 {
		return mul(scoreMax, float64(cmp.Compare(d, 0)))
	}
	return straight(clamp(d/u.scale, -1e6, 1e6), u.skew)
}

// straight takes the skew g out of z: ln(1+g·z)/g.
func straight(z, g float64) float64 {
	if math.Abs(g) < skewMin {
		return z
	}
	y := mul(g, z)
	if y >= floorAt-1 {
		return ln1p(y) / g
	}
	return (lnFloor + (y+(1-floorAt))/floorAt) / g
}

// skewed is the inverse of straight.
func skewed(z, g float64) float64 {
	if math.Abs(g) < skewMin {
		return z
	}
	y := mul(g, z)
	if y >= lnFloor {
		return (exp(y) - 1) / g
	}
	return (floorAt - 1 + mul(y-lnFloor, floorAt)) / g
}

// Absorb learns from a value at an instant.
func (m *robust) Absorb(b []byte, at event.Time, x float64) {
	if !(math.Abs(x) <= Limit) {
		return
	}
	s := state(b)
	if m.ended(s, at) {
		clear(s)
		s.setNewest(at)
		s.setBegan(at)
		s.setBase(x)
		s.setLast(x)
	}
	m.age(s, at)
	bucket := m.spec.bucket(at)
	m.arrive(s, bucket, at)
	if d := math.Abs(x - s.last()); d > 0 && (s.step() == 0 || d < s.step()) {
		s.setStep(d)
	}
	s.setLast(x)
	n := s.samples()
	if n < math.MaxUint32 {
		s.setSamples(n + 1)
	}
	if n < recentKept {
		m.first(s, x, int(n)+1)
	} else {
		m.learn(s, bucket, at, x)
	}
}

// age lets the past count for less.
func (m *robust) age(s state, at event.Time) {
	if at <= s.newest() {
		return
	}
	h := float64(m.spec.History)
	less := h / (h + float64(at-s.newest()))
	s.setWeight(mul(s.weight(), less))
	s.setSure(mul(s.sure(), less))
	s.setNewest(at)
}

// first learns from one of the first 16 samples: level and scale are those of all of them.
func (m *robust) first(s state, x float64, n int) {
	s.keep(x - s.base())
	center, scale := spread(s, n)
	s.setLevel(s.base() + center)
	s.setTotal(mul(scale, scale))
	s.setNoise(s.total())
	s.setWeight(s.weight() + 1)
	m.stay(s, x-s.base())
}

// learn learns from a later sample.
func (m *robust) learn(s state, bucket int, at event.Time, x float64) {
	seasonal := m.spec.Season != None
	begun := at >= s.began().Add(m.spec.Season.Period())
	if seasonal && begun && s.sure() == 0 {
		_, scale := spread(s, recentKept)
		s.setNoise(min(mul(scale, scale), s.total()))
		s.setSure(sureFirst)
	}
	u := m.expect(s, bucket)
	z := u.normal(x)
	strange := max(0, s.strange()-1)
	if z > clip || z < -clip {
		strange = s.strange() + strangeStep
	}
	s.keep(x - u.value + (s.level() - s.base()))
	if strange >= strangeMax && begun {
		m.rebase(s)
		return
	}
	s.setStrange(min(strange, strangeMax))
	z = clamp(z, -clip, clip)
	m.adapt(s, x)
	if !seasonal {
		s.lean(z, s.weight())
		s.setNoise(s.total())
		return
	}
	m.stay(s, u.value+mul(u.scale, z)-s.base())
	if begun {
		s.hear(bucket, x)
		s.lean(z, s.sure())
	} else {
		s.lean(z, s.weight())
	}
}

// hear lets the noise learn from how far a sample is from the level of its bucket, which is as uncertain as its weight is small.
func (s state) hear(bucket int, x float64) {
	c := float64(s.known()[bucket])
	scale := max(math.Sqrt(s.noise()), s.step())
	if c == 0 || scale == 0 {
		return
	}
	wide := mul(scale, math.Sqrt(1+1/c))
	z := clamp(straight(clamp((x-s.base()-s.offset(bucket))/wide, -1e6, 1e6), s.skew()), -clip, clip)
	n := s.sure() + 1
	noise := s.noise() + (mul(mul(scale, scale), mul(z, z)/clipVar)-s.noise())/n
	s.setNoise(min(noise, s.total()))
	s.setSure(n)
}

// lean lets the skew learn from a sample that is z standard deviations off, after n of them: where the skew is right, the mean of z³ - 3z about
// the middle is zero, and where it is one too low, about 3. The middle is that of the last few: a drift is no skew.
func (s state) lean(z, n float64) {
	lately := s.lately()
	s.setLately(lately + mul(z-lately, 1.0/latelyKept))
	z = clamp(z-lately, -clip, clip)
	off := mul(mul(z, z)-3, z) / 3
	s.setSkew(clamp(s.skew()+off/(n+skewPrior), -skewMax, skewMax))
}

// adapt lets the level and what varies about it learn from a sample.
func (m *robust) adapt(s state, x float64) {
	n := s.weight() + 1
	s.setWeight(n)
	scale := max(math.Sqrt(s.total()), s.step())
	if scale == 0 {
		return
	}
	z := clamp(straight(clamp((x-s.level())/scale, -1e6, 1e6), s.skew()), -clip, clip)
	s.setLevel(s.level() + mul(scale, z)/n)
	s.setTotal(s.total() + (mul(mul(scale, scale), mul(z, z)/clipVar)-s.total())/n)
}

// rebase begins anew from the last 16 samples, in the shape that the season had.
func (m *robust) rebase(s state) {
	center, scale := spread(s, recentKept)
	move := s.base() + center - s.level()
	s.setLevel(s.level() + move)
	noise := mul(scale, scale)
	s.setNoise(noise)
	if m.spec.Season != None {
		s.setBase(s.base() + move)
		s.setTotal(max(s.total(), noise))
		s.setVisits(0)
		s.setSure(recentKept)
	} else {
		s.setTotal(noise)
	}
	s.setWeight(recentKept)
	s.setStrange(0)
	s.setLately(0)
}

// arrive ends the visit of a bucket when a sample is of another one, or of another day.
func (m *robust) arrive(s state, bucket int, at event.Time) {
	if m.spec.Season == None {
		return
	}
	hour := int32(floorDiv(int64(at), int64(time.Hour)))
	apart := hour - s.visitHour()
	if s.visits() > 0 && (bucket != s.visited() || apart > 1 || apart < -1) {
		m.fold(s)
	}
	if s.visits() == 0 {
		s.setVisit(bucket, hour, 0, 0)
	}
}

// stay adds a sample to the visit.
func (m *robust) stay(s state, v float64) {
	if m.spec.Season == None {
		return
	}
	n := s.visits() + 1
	mean := s.visitMean()
	s.setVisit(s.visited(), s.visitHour(), n, mean+(v-mean)/float64(n))
}

// fold lets a bucket learn from the visit, which ends.
func (m *robust) fold(s state) {
	b := s.visited()
	known := float64(s.known()[b])
	add := min(float64(s.visits()), m.visit)
	s.setOffset(b, s.offset(b)+mul(s.visitMean()-s.offset(b), add/(known+add)))
	s.known()[b] = byte(min(known+add, m.most))
	s.setVisits(0)
}

// spread returns the median of the recent samples, and their scale: the median distance from it, or where that is zero the mean distance, so
// that it is the standard deviation of a normal distribution.
func spread(s state, n int) (center, scale float64) {
	var all [recentKept]float64
	v := all[:n]
	for i := range v {
		v[i] = s.f32(recentAt + 4*i)
	}
	center = median(v)
	sum := 0.0
	for i := range v {
		v[i] = math.Abs(v[i] - center)
		sum += v[i]
	}
	if mid := median(v); mid > 0 {
		return center, mul(1.4826022185056018, mid)
	}
	return center, mul(1.2533141373155003, sum/float64(n))
}

// median sorts v.
func median(v []float64) float64 {
	for i := 1; i < len(v); i++ { // few of them
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
