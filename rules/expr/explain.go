package expr

import (
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

// Node is a sub-expression with the value that it has for one row.
type Node struct {
	Text  string
	Kind  event.Kind  // of the values; KindMissing: a group of fields, which has Nodes only
	Value event.Value // missing: unknown
	Nodes []Node      // its own sub-expressions in the order of the text, without literals
}

// Explain evaluates every sub-expression, also those that decide nothing. It is for people: it allocates. The values may hold views into
// the row.
func (e *Expr) Explain(row event.Row) Node {
	n, _ := e.explain(e.tree, row)
	return n
}

// explain returns false for what has no value worth telling: literals and names of lists.
func (e *Expr) explain(n ast.Node, row event.Row) (Node, bool) {
	if group := e.groups[n]; group != nil {
		node := Node{Text: n.String()}
		for _, m := range group {
			node.Nodes = append(node.Nodes, Node{Text: m.text, Kind: m.code.kind, Value: m.code.boxed()(row)})
		}
		return node, true
	}
	k := e.codes[n]
	if k == nil {
		return Node{}, false
	}
	node := Node{Text: n.String(), Kind: k.kind, Value: k.boxed()(row)}
	for _, child := range children(n) {
		if literal(child, e.codes[child]) {
			continue
		}
		if sub, ok := e.explain(child, row); ok {
			node.Nodes = append(node.Nodes, sub)
		}
	}
	return node, true
}

func literal(n ast.Node, k *code) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.BoolNode, *ast.StringNode, *ast.ArrayNode:
		return true
	case *ast.IdentifierNode: // a number that was made readable
		return k != nil && k.constant
	}
	return false
}

func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		if left, ok := n.Left.(*ast.BinaryNode); ok && logical(n.Operator) && left.Operator == n.Operator {
			return append(children(left), n.Right) // a and b and c has three children
		}
		return []ast.Node{n.Left, n.Right}
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.CallNode:
		return n.Arguments
	case *ast.MemberNode:
		args, _ := callOf(n.Node, "lookup")
		return args
	}
	return nil
}

// numerals writes numbers so that they read back as numbers: the tree's own text of 2.0 is 2, which is an int.
type numerals struct{ codes map[ast.Node]*code }

// Visit replaces a number by its text.
func (v numerals) Visit(n *ast.Node) {
	f, ok := (*n).(*ast.FloatNode)
	if !ok {
		return
	}
	text := strconv.FormatFloat(f.Value, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	code := v.codes[f]
	ast.Patch(n, &ast.IdentifierNode{Value: text})
	v.codes[*n] = code
}
