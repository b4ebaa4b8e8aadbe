// Package expr checks the conditions of rules against a source's names and compiles them to typed closures over the slots of a row.
//
// The grammar is expr-lang's, the checker is this package's own: [Compile] tells all problems at once. docs/rules/expressions.md is the
// reference of the language, made from the tables of this package.
//
// # Use
//
// [NewScope] names the fields of a source; the caller adds its features, [Group] makes one of several fields. A compiled [Expr] answers with
// a [Truth] or a [event.Value], tells by [Expr.Because] what made it true and by [Expr.Explain] the value of every sub-expression.
// [CompileTemplate] compiles a text with expressions in braces. Both are safe for concurrent use. An evaluation allocates nothing but the
// text that lower and upper change, and takes time in proportion to the expression, which is bounded by [TextMax].
//
// # Unknown
//
// What has no value is unknown, and unknown follows three-valued (Kleene) logic. Unknown arises from a missing field or feature, an absent
// key of a table, x / 0, x % 0, log of x ≤ 0, sqrt of x < 0, a number that is none (NaN) or gets infinite, and an int, time or
// duration that overflows.
//
// # Because
//
// A condition is true because of comparisons and of plain truth values. Of an and all sides count, of an or the true ones; a not is
// pushed inwards, where it negates the comparisons. A ? chooses: what decided it counts, and the side that was chosen. The limit of a
// comparison is its constant side (one that reads no slot): 2 <= pizzas reads as pizzas >= 2. With two constant sides or none it is the right
// one. A plain truth value (a bool, has, in, matches, contains, startsWith, endsWith) has no operator and no limit; under a not its
// value is false.
//
// # Lookups
//
// Lists and tables hold texts. A string is in list("name") when it equals a value byte by byte; so is an int, a bool or an ip by its
// shortest text: 42, true, 10.1.2.3 or 2001:db8::1 (lower case, :: for the longest run of zeros). The same holds for the keys of tables.
// A list holds no prefixes: an address equals 10.0.0.0/8 never.
//
// # Places and times
//
// distance_km and speed_kmh take groups: event, or a feature of several fields. The members lat and lon are the place. The time of a group
// is its source's event-time field, whatever its name; a feature must remember that field too for speed_kmh to apply.
//
// hour and weekday know the zones of the machine's time zone database. A program for machines that may have none imports time/tzdata.
package expr

import (
	"errors"
	"regexp"
	"strings"
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
	reason          *reason  // of a condition
	clauses         []Clause // of a condition
	tree            ast.Node
	codes           map[ast.Node]*code
	groups          map[ast.Node][]named
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
	c := &checker{text: text, scope: scope, at: at.or(text), problems: problems}
	c.spans, c.codes, c.groups = map[ast.Node]reads{}, map[ast.Node]*code{}, map[ast.Node][]named{}
	tree := c.parse()
	if tree == nil {
		return nil
	}
	k := c.check(tree)
	if k != nil && want == event.KindNumber && k.kind == event.KindInt {
		k = k.asNumber()
	}
	if k != nil && want != event.KindMissing && k.kind != want {
		c.errorf(start(tree), "this is %s, %s is wanted%s", article(k.kind), article(want), wantCure(want))
	}
	if c.failed {
		return nil
	}
	ast.Walk(&tree, numerals{c.codes})
	e := &Expr{text: text, canonical: tree.String(), code: k, value: k.boxed(), tree: tree, codes: c.codes, groups: c.groups}
	e.slots = sortedSet(c.reads)
	if k.truth != nil {
		e.reason, e.clauses = c.reason(tree), c.clauses(tree)
	}
	return e
}

// parse returns nil when it has complained.
func (c *checker) parse() ast.Node {
	if len(c.text) > TextMax {
		c.errorf(file.Location{}, "the expression has %d bytes, at most %d are allowed; split it into features", len(c.text), TextMax)
		return nil
	}
	if !utf8.ValidString(c.text) {
		c.errorf(file.Location{}, "the expression is not UTF-8; save the file as UTF-8")
		return nil
	}
	tree, err := parser.Parse(c.text)
	if err == nil {
		return tree.Node
	}
	var fe *file.Error
	if errors.As(err, &fe) {
		c.errorf(fe.Location, "syntax: %s%s", fe.Message, syntaxCure(fe.Message))
	} else {
		c.errorf(file.Location{}, "syntax: %s; check the quotes, brackets and operators", err)
	}
	return nil
}

var sqlWords = regexp.MustCompile(`Identifier\("(?i:(and|or|not|in|is|like|between))"\)`)

// syntaxCure says what is usually meant by what the parser does not understand.
func syntaxCure(message string) string {
	switch {
	case strings.Contains(message, `Operator("=")`):
		return "; write == to compare"
	case sqlWords.MatchString(message):
		return "; the words of the language are and, or, not, in, matches, contains, startsWith, endsWith"
	case strings.Contains(message, "token EOF"):
		return "; something is missing at the end"
	case strings.Contains(message, "parsing regexp"):
		return "; patterns are written as in RE2"
	}
	return "; check the quotes, brackets and operators here"
}

func wantCure(want event.Kind) string {
	if want == event.KindBool {
		return "; compare it, such as x > 1"
	}
	return ""
}

// start returns the place of the leftmost leaf of n.
func start(n ast.Node) file.Location {
	switch m := n.(type) {
	case *ast.BinaryNode:
		return start(m.Left)
	case *ast.MemberNode:
		return start(m.Node)
	case *ast.CallNode:
		return start(m.Callee)
	case *ast.ConditionalNode:
		return start(m.Cond)
	}
	return n.Location()
}
