package expr

import (
	"slices"
	"strings"

	"insolite/internal/event"
)

// outcomes says for which orders of its sides a comparison holds: bit 0 less, bit 1 equal, bit 2 greater.
type outcomes uint8

var comparisons = map[string]outcomes{"<": 1, "<=": 3, "==": 2, "!=": 5, ">": 4, ">=": 6}

// mirrored gives the comparison that holds with the sides exchanged, negated the one that holds where it does not.
var (
	mirrored = map[string]string{"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">": "<", ">=": "<="}
	negated  = map[string]string{"<": ">=", "<=": ">", "==": "!=", "!=": "==", ">": "<=", ">=": "<"}
)

// of returns the truth for x and y without a branch.
func (o outcomes) numbers(x, y float64) Truth { return Truth(o >> (1 + bit(x > y) - bit(x < y)) & 1) }

func (o outcomes) words(x, y int64) Truth { return Truth(o >> (1 + bit(x > y) - bit(x < y)) & 1) }

func bit(b bool) uint8 {
	var i uint8
	if b {
		i = 1
	}
	return i
}

// compare compiles a comparison of two codes of one kind; nil when op does not apply.
func compare(op string, a, b *code) *code {
	if (a.constant && !b.constant) || (a.form != formSlot && b.form == formSlot) {
		op, a, b = mirrored[op], b, a
	}
	o := comparisons[op]
	equality := op == "==" || op == "!="
	switch {
	case a.num != nil:
		k := boolCode(compareNumbers(o, a, b))
		k.bounds = bounds(op, a, b)
		return k
	case a.word != nil:
		k := boolCode(compareWords(o, a, b))
		k.bounds = bounds(op, a, b)
		return k
	case a.str != nil && equality:
		return test(a.str, b.str, func(x, y string) bool { return (x == y) == (op == "==") })
	case a.str != nil:
		return test(a.str, b.str, func(x, y string) bool { return o>>(1+strings.Compare(x, y))&1 == 1 })
	case a.truth != nil && equality:
		x, y := a.truth, b.truth
		return boolCode(func(row event.Row) Truth {
			s, t := x(row), y(row)
			if s == Unknown || t == Unknown {
				return Unknown
			}
			return truthOf((s == t) == (op == "=="))
		})
	case a.kind == event.KindIP && equality:
		x, y := a.val, b.val
		return boolCode(func(row event.Row) Truth {
			s, t := x(row), y(row)
			if !s.Known() || !t.Known() {
				return Unknown
			}
			return truthOf((s.N == t.N && s.M == t.M) == (op == "=="))
		})
	}
	return nil
}

// compareNumbers fuses the sides that stand in a slot, so that a usual clause is one call.
func compareNumbers(o outcomes, a, b *code) func(event.Row) Truth {
	x, y, slot, other, factor := a.num, b.num, a.slot, b.slot, b.scale()
	if a.form == formSlot {
		switch {
		case b.constant:
			limit, known := y(nil)
			if !known {
				return func(event.Row) Truth { return Unknown }
			}
			return func(row event.Row) Truth {
				f, ok := number(row, slot)
				if !ok {
					return Unknown
				}
				return o.numbers(f, limit)
			}
		case b.form != formClosure:
			return func(row event.Row) Truth {
				f, ok := number(row, slot)
				g, ok2 := number(row, other)
				g *= factor
				if !ok || !ok2 || !finite(g) {
					return Unknown
				}
				return o.numbers(f, g)
			}
		}
		return func(row event.Row) Truth {
			f, ok := number(row, slot)
			g, ok2 := y(row)
			if !ok || !ok2 {
				return Unknown
			}
			return o.numbers(f, g)
		}
	}
	return func(row event.Row) Truth {
		f, ok := x(row)
		g, ok2 := y(row)
		if !ok || !ok2 {
			return Unknown
		}
		return o.numbers(f, g)
	}
}

// scale is the factor of a slot in a fused comparison.
func (k *code) scale() float64 {
	if k.form == formScaled {
		return k.factor
	}
	return 1
}

func compareWords(o outcomes, a, b *code) func(event.Row) Truth {
	x, y, slot, other, kind := a.word, b.word, a.slot, b.slot, a.kind
	switch {
	case a.form == formSlot && b.constant:
		limit, known := y(nil)
		if !known {
			return func(event.Row) Truth { return Unknown }
		}
		return func(row event.Row) Truth {
			v := &row[slot]
			if v.Kind != kind {
				return Unknown
			}
			return o.words(int64(v.N), limit)
		}
	case a.form == formSlot && b.form == formSlot:
		return func(row event.Row) Truth {
			v, w := &row[slot], &row[other]
			if v.Kind != kind || w.Kind != kind {
				return Unknown
			}
			return o.words(int64(v.N), int64(w.N))
		}
	}
	return func(row event.Row) Truth {
		f, ok := x(row)
		g, ok2 := y(row)
		if !ok || !ok2 {
			return Unknown
		}
		return o.words(f, g)
	}
}

// test applies a predicate where both operands are known.
func test[T any](a, b func(event.Row) (T, bool), op func(T, T) bool) *code {
	return boolCode(func(row event.Row) Truth {
		x, ok := a(row)
		y, ok2 := b(row)
		if !ok || !ok2 {
			return Unknown
		}
		return truthOf(op(x, y))
	})
}

// logical reports whether op is and, or.
func logical(op string) bool { return op == "and" || op == "&&" || op == "or" || op == "||" }

// logic is Kleene's and, or; a chain of one of them is flat. It returns nil when a side is no bool.
func logic(op string, a, b *code) *code {
	if a.truth == nil || b.truth == nil {
		return nil
	}
	k := &code{kind: event.KindBool, decides: truthOf(op == "or" || op == "||")}
	for _, side := range []*code{a, b} {
		if side.parts != nil && side.decides == k.decides {
			k.parts = append(k.parts, side.parts...)
		} else {
			k.parts = append(k.parts, side.truth)
		}
	}
	k.truth = chain(k.decides, k.parts)
	if k.decides == False {
		k.bounds = slices.Concat(a.bounds, b.bounds)
	}
	return k
}

// chain evaluates the sides until one decides. False and True never meet among those that don't, and Unknown is above both, so that the
// greatest of them is the outcome. Two and three sides are most common and spelled out.
func chain(decides Truth, parts []func(event.Row) Truth) func(event.Row) Truth {
	x, y, z := parts[0], parts[1], parts[len(parts)-1]
	switch len(parts) {
	case 2:
		return func(row event.Row) Truth {
			s := x(row)
			if s == decides {
				return s
			}
			t := y(row)
			if t == decides {
				return t
			}
			return max(s, t)
		}
	case 3:
		return func(row event.Row) Truth {
			s := x(row)
			if s == decides {
				return s
			}
			t := y(row)
			if t == decides {
				return t
			}
			u := z(row)
			if u == decides {
				return u
			}
			return max(s, t, u)
		}
	}
	return func(row event.Row) Truth {
		all := True - decides
		for _, part := range parts {
			t := part(row)
			if t == decides {
				return t
			}
			all = max(all, t)
		}
		return all
	}
}
