package expr

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// kleene orders the truth values as Kleene's logic does: false < unknown < true; and is the least, or the greatest, not the opposite.
var kleene = map[Truth]int{False: -1, Unknown: 0, True: 1}

var bools = &Scope{Source: "s", Names: map[string]Ref{
	"x": {Slot: 0, Kind: event.KindBool}, "y": {Slot: 1, Kind: event.KindBool}, "z": {Slot: 2, Kind: event.KindBool}, "v": {Slot: 3, Kind: event.KindBool},
}}

func boolRow(truths ...Truth) event.Row {
	row := make(event.Row, len(truths))
	for i, t := range truths {
		if t != Unknown {
			row[i] = event.BoolValue(t == True)
		}
	}
	return row
}

// TestKleene goes through every value of four variables, so through the complete truth table of each form.
func TestKleene(t *testing.T) {
	known := func(is bool, operands ...int) int {
		switch {
		case slices.Contains(operands, 0):
			return 0
		case is:
			return 1
		}
		return -1
	}
	forms := map[string]func(x, y, z, v int) int{
		"x":                            func(x, y, z, v int) int { return x },
		"not x":                        func(x, y, z, v int) int { return -x },
		"!not x":                       func(x, y, z, v int) int { return x },
		"x and y":                      func(x, y, z, v int) int { return min(x, y) },
		"x or y":                       func(x, y, z, v int) int { return max(x, y) },
		"x and y and z":                func(x, y, z, v int) int { return min(x, y, z) },
		"x && (y && (z && v))":         func(x, y, z, v int) int { return min(x, y, z, v) },
		"x or y or z":                  func(x, y, z, v int) int { return max(x, y, z) },
		"(x || y) || (z || v)":         func(x, y, z, v int) int { return max(x, y, z, v) },
		"x and y or z and v":           func(x, y, z, v int) int { return max(min(x, y), min(z, v)) },
		"(x or y) and (z or v)":        func(x, y, z, v int) int { return min(max(x, y), max(z, v)) },
		"not (x and y and z) or not v": func(x, y, z, v int) int { return max(-min(x, y, z), -v) },
		"x and true and y":             func(x, y, z, v int) int { return min(x, y) },
		"x or true or y":               func(x, y, z, v int) int { return 1 },
		"x and false and y":            func(x, y, z, v int) int { return -1 },
		"x == y":                       func(x, y, z, v int) int { return known(x == y, x, y) },
		"x != y":                       func(x, y, z, v int) int { return known(x != y, x, y) },
		"has(x)":                       func(x, y, z, v int) int { return known(x != 0, 1) },
		"has(x and y)":                 func(x, y, z, v int) int { return known(min(x, y) != 0, 1) },
		"x ?? y": func(x, y, z, v int) int {
			if x != 0 {
				return x
			}
			return y
		},
		"x ? y : z": func(x, y, z, v int) int { return map[int]int{1: y, 0: 0, -1: z}[x] },
	}
	values := slices.Sorted(maps.Keys(kleene))
	for text, want := range forms {
		var problems diag.List
		e := Compile(text, event.KindBool, bools, nil, &problems)
		if e == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		for i := range 81 {
			a, b, c, d := values[i%3], values[i/3%3], values[i/9%3], values[i/27]
			if got := e.Truth(boolRow(a, b, c, d)); kleene[got] != want(kleene[a], kleene[b], kleene[c], kleene[d]) {
				t.Errorf("%s is %s for x %s, y %s, z %s, v %s", text, got, a, b, c, d)
			}
		}
	}
}

// TestUnknownArguments makes each argument of each function unknown in turn.
func TestUnknownArguments(t *testing.T) {
	examples := map[string]struct {
		args []string
		fail string // what may stand behind the call
	}{
		"abs": {[]string{"n"}, ""}, "ceil": {[]string{"f"}, ""}, "floor": {[]string{"f"}, ""}, "round": {[]string{"f"}, ""}, "log": {[]string{"f"}, ""}, "sqrt": {[]string{"n"}, ""},
		"len": {[]string{"s"}, ""}, "lower": {[]string{"s"}, ""}, "upper": {[]string{"s"}, ""}, "hour": {[]string{"t"}, ""}, "weekday": {[]string{"t"}, ""},
		"max": {[]string{"n", "f", "n"}, ""}, "min": {[]string{"n", "n"}, ""}, "distance_km": {[]string{"p", "q"}, ""}, "speed_kmh": {[]string{"p", "q"}, ""},
		"lookup": {[]string{`"merchants"`, "s"}, ".country"},
		"has":    {}, "duration": {}, "list": {}, // never unknown, literal, and tested with in
	}
	scope := &Scope{Source: "s", Lookups: lookups(t), Names: map[string]Ref{
		"n": {Slot: 0, Kind: event.KindInt}, "f": {Slot: 1, Kind: event.KindNumber}, "s": {Slot: 2, Kind: event.KindString}, "t": {Slot: 3, Kind: event.KindTime}, "p": place(4), "q": place(7),
	}}
	row := event.Row{
		event.IntValue(7), event.NumberValue(2.5), event.StringValue("ann"), event.TimeValue(0, 0),
		event.NumberValue(1), event.NumberValue(2), event.TimeValue(0, 0), event.NumberValue(3), event.NumberValue(4), event.TimeValue(3600e9, 0),
	}
	for _, f := range functions() {
		example, ok := examples[f.name]
		if !ok {
			t.Errorf("%s has no example", f.name)
		}
		if example.args == nil {
			continue
		}
		text := fmt.Sprintf("%s(%s)%s", f.name, strings.Join(example.args, ", "), example.fail)
		e := Compile(text, event.KindMissing, scope, nil, nil)
		if v := e.Value(row); !v.Known() || v.Kind != e.Kind() {
			t.Errorf("%s is %s of kind %s, want a %s", text, v.Text(), v.Kind, e.Kind())
		}
		for _, slot := range e.Slots() {
			gap := slices.Clone(row)
			gap[slot] = event.Value{}
			if v := e.Value(gap); v.Known() {
				t.Errorf("%s is %s without slot %d", text, v.Text(), slot)
			}
			if got := Compile("has("+text+")", event.KindBool, scope, nil, nil).Truth(gap); got != False {
				t.Errorf("has(%s) is %s without slot %d", text, got, slot)
			}
		}
	}
}

// TestUnknownOperands makes either side of each operator unknown, in every form that is compiled in its own way.
func TestUnknownOperands(t *testing.T) {
	scope := &Scope{Source: "s", Names: map[string]Ref{
		"a": {Slot: 0, Kind: event.KindInt}, "b": {Slot: 1, Kind: event.KindInt}, "f": {Slot: 2, Kind: event.KindNumber}, "g": {Slot: 3, Kind: event.KindNumber},
		"s": {Slot: 4, Kind: event.KindString}, "w": {Slot: 5, Kind: event.KindString}, "t": {Slot: 6, Kind: event.KindTime}, "u": {Slot: 7, Kind: event.KindTime},
		"p": {Slot: 8, Kind: event.KindIP}, "q": {Slot: 9, Kind: event.KindIP}, "d": {Slot: 10, Kind: event.KindDuration}, "e": {Slot: 11, Kind: event.KindDuration},
	}}
	row := event.Row{event.IntValue(3), event.IntValue(2), event.NumberValue(1.5), event.NumberValue(2.5), event.StringValue("s"), event.StringValue("w"), event.TimeValue(5, 0), event.TimeValue(9, 0),
		ipValue("10.0.0.1"), ipValue("::1"), event.DurationValue(1), event.DurationValue(2)}
	var texts []string
	for _, op := range []string{"==", "!=", "<", "<=", ">", ">="} {
		for _, sides := range []string{"a|b", "a|2", "2|a", "a|b + 1", "b + 1|a", "a + 1|b + 1", "f|g", "f|2", "2.5|f", "f|2 * g", "g * 2|f", "f|g + 1", "g - 1|f + 1", "f|a", "a|2 * b", "a|2.5 * b", "a|2.5", "s|w", `s|"x"`, `"x"|s`, "t|u", "d|e", `d|duration("1s")`, "t - u|d"} {
			texts = append(texts, strings.Replace(sides, "|", " "+op+" ", 1))
		}
	}
	for _, op := range []string{"+", "-", "*", "/", "%"} {
		texts = append(texts, "a "+op+" b", "a "+op+" 2", "2 "+op+" a")
		if op != "%" {
			texts = append(texts, "f "+op+" g", "f "+op+" a", "2 "+op+" f", "f "+op+" 2.5")
		}
	}
	texts = append(texts, "t - u", "t + d", "t - d", "d + t", "d + e", "d - e", "d / e", "-a", "-f", "-d", "+a", "p == q", "p != q", `p == "::1"`, `"::1" != p`, `p in ["::1", "10.0.0.0/8"]`, `p in "::/0"`,
		`s in ["s"]`, "a in [1, 2]", "a in [1.5]", "f in [2]", `s matches "s"`, "s contains w", `s startsWith "s"`, "s endsWith w")
	for _, text := range texts {
		var problems diag.List
		e := Compile(text, event.KindMissing, scope, nil, &problems)
		if e == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		if v := e.Value(row); !v.Known() {
			t.Errorf("%s is unknown", text)
		}
		for _, slot := range e.Slots() {
			gap := slices.Clone(row)
			gap[slot] = event.Value{}
			if v := e.Value(gap); v.Known() {
				t.Errorf("%s is %s without slot %d", text, v.Text(), slot)
			}
		}
	}
}

// TestIntsAgainstBig compares int arithmetic at the edges with numbers of any size: what does not fit is unknown.
func TestIntsAgainstBig(t *testing.T) {
	edges := []int64{0, 1, -1, 2, -2, 3, 7, -7, math.MaxInt32, math.MinInt32, 1 << 62, -1 << 62, 3037000500, -3037000500, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1}
	ops := map[string]func(z, x, y *big.Int) *big.Int{"+": (*big.Int).Add, "-": (*big.Int).Sub, "*": (*big.Int).Mul, "%": (*big.Int).Rem}
	scope := &Scope{Source: "s", Names: map[string]Ref{"x": {Slot: 0, Kind: event.KindInt}, "y": {Slot: 1, Kind: event.KindInt}}}
	for op, do := range ops {
		e := Compile("x "+op+" y", event.KindInt, scope, nil, nil)
		for _, x := range edges {
			for _, y := range edges {
				got := e.Value(event.Row{event.IntValue(x), event.IntValue(y)})
				if op == "%" && y == 0 {
					if got.Known() {
						t.Errorf("%d %% 0 is %s", x, got.Text())
					}
					continue
				}
				want := do(new(big.Int), big.NewInt(x), big.NewInt(y))
				if got.Known() != want.IsInt64() || got.Known() && got.Int() != want.Int64() {
					t.Errorf("%d %s %d is %s, want %s", x, op, y, got.Text(), want)
				}
			}
		}
	}
	negate, abs := Compile("-x", event.KindInt, scope, nil, nil), Compile("abs(x)", event.KindInt, scope, nil, nil)
	for _, x := range edges {
		row := event.Row{event.IntValue(x), {}}
		if got := negate.Value(row); got.Known() == (x == math.MinInt64) || got.Known() && got.Int() != -x {
			t.Errorf("-(%d) is %s", x, got.Text())
		}
		if got := abs.Value(row); got.Known() == (x == math.MinInt64) || got.Known() && (got.Int() < 0 || got.Int() != x && got.Int() != -x) {
			t.Errorf("abs(%d) is %s", x, got.Text())
		}
	}
}
