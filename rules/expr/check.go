package expr

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// checker walks the tree once, tells every problem and builds the closures; nil stands for what has been complained about already.
type checker struct {
	text     string
	scope    *Scope
	at       Locate
	problems *diag.List
	slots    map[event.Slot]struct{}
	failed   bool
}

func (c *checker) errorf(loc file.Location, format string, args ...any) *code {
	c.failed = true
	offset, from := 0, loc.From
	for offset < len(c.text) && from > 0 {
		_, size := utf8.DecodeRuneInString(c.text[offset:])
		offset += size
		from--
	}
	c.problems.Add(diag.Problem{Position: c.at(offset), Length: max(1, loc.To-loc.From), Message: fmt.Sprintf(format, args...)})
	return nil
}

// article returns the kind's name after a or an.
func article(k event.Kind) string {
	if k == event.KindInt || k == event.KindIP {
		return "an " + k.String()
	}
	return "a " + k.String()
}

func (c *checker) check(n ast.Node) *code {
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
			return c.lookup(n.Property, n.Node.Location(), args)
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
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(id.Value, id.Location(), n.Arguments)
		}
		return c.errorf(n.Location(), "methods are not supported")
	case *ast.ArrayNode:
		return c.errorf(n.Location(), "a list is allowed on the right of in only")
	}
	return c.errorf(n.Location(), "this construct is not supported in rules")
}

// field compiles a name or a dotted path of names.
func (c *checker) field(n ast.Node) *code {
	path, ref, ok := c.resolve(n)
	if !ok {
		return nil
	}
	if ref.Kind == event.KindMissing {
		return c.errorf(n.Location(), "%s has members but no value of its own%s", path, oneOf(ref.Members))
	}
	c.slots[ref.Slot] = struct{}{}
	return slotCode(ref.Slot, ref.Kind)
}

func oneOf(members map[string]Ref) string {
	return "; name one of them: " + some(sortedNames(members))
}

func (c *checker) resolve(n ast.Node) (path string, ref Ref, ok bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		ref, ok = c.scope.Names[n.Value]
		if !ok {
			c.errorf(n.Location(), "source %s has no field %q%s", c.scope.Source, n.Value, diag.DidYouMean(n.Value, sortedNames(c.scope.Names)))
		}
		return n.Value, ref, ok
	case *ast.MemberNode:
		name, isName := n.Property.(*ast.StringNode)
		if !isName || n.Optional || n.Method {
			c.errorf(n.Location(), "only x.name is supported, no index and no method")
			return "", ref, false
		}
		path, group, found := c.resolve(n.Node)
		if !found {
			return "", ref, false
		}
		ref, ok = group.Members[name.Value]
		if !ok {
			c.errorf(name.Location(), "%s has no member %q%s", path, name.Value, diag.DidYouMean(name.Value, sortedNames(group.Members)))
		}
		return path + "." + name.Value, ref, ok
	}
	c.errorf(n.Location(), "only a field has members")
	return "", ref, false
}

func (c *checker) unary(n *ast.UnaryNode) *code {
	k := c.check(n.Node)
	if k == nil {
		return nil
	}
	switch {
	case (n.Operator == "not" || n.Operator == "!") && k.kind == event.KindBool:
		f := k.truth
		return boolCode(func(row event.Row) Truth {
			if t := f(row); t != Unknown {
				return 1 - t
			}
			return Unknown
		})
	case n.Operator == "+" && k.numeric():
		return k
	case n.Operator == "-" && k.kind == event.KindNumber:
		f := k.num
		return numberCode(func(row event.Row) (float64, bool) { x, ok := f(row); return -x, ok })
	case n.Operator == "-" && (k.kind == event.KindInt || k.kind == event.KindDuration):
		zero := func(event.Row) (int64, bool) { return 0, true }
		return wordCode(k.kind, lift(zero, k.word, subInt))
	}
	return c.errorf(n.Location(), "%s does not apply to %s", n.Operator, article(k.kind))
}

// unify gives two codes one kind: int and number mix to number.
func unify(a, b *code) (*code, *code, bool) {
	if a.kind == b.kind {
		return a, b, true
	}
	if a.numeric() && b.numeric() {
		return numberCode(a.float()), numberCode(b.float()), true
	}
	return a, b, false
}

func (c *checker) conditional(n *ast.ConditionalNode) *code {
	cond, a, b := c.check(n.Cond), c.check(n.Exp1), c.check(n.Exp2)
	if cond != nil && cond.kind != event.KindBool {
		cond = c.errorf(start(n.Cond), "the condition before ? is %s, a bool is wanted", article(cond.kind))
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

// arity reports whether a function has from least to most arguments.
func (c *checker) arity(name string, loc file.Location, args []ast.Node, least, most int) bool {
	if len(args) >= least && len(args) <= most {
		return true
	}
	wanted := fmt.Sprint(least)
	if most > least {
		wanted = fmt.Sprintf("%d to %d", least, most)
	}
	c.errorf(loc, "%s has %d arguments, %s wanted", name, len(args), wanted)
	return false
}

func (c *checker) duration(arg ast.Node) *code {
	s, ok := arg.(*ast.StringNode)
	if !ok {
		return c.errorf(arg.Location(), `duration wants a literal, such as duration("5m")`)
	}
	d, err := time.ParseDuration(s.Value)
	if err != nil {
		return c.errorf(s.Location(), `%q is not a duration; write it like "90s", "5m" or "1h30m"`, s.Value)
	}
	return wordCode(event.KindDuration, func(event.Row) (int64, bool) { return int64(d), true })
}
