package expr

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

func (c *checker) matches(n *ast.BinaryNode) *code {
	a := c.check(n.Left)
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		return c.errorf(start(n.Right), `matches wants a literal pattern; write x matches "^4[0-9]+$"`)
	}
	re, err := regexp.Compile(pattern.Value)
	if err != nil {
		return c.errorf(pattern.Location(), "%s; patterns are written as in RE2", strings.TrimPrefix(err.Error(), "error parsing "))
	}
	if a == nil {
		return nil
	}
	if a.str == nil {
		return c.errorf(start(n.Left), "matches does not apply to %s; it is for string", article(a.kind))
	}
	return member(a.str, re.MatchString)
}

// member applies a predicate where f is known.
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
	var elements []ast.Node
	switch right := n.Right.(type) {
	case *ast.ArrayNode:
		elements = right.Nodes
	case *ast.StringNode:
		if a != nil && a.kind != event.KindIP {
			return c.errorf(right.Location(), "in wants a list, only an ip may be in a single prefix; write [%q]", right.Value)
		}
		elements = []ast.Node{right}
	default:
		return c.errorf(start(n.Right), `in wants a literal list; write x in [1, 2] or x in list("name")`)
	}
	switch {
	case a == nil:
		return nil
	case a.kind == event.KindIP:
		return inPrefixes(a, c.prefixes(elements))
	case a.kind == event.KindString:
		return c.inTexts(a, elements)
	case a.numeric():
		return c.inNumbers(a, elements)
	}
	return c.errorf(start(n.Left), "in does not apply to %s; it is for string, int, number and ip", article(a.kind))
}

func (c *checker) inTexts(a *code, elements []ast.Node) *code {
	var texts []string
	set := map[string]struct{}{}
	for _, e := range elements {
		if k := c.element(e, a.kind); k != nil {
			texts = append(texts, *k.text)
			set[*k.text] = struct{}{}
		}
	}
	const short = 8 // up to here, comparing one by one is faster than hashing
	if len(texts) <= short {
		return member(a.str, func(s string) bool { return slices.Contains(texts, s) })
	}
	return member(a.str, func(s string) bool { _, ok := set[s]; return ok })
}

// inNumbers compares as numbers when the left side or an element is one, else as ints.
func (c *checker) inNumbers(a *code, elements []ast.Node) *code {
	var numbers []float64
	var ints []int64
	for _, e := range elements {
		k := c.element(e, a.kind)
		if k == nil {
			continue
		}
		if k.kind == event.KindInt {
			i, _ := k.word(nil)
			ints = append(ints, i)
		}
		f, _ := k.asNumber().num(nil)
		numbers = append(numbers, f)
	}
	if a.kind == event.KindInt && len(ints) == len(numbers) {
		return member(a.word, func(i int64) bool { return slices.Contains(ints, i) })
	}
	return member(a.asNumber().num, func(f float64) bool { return slices.Contains(numbers, f) })
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
		return c.errorf(start(e), "a list holds literal numbers or strings only; compare with == instead")
	}
	k := c.check(e)
	if k == nil {
		return nil
	}
	if (kind == event.KindString || kind == event.KindIP) != (k.text != nil) {
		return c.errorf(start(e), "the list holds %s, %s is on the left of in; make them the same", article(k.kind), article(kind))
	}
	return k
}

// prefixes checks the addresses and prefixes of a list.
func (c *checker) prefixes(elements []ast.Node) (prefixes []netip.Prefix) {
	for _, e := range elements {
		k := c.element(e, event.KindIP)
		if k == nil {
			continue
		}
		p, ok := parsePrefix(*k.text)
		if !ok {
			c.errorf(e.Location(), `%q is neither an address nor a prefix; write it like "10.1.2.3", "10.0.0.0/8" or "2001:db8::/32"`, *k.text)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes
}

// parsePrefix parses an address or a prefix. IPv4-mapped ones are IPv4, as the addresses of rows are; one that is wider than all of the
// mapped addresses stands for nothing and is refused.
func parsePrefix(text string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		const mapped = 96
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped), p.Bits() >= mapped
	}
	return p, err == nil
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
