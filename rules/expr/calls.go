package expr

import (
	"math"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"insolite/internal/diag"
	"insolite/internal/event"
)

var functions = []string{
	"abs", "ceil", "distance_km", "duration", "floor", "has", "hour", "len", "list", "log", "lookup", "lower", "max", "min", "round", "speed_kmh", "sqrt", "upper", "weekday",
}

var mathFunctions = map[string]func(float64) float64{"round": math.Round, "floor": math.Floor, "ceil": math.Ceil, "sqrt": math.Sqrt}

func (c *checker) call(name string, loc file.Location, args []ast.Node) *code {
	switch name {
	case "min", "max":
		if !c.arity(name, loc, args, 2, 16) {
			return nil
		}
		return c.extreme(name, args)
	case "hour", "weekday":
		if !c.arity(name, loc, args, 1, 2) {
			return nil
		}
		return c.calendar(name, args)
	case "distance_km", "speed_kmh":
		if !c.arity(name, loc, args, 2, 2) {
			return nil
		}
		return c.travel(name, args)
	case "list":
		return c.errorf(loc, `list stands on the right of in only; write x in list("name")`)
	case "lookup":
		return c.errorf(loc, `lookup gives a row; name one of its columns: lookup("table", key).column`)
	case "abs", "ceil", "duration", "floor", "has", "len", "log", "lower", "round", "sqrt", "upper":
	default:
		return c.errorf(loc, "function %s is not supported%s", name, diag.DidYouMean(name, functions))
	}
	if !c.arity(name, loc, args, 1, 1) {
		return nil
	}
	if name == "duration" {
		return c.duration(args[0])
	}
	k := c.check(args[0])
	if k == nil {
		return nil
	}
	switch {
	case name == "has":
		return boolCode(k.known())
	case name == "len" && k.kind == event.KindString:
		f := k.str
		return wordCode(event.KindInt, func(row event.Row) (int64, bool) {
			s, ok := f(row)
			return int64(utf8.RuneCountInString(s)), ok
		})
	case (name == "lower" || name == "upper") && k.kind == event.KindString:
		return letters(name, k.str)
	case name == "abs" && k.word != nil && k.kind != event.KindTime:
		f := k.word
		return wordCode(k.kind, func(row event.Row) (int64, bool) {
			i, ok := f(row)
			return max(i, -i), ok && i != math.MinInt64
		})
	case name == "abs" && k.kind == event.KindNumber:
		return apply(k, math.Abs, math.Inf(-1))
	case name == "log" && k.numeric():
		return apply(k, math.Log, 0)
	case (name == "round" || name == "floor" || name == "ceil") && k.kind == event.KindInt:
		return k
	case mathFunctions[name] != nil && k.numeric():
		return apply(k, mathFunctions[name], math.Inf(-1))
	}
	return c.errorf(start(args[0]), "%s does not apply to %s", name, article(k.kind))
}

// apply is f(k) where k > above or above is -Inf; NaN is unknown.
func apply(k *code, f func(float64) float64, above float64) *code {
	g := k.float()
	return numberCode(func(row event.Row) (float64, bool) {
		x, ok := g(row)
		if !ok || (x <= above && !math.IsInf(above, -1)) {
			return 0, false
		}
		return real(f(x))
	})
}

// extreme compiles min and max.
func (c *checker) extreme(name string, args []ast.Node) *code {
	var k *code
	for i, arg := range args {
		next := c.check(arg)
		if next != nil && !next.numeric() {
			next = c.errorf(start(arg), "%s does not apply to %s", name, article(next.kind))
		}
		if i == 0 || next == nil {
			k = next
			continue
		}
		if k == nil {
			continue
		}
		a, b, _ := unify(k, next)
		switch {
		case a.kind == event.KindInt && name == "min":
			k = wordCode(event.KindInt, lift(a.word, b.word, func(x, y int64) (int64, bool) { return min(x, y), true }))
		case a.kind == event.KindInt:
			k = wordCode(event.KindInt, lift(a.word, b.word, func(x, y int64) (int64, bool) { return max(x, y), true }))
		case name == "min":
			k = numberCode(lift(a.num, b.num, func(x, y float64) (float64, bool) { return min(x, y), true }))
		default:
			k = numberCode(lift(a.num, b.num, func(x, y float64) (float64, bool) { return max(x, y), true }))
		}
	}
	return k
}
