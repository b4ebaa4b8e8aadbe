// Package expr checks the conditions of rules against a source's names and compiles them to typed closures over the slots of a row.
//
// The grammar is expr-lang's, the checker is this package's own: it tells all problems at once. What has no value is unknown, and
// unknown follows three-valued (Kleene) logic. An evaluation allocates nothing but the text that lower and
// upper change; an [Expr] is safe for concurrent use.
package expr

import (
	"errors"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// TextMax bounds the length of an expression in bytes, and by it the depth of its tree.
const TextMax = 4096

// Locate returns the place in the user's file of a byte of the expression.
type Locate func(byteOffset int) diag.Position

// or returns at, or for nil what places text at the start of an unnamed line.
func (at Locate) or(text string) Locate {
	if at != nil {
		return at
	}
	return func(offset int) diag.Position {
		return diag.Position{Line: 1, Col: utf8.RuneCountInString(text[:offset]) + 1}
	}
}

// Truth is the outcome of a condition.
type Truth uint8

// The truth values.
const (
	False Truth = iota
	True
	Unknown
)

// String returns false, true or unknown.
func (t Truth) String() string {
	switch t {
	case False:
		return "false"
	case True:
		return "true"
	}
	return "unknown"
}

func truthOf(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Expr is a compiled expression.
type Expr struct {
	text, canonical string
	code            *code
	value           func(event.Row) event.Value
	slots           []event.Slot
}

// Text returns the expression as it was written.
func (e *Expr) Text() string { return e.text }

// Canonical returns the expression in a form that does not depend on spaces and superfluous parentheses.
func (e *Expr) Canonical() string { return e.canonical }

// Kind returns the kind of the values.
func (e *Expr) Kind() event.Kind { return e.code.kind }

// Slots returns the slots that the expression reads, ascending. The caller must not change them.
func (e *Expr) Slots() []event.Slot { return e.slots }

// Truth evaluates a condition; Unknown when the kind is not bool.
func (e *Expr) Truth(row event.Row) Truth {
	if e.code.truth == nil {
		return Unknown
	}
	return e.code.truth(row)
}

// Value evaluates the expression; what is unknown is missing.
func (e *Expr) Value(row event.Row) event.Value { return e.value(row) }

// Compile checks text and compiles it. The result is of the kind want, or of any kind when want is KindMissing; an int will do for a
// number. It returns nil when it has added errors to problems. A nil at places the expression at the start of an unnamed line.
func Compile(text string, want event.Kind, scope *Scope, at Locate, problems *diag.List) *Expr {
	at = at.or(text)
	c := &checker{text: text, scope: scope, at: at, problems: problems, slots: map[event.Slot]struct{}{}}
	if len(text) > TextMax {
		c.errorf(file.Location{}, "the expression has %d bytes, at most %d are allowed; split it into features", len(text), TextMax)
		return nil
	}
	tree, err := parser.Parse(text)
	if err != nil {
		var fe *file.Error
		if errors.As(err, &fe) {
			c.errorf(fe.Location, "syntax: %s", fe.Message)
		} else {
			c.errorf(file.Location{}, "syntax: %s", err)
		}
		return nil
	}
	k := c.check(tree.Node)
	if k != nil && want == event.KindNumber && k.kind == event.KindInt {
		k = numberCode(k.float())
	}
	if k != nil && want != event.KindMissing && k.kind != want {
		c.errorf(start(tree.Node), "this is %s, %s is wanted", article(k.kind), article(want))
	}
	if c.failed {
		return nil
	}
	return &Expr{text: text, canonical: tree.Node.String(), code: k, value: k.boxed(), slots: slices.Sorted(maps.Keys(c.slots))}
}

// start returns the place of the leftmost leaf of n.
func start(n ast.Node) file.Location {
	switch m := n.(type) {
	case *ast.BinaryNode:
		return start(m.Left)
	case *ast.MemberNode:
		return start(m.Node)
	case *ast.ConditionalNode:
		return start(m.Cond)
	}
	return n.Location()
}
