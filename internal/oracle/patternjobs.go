package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// RandomPatterns returns a job of which every rule has new_value or a sequence, and a log, the same for the same seed: those of Random, with
// other triggers. Half of the rules keep their condition.
func RandomPatterns(seed uint64) (Job, []string) {
	g, j, lines := random(seed)
	g.Rand = rand.New(rand.NewPCG(seed, 0x3a5011))
	for i := range j.Rules {
		r := &j.Rules[i]
		r.Absence, r.For, r.Keep = nil, 0, 0
		if g.chance(0.5) {
			r.Condition = nil
		}
		if g.chance(0.7) {
			r.Suppress = nil
		}
		if g.chance(0.4) {
			g.newValue(&j, r)
		} else {
			g.sequence(&j, r)
		}
	}
	return j, lines
}

// span is a number of grains, in a size that is likely to be met by several events.
func (g *generator) span(of ...int) time.Duration { return g.grain * time.Duration(pick(g, of...)) }

func (g *generator) newValue(j *Job, r *Rule) {
	n := &NewValue{Fields: pick(g, []string{"item"}, []string{"item", "addr"}, []string{"id"}, []string{"qty"}, []string{"item", "qty"}, []string{"addr", "flag"})}
	n.History, n.Learning = max(time.Minute, g.span(20, 60, 61, 120, 240)), g.span(1, 4, 30, 100)
	if g.chance(0.2) {
		n.History += time.Millisecond
	}
	if g.chance(0.3) { // about as many values as are remembered
		n.Fields, n.History = []string{"qty", "shop"}, max(time.Minute, g.span(1000, 3000))
		r.GroupBy, r.Where = []string{"flag"}, nil
		g.alone(j, r)
	}
	n.Fields = slices.DeleteFunc(n.Fields, func(name string) bool { return slices.Contains(r.GroupBy, name) })
	if len(n.Fields) == 0 {
		n.Fields = []string{"id"}
	}
	r.NewValue = n
}

// sequence gives a rule a sequence of up to four steps, of both sources if there are two.
func (g *generator) sequence(j *Job, r *Rule) {
	q := &Sequence{Within: g.span(4, 10, 30, 60, 100, 300), Unordered: g.chance(0.25)}
	both := j.Other != nil && g.chance(0.8)
	for i := range pick(g, 1, 2, 2, 2, 3, 3, 4) {
		s := g.seqStep(j, r, both && i > 0)
		if g.chance(0.6) {
			s.As = fmt.Sprintf("s%d", i)
		}
		if !q.Unordered && i > 0 && g.chance(0.3) {
			not := g.seqStep(j, r, both)
			not.Not, not.Times, not.Where = true, 0, Op("and", Ref("flag"), g.filter())
			q.Steps = append(q.Steps, not)
		}
		q.Steps = append(q.Steps, s)
	}
	if len(q.Steps) == 1 {
		q.Steps[0].Times = 2 + g.IntN(12)
	}
	if g.chance(0.2) && len(q.Steps) > 1 { // what has begun seldom ends
		q.Steps[len(q.Steps)-1].Where = Op("and", Op("==", Ref("item"), Lit(Value{Kind: String, S: "i0"})), Op(">", Ref("qty"), Lit(integer(20))))
	}
	r.Sequence = q
	several := false
	for i := range q.Steps {
		several = several || q.Steps[i].Source != ""
	}
	if several {
		g.alone(j, r)
	}
}

// alone leaves a rule no features of other keys, which those of several sources cannot have, and a condition over the others.
func (g *generator) alone(j *Job, r *Rule) {
	var own []Feature
	for _, f := range r.Features {
		if len(f.By) == 0 {
			own = append(own, f)
		}
	}
	if len(own) == 0 || own[0].Name != "f0" { // tests count on a first feature
		own = append([]Feature{{Name: "f0", Agg: "count", Window: Window{Kind: "forever"}}}, own...)
	}
	r.Features, r.Condition = own, nil
	if g.chance(0.5) {
		f := pick(g, own...)
		name := f.Name
		if len(f.Fields) > 0 {
			name += "." + f.Fields[0]
		}
		r.Condition = Op("or", Op("has", Ref(name)), Op(">", Ref("qty"), Lit(integer(5))))
	}
}

func (g *generator) seqStep(j *Job, r *Rule, both bool) Step {
	s := Step{Times: 1}
	if both && g.chance(0.5) {
		if s.Source = j.Other.Name; r.Source != "" {
			s.Source = j.Source.Name
		}
	}
	if g.chance(0.25) {
		s.Times = pick(g, 2, 2, 3, 5, 20)
	}
	if g.chance(0.45) {
		s.Where = g.filter()
	}
	return s
}

// triggerYAML writes the trigger, and a summary that shows what it has named.
func (r *Rule) triggerYAML(b *strings.Builder) {
	if n := r.NewValue; n != nil {
		fmt.Fprintf(b, "  new_value: {fields: [%s], history: %s, learning: %s}\n", strings.Join(n.Fields, ", "), durationText(n.History), durationText(n.Learning))
	}
	q := r.Sequence
	if q == nil {
		return
	}
	fmt.Fprintf(b, "  sequence:\n    within: %s\n", durationText(q.Within))
	if q.Unordered {
		b.WriteString("    unordered: true\n")
	}
	b.WriteString("    steps:\n")
	var shown []string
	for _, s := range q.Steps {
		var parts []string
		if s.Source != "" {
			parts = append(parts, "source: "+s.Source)
		}
		if s.Where != nil {
			parts = append(parts, "where: "+quoted(s.Where))
		}
		if s.Not {
			fmt.Fprintf(b, "    - not: {%s}\n", strings.Join(parts, ", "))
			continue
		}
		if s.Times > 1 {
			parts = append(parts, fmt.Sprintf("times: %d", s.Times))
		}
		if s.As != "" {
			parts = append(parts, "as: "+s.As)
			for _, name := range Shown {
				shown = append(shown, fmt.Sprintf("{%s.%s}", s.As, name))
			}
		}
		fmt.Fprintf(b, "    - {%s}\n", strings.Join(parts, ", "))
	}
	if len(shown) > 0 {
		fmt.Fprintf(b, "  alert: {summary: '%s'}\n", strings.Join(shown, "|"))
	}
}
