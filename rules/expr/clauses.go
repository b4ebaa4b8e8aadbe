package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"insolite/internal/event"
)

// Clause is a side of a condition that is an and. The condition is false when one of its clauses is, else unknown when one is, else true: they
// may be evaluated in any order, those first that cost little.
type Clause struct {
	Truth  func(event.Row) Truth
	Slots  []event.Slot // that it reads, ascending
	Strict []event.Slot // among Slots: while one of these has no value, the clause is unknown, whatever the others are
}

// Clauses returns the clauses of a condition; one that is no and has one. The caller must not change them.
func (e *Expr) Clauses() []Clause {
	if e.clauses == nil {
		return []Clause{{Truth: e.Truth, Slots: e.slots}}
	}
	return e.clauses
}

// clauses takes a condition apart that has been checked.
func (c *checker) clauses(n ast.Node) []Clause {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "and" || b.Operator == "&&") {
		return append(c.clauses(b.Left), c.clauses(b.Right)...)
	}
	return []Clause{{Truth: c.codes[n].truth, Slots: sortedSet(c.reads[c.spans[n].from:c.spans[n].to]), Strict: sortedSet(c.strict(n))}}
}

// strict returns slots without which n is unknown, with repetitions.
func (c *checker) strict(n ast.Node) []event.Slot {
	k := c.codes[n]
	if k == nil {
		return nil
	}
	if k.form == formSlot {
		return []event.Slot{k.slot}
	}
	switch n := n.(type) {
	case *ast.UnaryNode:
		return c.strict(n.Node)
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%":
			return append(c.strict(n.Left), c.strict(n.Right)...)
		}
	}
	return nil
}

func sortedSet(slots []event.Slot) []event.Slot {
	set := slices.Clone(slots)
	slices.Sort(set)
	return slices.Compact(set)
}

// Only returns the texts of which a field must have one for the condition to be true, if the condition says so: by ==, in, and and or of these.
func (e *Expr) Only(field event.Slot) (texts []string, ok bool) { return e.only(e.tree, field) }

func (e *Expr) only(n ast.Node, field event.Slot) (texts []string, ok bool) {
	b, is := n.(*ast.BinaryNode)
	if !is {
		return nil, false
	}
	switch b.Operator {
	case "and", "&&":
		left, l := e.only(b.Left, field)
		right, r := e.only(b.Right, field)
		switch {
		case !l:
			return right, r
		case r:
			left = slices.DeleteFunc(left, func(t string) bool { return !slices.Contains(right, t) })
		}
		return left, true
	case "or", "||":
		left, l := e.only(b.Left, field)
		right, r := e.only(b.Right, field)
		if !l || !r {
			return nil, false
		}
		return append(left, right...), true
	}
	return e.equated(b, field)
}

// Equated returns all texts with which a field is compared by == and in, wherever that stands in the expression.
func (e *Expr) Equated(field event.Slot) []string {
	w := equations{e: e, field: field}
	ast.Walk(&e.tree, &w)
	return w.texts
}

type equations struct {
	e     *Expr
	field event.Slot
	texts []string
}

func (w *equations) Visit(n *ast.Node) {
	if b, is := (*n).(*ast.BinaryNode); is {
		texts, _ := w.e.equated(b, w.field)
		w.texts = append(w.texts, texts...)
	}
}

// equated returns the texts with which a comparison wants a field to be equal; false: it is none of that field.
func (e *Expr) equated(b *ast.BinaryNode, field event.Slot) (texts []string, ok bool) {
	left, right := b.Left, b.Right
	if b.Operator == "==" && e.reads(right, field) {
		left, right = right, left
	}
	if !e.reads(left, field) {
		return nil, false
	}
	items := []ast.Node{right}
	switch b.Operator {
	case "==":
	case "in":
		list, is := right.(*ast.ArrayNode)
		if !is {
			return nil, false
		}
		items = list.Nodes
	default:
		return nil, false
	}
	for _, item := range items {
		text, is := item.(*ast.StringNode)
		if !is {
			return nil, false
		}
		texts = append(texts, text.Value)
	}
	return texts, true
}

// reads reports whether a node is a field.
func (e *Expr) reads(n ast.Node, field event.Slot) bool {
	k := e.codes[n]
	return k != nil && k.form == formSlot && k.slot == field
}
