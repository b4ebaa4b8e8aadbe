package oracle

import (
	"cmp"
	"fmt"
	"slices"
)

// seenByRule is every evaluation of a rule on a log: what the names meant.
type seenByRule map[string][]env

// tune gives every rule a condition whose limits come from the values that its features had on the first half of the log, which costs a third of
// the whole. Of several it takes the one that holds for a share of the evaluations that is nearest to 40 %.
func (g *generator) tune(j *Job, lines []string) {
	never := *j
	never.Rules = slices.Clone(j.Rules)
	for i := range never.Rules {
		never.Rules[i].Condition = Lit(boolean(false))
	}
	seen := seenByRule{}
	Evaluate(never, lines[:len(lines)/2], Options{probe: func(r *Rule, names env) { seen[r.ID] = append(seen[r.ID], names) }})
	for i := range j.Rules {
		r := &j.Rules[i]
		best := 2.0
		for range 6 {
			c := g.condition(j, r, seen[r.ID])
			hits := 0
			for _, names := range seen[r.ID] {
				if c.holds(names, Options{}) {
					hits++
				}
			}
			share := float64(hits) / float64(max(1, len(seen[r.ID])))
			if off := max(share-0.4, 0.4-share); off < best {
				r.Condition, best = c, off
			}
		}
	}
}

// condition joins one atom for each feature.
func (g *generator) condition(j *Job, r *Rule, seen []env) *Expr {
	var whole *Expr
	for i := range r.Features {
		atom := g.atom(j.samplesOf(r, &r.Features[i]), &r.Features[i], seen)
		if g.chance(0.15) {
			atom = Op("not", atom)
		}
		if whole == nil {
			whole = atom
		} else {
			whole = Op(pick(g, "and", "or", "or"), whole, atom)
		}
	}
	return whole
}

// atom is a comparison of the feature, or of one of its fields.
func (g *generator) atom(s *Source, f *Feature, seen []env) *Expr {
	name, field := f.Name, f.Field
	if len(f.Fields) > 0 {
		field = pick(g, f.Fields...)
		name += "." + field
	}
	kind := f.result(s.kindOf(field))
	limit := g.quantile(name, seen)
	if !limit.Known() || g.chance(0.1) {
		return Op("has", Ref(name))
	}
	order := pick(g, "<", "<=", ">", ">=")
	switch kind {
	case Int, Number:
		return g.numeric(name, kind, order, limit, seen)
	case Time:
		lag := Value{Kind: Duration, I: int64(g.grain) * int64(g.IntN(40))}
		return Op(order, Op("-", Ref("at"), Ref(name)), Lit(lag))
	case Duration:
		return Op(order, Ref(name), Lit(limit))
	case Bool:
		return Ref(name)
	case IP:
		return Op(pick(g, "==", "!="), Ref(name), Ref("addr"))
	}
	if g.chance(0.5) {
		return Op(pick(g, "==", "!="), Ref(name), Ref("item"))
	}
	return Op(pick(g, "==", "!="), Ref(name), Lit(limit))
}

func (g *generator) numeric(name string, kind Kind, order string, limit Value, seen []env) *Expr {
	event := Ref("amount")
	if kind == Int {
		event = Ref("qty")
	}
	switch g.IntN(7) {
	case 0:
		return Op(order, event, Op("*", Ref(name), Lit(number(0.5+float64(g.IntN(5))/4))))
	case 1:
		return Op(order, Op("??", Ref(name), Lit(limit)), Lit(g.quantile(name, seen)))
	case 2:
		return Op(order, Op("+", Ref(name), event), Lit(limit))
	case 3:
		return Op(order, Op("/", event, Ref(name)), Lit(number(float64(g.IntN(8))/4)))
	case 4:
		return Op(order, Op("-", event, Ref(name)), Op("*", Lit(integer(int64(g.IntN(3)-1))), event))
	}
	return Op(order, Ref(name), Lit(limit))
}

// quantile returns one of the values that the name had, by chance from the middle part of them; unknown when it had none.
func (g *generator) quantile(name string, seen []env) Value {
	var values []Value
	for _, names := range seen {
		if v := names(name); v.Known() {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return Value{}
	}
	slices.SortFunc(values, func(a, b Value) int {
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return cmp.Compare(a.S, b.S)
	})
	return values[len(values)/5+g.IntN(1+len(values)*3/5)]
}

// result is the kind of the feature's value.
func (f *Feature) result(field Kind) Kind {
	switch f.Agg {
	case "count", "distinct_count":
		return Int
	case "avg", "stddev":
		return Number
	case "time_since":
		return Duration
	}
	if field == Missing {
		panic(fmt.Sprintf("oracle: %s of no field", f.Agg)) // the generator gives one
	}
	return field
}
