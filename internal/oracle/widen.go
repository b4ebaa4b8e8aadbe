package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	firstType = `{"type":"events",`
	otherType = `{"type":"others",`
)

// Features of other keys in each job, and of other sources in each job with two: consecutive jobs walk through all combinations.
const (
	moreKeys    = 4
	moreSources = 5
)

// widen gives features of other keys to some rules, and every other job a second source with rules and events. It draws by itself, so that what
// the job has else stays as it is.
func (g *generator) widen(j *Job, lines []string) []string {
	h := *g
	h.Rand = rand.New(rand.NewPCG(g.seed, 0x2a5011))
	if g.seed%2 == 1 {
		lines = h.second(j, lines)
	}
	add := func(r *Rule, f Feature, n uint64) {
		f.Name = fmt.Sprintf("f%d", len(r.Features))
		f.Exact = canBeExact(f.Agg, f.Window.Kind) && n/combinations%2 == 0
		r.Features = append(r.Features, f)
	}
	for n := range uint64(moreKeys) {
		n += g.seed * moreKeys
		r, f := &j.Rules[h.IntN(len(j.Rules))], h.combined(n, 0)
		f.By = h.otherKey(r)
		add(r, f, n)
	}
	if j.Other == nil {
		return lines
	}
	for n := range uint64(moreSources) {
		n += g.seed / 2 * moreSources
		r, f := &j.Rules[h.IntN(len(j.Rules))], h.combined(n, 0)
		f.ExcludeCurrent = false
		if f.Source = j.Other.Name; r.Source != "" {
			f.Source = j.Source.Name
		}
		if h.chance(0.3) {
			f.By = h.otherKey(r)
		}
		add(r, f, n)
	}
	return lines
}

// otherKey picks a key that is not the rule's.
func (g *generator) otherKey(r *Rule) []string {
	for {
		by := pick(g, []string{"user"}, []string{"shop"}, []string{"user", "shop"}, []string{"flag"}, []string{"flag", "user"}, []string{"item"}, []string{"shop", "flag"})
		if spaceOf(by) != spaceOf(r.GroupBy) {
			return by
		}
	}
}

// second adds a source, with rules and with events among the others.
func (g *generator) second(j *Job, lines []string) []string {
	other := Source{Name: "others", Topic: pick(g, "events", "events", "others"), Key: j.Source.Key, Lateness: g.grain * time.Duration(pick(g, 3, 10, 40, 80))}
	if g.chance(0.3) {
		other.Key = pick(g, nil, []string{"user"})
	}
	if g.chance(0.7) {
		other.Dedupe = &Dedupe{ID: "id", For: g.grain * time.Duration(pick(g, 4, 20, 100))}
	}
	other.Fields = append([]Field{{"extra", String, true}}, j.Source.Fields...) // nothing has the place that it has in the first
	slices.Reverse(other.Fields)
	j.Other = &other
	for i := range 2 {
		r := g.rule(5 + i)
		r.Source = other.Name
		j.Rules = append(j.Rules, r)
	}
	var all []string
	ids := 0
	lateness := int(other.Lateness / g.grain)
	for i, line := range lines {
		all = append(all, firstType+strings.TrimPrefix(line, "{"))
		if !g.chance(0.4) {
			continue
		}
		at := g.times[i] + g.IntN(4)
		if g.chance(0.3) {
			at -= g.IntN(lateness + 2)
		}
		if ids == 0 || !g.chance(0.1) {
			ids++
		}
		all = append(all, otherType+strings.TrimPrefix(g.line(fmt.Sprintf("o%d", ids), at), "{"))
	}
	return all
}
