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
