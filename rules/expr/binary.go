package expr

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

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
		k = c.compare(n, a, b)
	case "+", "-", "*", "/", "%":
		k = arithmetic(n.Operator, a, b)
	case "contains", "startsWith", "endsWith":
		if a.str != nil && b.str != nil {
			op := map[string]func(string, string) bool{"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix}
			k = test(a.str, b.str, op[n.Operator])
		}
	case "??":
		if x, y, ok := unify(a, b); ok {
			k = pick(x.known(), x, y)
		}
	default:
		return c.errorf(n.Location(), "operator %s is not supported", n.Operator)
	}
	if k == nil {
		c.errorf(n.Location(), "%s does not apply to %s and %s", n.Operator, article(a.kind), article(b.kind))
	}
	return k
}

// logic is Kleene's and, or.
func logic(op string, a, b *code) *code {
	if a.truth == nil || b.truth == nil {
		return nil
	}
	decides := truthOf(op == "or" || op == "||")
	x, y := a.truth, b.truth
	return boolCode(func(row event.Row) Truth {
		s := x(row)
		if s == decides {
			return s
		}
		t := y(row)
		if t == decides || s != Unknown {
			return t
		}
		return Unknown
	})
}

func ordered[T cmp.Ordered](op string) func(T, T) bool {
	switch op {
	case "==":
		return func(a, b T) bool { return a == b }
	case "!=":
		return func(a, b T) bool { return a != b }
	case "<":
		return func(a, b T) bool { return a < b }
	case "<=":
		return func(a, b T) bool { return a <= b }
	case ">":
		return func(a, b T) bool { return a > b }
	}
	return func(a, b T) bool { return a >= b }
}

func (c *checker) compare(n *ast.BinaryNode, a, b *code) *code {
	equality := n.Operator == "==" || n.Operator == "!="
	a, b = addressLiteral(a, b.kind), addressLiteral(b, a.kind)
	a, b, ok := unify(a, b)
	if !ok {
		return nil
	}
	wanted := n.Operator == "=="
	switch {
	case a.num != nil:
		return test(a.num, b.num, ordered[float64](n.Operator))
	case a.word != nil:
		return test(a.word, b.word, ordered[int64](n.Operator))
	case a.str != nil:
		return test(a.str, b.str, ordered[string](n.Operator))
	case a.truth != nil && equality:
		x, y := a.truth, b.truth
		return boolCode(func(row event.Row) Truth {
			s, t := x(row), y(row)
			if s == Unknown || t == Unknown {
				return Unknown
			}
			return truthOf((s == t) == wanted)
		})
	case a.kind == event.KindIP && equality:
		x, y := a.val, b.val
		return boolCode(func(row event.Row) Truth {
			s, t := x(row), y(row)
			if !s.Known() || !t.Known() {
				return Unknown
			}
			return truthOf((s.N == t.N && s.M == t.M) == wanted)
		})
	}
	return nil
}

// addressLiteral makes a string literal an address when it is compared with one.
func addressLiteral(k *code, other event.Kind) *code {
	if k.text == nil || other != event.KindIP {
		return k
	}
	addr, err := netip.ParseAddr(*k.text)
	if err != nil {
		return k
	}
	v := event.IPValue(addr)
	return &code{kind: event.KindIP, val: func(event.Row) event.Value { return v }}
}

var (
	intOps    = map[string]func(int64, int64) (int64, bool){"+": addInt, "-": subInt, "*": mulInt, "%": modInt}
	numberOps = map[string]func(float64, float64) (float64, bool){"+": addNum, "-": subNum, "*": mulNum, "/": divNum}
)

// arithmetic returns nil when op does not apply.
func arithmetic(op string, a, b *code) *code {
	sum := op == "+" || op == "-"
	const span, instant = event.KindDuration, event.KindTime
	switch {
	case a.kind == event.KindInt && b.kind == event.KindInt && op != "/":
		return wordCode(event.KindInt, lift(a.word, b.word, intOps[op]))
	case a.numeric() && b.numeric() && op != "%":
		return numberCode(lift(a.float(), b.float(), numberOps[op]))
	case a.kind == instant && b.kind == instant && op == "-", a.kind == span && b.kind == span && sum:
		return wordCode(span, lift(a.word, b.word, intOps[op]))
	case a.kind == instant && b.kind == span && sum, a.kind == span && b.kind == instant && op == "+":
		return wordCode(instant, lift(a.word, b.word, intOps[op]))
	case a.kind == span && b.kind == span && op == "/":
		return numberCode(lift(a.word, b.word, func(x, y int64) (float64, bool) { return divNum(float64(x), float64(y)) }))
	}
	return nil
}

func (c *checker) matches(n *ast.BinaryNode) *code {
	a := c.check(n.Left)
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		return c.errorf(start(n.Right), "matches wants a literal pattern")
	}
	re, err := regexp.Compile(pattern.Value)
	if err != nil {
		return c.errorf(pattern.Location(), "%s", strings.TrimPrefix(err.Error(), "error parsing "))
	}
	if a == nil {
		return nil
	}
	if a.str == nil {
		return c.errorf(start(n.Left), "matches does not apply to %s", article(a.kind))
	}
	return member(a.str, re.MatchString)
}

func member[T any](f func(event.Row) (T, bool), has func(T) bool) *code {
	return boolCode(func(row event.Row) Truth {
		x, ok := f(row)
		if !ok {
			return Unknown
		}
		return truthOf(has(x))
	})
}

// in compiles membership in a literal list, a list of the configuration or a prefix of addresses.
func (c *checker) in(n *ast.BinaryNode) *code {
	if args, ok := callOf(n.Right, "list"); ok {
		return c.inList(n.Left, n.Right, args)
	}
	a := c.check(n.Left)
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return c.errorf(start(n.Right), "in wants a literal list, such as [1, 2]")
	}
	if a == nil {
		return nil
	}
	var texts []string
	var numbers []float64
	var ints []int64
	var prefixes []netip.Prefix
	for _, e := range list.Nodes {
		k := c.element(e, a.kind)
		switch {
		case k == nil:
		case a.kind == event.KindIP:
			prefixes = append(prefixes, c.prefix(e, *k.text))
		case k.text != nil:
			texts = append(texts, *k.text)
		case a.kind == event.KindInt && k.kind == event.KindInt:
			i, _ := k.word(nil)
			ints = append(ints, i)
			numbers = append(numbers, float64(i))
		default:
			f, _ := k.float()(nil)
			numbers = append(numbers, f)
		}
	}
	switch {
	case a.str != nil:
		set := make(map[string]struct{}, len(texts))
		for _, s := range texts {
			set[s] = struct{}{}
		}
		return member(a.str, func(s string) bool { _, ok := set[s]; return ok })
	case a.kind == event.KindInt && len(ints) == len(numbers):
		return member(a.word, func(i int64) bool { return slices.Contains(ints, i) })
	case a.numeric():
		return member(a.float(), func(f float64) bool { return slices.Contains(numbers, f) })
	case a.kind == event.KindIP:
		return inPrefixes(a, prefixes)
	}
	return c.errorf(n.Location(), "in does not apply to %s", article(a.kind))
}

func inPrefixes(a *code, prefixes []netip.Prefix) *code {
	return boolCode(func(row event.Row) Truth {
		v := a.val(row)
		if !v.Known() {
			return Unknown
		}
		addr := v.Addr()
		for _, p := range prefixes {
			if p.Contains(addr) {
				return True
			}
		}
		return False
	})
}

// element checks one literal of a list whose left side is of the kind.
func (c *checker) element(e ast.Node, kind event.Kind) *code {
	inner := e
	if u, ok := e.(*ast.UnaryNode); ok && (u.Operator == "-" || u.Operator == "+") {
		inner = u.Node
	}
	switch inner.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode:
	default:
		return c.errorf(start(e), "a list holds numbers or strings only")
	}
	k := c.check(e)
	if k == nil {
		return nil
	}
	if (kind == event.KindString || kind == event.KindIP) != (k.text != nil) {
		return c.errorf(start(e), "the list holds %s, %s is on the left of in", article(k.kind), article(kind))
	}
	return k
}

// prefix parses an address or a CIDR prefix.
func (c *checker) prefix(e ast.Node, text string) netip.Prefix {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		c.errorf(e.Location(), "%q is neither an address nor a prefix such as 10.0.0.0/8", text)
	}
	return p
}
