package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	vmchecker "github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/testsize"
)

// The virtual machine of expr-lang is the second opinion on what an expression means, on rows without missing values. The two differ by
// definition, so the generator leaves out:
//   - int overflow (unknown here, wraps there): ints are small and expressions shallow, so that none can occur;
//   - x / 0, x % 0 (unknown; Inf or an error): a divisor is abs(x) + 1;
//   - min and max of an int and a number (a number; any of the two there, which its own compiler gets wrong): of one kind only;
//   - round, floor and ceil of an int (an int; a float there): numbers only;
//   - log, sqrt, has, hour, weekday are given to the machine by the test; distance_km, speed_kmh, lists, tables and addresses have tests
//     of their own.
//
// A ? of an int and a number is a number (any of the two there, of the same value), which vmSame allows for.
const vmDepth = 4

var vmScope = NewScope(&event.Source{Name: "s", EventTime: 8, Fields: []event.Field{
	{Name: "i", Kind: event.KindInt}, {Name: "j", Kind: event.KindInt}, {Name: "f", Kind: event.KindNumber}, {Name: "g", Kind: event.KindNumber},
	{Name: "s", Kind: event.KindString}, {Name: "w", Kind: event.KindString}, {Name: "b", Kind: event.KindBool}, {Name: "c", Kind: event.KindBool},
	{Name: "t", Kind: event.KindTime}, {Name: "u", Kind: event.KindTime}, {Name: "n.x", Kind: event.KindNumber},
}}, nil)

var vmWords = []string{"", "a", "Ab", "ïÀ", "abA", "zz top"}

func vmRow(r *rand.Rand) (event.Row, map[string]any) {
	i, j := r.IntN(19)-9, r.IntN(5)
	f, g, x := float64(r.IntN(41)-20)/4, r.NormFloat64(), float64(r.IntN(9))
	s, w := vmWords[r.IntN(len(vmWords))], vmWords[r.IntN(len(vmWords))]
	b, c := r.IntN(2) == 0, r.IntN(2) == 0
	t, u := int64(r.IntN(1e6))*1e12, int64(r.IntN(3))*3600e9
	row := event.Row{
		event.IntValue(int64(i)), event.IntValue(int64(j)), event.NumberValue(f), event.NumberValue(g), event.StringValue(s), event.StringValue(w),
		event.BoolValue(b), event.BoolValue(c), event.TimeValue(event.Time(t), 0), event.TimeValue(event.Time(u), 0), event.NumberValue(x),
	}
	env := map[string]any{
		"i": i, "j": j, "f": f, "g": g, "s": s, "w": w, "b": b, "c": c, "t": time.Unix(0, t).UTC(), "u": time.Unix(0, u).UTC(), "n": map[string]any{"x": x},
		"log": func(x any) float64 { return math.Log(vmFloat(x)) }, "sqrt": func(x any) float64 { return math.Sqrt(vmFloat(x)) },
		"has": func(any) bool { return true }, "hour": func(t time.Time) int { return t.Hour() }, "weekday": vmWeekday,
	}
	env["event"] = map[string]any{"i": i, "g": g, "s": s, "t": env["t"]}
	return row, env
}

func vmFloat(x any) float64 {
	if i, ok := x.(int); ok {
		return float64(i)
	}
	return x.(float64)
}

// vmWeekday has its own arithmetic: 1970-01-01 was a Thursday.
func vmWeekday(t time.Time) int {
	days := int(math.Floor(float64(t.Unix()) / 86400))
	return ((days+3)%7+7)%7 + 1
}

// vmGen writes random expressions of a kind.
type vmGen struct{ *rand.Rand }

func (g vmGen) of(kind event.Kind, depth int) string {
	if depth == 0 {
		return g.leaf(kind)
	}
	a := func(k event.Kind) string { return g.of(k, depth-1) }
	switch kind {
	case event.KindBool:
		return g.boolean(a)
	case event.KindInt, event.KindNumber:
		return g.numeric(kind, a)
	case event.KindString:
		return g.format("lower(%s)", "upper(%[1]s)", "(%[2]s ? %[1]s : %[3]s)", "(%[1]s ?? %[3]s)")(a(kind), a(event.KindBool), a(kind))
	case event.KindTime:
		return g.format("(%[1]s + %[2]s)", "(%[1]s - %[2]s)", "(%[2]s + %[1]s)", "(%[3]s ? %[1]s : %[4]s)")(a(kind), a(event.KindDuration), a(event.KindBool), a(kind))
	}
	return g.format("(%[1]s - %[2]s)", "(%[3]s + %[4]s)", "(%[3]s - %[4]s)")(g.leaf(event.KindTime), g.leaf(event.KindTime), g.leaf(kind), g.leaf(kind))
}

func (g vmGen) format(forms ...string) func(args ...any) string {
	form := forms[g.IntN(len(forms))]
	return func(args ...any) string {
		text := fmt.Sprintf(form+"%[99]s", args...)
		text, _, _ = strings.Cut(text, "%!")
		return text
	}
}

func (g vmGen) leaf(kind event.Kind) string {
	pick := func(leaves ...string) string { return leaves[g.IntN(len(leaves))] }
	switch kind {
	case event.KindBool:
		return pick("b", "c", "true", "false", "b", "c")
	case event.KindInt:
		return pick("i", "j", "event.i", fmt.Sprint(g.IntN(10)), fmt.Sprint(-g.IntN(10)))
	case event.KindNumber:
		return pick("f", "g", "event.g", "n.x", fmt.Sprintf("%.2f", g.NormFloat64()), fmt.Sprintf("%d.0", g.IntN(9)))
	case event.KindString:
		return pick("s", "w", "event.s", fmt.Sprintf("%q", vmWords[g.IntN(len(vmWords))]))
	case event.KindTime:
		return pick("t", "u", "event.t")
	}
	return pick(`duration("90m")`, `duration("-1h")`, "(t - u)", "(u - t)")
}

func (g vmGen) boolean(a func(event.Kind) string) string {
	op := g.format("<", "<=", "==", "!=", ">", ">=")()
	number, kinds := event.KindNumber, []event.Kind{event.KindInt, event.KindNumber, event.KindString, event.KindTime, event.KindDuration}
	if g.IntN(2) == 0 {
		number = event.KindInt
	}
	kind := kinds[g.IntN(len(kinds))]
	switch g.IntN(12) {
	case 0, 1, 2:
		return g.format("(%s and %s)", "(%s or %s)", "(%s && %s)", "(%s || %s)")(a(event.KindBool), a(event.KindBool))
	case 3:
		return g.format("not %s", "!(%s)", "has(%s)", "(%s ?? false)")(a(event.KindBool))
	case 4:
		return g.format("(%s == %s)", "(%s != %s)", "(%s ? %s : b)")(a(event.KindBool), a(event.KindBool))
	case 5:
		return g.format("(%s contains %s)", "(%s startsWith %s)", "(%s endsWith %s)", "(%s not contains %s)")(a(event.KindString), a(event.KindString))
	case 6:
		return g.format(`(%s matches "^[aA]b")`, `(%s in ["a", "Ab", "ïÀ"])`, `(%s not in ["zz top", ""])`, `(%s not matches "[[:upper:]]")`)(a(event.KindString))
	case 7:
		return g.format("(%s in [1, -2, 0])", "(%s not in [1, 2.5, -3])", "(%s in [])")(a(number))
	case 8:
		return fmt.Sprintf("(%s < %s <= %s)", a(number), a(event.KindNumber), a(event.KindInt))
	case 9:
		return fmt.Sprintf("(%s %s %s)", a(event.KindInt), op, a(event.KindNumber))
	}
	return fmt.Sprintf("(%s %s %s)", a(kind), op, a(kind))
}

func (g vmGen) numeric(kind event.Kind, a func(event.Kind) string) string {
	if kind == event.KindInt {
		return g.format("(%s + %s)", "(%s - %s)", "(%s * %s)", "(%[1]s %% (abs(%[2]s) + 1))", "-%s", "abs(%s)", "min(%s, %s)", "max(%s, %s)", "len(%[3]s)", "(%[4]s ? %[1]s : %[2]s)",
			"hour(%[5]s)", "weekday(%[5]s)", "(%s ?? %s)")(a(kind), a(kind), a(event.KindString), a(event.KindBool), a(event.KindTime))
	}
	other := []event.Kind{event.KindInt, event.KindNumber}[g.IntN(2)]
	return g.format("(%s + %s)", "(%[2]s - %[1]s)", "(%s * %s)", "(%[1]s / (abs(%[2]s) + 1))", "(%[2]s / (abs(%[1]s) + 1.0))", "-%s", "+%s", "abs(%s)", "min(%s, %[4]s)", "max(%[4]s, %[1]s)",
		"floor(%s)", "ceil(%s)", "round(%s)", "sqrt(abs(%s))", "log(abs(%s) + 1.5)", "(%[3]s ? %[1]s : %[2]s)", "(%s ?? %s)")(a(kind), a(other), a(event.KindBool), a(kind))
}

func TestAgainstVirtualMachine(t *testing.T) {
	count := testsize.Of(20_000, 100_000)
	const seed = 1
	_, env := vmRow(rand.New(rand.NewPCG(seed, 0)))
	config := conf.New(env)
	kinds := []event.Kind{event.KindBool, event.KindBool, event.KindInt, event.KindNumber, event.KindString, event.KindTime, event.KindDuration}
	failures := 0
	for n := range count {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		kind := kinds[r.IntN(len(kinds))]
		text := vmGen{r}.of(kind, 1+r.IntN(vmDepth))
		program, err := vmProgram(text, config)
		if err != nil {
			t.Fatalf("seed %d,%d: %s: the machine's compiler: %v", seed, n, text, err)
		}
		var problems diag.List
		e := Compile(text, kind, vmScope, nil, &problems)
		if e == nil {
			t.Fatalf("seed %d,%d: %s: %v", seed, n, text, problems.Err())
		}
		for range 3 {
			row, env := vmRow(r)
			want, err := vm.Run(program, env)
			if err != nil {
				t.Fatalf("seed %d,%d: %s: the machine: %v", seed, n, text, err)
			}
			if got := e.Value(row); !vmSame(&got, want) {
				failures++
				t.Errorf("seed %d,%d: %s is %s %s, the machine has %v (%T)", seed, n, text, got.Kind, got.Text(), want, want)
			}
			if n%20 == 0 {
				checkBecause(t, e, row)
			}
		}
		if failures > 5 {
			t.Fatal("more failures are not told")
		}
	}
}

func vmProgram(text string, config *conf.Config) (*vm.Program, error) {
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, err
	}
	if _, err := vmchecker.Check(tree, config); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, config)
}

func vmSame(got *event.Value, want any) bool {
	switch want := want.(type) {
	case bool:
		return got.Kind == event.KindBool && got.Bool() == want
	case int:
		return got.Kind == event.KindInt && got.Int() == int64(want) || got.Kind == event.KindNumber && got.Float() == float64(want)
	case float64:
		return got.Kind == event.KindNumber && got.Float() == want
	case string:
		return got.Kind == event.KindString && got.S == want
	case time.Time:
		return got.Kind == event.KindTime && got.Time().Std().Equal(want)
	case time.Duration:
		return got.Kind == event.KindDuration && got.Duration() == want
	}
	return false
}
