package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// view is what the rules of one source see: its fields, and the slots of what they compute.
type view struct {
	event *expr.Scope // the declared fields: what a `where` may name
	reads map[spot]*Read
	next  event.Slot // the first slot that nothing has yet
	width int        // slots of a row that enabled rules need
}

// spot is where a feature is read: the same one is something else where events come another way, or for a rule of another key.
type spot struct {
	id  FeatureID
	hop int
	way string
	by  bool
}

func (l *loader) viewOf(s *event.Source) *view {
	v := l.views[s]
	if v == nil {
		v = &view{event: expr.NewScope(s, l.lookups), reads: map[spot]*Read{}, next: event.Slot(len(s.Fields)), width: len(s.Fields)}
		l.views[s] = v
	}
	return v
}

// row returns the names that a condition may use: the fields and a rule's features.
func (v *view) row(features []*Feature) *expr.Scope {
	scope := *v.event
	scope.Names = maps.Clone(scope.Names)
	for _, f := range features {
		r := f.Read
		if r.Baseline != nil {
			scope.Names[f.Name] = r.baselineRef()
		} else if r.Several {
			scope.Names[f.Name] = expr.Group(r.Source, r.Fields, r.Results)
		} else {
			scope.Names[f.Name] = expr.Ref{Slot: r.Results[0], Kind: r.Kinds[0], Optional: true}
		}
	}
	return &scope
}

// condition compiles the expression in a scalar; nil without one, and when it is wrong. Of names that are features, and not in scope, it
// says so.
func condition(n *yamldoc.Node, scope *expr.Scope, features ...string) *expr.Expr {
	text, ok := scalar(n)
	if !ok || scope == nil {
		return nil
	}
	var found diag.List
	e := expr.Compile(text, event.KindBool, scope, offsets, &found)
	tell(n, &found, features...)
	return e
}

// always is the condition of a rule with another trigger that has none.
func always(v *view) *expr.Expr {
	return expr.Compile("true", event.KindBool, v.event, nil, &diag.List{})
}

// template compiles the text in a scalar; nil without one, and when it is wrong.
func template(n *yamldoc.Node, scope *expr.Scope) *expr.Template {
	text, ok := scalar(n)
	if len(text) > expr.TextMax {
		n.Errorf("the text has %d bytes, at most %d are allowed; shorten it", len(text), expr.TextMax)
		return nil
	}
	if !ok || scope == nil {
		return nil
	}
	var found diag.List
	t := expr.CompileTemplate(text, scope, offsets, &found)
	tell(n, &found)
	return t
}

// scalar returns the text of a scalar: an expression may look like a number or a bool.
func scalar(n *yamldoc.Node) (string, bool) {
	switch {
	case n == nil:
		return "", false
	case n.Kind == yamldoc.Null || n.Kind <= yamldoc.String && strings.TrimSpace(n.Text) == "":
		n.Errorf("the expression is empty; write one, or remove the field")
		return "", false
	case n.Kind > yamldoc.String:
		n.Errorf("an expression is text, this is %s; put it in quotes when it begins with a brace, a bracket or a quote", n.Kind)
		return "", false
	}
	return n.Text, true
}

// offsets makes a position of an offset in the text, for tell.
func offsets(offset int) diag.Position { return diag.Position{Line: 1, Col: offset + 1} }

var word = regexp.MustCompile(`^\w+`)

// tell reports what was found in the text of a scalar at its place in the file.
func tell(n *yamldoc.Node, found *diag.List, features ...string) {
	for _, p := range found.Sorted() {
		offset := min(p.Position.Col-1, len(n.Text))
		length := 0
		for i := range n.Text[offset:] {
			if length = i; p.Length == 0 {
				break
			}
			p.Length--
		}
		if name := word.FindString(n.Text[offset:]); slices.Contains(features, name) {
			p.Message = fmt.Sprintf("%q is a feature, and a where sees the event's fields only; ask for it in condition", name)
		}
		if p.Severity == diag.Lint {
			n.LintAt(offset, length, "%s", p.Message)
		} else {
			n.ErrorAt(offset, length, "%s", p.Message)
		}
	}
}
