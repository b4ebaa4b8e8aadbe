package expr

import (
	"slices"
	"testing"
	"unicode/utf8"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// FuzzCompile: any text either compiles or has a problem within the text; what compiles means the same in its canonical form.
func FuzzCompile(f *testing.F) {
	for _, c := range truths {
		f.Add(c.text)
	}
	for _, text := range slices.Concat(hotConditions, []string{
		"(1 < (1 < count < 9 ? 1 : 2) < 3)", "if ok { 1 } else { 2.50 }", "t | hour() > 1", "not not u ?? ok", "-(-count) - -1", "geo[\"country\"] == 'a'", "`x` + 1", "ok ? n : 2.0", "event.amount",
		"let x = 1; x", "count in 1..3", "all([1], # > 0)", "lower(card)[0:1]", "card?.x", "nil ?? 1", "{\"a\": 1}.a", "list(\"x\")", "b\"x\" == card", "1e308 * 10 - 1e308 * 10 > 0", "\"\x99\" == card", `"\x99" == card`,
	}) {
		f.Add(text)
	}
	empty := make(event.Row, len(row))
	f.Fuzz(func(t *testing.T, text string) {
		var problems diag.List
		e := Compile(text, event.KindMissing, names, nil, &problems)
		if (e == nil) != problems.HasErrors() {
			t.Fatalf("compiles: %v, problems: %v", e != nil, problems.Err())
		}
		if e == nil {
			for _, p := range problems.Sorted() {
				if p.Position.Line != 1 || p.Position.Col < 1 || p.Position.Col > utf8.RuneCountInString(text)+1 || p.Message == "" || p.Length < 1 {
					t.Errorf("%+v", p)
				}
			}
			return
		}
		again := Compile(e.Canonical(), event.KindMissing, names, nil, &problems)
		if again == nil {
			if len(e.Canonical()) > TextMax { // a chain written out
				return
			}
			t.Fatalf("%s: %v", e.Canonical(), problems.Err())
		}
		if again.Canonical() != e.Canonical() || again.Kind() != e.Kind() || !slices.Equal(again.Slots(), e.Slots()) {
			t.Errorf("%s of kind %s with slots %v, again %s of kind %s with slots %v", e.Canonical(), e.Kind(), e.Slots(), again.Canonical(), again.Kind(), again.Slots())
		}
		for _, r := range []event.Row{row, empty} {
			v, w := e.Value(r), again.Value(r)
			if !v.Equal(&w) || v.Known() && v.Kind != e.Kind() {
				t.Errorf("%s is %s of kind %s, again %s", e.Canonical(), v.Text(), v.Kind, w.Text())
			}
			if n := e.Explain(r); !n.Value.Equal(&v) || n.Text != e.Canonical() {
				t.Errorf("%s is %s, explained as %s = %s", e.Canonical(), v.Text(), n.Text, n.Value.Text())
			}
			if because := e.Because(r, nil); (len(because) > 0) != (e.Truth(r) == True) {
				t.Errorf("%s is %s because of %v", e.Canonical(), e.Truth(r), because)
			}
		}
	})
}

// FuzzTemplate: any text either compiles or has a problem, and what it appends is bounded, clean text.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"", "{amount:.2} {{}} {card}", "{\"}\"}", "{`}`:.1}", "{'\\''}", "}", "{{{", "{ok ? 1 : 2:.15}", "{count:.99999999999999999999}", "\x00\xff{n}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var problems diag.List
		tm := CompileTemplate(text, names, nil, &problems)
		if (tm == nil) != problems.HasErrors() {
			t.Fatalf("compiles: %v, problems: %v", tm != nil, problems.Err())
		}
		if tm == nil {
			return
		}
		got := tm.Append(nil, row)
		if !utf8.Valid(got) || utf8.RuneCount(got) > TemplateMax {
			t.Errorf("%q", got)
		}
	})
}
