package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/event"
)

const (
	at3 = 0.0026998 // of a normal distribution, beyond ±3
	at4 = 6.334e-5
)

// draw gives the value of an instant.
type draw func(r *rand.Rand, at event.Time) float64

// noises are stationary, but for the season that a spec knows. The seeds of these tests were not used to find the constants of the model.
var noises = []struct {
	name   string
	draw   draw
	fewer  bool    // there may be fewer
	young3 float64 // how many times as many there may be from the 20th to the 100th sample; 0: not told
}{
	{"gaussian", func(r *rand.Rand, _ event.Time) float64 { return 20 + 0.5*r.NormFloat64() }, false, 2},
	{"log-normal 0.5", func(r *rand.Rand, _ event.Time) float64 { return 100 * math.Exp(0.5*r.NormFloat64()) }, false, 5},
	{"log-normal 1", func(r *rand.Rand, _ event.Time) float64 { return 100 * math.Exp(r.NormFloat64()) }, false, 0},
	{"poisson 3", func(r *rand.Rand, _ event.Time) float64 { return poisson(r, 3) }, true, 2},
	{"poisson 20", func(r *rand.Rand, _ event.Time) float64 { return poisson(r, 20) }, false, 2},
	{"poisson 100", func(r *rand.Rand, _ event.Time) float64 { return poisson(r, 100) }, false, 2},
	{"daily", func(r *rand.Rand, at event.Time) float64 { return day(at) + 0.5*r.NormFloat64() }, false, 0},
}

func poisson(r *rand.Rand, mean float64) float64 {
	limit, n := math.Exp(-mean), 0
	for p := r.Float64(); p > limit; n++ {
		p *= r.Float64()
	}
	return float64(n)
}

// beyond returns how many times as many scores there are beyond 3 and 4 as there should be, from one sample of a key to another.
func beyond(t *testing.T, season Season, d draw, keys, from, to int) (three, four, expected4 float64) {
	n := 0
	for key := range keys {
		r := rand.New(rand.NewPCG(uint64(key), 8675310))
		s := newSensor(t, season)
		for i := range to {
			reading := s.show(d(r, s.next()))
			if i < from || math.IsNaN(reading.Score) {
				continue
			}
			n++
			if score := math.Abs(reading.Score); score >= 4 {
				four++
				three++
			} else if score >= 3 {
				three++
			}
		}
	}
	if n < keys*(to-from)*9/10 {
		t.Errorf("%d scores of %d", n, keys*(to-from))
	}
	return three / at3 / float64(n), four / at4 / float64(n), at4 * float64(n)
}

// Stationary noise of any shape gives as many high scores as a normal distribution does.
func TestFalseAlertsOnNoise(t *testing.T) {
	for _, season := range []Season{None, HourOfDay} {
		for _, noise := range noises {
			if noise.name == "daily" && season == None {
				continue
			}
			t.Run(fmt.Sprint(season, noise.name), func(t *testing.T) {
				t.Parallel()
				three, four, expected := beyond(t, season, noise.draw, keys(45), 1500, 6500)
				t.Logf("beyond 3: %.2f times, beyond 4: %.2f times as many", three, four)
				if three > 2 || three < 0.5 && !noise.fewer {
					t.Errorf("%.2f times as many scores beyond 3 as there should be", three)
				}
				if most := 2 + 3/math.Sqrt(expected); four > most { // there are few of them
					t.Errorf("%.2f times as many scores beyond 4 as there should be, want %.2f at most", four, most)
				}
			})
		}
	}
}

// A key of few samples does not flood.
func TestFalseAlertsWhileYoung(t *testing.T) {
	for _, noise := range noises {
		if noise.young3 == 0 {
			continue
		}
		three, four, _ := beyond(t, None, noise.draw, keys(1000), 20, 100)
		t.Logf("%s: beyond 3: %.2f times, beyond 4: %.2f times as many", noise.name, three, four)
		if three > noise.young3 {
			t.Errorf("%s: %.2f times as many scores beyond 3 as there should be, want %.0f at most", noise.name, three, noise.young3)
		}
	}
}

// p is how often a score is as high, at any score.
func TestProbabilityIsWhatItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8675310))
	s := newSensor(t, None)
	var deciles [10]int
	for i := range 40_000 {
		if reading := s.show(100 * math.Exp(0.5*r.NormFloat64())); i >= 2000 {
			deciles[min(9, int(reading.P*10))]++
		}
	}
	for i, n := range deciles {
		if n < 3800*8/10 || n > 3800*12/10 {
			t.Errorf("p from %.1f to %.1f: %d times, want about 3800", float64(i)/10, float64(i+1)/10, n)
		}
	}
}

func day(at event.Time) float64 {
	return 15 + 6*math.Sin(2*math.Pi*float64(at%event.Time(24*time.Hour))/float64(24*time.Hour))
}
