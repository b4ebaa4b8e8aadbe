package rules

import (
	"maps"
	"strings"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// view is what the rules of one source see: its fields, and the slots of what they compute.
type view struct {
	source *event.Source
	fields map[string]expr.Ref // the declared fields, and the group named event of all of them
	reads  map[FeatureID]*Read
	next   event.Slot // the first slot that nothing has yet
	width  int        // slots of a row that enabled rules need
}

func (l *loader) viewOf(s *event.Source) *view {
	v := l.views[s]
	if v == nil {
		v = &view{source: s, reads: map[FeatureID]*Read{}, next: event.Slot(len(s.Fields)), width: len(s.Fields)}
		v.fields = map[string]expr.Ref{}
		for i := range s.Fields {
			f := &s.Fields[i]
			nest(v.fields, f.Name, expr.Ref{Slot: event.Slot(i), Kind: f.Kind, Optional: f.Optional})
		}
		v.fields["event"] = expr.Ref{Members: maps.Clone(v.fields)}
		l.views[s] = v
	}
	return v
}

// nest adds a name that may have dots to a group.
func nest(group map[string]expr.Ref, name string, ref expr.Ref) {
	first, rest, dotted := strings.Cut(name, ".")
	old := group[first]
	if !dotted {
		ref.Members = old.Members
		group[first] = ref
		return
	}
	if old.Members == nil {
		old.Members = map[string]expr.Ref{}
	}
	nest(old.Members, rest, ref)
	group[first] = old
}

// event returns the names that a `where` may use.
func (v *view) event() *expr.Scope { return &expr.Scope{Source: v.source.Name, Names: v.fields} }

// row returns the names that a condition may use: the fields and a rule's features.
func (v *view) row(features []*Feature) *expr.Scope {
	names := maps.Clone(v.fields)
	for _, f := range features {
		names[f.Name] = f.ref()
	}
	return &expr.Scope{Source: v.source.Name, Names: names}
}

func (f *Feature) ref() expr.Ref {
	r := f.Read
	if !r.Several {
		return expr.Ref{Slot: r.Results[0], Kind: r.Kinds[0], Optional: true}
	}
	group := expr.Ref{Members: map[string]expr.Ref{}}
	for i, name := range r.FieldNames {
		nest(group.Members, name, expr.Ref{Slot: r.Results[i], Kind: r.Kinds[i], Optional: true})
	}
	return group
}

// condition compiles the expression in a scalar; nil without one, and when it is wrong.
func condition(n *yamldoc.Node, scope *expr.Scope) *expr.Expr {
	text, ok := scalar(n)
	if !ok || scope == nil {
		return nil
	}
	var found diag.List
	e := expr.Compile(text, event.KindBool, scope, offsets, &found)
	tell(n, &found)
	return e
}

// template compiles the text in a scalar; nil without one, and when it is wrong.
func template(n *yamldoc.Node, scope *expr.Scope) *expr.Template {
	text, ok := scalar(n)
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

// tell reports what was found in the text of a scalar at its place in the file.
func tell(n *yamldoc.Node, found *diag.List) {
	for _, p := range found.Sorted() {
		offset, length := p.Position.Col-1, 0
		for i := range n.Text[min(offset, len(n.Text)):] {
			if length = i; p.Length == 0 {
				break
			}
			p.Length--
		}
		if p.Severity == diag.Lint {
			n.LintAt(offset, length, "%s", p.Message)
		} else {
			n.ErrorAt(offset, length, "%s", p.Message)
		}
	}
}
