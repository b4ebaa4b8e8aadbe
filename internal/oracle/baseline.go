package oracle

import (
	"math"
	"slices"
	"time"
)

// Baseline is what makes a feature one that scores its field's values by what is usual; then only Name, Field and MinSamples of the feature count.
type Baseline struct {
	Season    string // empty, hour_of_day, hour_of_week
	Zone      string // empty: UTC
	History   time.Duration
	Direction string  // empty: both
	Deviation float64 // 0: none
	Relative  bool    // Deviation is a share of what is expected
}

// Members returns the names of a feature's values behind its own; none: it has one value.
func (f *Feature) Members() []string {
	if f.Baseline != nil {
		return []string{"value", "expected", "lower", "upper", "score", "p"}
	}
	return f.Fields
}

// usual is all that is known of a key: docs/rules/semantics.md names the letters.
type usual struct {
	*Baseline
	zone                                *time.Location
	n                                   int
	b, newest                           int64
	B, L, S2, N2, g, W, U, q, before, m float64
	k                                   int
	recent                              []float64
	hour, since                         int64
	v                                   int
	mu                                  float64
	offset, weight                      map[int64]float64
	visitMost, weightMost               float64
}

func (u *usual) period() int64 {
	return int64(time.Hour) * map[string]int64{"hour_of_day": 24, "hour_of_week": 168}[u.Season]
}

func (u *usual) hourOf(t int64) int64 {
	local := time.Unix(0, t).In(u.zone)
	if u.Season == "hour_of_week" {
		return (int64(local.Weekday())+6)%7*24 + int64(local.Hour())
	}
	return int64(local.Hour())
}

// reset forgets all.
func (u *usual) reset(x float64, t int64) {
	*u = usual{Baseline: u.Baseline, zone: u.zone, b: t, newest: t, B: x, before: x, offset: map[int64]float64{}, weight: map[int64]float64{}}
	if u.Season != "" {
		periods := math.Max(2, math.Floor(float64(u.History)/float64(u.period())))
		per := math.Max(1, 240/periods)
		u.visitMost, u.weightMost = math.Floor(per), math.Min(255, math.Floor(times(per, periods)))
	}
}

// times is a product that is rounded by itself.
func times(a, b float64) float64 { return float64(a * b) }

func within(x, most float64) float64 { return math.Max(-most, math.Min(most, x)) }

// straighten is T.
func straighten(y, g float64) float64 {
	y = within(y, 1e6)
	if math.Abs(g) < 1e-9 {
		return y
	}
	e := times(g, y)
	if e >= -0.95 {
		return logPlus(e) / g
	}
	return (-2.995732273553991 + (e+0.95)/0.05) / g
}

// bend is the inverse of T.
func bend(t, g float64) float64 {
	if math.Abs(g) < 1e-9 {
		return t
	}
	e := times(g, t)
	if e >= -2.995732273553991 {
		return (expOf(e) - 1) / g
	}
	return (-0.95 + times(e+2.995732273553991, 0.05)) / g
}

func middle(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

// spread returns the center of the kept residuals, and their scale. The sum goes by the order of their sizes, in which the center has put them.
func (u *usual) spread() (center, scale float64) {
	center = middle(u.recent)
	var far []float64
	sum := 0.0
	for _, r := range slices.Sorted(slices.Values(u.recent)) {
		far = append(far, math.Abs(r-center))
		sum += math.Abs(r - center)
	}
	if mid := middle(far); mid > 0 {
		return center, times(1.4826022185056018, mid)
	}
	return center, times(1.2533141373155003, sum/float64(len(far)))
}

func (u *usual) keep(r float64) {
	u.recent = append(u.recent, float64(float32(r)))
	u.recent = u.recent[max(0, len(u.recent)-16):]
}

// expect returns what is expected at an hour, its scale, and the degrees of freedom.
func (u *usual) expect(hour int64) (value, scale, free float64) {
	w, variance := u.W, u.S2
	value = u.L
	if u.U > 0 {
		season := math.Max(0, u.S2-u.N2)
		if trust := times(u.weight[hour], season); trust > 0 {
			trust /= trust + u.N2
			value += times(trust, u.B+u.offset[hour]-u.L)
			variance = u.N2 + times(season, 1-trust)
		}
		w = math.Min(w, u.U)
	}
	least := u.q
	if least == 0 {
		least = math.Abs(value) / 100
	}
	return value, math.Max(math.Sqrt(times(variance, 1+1.5/w)), least), math.Max(1, w/2)
}

func normal(x, value, scale, g float64) float64 {
	if scale > 0 {
		return straighten((x-value)/scale, g)
	}
	if x == value {
		return 0
	}
	return math.Copysign(100, x-value)
}

// learn takes a sample, the numbers being those of the definition.
func (u *usual) learn(x float64, t int64) {
	if math.Abs(x) > 1e30 {
		return
	}
	if u.n == 0 || t > u.newest+int64(u.History) { // 1
		u.reset(x, t)
	}
	if t > u.newest { // 2
		less := float64(u.History) / (float64(u.History) + float64(t-u.newest))
		u.W, u.U, u.newest = times(u.W, less), times(u.U, less), t
	}
	seasonal, hour := u.Season != "", u.hourOf(t)
	if seasonal { // 3
		since := floorDiv(t, int64(time.Hour))
		if u.v > 0 && (hour != u.hour || since > u.since+1 || since < u.since-1) {
			c, a := u.weight[u.hour], math.Min(float64(u.v), u.visitMost)
			o := u.offset[u.hour]
			u.offset[u.hour] = float64(float32(o + times(u.mu-o, a/(c+a))))
			u.weight[u.hour] = math.Floor(math.Min(c+a, u.weightMost))
			u.v = 0
		}
		if u.v == 0 {
			u.hour, u.since, u.mu = hour, since, 0
		}
	}
	if d := math.Abs(x - u.before); d > 0 && (u.q == 0 || d < u.q) { // 4
		u.q = d
	}
	u.before = x
	u.n++
	if u.n > 16 {
		u.adapt(x, t, hour, seasonal)
		return
	}
	u.keep(x - u.B) // 5
	center, scale := u.spread()
	u.L, u.S2 = u.B+center, times(scale, scale)
	u.N2 = u.S2
	u.W++
	if seasonal {
		u.visit(x - u.B)
	}
}

func (u *usual) visit(y float64) {
	u.v++
	u.mu += (y - u.mu) / float64(u.v)
}

const meanClipped = 0.9950072780344535

// adapt is 6 to 9.
func (u *usual) adapt(x float64, t, hour int64, seasonal bool) {
	begun := t >= u.b+u.period() // 6
	if seasonal && begun && u.U == 0 {
		_, scale := u.spread()
		u.N2, u.U = math.Min(times(scale, scale), u.S2), 2
	}
	value, scale, _ := u.expect(hour)
	z := normal(x, value, scale, u.g)
	k := max(0, u.k-1)
	if math.Abs(z) > 3 {
		k = u.k + 2
	}
	u.keep(x - value + (u.L - u.B))
	if k >= 32 && begun { // 7
		center, scale := u.spread()
		move := u.B + center - u.L
		u.L, u.N2 = u.L+move, times(scale, scale)
		if seasonal {
			u.B, u.S2, u.v, u.U = u.B+move, math.Max(u.S2, u.N2), 0, 16
		} else {
			u.S2 = u.N2
		}
		u.W, u.k, u.m = 16, 0, 0
		return
	}
	u.k, z = min(k, 32), within(z, 3)
	u.W++ // 8
	if s := math.Max(math.Sqrt(u.S2), u.q); s > 0 {
		y := within(straighten((x-u.L)/s, u.g), 3)
		u.L += times(s, y) / u.W
		u.S2 += (times(times(s, s), times(y, y)/meanClipped) - u.S2) / u.W
	}
	if !seasonal { // 9
		u.lean(z, u.W)
		u.N2 = u.S2
		return
	}
	u.visit(value + times(scale, z) - u.B)
	if !begun {
		u.lean(z, u.W)
		return
	}
	s, c := math.Max(math.Sqrt(u.N2), u.q), u.weight[hour]
	if c > 0 && s > 0 {
		y := within(straighten((x-u.B-u.offset[hour])/times(s, math.Sqrt(1+1/c)), u.g), 3)
		u.U++
		u.N2 = math.Min(u.N2+(times(times(s, s), times(y, y)/meanClipped)-u.N2)/u.U, u.S2)
	}
	u.lean(z, u.U)
}

func (u *usual) lean(z, n float64) {
	y := within(z-u.m, 3)
	u.m += (z - u.m) / 16
	u.g = within(u.g+times(times(y, y)-3, y)/3/(n+30), 1.5)
}

// judge writes what a baseline says of an event's value by the samples before it.
func (f *Feature) judge(seen []sample, r *row, o Options, readings map[string]Reading) {
	u := &usual{Baseline: f.Baseline, zone: o.zones.get(f.Baseline.Zone)}
	for _, s := range seen {
		u.learn(s.first.float(), s.at)
	}
	if u.n > 0 && r.at > u.newest+int64(u.History) {
		u.n = 0
	}
	values := make([]Value, 6)
	x := r.value(f.Field)
	if x.Known() {
		values[0] = number(x.float())
	}
	if u.n >= max(1, f.MinSamples) && (u.Season == "" || r.at >= u.b+u.period()) {
		u.tell(values, x, r.at)
	}
	for i, name := range f.Members() {
		readings[f.Name+"."+name] = Reading{Value: values[i], Samples: u.n}
	}
}

func (u *usual) tell(values []Value, x Value, t int64) {
	value, scale, free := u.expect(u.hourOf(t))
	least := u.Deviation
	if u.Relative {
		least = math.Abs(times(least, value))
	}
	at := func(score float64) float64 {
		a := times(score, (times(8, free)+3)/(times(8, free)+1))
		y := math.Copysign(math.Sqrt(times(free, expOf(times(a, a)/free)-1)), score)
		return value + times(bend(y, u.g), scale)
	}
	values[1] = number(value)
	values[2], values[3] = number(math.Min(at(-3), value-least)), number(math.Max(at(3), value+least))
	if !x.Known() || math.Abs(x.float()) > 1e30 {
		return
	}
	y := normal(x.float(), value, scale, u.g)
	score := times(math.Sqrt(times(free, logPlus(times(y, y)/free))), (times(8, free)+1)/(times(8, free)+3))
	score = math.Copysign(math.Min(100, score), y)
	p := upper(math.Abs(score))
	if u.Direction == "" || u.Direction == "both" {
		p = times(2, p)
	}
	if math.Abs(x.float()-value) < least || u.Direction == "up" && score < 0 || u.Direction == "down" && score > 0 {
		score, p = 0, 1
	}
	values[4], values[5] = number(score), number(math.Min(1, p))
}

// logPlus is ln(1+x): near 0 the series of the inverse hyperbolic tangent at x/(2+x), else that of what is left without the power of two.
func logPlus(x float64) float64 {
	atanh := func(x float64) float64 {
		s := x / (2 + x)
		z, sum := times(s, s), 1.0/17
		for _, d := range []float64{15, 13, 11, 9, 7, 5, 3, 1} {
			sum = 1/d + times(z, sum)
		}
		return times(times(2, s), sum)
	}
	if math.Abs(x) < 0.25 {
		return atanh(x)
	}
	f, k := math.Frexp(1 + x)
	if f < math.Sqrt2/2 {
		f, k = f*2, k-1
	}
	return times(float64(k), 6.93147180369123816490e-01) + (times(float64(k), 1.90821492927058770002e-10) + atanh(f-1))
}

// expOf is e^x by 13 terms of its series, at what is left without the power of two.
func expOf(x float64) float64 {
	if x < -700 {
		return 0
	}
	x = math.Min(x, 700)
	k := math.Floor(x/math.Ln2 + 0.5)
	r := x - times(k, 6.93147180369123816490e-01) - times(k, 1.90821492927058770002e-10)
	sum := 1.0
	for d := 13; d >= 1; d-- {
		sum = 1 + times(r, sum)/float64(d)
	}
	return math.Ldexp(sum, int(k))
}

// upper is Q: half of Numerical Recipes' erfcc.
func upper(z float64) float64 {
	x := z / math.Sqrt2
	t := 1 / (1 + x/2)
	sum := 0.17087277
	for _, c := range []float64{-0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368} {
		sum = c + times(t, sum)
	}
	return times(times(t, 0.5), expOf(-times(x, x)-1.26551223+times(t, sum)))
}
