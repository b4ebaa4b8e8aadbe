package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"insolite/internal/event"
)

// Bins are those of the definition at their edges and anywhere, and what they give is off by no more than it says.
func TestBins(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	check := func(v event.Value) {
		t.Helper()
		bin := binOf(v.Kind, &v)
		got := binValue(v.Kind, bin)
		if want := modelBin(v); bin >= binsMax || !sameValue(got, want) {
			t.Fatalf("%s is given as %s (bin %d), want %s", v.Text(), got.Text(), bin, want.Text())
		}
		size := math.Abs(v.Float())
		if size < 0x1p-32 || size > 0x1p63 {
			return
		}
		if off := math.Abs(got.Float()-v.Float()) / size; off > 1.0/32 || off > 0 && size < 32 && v.Kind == event.KindInt {
			t.Fatalf("%s is given as %s, off by %v", v.Text(), got.Text(), off)
		}
	}
	for e := -40; e <= 70; e++ {
		for i := range 17 {
			x := math.Ldexp(1+float64(i)/16, e)
			for _, x := range []float64{x, math.Nextafter(x, 0), math.Nextafter(x, math.Inf(1)), x * (1 + r.Float64()/16)} {
				check(event.NumberValue(x))
				check(event.NumberValue(-x))
			}
			if e >= 0 && e < 63 {
				for d := range int64(3) {
					check(event.IntValue(int64(x) - 1 + d))
					check(event.IntValue(1 - int64(x) - d))
				}
			}
		}
	}
	for _, x := range []float64{0, math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64} {
		check(event.NumberValue(x))
	}
	for _, x := range []int64{0, 1, 31, 32, 33, 100, math.MaxInt64, math.MinInt64, math.MinInt64 + 1} {
		check(event.IntValue(x))
	}
}

// Bins are in the order of values.
func TestBinsAreSorted(t *testing.T) {
	for _, k := range []event.Kind{event.KindInt, event.KindNumber} {
		last := math.Inf(-1)
		for bin := range uint32(binsMax) {
			v := binValue(k, bin)
			if v.Float() < last {
				t.Fatalf("bin %d of %s gives %v after %v", bin, k, v.Float(), last)
			}
			if k == event.KindNumber && binOf(k, &v) != bin {
				t.Fatalf("bin %d gives %v, which lies in bin %d", bin, v.Float(), binOf(k, &v))
			}
			last = v.Float()
		}
	}
}

// A bin that has more samples than a word can count takes several, and gives them back.
func TestCrowdedBin(t *testing.T) {
	const n = 2*countMax + 10
	window := Window{Kind: Sliding, Length: time.Minute}
	s := newState(t, Spec{Family: Bins, Kinds: []event.Kind{event.KindInt}, Window: window})
	at := event.Time(0)
	for i := range n {
		s.add(at, []event.Value{event.IntValue(7)}, 0)
		if i%(countMax/2) == 0 {
			s.add(at, []event.Value{event.IntValue(3)}, 0)
			s.add(at, []event.Value{event.IntValue(9)}, 0)
		}
	}
	var v [1]event.Value
	read := func(at event.Time, p Percent, want int64, samples int) {
		t.Helper()
		got := s.cell.Read(s.head, s.tail, Query{AggPercentile, p}, at, v[:])
		if v[0].Int() != want || got.Samples != samples {
			t.Errorf("percentile %d is %s of %d, want %d of %d", p, v[0].Text(), got.Samples, want, samples)
		}
	}
	read(at, 50_000, 7, n+10)
	read(at, 99_999, 7, n+10) // five of two millions are less than a thousandth of a percent
	read(at, 1, 7, n+10)
	s.add(at+1e9, []event.Value{event.IntValue(5)}, 0)
	read(at+1e9, 1, 7, n+11)
	read(at+61e9, 50_000, 5, 1) // the crowd has left
	read(at+1e9, 50_000, 7, n+11)
	read(at+62e9, 50_000, 0, 0)
}

func TestSmallest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		words := make([]uint64, 1+r.IntN(300))
		bits := r.IntN(64)
		for i := range words {
			words[i] = r.Uint64() >> bits
		}
		sorted := slices.Sorted(slices.Values(words))
		rank := 1 + r.IntN(len(words))
		if got := smallest(words, rank); got != sorted[rank-1] {
			t.Fatalf("number %d of %d is %d, want %d", rank, len(sorted), got, sorted[rank-1])
		}
	}
}

// What a quiet key pays is what it uses, and neither adding nor reading allocates.
func TestBinsAreSmall(t *testing.T) {
	s := newState(t, Spec{Family: Bins, Kinds: []event.Kind{event.KindNumber}, Window: Window{Kind: Sliding, Length: time.Hour}})
	r := rand.New(rand.NewPCG(1, 1))
	at := event.Time(0)
	values := make([]event.Value, 1)
	step := func(pause time.Duration) {
		at = at.Add(pause)
		values[0] = event.NumberValue(math.Exp(r.NormFloat64()))
		s.add(at, values, at)
	}
	for range 20 {
		step(2 * time.Minute)
	}
	if got, most := len(s.tail), s.cell.TailBytes(20)+32; got > most {
		t.Errorf("%d bytes for 20 samples, want at most %d", got, most)
	}
	for range 100_000 {
		step(time.Second)
	}
	t.Logf("%d bytes of a key with 3600 samples", len(s.tail))
	if len(s.tail) > 16_384 {
		t.Errorf("%d bytes for 3600 samples an hour", len(s.tail))
	}
	var v [1]event.Value
	if n := testing.AllocsPerRun(2000, func() {
		step(time.Second)
		s.cell.Read(s.head, s.tail, Query{AggPercentile, 95_000}, at, v[:])
		s.cell.Read(s.head, s.tail, Query{AggPercentile, 5_000}, at-60e9, v[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
