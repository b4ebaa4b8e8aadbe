package baseline

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/event"
)

const hour = event.Time(time.Hour)

func TestBytesOfAKey(t *testing.T) {
	for season, most := range map[Season]int{None: 184, HourOfDay: 304, HourOfWeek: 1024} {
		m, err := New(Spec{Season: season, History: season.History()})
		if err != nil || m.Size() > most {
			t.Errorf("season %q: %d bytes, want %d at most; %v", season, m.Size(), most, err)
		}
	}
}

func TestSpecIsChecked(t *testing.T) {
	for _, s := range []Spec{{}, {History: time.Second}, {Season: HourOfWeek, History: 13 * 24 * time.Hour}, {History: HistoryMax + 1}, {Season: 3, History: time.Hour}} {
		if _, err := New(s); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

// What is usual is known from min_samples on, and with a season from the end of its first period on.
func TestUnknownWhileYoung(t *testing.T) {
	for _, c := range []struct {
		season Season
		least  int
		known  int // the sample from which on
	}{{None, 0, 1}, {None, 20, 20}, {HourOfDay, 20, 288}, {HourOfWeek, 20, 7 * 288}, {HourOfDay, 400, 400}} {
		s := newSensor(t, c.season)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 7*288 + 10 {
			x := r.NormFloat64()
			reading := s.model.Read(s.state, Query{MinSamples: c.least}, s.next(), x)
			s.show(x)
			for _, v := range []float64{reading.Expected, reading.Lower, reading.Upper, reading.Score, reading.P} {
				if math.IsNaN(v) != (i < c.known) {
					t.Fatalf("season %q, min_samples %d: after %d samples %+v", c.season, c.least, i, reading)
				}
			}
			if reading.Samples != i {
				t.Fatalf("%d samples, want %d", reading.Samples, i)
			}
		}
	}
}

// Lower and upper are where the score is 3, and reading changes nothing.
func TestBandIsWhereTheScoreIsThree(t *testing.T) {
	for _, noise := range noises {
		for _, samples := range []int{20, 200, 3000} {
			s := newSensor(t, HourOfDay)
			if noise.name != "daily" {
				s = newSensor(t, None)
			}
			r := rand.New(rand.NewPCG(3, 3))
			for range samples + 288 {
				s.show(noise.draw(r, s.next()))
			}
			before := bytes.Clone(s.state)
			band := s.model.Read(s.state, Query{}, s.next(), math.NaN())
			for limit, want := range map[float64]float64{band.Lower: -3, band.Upper: 3, band.Expected: 0} {
				if got := s.model.Read(s.state, Query{}, s.next(), limit).Score; math.Abs(got-want) > 1e-6 {
					t.Errorf("%s after %d: %g scores %g, want %g", noise.name, samples, limit, got, want)
				}
			}
			if !bytes.Equal(before, s.state) || !math.IsNaN(band.Score) {
				t.Errorf("%s after %d: a read changed the state, or an unknown value scores", noise.name, samples)
			}
		}
	}
}

func TestDirectionAndLeastDeviation(t *testing.T) {
	s, _ := usualDays(t, None, 1)
	read := func(q Query, x float64) Reading { return s.model.Read(s.state, q, s.next(), x) }
	both := read(Query{}, 22)
	if one := read(Query{Direction: Up}, 22); one.Score != both.Score || one.P != both.P/2 {
		t.Errorf("up: %+v, want the score of %+v and half its p", one, both)
	}
	for _, q := range []Query{{Direction: Down}, {MinDeviation: 2.5}, {MinDeviation: 0.2, Relative: true}} {
		if r := read(q, 22); r.Score != 0 || r.P != 1 {
			t.Errorf("%+v: score %g, p %g, want 0 and 1", q, r.Score, r.P)
		}
	}
	wide := read(Query{MinDeviation: 0.2, Relative: true}, 25)
	if math.Abs(wide.Upper-wide.Expected*1.2) > 1e-9 || math.Abs(wide.Lower-wide.Expected*0.8) > 1e-9 || wide.Score < 4 {
		t.Errorf("a deviation by 20 %%: %+v", wide)
	}
}

// Values that are all equal make no noise; a step of a sensor that rounds is none either, and a value that is far off is one.
func TestEqualValuesAndSteps(t *testing.T) {
	s := newSensor(t, None)
	for range 100 {
		s.show(20)
	}
	if r := s.show(20); r.Score != 0 || r.P != 1 {
		t.Errorf("the same again: %+v", r)
	}
	if r := s.show(20.5); math.Abs(r.Score) > 3 {
		t.Errorf("a step of 2 %%: %+v", r)
	}
	if r := s.show(95); r.Score < 4 {
		t.Errorf("far off: %+v", r)
	}
	zero := newSensor(t, None)
	for range 100 {
		zero.show(0)
	}
	if r := zero.model.Read(zero.state, Query{}, zero.next(), -1); r.Score > -4 || r.Score < -scoreMax {
		t.Errorf("below nothing but zeros: %+v", r)
	}
	if r := zero.model.Read(zero.state, Query{}, zero.next(), 0); r.Score != 0 {
		t.Errorf("zero again: %+v", r)
	}
}

// After a pause longer than the history a key equals a new one; after one as long it does not.
func TestPauseBeginsAnew(t *testing.T) {
	old, _ := usualDays(t, HourOfDay, 1)
	fresh := newSensor(t, HourOfDay)
	at := old.at + event.Time(HourOfDay.History())
	if r := old.model.Read(old.state, Query{}, at, 20); r.Samples != 5000 {
		t.Errorf("at the end of the history: %+v", r)
	}
	old.at, fresh.at = at+1-every, at+1-every
	if r := old.show(20); r.Samples != 0 || !math.IsNaN(r.Score) {
		t.Errorf("behind it: %+v", r)
	}
	fresh.show(20)
	if !bytes.Equal(old.state, fresh.state) {
		t.Error("the state is not that of a new key")
	}
}

// A sample out of order is learned in its own hour, and makes nothing older.
func TestOutOfOrder(t *testing.T) {
	s, _ := usualDays(t, HourOfDay, 1)
	st := state(s.state)
	newest, weight := st.newest(), st.weight()
	s.model.Absorb(s.state, s.at-3*hour, 17)
	if st.newest() != newest || st.weight() != weight+1 || st.visited() != (Spec{Season: HourOfDay}).bucket(s.at-3*hour) {
		t.Errorf("newest %d, weight %g, in hour %d; want %d, %g", st.newest(), st.weight(), st.visited(), newest, weight+1)
	}
}

// What is no finite number of a usual size is not learned from.
func TestHugeValuesAreNoSamples(t *testing.T) {
	s, _ := usualDays(t, None, 1)
	before := bytes.Clone(s.state)
	for _, x := range []float64{math.NaN(), math.Inf(1), 1e31, -1e31} {
		s.model.Absorb(s.state, s.at, x)
		if r := s.model.Read(s.state, Query{}, s.at, x); !math.IsNaN(r.Score) || math.IsNaN(r.Expected) {
			t.Errorf("%g: %+v", x, r)
		}
	}
	if !bytes.Equal(before, s.state) {
		t.Error("the state changed")
	}
	for i := range 200 {
		x := []float64{1e30, -1e30, 1e-300, 5}[i%4]
		if r := s.show(x); math.IsNaN(r.Score) || math.IsInf(r.Lower, 0) || math.Abs(r.Score) > scoreMax {
			t.Fatalf("%g: %+v", x, r)
		}
	}
}

func TestHours(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec Spec
		at   string
		want string
	}{
		{Spec{Season: HourOfWeek}, "2026-11-23T00:00:00Z", "monday 00h"},
		{Spec{Season: HourOfWeek}, "2026-11-29T23:59:59Z", "sunday 23h"},
		{Spec{Season: HourOfWeek, Zone: paris}, "2026-11-29T23:59:59Z", "monday 00h"},
		{Spec{Season: HourOfDay, Zone: paris}, "2026-07-01T12:30:00Z", "14h"},
		{Spec{Season: HourOfDay}, "1960-01-01T05:30:00Z", "05h"},
		{Spec{Season: HourOfWeek}, "1969-12-31T05:30:00Z", "wednesday 05h"},
		{Spec{}, "2026-07-01T12:30:00Z", ""},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.spec.Hour(event.Time(at.UnixNano())); got != c.want {
			t.Errorf("%s in %s of %v is %q, want %q", c.at, c.spec.Season, c.spec.Zone, got, c.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	near := func(what string, x, got, want, relative float64) {
		if math.Abs(got-want) > relative*math.Abs(want) {
			t.Errorf("%s(%g) = %.17g, want %.17g", what, x, got, want)
		}
	}
	for x := 1e-12; x < 1e12; x *= 1.37 {
		if math.Abs(x-1) > 0.3 {
			near("ln", x, ln(x), math.Log(x), 1e-14)
		}
		near("ln1p", x, ln1p(x), math.Log1p(x), 1e-14)
		near("exp", x, exp(min(x, 600)), math.Exp(min(x, 600)), 1e-13)
		near("exp", -x, exp(-min(x, 600)), math.Exp(-min(x, 600)), 1e-13)
		near("tail", x, tail(min(x, 30)), math.Erfc(min(x, 30)/math.Sqrt2)/2, 2e-7)
	}
}

// No product of floats stands outside mul: where it is fused into a sum, machines differ.
func TestProductsAreRounded(t *testing.T) {
	for _, name := range []string{"math.go", "model.go", "read.go", "state.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "mul"
			case *ast.BinaryExpr:
				if n.Op == token.MUL && !isInt(n.X) && !isInt(n.Y) {
					t.Errorf("%s, byte %d: a product; write mul(a, b)", name, n.OpPos)
				}
			case *ast.AssignStmt:
				if n.Tok == token.MUL_ASSIGN {
					t.Errorf("%s, byte %d: *=; write mul(a, b)", name, n.TokPos)
				}
			}
			return true
		})
	}
}

func isInt(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.INT
}
