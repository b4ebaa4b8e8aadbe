package oracle

import (
	"math/rand/v2"
	"time"
)

// waiting adds rules that wait: two with an absence, and three whose condition has to hold for a while, whose alerts tell when they are over,
// or both. It draws by itself, so that what the job has else stays as it is.
func (g *generator) waiting(j *Job) {
	h := *g
	h.Rand = rand.New(rand.NewPCG(g.seed, 0x3a5011))
	spans := func() time.Duration { return h.grain * time.Duration(pick(&h, 1, 3, 8, 20, 40, 100)) }
	for i := range 5 {
		r := h.rule(20 + i)
		r.Features = r.Features[:1+h.IntN(2)]
		if j.Other != nil && h.chance(0.3) {
			r.Source = j.Other.Name
		}
		switch i {
		case 0, 1:
			r.Absence = h.absence(j, &r, spans())
		case 2:
			r.For = spans()
		case 3:
			r.Keep = spans()
		default:
			r.For, r.Keep = spans(), spans()
		}
		if h.chance(0.7) {
			r.Suppress = nil
		}
		if h.chance(0.15) {
			r.Features[0].By, r.Features[0].Window.Kind = h.otherKey(&r), "forever"
			r.Features[0].Exact = false
		}
		j.Rules = append(j.Rules, r)
	}
}

func (g *generator) absence(j *Job, r *Rule, within time.Duration) *Absence {
	own := j.of(r.Source).Name
	a := &Absence{Of: own, Within: within, First: g.chance(0.4)}
	if j.Other != nil && g.chance(0.7) {
		a.Of = j.Other.Name
		if own == a.Of {
			a.Of = j.Source.Name
		}
	} else if j.Other != nil && g.chance(0.5) {
		a.CancelOn = j.Other.Name
		if own == a.CancelOn {
			a.CancelOn = j.Source.Name
		}
	}
	if a.Of == own || g.chance(0.5) {
		a.Where = g.filter()
	}
	return a
}

// unconditional takes the condition from some rules with an absence.
func (g *generator) unconditional(j *Job) {
	for i := range j.Rules {
		if r := &j.Rules[i]; r.Absence != nil && (g.seed+uint64(i))%2 == 0 {
			r.Condition = nil
		}
	}
}
