package expr

import (
	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

// Operand is a comparison, or a plain truth value, that made a condition true.
type Operand struct {
	Expr  string      // the side that is compared, or the plain truth value
	Op    string      // == != < <= > >=; empty: a plain truth value
	Value event.Value // of Expr
	Limit event.Value // of the other side of the comparison; missing for a plain truth value
}

// Because appends to dst what made the condition true, in the order of the text; nothing unless it is true. The values may hold views
// into the row.
func (e *Expr) Because(row event.Row, dst []Operand) []Operand {
	if e.Truth(row) != True {
		return dst
	}
	return e.reason.append(dst, row, True)
}

// reason is a node of a condition's logical skeleton.
type reason struct {
	op           string // and, not, ?:, ??, a comparison, or empty for a plain truth value
	text         string
	truth        func(event.Row) Truth
	value, limit func(event.Row) event.Value
	kids         []*reason
}

// append appends what makes the reason want, which it is.
func (r *reason) append(dst []Operand, row event.Row, want Truth) []Operand {
	switch r.op {
	case "and": // an and is true by all its sides and false by any of them, an or the other way round: always by those that are what it is
		for _, kid := range r.kids {
			if kid.truth(row) == want {
				dst = kid.append(dst, row, want)
			}
		}
		return dst
	case "not":
		return r.kids[0].append(dst, row, True-want)
	case "?:":
		is := r.kids[0].truth(row)
		return r.kids[2-is].append(r.kids[0].append(dst, row, is), row, want)
	case "??":
		if r.kids[0].truth(row) == want {
			return r.kids[0].append(dst, row, want)
		}
		return r.kids[1].append(dst, row, want)
	case "":
		return append(dst, Operand{Expr: r.text, Value: event.BoolValue(want == True)})
	}
	op := r.op
	if want == False {
		op = negated[op]
	}
	return append(dst, Operand{Expr: r.text, Op: op, Value: r.value(row), Limit: r.limit(row)})
}

// reason builds the skeleton of a condition that has been checked.
func (c *checker) reason(n ast.Node) *reason {
	r := &reason{truth: c.codes[n].truth}
	switch n := n.(type) {
	case *ast.UnaryNode:
		r.op, r.kids = "not", []*reason{c.reason(n.Node)}
		return r
	case *ast.ConditionalNode:
		r.op, r.kids = "?:", []*reason{c.reason(n.Cond), c.reason(n.Exp1), c.reason(n.Exp2)}
		return r
	case *ast.BinaryNode:
		_, compared := comparisons[n.Operator]
		switch {
		case logical(n.Operator):
			r.op, r.kids = "and", []*reason{c.reason(n.Left), c.reason(n.Right)}
			return r
		case n.Operator == "??":
			r.op, r.kids = "??", []*reason{c.reason(n.Left), c.reason(n.Right)}
			return r
		case compared:
			c.comparison(r, n)
			return r
		}
	}
	r.text = n.String()
	return r
}

// comparison fills r; the limit is the constant side, the right one when neither or both are constant.
func (c *checker) comparison(r *reason, n *ast.BinaryNode) {
	a, b, _ := c.sides(n, c.codes[n.Left], c.codes[n.Right])
	r.op, r.text, r.value, r.limit = n.Operator, n.Left.String(), a.boxed(), b.boxed()
	if a.constant && !b.constant {
		r.op, r.text, r.value, r.limit = mirrored[n.Operator], n.Right.String(), r.limit, r.value
	}
}
