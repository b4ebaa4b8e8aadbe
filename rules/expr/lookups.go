package expr

import (
	"fmt"
	"maps"
	"slices"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// textMax bounds the text of an int, a bool or an address in bytes; the longest is that of an IPv6 address.
const textMax = 48

// textual reports whether values of the kind have one text, by which they are compared with the values of a list or the keys of a table.
func textual(k event.Kind) bool {
	return k == event.KindString || k == event.KindInt || k == event.KindBool || k == event.KindIP
}

// callOf returns the arguments when n is a call of the function.
func callOf(n ast.Node, name string) (args []ast.Node, ok bool) {
	call, ok := n.(*ast.CallNode)
	if !ok {
		return nil, false
	}
	id, ok := call.Callee.(*ast.IdentifierNode)
	if !ok || id.Value != name {
		return nil, false
	}
	return call.Arguments, true
}

// inList compiles a in list("name").
func (c *checker) inList(left, right ast.Node, args []ast.Node) *code {
	a := c.check(left)
	if len(args) != 1 {
		return c.check(right) // complains about the number of arguments
	}
	name, ok := args[0].(*ast.StringNode)
	if !ok {
		return c.errorf(start(args[0]), `list wants a literal name; write x in list("vpn_egress")`)
	}
	list := c.scope.Lookups.List(name.Value)
	if list == nil {
		if c.scope.Lookups.Table(name.Value) != nil {
			return c.errorf(name.Location(), "%q is a table, not a list; ask has(lookup(%q, key).column)", name.Value, name.Value)
		}
		return c.unknownLookup("list", name, c.scope.Lookups.ListNames())
	}
	switch {
	case a == nil:
		return nil
	case !textual(a.kind):
		return c.errorf(start(left), "in list does not apply to %s; a list holds texts, which a string, an int, a bool or an ip may equal", article(a.kind))
	case a.str != nil:
		return member(a.str, list.Contains)
	}
	if misfit := list.Misfit(); misfit != "" && a.kind == event.KindIP {
		c.problem(diag.Lint, name.Location(), fmt.Sprintf(`list %q holds %q, which no ip equals; write addresses in their shortest form, and prefixes in a literal list such as ip in ["10.0.0.0/8"]`, name.Value, misfit))
	}
	value := a.boxed()
	return boolCode(func(row event.Row) Truth {
		v := value(row)
		if !v.Known() {
			return Unknown
		}
		var text [textMax]byte
		return truthOf(list.ContainsText(v.AppendText(text[:0])))
	})
}

// unknownLookup complains about a name that stands for no list or table.
func (c *checker) unknownLookup(what string, name *ast.StringNode, known []string) *code {
	cure := didYouMeanOr(name.Value, known, "; declared below lookups: ")
	if len(known) == 0 {
		cure = "; declare it below lookups in the configuration"
	}
	return c.errorf(name.Location(), "there is no %s %q%s", what, name.Value, cure)
}

// lookup compiles lookup("table", key).column.
func (c *checker) lookup(n *ast.MemberNode, args []ast.Node) *code {
	column := n.Property
	if len(args) != 2 {
		return c.check(n.Node) // complains about the number of arguments
	}
	key := c.check(args[1])
	name, ok := args[0].(*ast.StringNode)
	if !ok {
		return c.errorf(start(args[0]), `lookup wants a literal name; write lookup("merchants", merchant_id).country`)
	}
	table := c.scope.Lookups.Table(name.Value)
	if table == nil {
		if c.scope.Lookups.List(name.Value) != nil {
			return c.errorf(name.Location(), "%q is a list, not a table; ask x in list(%q)", name.Value, name.Value)
		}
		return c.unknownLookup("table", name, c.scope.Lookups.TableNames())
	}
	member, ok := column.(*ast.StringNode)
	if !ok {
		return c.errorf(start(column), "the column of table %q is a name; write lookup(%q, key).%s", name.Value, name.Value, table.Columns()[0])
	}
	place, ok := table.Column(member.Value)
	if !ok {
		return c.errorf(member.Location(), "table %q has no column %q%s", name.Value, member.Value, didYouMeanOr(member.Value, table.Columns(), "; its columns: "))
	}
	switch {
	case key == nil:
		return nil
	case !textual(key.kind):
		return c.errorf(start(args[1]), "%s is no key of a table; a key is a string, an int, a bool or an ip", article(key.kind))
	case key.str != nil:
		return stringCode(func(row event.Row) (string, bool) {
			s, ok := key.str(row)
			if !ok {
				return "", false
			}
			return table.Get(s, place)
		})
	}
	value := key.boxed()
	return stringCode(func(row event.Row) (string, bool) {
		v := value(row)
		if !v.Known() {
			return "", false
		}
		var text [textMax]byte
		return table.GetText(v.AppendText(text[:0]), place)
	})
}

// sortedNames returns the keys of a group, sorted.
func sortedNames(group map[string]Ref) []string { return slices.Sorted(maps.Keys(group)) }
