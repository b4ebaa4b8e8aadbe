package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// RandomBaselines returns a job of rules with baselines, and a log with noise, seasons, changes of the level, values far off, pauses and events out
// of order, the same for the same seed.
func RandomBaselines(seed uint64) (Job, []string) {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0xba5e))}
	j := Job{Source: Source{Name: "reading", Topic: "readings", Key: []string{"user"}, Lateness: 6 * time.Hour, Fields: []Field{
		{"at", Time, false}, {"user", String, false}, {"amount", Number, true}, {"qty", Int, true}, {"flag", Bool, true},
	}}}
	for i := range 4 {
		r := Rule{ID: fmt.Sprintf("rule-%d", i), GroupBy: pick(g, []string{"user"}, []string{"user"}, []string{"flag"})}
		if g.chance(0.3) {
			r.Where = Op(">", Ref("qty"), Lit(integer(int64(g.IntN(60)))))
		}
		var known []*Expr
		for k := range 2 {
			f := g.baseline(fmt.Sprintf("f%d", k))
			r.Features = append(r.Features, f)
			known = append(known, Op("has", Ref(f.Name+".score")))
		}
		r.Condition = Op("or", known[0], Op("and", known[1], Op("<", Ref("f1.p"), Lit(number(0.5)))))
		j.Rules = append(j.Rules, r)
	}
	return j, g.readings()
}

func (g *generator) baseline(name string) Feature {
	b := &Baseline{History: time.Duration(pick(g, 14, 28, 56)) * 24 * time.Hour, Direction: pick(g, "", "", "both", "up", "down")}
	if b.Season = pick(g, "", "hour_of_day", "hour_of_day", "hour_of_week"); b.Season != "" {
		b.Zone = pick(g, "", "", "Europe/Paris", "Asia/Kolkata")
	}
	if b.Season == "" && g.chance(0.4) {
		b.History = 3 * time.Hour
	}
	if g.chance(0.4) {
		b.Deviation, b.Relative = pick(g, 0.5, 2, 20), g.chance(0.5)
		if b.Relative {
			b.Deviation = pick(g, 0.02, 0.2, 1.5)
		}
	}
	return Feature{Name: name, Agg: "baseline", Field: pick(g, "amount", "qty"), Baseline: b, MinSamples: pick(g, 1, 5, 20)}
}

// readings makes a log of two or three users.
func (g *generator) readings() []string {
	step := time.Duration(pick(g, 5, 20, 60)) * time.Minute
	at := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	shape := g.IntN(4)
	level := float64(g.IntN(100))
	var lines []string
	for i := range 700 {
		at = at.Add(time.Duration(1+g.IntN(int(step/time.Second))) * time.Second)
		if g.chance(0.003) {
			at = at.Add(time.Duration(pick(g, 5, 30*24)) * time.Hour)
		}
		if g.chance(0.005) {
			level += g.NormFloat64() * 30
		}
		t := at
		if g.chance(0.1) {
			t = at.Add(-time.Duration(g.IntN(7*3600)) * time.Second)
		}
		x := level + 10*math.Sin(float64(t.Unix()%86400)/86400*2*math.Pi)*float64(shape%2)
		switch noise := g.NormFloat64(); shape {
		case 0:
			x += noise
		case 1:
			x += math.Exp(noise)
		case 2:
			x = math.Round(x + noise)
		}
		if g.chance(0.01) {
			x += 100 * g.NormFloat64()
		}
		line := fmt.Sprintf(`{"at":"%s","user":"u%d"`, t.Format(time.RFC3339Nano), g.IntN(2+i/400))
		switch {
		case g.chance(0.005):
			line += `,"amount":` + pick(g, "1e31", "-1e300", "0", "1e-300", "123456789012")
		case g.chance(0.95):
			line += `,"amount":` + strconv.FormatFloat(x, 'g', -1, 64)
		}
		if g.chance(0.9) {
			line += fmt.Sprintf(`,"qty":%d`, int(math.Abs(x))%1000)
		}
		if g.chance(0.9) {
			line += fmt.Sprintf(`,"flag":%t`, g.chance(0.5))
		}
		lines = append(lines, line+"}")
	}
	return lines
}

func (b *Baseline) yaml(f *Feature) string {
	parts := []string{"field: " + f.Field, "history: " + durationText(b.History), "min_samples: " + strconv.Itoa(f.MinSamples)}
	if b.Season != "" {
		parts = append(parts, "season: "+b.Season)
	}
	if b.Zone != "" {
		parts = append(parts, "timezone: "+b.Zone)
	}
	if b.Direction != "" {
		parts = append(parts, "direction: "+b.Direction)
	}
	if b.Relative {
		parts = append(parts, "min_deviation: "+strconv.FormatFloat(b.Deviation*100, 'f', -1, 64)+"%")
	} else if b.Deviation > 0 {
		parts = append(parts, "min_deviation: "+strconv.FormatFloat(b.Deviation, 'f', -1, 64))
	}
	return strings.Join(parts, ", ")
}
