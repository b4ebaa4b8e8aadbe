package expr

import (
	"net/netip"
	"strings"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

var textTests = map[string]func(string, string) bool{"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix}

func (c *checker) binary(n *ast.BinaryNode) *code {
	switch n.Operator {
	case "in":
		return c.in(n)
	case "matches":
		return c.matches(n)
	}
	a, b := c.check(n.Left), c.check(n.Right)
	if a == nil || b == nil {
		return nil
	}
	var k *code
	switch n.Operator {
	case "and", "&&", "or", "||":
		k = logic(n.Operator, a, b)
	case "==", "!=", "<", "<=", ">", ">=":
		x, y, ok := c.sides(n, a, b)
		if !ok {
			return nil
		}
		if x, y, ok = unify(x, y); ok {
			k = compare(n.Operator, x, y)
		}
	case "+", "-", "*", "/", "%":
		k = arithmetic(n.Operator, a, b)
	case "contains", "startsWith", "endsWith":
		if a.str != nil && b.str != nil {
			k = test(a.str, b.str, textTests[n.Operator])
		}
	case "??":
		if x, y, ok := unify(a, b); ok {
			k = coalesce(x, y)
			c.lintRequired(n.Left, "the right side of ?? is never used")
		}
	default:
		return c.errorf(n.Location(), "operator %s is not supported; rules have %s", n.Operator, operatorNames())
	}
	if k == nil {
		return c.errorf(n.Location(), "%s does not apply to %s and %s%s", n.Operator, article(a.kind), article(b.kind), binaryCure(n.Operator, a.kind, b.kind))
	}
	return k
}

// binaryCure says what to write instead.
func binaryCure(op string, a, b event.Kind) string {
	const text = event.KindString
	switch op {
	case "and", "&&", "or", "||":
		return "; both sides must be bool, such as comparisons"
	case "contains", "startsWith", "endsWith":
		return "; both sides must be string"
	case "??":
		return "; both sides must be of one kind"
	case "+", "-", "*", "/", "%":
		switch {
		case op == "+" && (a == text || b == text):
			return "; texts are joined in templates only"
		case op == "%" && (a == event.KindNumber || b == event.KindNumber):
			return "; it is for int only"
		}
		return "; it is for numbers, times and durations"
	}
	if a == b {
		return "; it is for numbers, times, durations and strings, == and != are for every kind"
	}
	return "; both sides must be of one kind"
}

// sides makes a string literal an address when it is compared with one.
func (c *checker) sides(n *ast.BinaryNode, a, b *code) (x, y *code, ok bool) {
	x, ok = c.address(n.Left, a, b.kind)
	y, ok2 := c.address(n.Right, b, a.kind)
	return x, y, ok && ok2
}

func (c *checker) address(n ast.Node, k *code, other event.Kind) (*code, bool) {
	if k.text == nil || other != event.KindIP {
		return k, true
	}
	addr, err := netip.ParseAddr(*k.text)
	if err != nil {
		c.errorf(n.Location(), "%q is no address; a prefix stands on the right of in: ip in %q", *k.text, "10.0.0.0/8")
		return nil, false
	}
	v := event.IPValue(addr)
	return &code{kind: event.KindIP, constant: true, val: func(event.Row) event.Value { return v }}, true
}
