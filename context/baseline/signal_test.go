package baseline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/event"
)

// sensor is a key whose samples come every five minutes.
type sensor struct {
	model Model
	state []byte
	at    event.Time
}

const every = event.Time(5 * time.Minute)

func newSensor(t testing.TB, season Season) *sensor {
	t.Helper()
	m, err := New(Spec{Season: season, History: season.History()})
	if err != nil {
		t.Fatal(err)
	}
	return &sensor{model: m, state: make([]byte, m.Size()), at: event.Time(1_790_000_000 * time.Second)}
}

// next is when the next sample comes.
func (s *sensor) next() event.Time { return s.at + every }

// show returns what the model says of a value before it learns from it.
func (s *sensor) show(x float64) Reading {
	s.at = s.next()
	r := s.model.Read(s.state, Query{MinSamples: 20}, s.at, x)
	s.model.Absorb(s.state, s.at, x)
	return r
}

// usualDays shows 5000 usual values, with a standard deviation of a half, and returns how they go on.
func usualDays(t testing.TB, season Season, seed uint64) (*sensor, func() float64) {
	r := rand.New(rand.NewPCG(seed, 8675310))
	s := newSensor(t, season)
	usual := func() float64 {
		if season == None {
			return 20 + 0.5*r.NormFloat64()
		}
		return day(s.next()) + 0.5*r.NormFloat64()
	}
	for range 5000 {
		s.show(usual())
	}
	return s, usual
}

// keys is how many keys a test looks at.
func keys(n int) int {
	if testing.Short() {
		return n / 3
	}
	return n
}

// What is unusual is found within a stated number of samples, but for one key of forty.
func TestUnusualIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		add    func(i int) float64
		within int
	}{
		{"a spike by 8", func(int) float64 { return 4 }, 1},
		{"a shift by 6", func(int) float64 { return 3 }, 10},
		{"a shift down by 6", func(int) float64 { return -3 }, 10},
		{"a shift by 5", func(int) float64 { return 2.5 }, 20},
		{"a drift by 1 in 100", func(i int) float64 { return 0.005 * float64(i) }, 500},
	} {
		for _, season := range []Season{None, HourOfDay, HourOfWeek} {
			missed, worst := 0, 0
			for seed := range uint64(keys(40)) {
				s, usual := usualDays(t, season, seed)
				i := 0
				for i < c.within && math.Abs(s.show(usual()+c.add(i)).Score) < 4 {
					i++
				}
				worst = max(worst, i+1)
				if i == c.within {
					missed++
				}
			}
			t.Logf("%s, season %q: %d missed, within %d", c.name, season, missed, worst)
			if missed > 1 { // one that has just begun anew knows little
				t.Errorf("%s, season %q: %d of %d are not found within %d samples", c.name, season, missed, keys(40), c.within)
			}
		}
	}
}

// A sensor that is stuck is found when the season goes on without it, whatever the hour.
func TestStuckIsFoundBySeason(t *testing.T) {
	worst := 0
	for seed := range uint64(48) {
		s, usual := usualDays(t, HourOfDay, seed%4)
		for range seed * 6 { // begins every half hour of a day
			s.show(usual())
		}
		stuck, i := usual(), 0
		for i < 288 && math.Abs(s.show(stuck).Score) < 4 {
			i++
		}
		worst = max(worst, i+1)
	}
	t.Logf("within %d", worst)
	if worst > 120 {
		t.Errorf("found after %d samples, want 120 at most", worst)
	}
}

// After a change of the level the new one is usual: expected to a standard deviation after 40 samples, and quiet from then on.
func TestAdaptsToAnotherLevel(t *testing.T) {
	for _, season := range []Season{None, HourOfDay, HourOfWeek} {
		for _, shift := range []float64{2.5, -5, 100} {
			high := 0
			for seed := range uint64(keys(20)) {
				s, usual := usualDays(t, season, seed)
				for i := range 540 {
					x := usual() + shift
					r := s.show(x)
					if i == 40 && math.Abs(r.Expected-x) > 2.5 {
						t.Errorf("season %q, shift by %g: %.2f is expected after 40 samples, and %.2f comes", season, shift, r.Expected, x)
					}
					if i >= 40 && math.Abs(r.Score) >= 4 {
						high++
					}
				}
			}
			t.Logf("season %q, shift by %g: %d scores beyond 4", season, shift, high)
			if high > 30 {
				t.Errorf("season %q, shift by %g: %d scores beyond 4 after the change", season, shift, high)
			}
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, season := range []Season{None, HourOfDay, HourOfWeek} {
		b.Run("season="+season.String(), func(b *testing.B) {
			s, _ := usualDays(b, season, 1)
			r := rand.New(rand.NewPCG(1, 1))
			b.ReportAllocs()
			for b.Loop() {
				s.show(15 + r.NormFloat64())
			}
		})
	}
}
