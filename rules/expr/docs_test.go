package expr

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr/parser/operator"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules/lookup"
)

const docsFile = "../../docs/rules/expressions.md"

// docsSource is the source of the reference's examples; prev remembers an earlier place and time.
var docsSource = &event.Source{Name: "payment.authorized", EventTime: 0, Fields: []event.Field{
	{Name: "at", Kind: event.KindTime}, {Name: "amount", Kind: event.KindNumber}, {Name: "items", Kind: event.KindInt}, {Name: "country", Kind: event.KindString},
	{Name: "merchant_id", Kind: event.KindString}, {Name: "ip", Kind: event.KindIP}, {Name: "lat", Kind: event.KindNumber}, {Name: "lon", Kind: event.KindNumber},
	{Name: "nickname", Kind: event.KindString, Optional: true},
}}

var docsRow = event.Row{
	event.TimeValue(1792087200e9, 7200), event.NumberValue(120.5), event.IntValue(3), event.StringValue("IT"),
	event.StringValue("m1"), ipValue("10.1.2.3"), event.NumberValue(41.9), event.NumberValue(12.5), {},
	event.TimeValue(1792081800e9, 7200), event.NumberValue(48.86), event.NumberValue(2.35),
}

func docsScope(t *testing.T) *Scope {
	var problems diag.List
	s := NewScope(docsSource, &lookup.Set{
		Lists:  map[string]*lookup.List{"vpn_egress": lookup.ParseList("", []byte("10.1.2.3\n"), &problems)},
		Tables: map[string]*lookup.Table{"merchants": lookup.ParseTable("", []byte("merchant_id,country\nm1,FR\n"), "merchant_id", &problems)},
	})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	s.Names["prev"] = Group(docsSource, []event.Slot{0, 6, 7}, []event.Slot{9, 10, 11})
	return s
}

// TestDocs keeps the tables of the reference in step with the code; -update writes them.
func TestDocs(t *testing.T) {
	old, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	scope := docsScope(t)
	result := func(example string) string {
		var problems diag.List
		e := Compile(example, event.KindMissing, scope, nil, &problems)
		if e == nil {
			t.Fatalf("%s: %v", example, problems.Err())
		}
		v := e.Value(docsRow)
		switch {
		case !v.Known():
			return "unknown"
		case v.Kind == event.KindString:
			return fmt.Sprintf("`%q`", v.S)
		}
		return "`" + v.Text() + "`"
	}
	sections := map[string]string{"problem": docsProblem(scope), "event": docsEvent(), "operators": docsOperators(result), "functions": docsFunctions(result)}
	text := string(old)
	for name, section := range sections {
		open := "<!-- " + name + " -->\n"
		before, rest, ok := strings.Cut(text, open)
		_, after, ok2 := strings.Cut(rest, "<!-- end -->\n")
		if !ok || !ok2 {
			t.Fatalf("%s has no section %s", docsFile, name)
		}
		text = before + open + section + "<!-- end -->\n" + after
	}
	golden(t, docsFile, text)
}

func docsProblem(scope *Scope) string {
	const line = "  condition: amuont > 3 * items"
	_, text, _ := strings.Cut(line, ": ")
	at := func(offset int) diag.Position {
		return diag.Position{File: "rules/pay.yaml", Line: 12, Col: len(line) - len(text) + offset + 1}
	}
	var problems diag.List
	Compile(text, event.KindBool, scope, at, &problems)
	p := problems.Sorted()[0]
	p.Snippet = line
	return "```\n" + p.String() + "\n" + strings.TrimRight(p.Caret(), "\n") + "\n```\n"
}

func docsEvent() string {
	var b strings.Builder
	b.WriteString("```yaml\n{")
	for i := range docsRow[:8] {
		name := docsSource.Fields[i].Name
		fmt.Fprintf(&b, "%s%s: %s", map[bool]string{true: "", false: ", "}[i == 0], name, docsRow[i].Text())
	}
	fmt.Fprintf(&b, "}\n# the feature prev remembers {at: %s, lat: %s, lon: %s}\n# the list vpn_egress holds 10.1.2.3; the table merchants has the row {merchant_id: m1, country: FR}\n```\n", docsRow[9].Text(), docsRow[10].Text(), docsRow[11].Text())
	return b.String()
}

func docsOperators(result func(string) string) string {
	var b strings.Builder
	b.WriteString("| operator | meaning | example | result |\n|---|---|---|---|\n")
	for _, o := range operators() {
		names := "`" + strings.Join(o.names, "` `") + "`"
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", pipes(names), pipes(o.doc), pipes(o.example), result(o.example))
	}
	return b.String()
}

func docsFunctions(result func(string) string) string {
	var b strings.Builder
	b.WriteString("| function | gives | example | result |\n|---|---|---|---|\n")
	for _, f := range functions() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", pipes(f.form), pipes(f.doc), pipes(f.example), result(f.example))
	}
	return b.String()
}

// pipes keeps a cell of a table in one piece.
func pipes(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func TestTablesAreComplete(t *testing.T) {
	if !slices.IsSortedFunc(functions(), func(a, b function) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the functions are not sorted by name")
	}
	for _, f := range functions() {
		if !strings.Contains(f.example, f.name+"(") || !strings.Contains(f.form, f.name+"(") {
			t.Errorf("%s has the form %s and the example %s", f.name, f.form, f.example)
		}
	}
	strength := func(o operatorRow) int {
		name := o.names[0]
		if unary, ok := operator.Unary[name]; ok && len(o.example) > 0 && strings.HasPrefix(o.example, name) {
			return unary.Precedence
		}
		return operator.Binary[name].Precedence
	}
	told := map[string]bool{}
	last := 1000
	for _, o := range operators() {
		if o.names[0] != "? :" {
			if s := strength(o); s > last || s == 0 {
				t.Errorf("%v of strength %d stands below one of %d", o.names, s, last)
			} else {
				last = s
			}
		}
		used := false
		for _, name := range o.names {
			told[name] = true
			used = used || strings.Contains(o.example, strings.Fields(name)[0])
		}
		if !used {
			t.Errorf("%v has the example %s", o.names, o.example)
		}
	}
	operands := []string{"1", "2.5", `"a"`, "true", "at", "ip", `duration("1s")`, "[1]"}
	for name := range operator.Binary {
		accepted := false
		for _, left := range operands {
			for _, right := range operands {
				var problems diag.List
				accepted = accepted || Compile(left+" "+name+" "+right, event.KindMissing, docsScope(t), nil, &problems) != nil
			}
		}
		if accepted != told[name] {
			t.Errorf("operator %s: accepted %v, told in the reference %v", name, accepted, told[name])
		}
	}
}
