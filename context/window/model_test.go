package window

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

// The model is the definition, written without any thought of cost: it keeps every sample in log order.

type modelSample struct {
	at     event.Time
	values []event.Value
}

// modelState is a pane's state.
type modelState struct {
	n        int
	ints     big.Int
	sum      float64
	mean, m2 float64
	min, max event.Value
	hashes   map[uint64]bool
	values   []event.Value
}

func (s *modelState) add(v event.Value) {
	s.n++
	switch v.Kind {
	case event.KindInt:
		s.ints.Add(&s.ints, big.NewInt(v.Int()))
	}
	if v.Kind == event.KindInt || v.Kind == event.KindNumber {
		x := v.Float()
		if s.n == 1 {
			s.sum = x
		} else {
			s.sum += x
		}
		d := x - s.mean
		s.mean += d / float64(s.n)
		s.m2 += float64(d * (x - s.mean))
	}
	if s.n == 1 || modelLess(v, s.min) {
		s.min = v
	}
	if s.n == 1 || modelLess(s.max, v) {
		s.max = v
	}
	if s.hashes == nil {
		s.hashes = map[uint64]bool{}
	}
	s.values = append(s.values, v)
	s.hashes[xxh3.Hash(event.AppendKeyPart(nil, &v))] = true
}

func modelLess(a, b event.Value) bool {
	if a.Kind == event.KindNumber {
		return a.Float() < b.Float()
	}
	return a.Int() < b.Int()
}

// merge folds a younger pane into s.
func (s *modelState) merge(b *modelState) {
	if b.n == 0 {
		return
	}
	if s.n == 0 {
		*s = *b
		s.ints = *new(big.Int).Set(&b.ints)
		s.hashes, s.values = map[uint64]bool{}, slices.Clone(b.values)
	} else {
		n := s.n + b.n
		s.ints.Add(&s.ints, &b.ints)
		s.sum += b.sum
		d := b.mean - s.mean
		s.m2 = s.m2 + b.m2 + float64(float64(d*d)*(float64(float64(s.n)*float64(b.n))/float64(n)))
		s.mean += float64(d * (float64(b.n) / float64(n)))
		s.n = n
		s.values = append(s.values, b.values...)
		if modelLess(b.min, s.min) {
			s.min = b.min
		}
		if modelLess(s.max, b.max) {
			s.max = b.max
		}
	}
	for h := range b.hashes {
		s.hashes[h] = true
	}
}

func (s *modelState) value(spec Spec, q Query, estimate bool) event.Value {
	switch q.Agg {
	case AggCount:
		return event.IntValue(int64(s.n))
	case AggSum:
		if spec.Kinds[0] == event.KindNumber {
			return event.NumberValue(s.sum)
		}
		if !s.ints.IsInt64() {
			return event.Value{}
		}
		return event.IntValue(s.ints.Int64())
	case AggAvg:
		if s.n == 0 {
			return event.Value{}
		}
		if spec.Kinds[0] == event.KindInt {
			f, _ := new(big.Float).SetInt(&s.ints).Float64() // the tests' sums are small enough for one rounding
			return event.NumberValue(f / float64(s.n))
		}
		return event.NumberValue(s.sum / float64(s.n))
	case AggStddev:
		if s.n < 2 {
			return event.Value{}
		}
		return event.NumberValue(math.Sqrt(s.m2 / float64(s.n-1)))
	case AggMin:
		return s.min
	case AggMax:
		return s.max
	case AggPercentile:
		return modelPercentile(s.values, q.P, spec.Exact || spec.Window.Kind == Exact || spec.Window.Kind == Events)
	}
	if !estimate {
		return event.IntValue(int64(len(s.hashes)))
	}
	return event.IntValue(modelEstimate(s.hashes))
}

func modelEstimate(hashes map[uint64]bool) int64 {
	var reg [256]int
	for h := range hashes {
		reg[h>>56] = max(reg[h>>56], min(bits.LeadingZeros64(h<<8), 56)+1)
	}
	sum, zeros := 0.0, 0.0
	for _, r := range reg {
		sum += math.Pow(2, -float64(r))
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/256) * 256 * 256 / sum
	if e <= 640 && zeros > 0 {
		e = 256 * math.Log(256/zeros)
	}
	return int64(math.Round(e))
}

// modelPercentile sorts what the samples are read as.
func modelPercentile(values []event.Value, p Percent, exact bool) event.Value {
	if len(values) == 0 {
		return event.Value{}
	}
	values = slices.Clone(values)
	if !exact {
		for i := range values {
			values[i] = modelBin(values[i])
		}
	}
	slices.SortFunc(values, func(a, b event.Value) int {
		if modelLess(a, b) {
			return -1
		}
		if modelLess(b, a) {
			return 1
		}
		return cmp.Compare(int64(a.N), int64(b.N)) // -0 before 0
	})
	rank := new(big.Rat).SetFrac64(int64(p)*int64(len(values)), 100_000)
	r, rest := new(big.Int).QuoRem(rank.Num(), rank.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		r.Add(r, big.NewInt(1))
	}
	return values[r.Int64()-1]
}

var modelBins = map[event.Value]event.Value{}

// modelBin is what the bin of a value gives.
func modelBin(v event.Value) event.Value {
	b, ok := modelBins[v]
	if !ok {
		b = modelFindBin(v)
		modelBins[v] = b
	}
	return b
}

// modelFindBin looks at every bin.
func modelFindBin(v event.Value) event.Value {
	x, kind := new(big.Float), v.Kind
	if kind == event.KindInt {
		x.SetInt64(v.Int())
	} else {
		x.SetFloat64(v.Float())
	}
	sign := x.Sign()
	x.Abs(x)
	low, high := new(big.Float), new(big.Float)
	for e := -32; e <= 62; e++ {
		for i := range 16 {
			low.SetMantExp(big.NewFloat(1+float64(i)/16), e)
			high.SetMantExp(big.NewFloat(1+float64(i+1)/16), e)
			if x.Cmp(low) < 0 && e == -32 && i == 0 {
				return event.Value{Kind: kind}
			}
			if x.Cmp(high) >= 0 && (e < 62 || i < 15) {
				continue
			}
			if kind == event.KindNumber {
				middle, _ := low.Add(low, high).Float64()
				return event.NumberValue(float64(sign) * middle / 2)
			}
			first, _ := low.Int(nil)
			last, acc := high.Int(nil)
			if acc == big.Exact {
				last.Sub(last, big.NewInt(1))
			}
			return event.IntValue(int64(sign) * first.Add(first, last).Rsh(first, 1).Int64())
		}
	}
	panic("no bin")
}

// model answers for one cell.
type model struct {
	spec     Spec
	samples  []modelSample // in log order
	sessions []*modelSession
}

type modelSession struct {
	start, end event.Time
	state      modelState
}

func (m *model) joined(at event.Time) (joined, others []*modelSession) {
	for _, s := range m.sessions {
		if s.start.Add(-m.spec.Window.Length) <= at && at <= s.end.Add(m.spec.Window.Length) {
			joined = append(joined, s)
		} else {
			others = append(others, s)
		}
	}
	return joined, others
}

func (m *model) first(values []event.Value) event.Value {
	if len(values) == 0 {
		return event.Value{}
	}
	return values[0]
}

func (m *model) add(at event.Time, values []event.Value) {
	m.samples = append(m.samples, modelSample{at, slices.Clone(values)})
	joined, others := m.joined(at)
	s := &modelSession{start: at, end: at}
	for _, j := range joined {
		s.state.merge(&j.state)
		s.start, s.end = min(s.start, j.start), max(s.end, j.end)
	}
	s.state.add(m.first(values))
	m.sessions = append(others, s)
	slices.SortFunc(m.sessions, func(a, b *modelSession) int { return cmp.Compare(a.start, b.start) })
}

// byTime returns the samples by (time, log order), at most n of them, the last.
func (m *model) byTime(n int) []modelSample {
	s := slices.Clone(m.samples)
	slices.SortStableFunc(s, func(a, b modelSample) int { return cmp.Compare(a.at, b.at) })
	return s[max(0, len(s)-n):]
}

// panes returns the panes of the window in order.
func (m *model) panes(at event.Time) (panes []*modelState) {
	switch w := m.spec.Window; w.Kind {
	case Sliding:
		s := float64(w.Step())
		p := int64(math.Floor(float64(at) / s))
		for q := p - 60; q <= p; q++ {
			panes = append(panes, m.fold(m.samples, func(t event.Time) bool { return int64(math.Floor(float64(t)/s)) == q }))
		}
	case Calendar:
		from, to := w.Bucket(at)
		panes = append(panes, m.fold(m.samples, func(t event.Time) bool { return from <= t && t < to }))
	case Session:
		joined, _ := m.joined(at)
		for _, j := range joined {
			panes = append(panes, &j.state)
		}
	case Exact:
		panes = append(panes, m.fold(m.byTime(MaxRows), func(t event.Time) bool { return at.Add(-w.Length) < t && t <= at }))
	case Events:
		panes = append(panes, m.fold(m.samples[max(0, len(m.samples)-w.N):], func(event.Time) bool { return true }))
	case Forever:
		panes = append(panes, m.fold(m.samples, func(event.Time) bool { return true }))
	}
	return panes
}

func (m *model) fold(samples []modelSample, in func(event.Time) bool) *modelState {
	s := &modelState{}
	for _, x := range samples {
		if in(x.at) {
			s.add(m.first(x.values))
		}
	}
	return s
}

// read returns the value and the number of samples for an event at an instant.
func (m *model) read(q Query, at event.Time) ([]event.Value, int) {
	if m.spec.Family == Recent {
		return m.recent(q.Agg, at)
	}
	all, wide := &modelState{}, false
	for _, p := range m.panes(at) {
		wide = wide || len(p.hashes) > 16
		all.merge(p)
	}
	estimate := (wide || len(all.hashes) > 16) && !m.spec.Exact
	return []event.Value{all.value(m.spec, q, estimate)}, all.n
}

// recent answers first, last, delta and time_since from the last 16 samples.
func (m *model) recent(agg Agg, at event.Time) ([]event.Value, int) {
	kept := m.byTime(16)
	w := m.spec.Window
	in := func(t event.Time) bool { return true }
	switch w.Kind {
	case Sliding:
		from, _ := w.Bounds(at)
		in = func(t event.Time) bool { return t >= from }
	case Exact:
		in = func(t event.Time) bool { return t > at.Add(-w.Length) }
	case Calendar:
		from, to := w.Bucket(at)
		in = func(t event.Time) bool { return t >= from && t < to }
	case Events:
		kept = m.samples[max(0, len(m.samples)-min(w.N, 16)):]
		kept = slices.SortedStableFunc(slices.Values(kept), func(a, b modelSample) int { return cmp.Compare(a.at, b.at) })
	case Session:
		chains := &model{spec: Spec{Window: w}}
		for _, k := range kept {
			chains.add(k.at, []event.Value{event.IntValue(0)})
		}
		joined, _ := chains.joined(at)
		in = func(t event.Time) bool {
			return slices.ContainsFunc(joined, func(s *modelSession) bool { return s.start <= t && t <= s.end })
		}
	}
	var s []modelSample
	for _, k := range kept {
		if in(k.at) && k.at <= at {
			s = append(s, k)
		}
	}
	none := make([]event.Value, max(1, len(m.spec.Kinds)))
	n := len(s)
	switch {
	case n == 0:
		return none, 0
	case agg == AggFirst:
		return s[0].values, n
	case agg == AggLast:
		return s[n-1].values, n
	case agg == AggTimeSince:
		return []event.Value{event.DurationValue(time.Duration(at - s[n-1].at))}, n
	case n < 2:
		return none[:1], n
	}
	a, b := s[n-1].values[0], s[n-2].values[0]
	if a.Kind == event.KindNumber {
		return []event.Value{event.NumberValue(a.Float() - b.Float())}, n
	}
	d := new(big.Int).Sub(big.NewInt(a.Int()), big.NewInt(b.Int()))
	if !d.IsInt64() {
		return none[:1], n
	}
	return []event.Value{event.IntValue(d.Int64())}, n
}

// randomValue returns a value of a kind from a small or a large set of them.
func randomValue(r *rand.Rand, k event.Kind, variety int) event.Value {
	n := r.IntN(variety)
	switch k {
	case event.KindInt:
		return event.IntValue(int64(n) * (1 << 40) * int64(1-2*(n&1)))
	case event.KindNumber:
		return event.NumberValue(float64(n) / 7 * float64(1-2*(n&1)))
	case event.KindTime:
		return event.TimeValue(event.Time(n)*1e9, r.IntN(3)*3600)
	case event.KindBool:
		return event.BoolValue(n&1 != 0)
	case event.KindString:
		return event.StringValue("text "[:n%6] + string(rune('a'+n%26)) + big.NewInt(int64(n)).String())
	}
	return event.Value{}
}
