package expr

import (
	"fmt"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// partsMax bounds the parts of an expression once it is written out. A text of TextMax bytes has fewer, but for chained comparisons:
// a < b < c is a < b and b < c, where b may hold chains again.
const partsMax = 4096

// checker walks the tree once, tells every problem and builds the closures; nil stands for what has been complained about already.
type checker struct {
	text     string
	scope    *Scope
	at       Locate
	problems *diag.List
	codes    map[ast.Node]*code
	groups   map[ast.Node][]named // what a group in an argument stands for
	reads    []event.Slot         // in the order in which they were named
	spans    map[ast.Node]reads   // in reads: those of a part
	parts    int
	failed   bool
}

// reads is a part of a checker's reads.
type reads struct{ from, to int }

// named is a code with its text.
type named struct {
	text string
	code *code
}

func (c *checker) errorf(loc file.Location, format string, args ...any) *code {
	c.failed = true
	c.problem(diag.Error, loc, fmt.Sprintf(format, args...))
	return nil
}

// problem adds a problem at a place of the text.
func (c *checker) problem(severity diag.Severity, loc file.Location, message string) {
	offset, from := 0, loc.From
	for offset < len(c.text) && from > 0 {
		_, size := utf8.DecodeRuneInString(c.text[offset:])
		offset += size
		from--
	}
	c.problems.Add(diag.Problem{Position: c.at(offset), Severity: severity, Length: max(1, loc.To-loc.From), Message: message})
}

// article returns the kind's name after a or an.
func article(k event.Kind) string {
	if k == event.KindInt || k == event.KindIP {
		return "an " + k.String()
	}
	return "a " + k.String()
}

// check compiles n, and evaluates at once what reads no slot.
func (c *checker) check(n ast.Node) *code {
	if c.parts++; c.parts > partsMax {
		if c.parts == partsMax+1 {
			c.errorf(n.Location(), "the expression has more than %d parts with its chained comparisons written out; split it into features", partsMax)
		}
		return nil
	}
	before := len(c.reads)
	k := c.node(n)
	if k != nil && len(c.reads) == before && !k.constant {
		k = k.fold()
	}
	c.codes[n] = k
	c.spans[n] = reads{before, len(c.reads)}
	return k
}

func (c *checker) node(n ast.Node) *code {
	switch n := n.(type) {
	case *ast.IntegerNode:
		i := int64(n.Value)
		return wordCode(event.KindInt, func(event.Row) (int64, bool) { return i, true })
	case *ast.FloatNode:
		f := n.Value
		return numberCode(func(event.Row) (float64, bool) { return f, true })
	case *ast.BoolNode:
		t := truthOf(n.Value)
		return boolCode(func(event.Row) Truth { return t })
	case *ast.StringNode:
		s := n.Value
		k := stringCode(func(event.Row) (string, bool) { return s, true })
		k.text = &s
		return k
	case *ast.NilNode:
		return c.errorf(n.Location(), "nil is not a value; ask has(x) whether x is known")
	case *ast.IdentifierNode:
		return c.field(n)
	case *ast.MemberNode:
		if args, ok := callOf(n.Node, "lookup"); ok {
			return c.lookup(n, args)
		}
		return c.field(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.call(n.Name, n.Location(), n.Arguments)
	case *ast.ChainNode:
		return c.errorf(n.Location(), "?. is not supported; write x.y, which is unknown where it is missing")
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(id.Value, id.Location(), n.Arguments)
		}
		return c.errorf(start(n.Callee), "methods are not supported; write f(x) instead of x.f()")
	case *ast.ArrayNode:
		return c.errorf(n.Location(), "a list is allowed on the right of in only; write x in [1, 2]")
	}
	return c.errorf(n.Location(), "this construct is not supported in rules; they have no loops, variables, ranges and maps")
}

// read returns the code of a slot.
func (c *checker) read(ref Ref) *code {
	c.reads = append(c.reads, ref.Slot)
	return slotCode(ref.Slot, ref.Kind)
}

// field compiles a name or a dotted path of names.
func (c *checker) field(n ast.Node) *code {
	path, ref, ok := c.resolve(n)
	if !ok {
		return nil
	}
	if ref.Kind == event.KindMissing {
		return c.errorf(n.Location(), "%s has members but no value of its own; name one of them: %s", path, some(sortedNames(ref.Members)))
	}
	return c.read(ref)
}

func (c *checker) resolve(n ast.Node) (path string, ref Ref, ok bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		ref, ok = c.scope.Names[n.Value]
		if !ok {
			c.errorf(n.Location(), "source %s has no field %q%s", c.scope.Source, n.Value, didYouMeanOr(n.Value, sortedNames(c.scope.Names), "; known: "))
		}
		return n.Value, ref, ok
	case *ast.MemberNode:
		name, isName := n.Property.(*ast.StringNode)
		if !isName || n.Optional || n.Method {
			c.errorf(start(n), "only x.name is supported; no index, no ?. and no method")
			return "", ref, false
		}
		path, group, found := c.resolve(n.Node)
		if !found {
			return "", ref, false
		}
		ref, ok = group.Members[name.Value]
		switch {
		case ok:
		case group.Members == nil:
			c.errorf(name.Location(), "%s is %s and has no member %q; name it alone", path, article(group.Kind), name.Value)
		default:
			c.errorf(name.Location(), "%s has no member %q%s", path, name.Value, didYouMeanOr(name.Value, sortedNames(group.Members), "; it has "))
		}
		return path + "." + name.Value, ref, ok
	}
	c.errorf(start(n), "only a field has members; write the name of a field or a feature")
	return "", ref, false
}

// lintRequired warns of a field that is asked whether it is known, although it always is.
func (c *checker) lintRequired(n ast.Node, so string) {
	if k := c.codes[n]; k.form != formSlot {
		return
	}
	if path, ref, ok := c.resolve(n); ok && !ref.Optional {
		c.problem(diag.Lint, start(n), fmt.Sprintf("%s is a required field, so %s; declare the field optional: true, or leave the question out", path, so))
	}
}

func (c *checker) unary(n *ast.UnaryNode) *code {
	k := c.check(n.Node)
	if k == nil {
		return nil
	}
	cure := "it is for numbers"
	switch n.Operator {
	case "not", "!":
		if f := k.truth; f != nil {
			return boolCode(func(row event.Row) Truth {
				if t := f(row); t != Unknown {
					return True - t
				}
				return Unknown
			})
		}
		cure = "it is for bool, and binds stronger than a comparison: not (x > 1)"
	case "+":
		if k.numeric() {
			return k
		}
	case "-":
		cure = "it is for numbers and durations"
		switch {
		case k.kind == event.KindNumber:
			return numberCode(func(row event.Row) (float64, bool) { x, ok := k.num(row); return -x, ok })
		case k.kind == event.KindInt || k.kind == event.KindDuration:
			zero := func(event.Row) (int64, bool) { return 0, true }
			return wordCode(k.kind, lift(zero, k.word, subInt))
		}
	}
	return c.errorf(n.Location(), "%s does not apply to %s; %s", n.Operator, article(k.kind), cure)
}

func (c *checker) conditional(n *ast.ConditionalNode) *code {
	cond, a, b := c.check(n.Cond), c.check(n.Exp1), c.check(n.Exp2)
	if cond != nil && cond.kind != event.KindBool {
		cond = c.errorf(start(n.Cond), "the condition before ? is %s, a bool is wanted; compare it", article(cond.kind))
	}
	if cond == nil || a == nil || b == nil {
		return nil
	}
	x, y, ok := unify(a, b)
	if !ok {
		return c.errorf(start(n.Exp2), "the branches are %s and %s; make them the same", article(a.kind), article(b.kind))
	}
	return pick(cond.truth, x, y)
}
