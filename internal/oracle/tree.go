package oracle

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Expr is a node of a tiny expression tree. Ops: ref (a field, a feature or feature.member), const, + - * /, == != < <= > >=, and, or,
// not, ??, has.
type Expr struct {
	Op    string
	Name  string // of ref
	Const Value  // of const
	Args  []*Expr
}

// Ref reads a field, a feature, or a member of a feature with several fields.
func Ref(name string) *Expr { return &Expr{Op: "ref", Name: name} }

// Lit is a constant.
func Lit(v Value) *Expr { return &Expr{Op: "const", Const: v} }

// Op applies an operator.
func Op(op string, args ...*Expr) *Expr { return &Expr{Op: op, Args: args} }

// Text renders the expression in the rule language, with parentheses around all that has parts.
func (e *Expr) Text() string {
	switch e.Op {
	case "ref":
		return e.Name
	case "const":
		return e.Const.literal()
	case "not":
		return "(not " + e.Args[0].Text() + ")"
	case "has":
		return "has(" + e.Args[0].Text() + ")"
	}
	return "(" + e.Args[0].Text() + " " + e.Op + " " + e.Args[1].Text() + ")"
}

// literal renders a constant so that the language reads back the same kind: numbers have a decimal point.
func (v Value) literal() string {
	s := v.JSON()
	switch v.Kind {
	case Duration:
		return "duration(" + s + ")"
	case Number:
		if s = strconv.FormatFloat(v.F, 'f', -1, 64); !strings.Contains(s, ".") {
			s += ".0"
		}
	}
	if v.Kind == Int && v.I == math.MinInt64 {
		return "(-9223372036854775807 - 1)" // the minus is no part of a literal, which alone would not fit
	}
	if strings.HasPrefix(s, "-") {
		return "(" + s + ")"
	}
	return s
}

// env gives the value of a name.
type env func(name string) Value

// eval computes the expression; what has an unknown operand is unknown, except by and, or, ?? and has.
func (e *Expr) eval(names env, o Options) Value {
	switch e.Op {
	case "ref":
		return names(e.Name)
	case "const":
		return e.Const
	case "has":
		return boolean(e.Args[0].eval(names, o).Known())
	case "??":
		if v := e.Args[0].eval(names, o); v.Known() {
			return v
		}
		return e.Args[1].eval(names, o)
	case "not":
		v := e.Args[0].eval(names, o)
		if !v.Known() {
			return v
		}
		return boolean(v.I == 0)
	}
	a, b := e.Args[0].eval(names, o), e.Args[1].eval(names, o)
	switch e.Op {
	case "and", "or":
		return kleene(e.Op, a, b, o)
	case "+", "-", "*", "/":
		return arithmetic(e.Op, a, b)
	}
	return compare(e.Op, a, b)
}

// holds reports whether the expression is true: neither false nor unknown. A nil expression holds.
func (e *Expr) holds(names env, o Options) bool {
	return e == nil || e.eval(names, o) == boolean(true)
}

// kleene is three-valued logic: a value that decides alone decides (false for and, true for or), else an unknown operand gives unknown.
func kleene(op string, a, b Value, o Options) Value {
	if a.Known() && b.Known() {
		if op == "and" {
			return boolean(a.I != 0 && b.I != 0)
		}
		return boolean(a.I != 0 || b.I != 0)
	}
	decides := boolean(op == "or")
	if o.SwapKleene {
		decides = boolean(op == "and")
	}
	if a == decides || b == decides {
		return decides
	}
	return Value{}
}

func compare(op string, a, b Value) Value {
	if !a.Known() || !b.Known() {
		return Value{}
	}
	switch op {
	case "==":
		return boolean(equal(a, b))
	case "!=":
		return boolean(!equal(a, b))
	case "<":
		return boolean(less(a, b))
	case "<=":
		return boolean(less(a, b) || equal(a, b))
	case ">":
		return boolean(less(b, a))
	case ">=":
		return boolean(less(b, a) || equal(a, b))
	}
	panic("oracle: no operator " + op)
}

func arithmetic(op string, a, b Value) Value {
	switch {
	case !a.Known() || !b.Known():
		return Value{}
	case a.Kind == Time && b.Kind == Time && op == "-":
		return exactly(op, a.I, b.I, Duration)
	case op == "/":
		if b.float() == 0 {
			return Value{}
		}
		return number(a.float() / b.float())
	case a.Kind == Int && b.Kind == Int:
		return exactly(op, a.I, b.I, Int)
	}
	x, y := a.float(), b.float()
	switch op {
	case "+":
		return number(x + y)
	case "-":
		return number(x - y)
	case "*":
		return number(float64(x * y))
	}
	panic("oracle: no operator " + op)
}

// exactly computes in whole numbers without bound; what does not fit 64 bits is unknown.
func exactly(op string, a, b int64, kind Kind) Value {
	x, y, z := big.NewInt(a), big.NewInt(b), new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	}
	if !z.IsInt64() {
		return Value{}
	}
	return Value{Kind: kind, I: z.Int64()}
}

// durationText writes a duration with weeks and days, as rules do: 1w2d3h.
func durationText(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}} {
		if n := d / unit.of; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + unit.name)
			d -= n * unit.of
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
