package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules"
	"insolite/rules/expr"
	"insolite/rules/lookup"
)

func sources(t testing.TB) []*event.Source {
	t.Helper()
	data, err := os.ReadFile("testdata/sources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list diag.List
	doc, ok := yamldoc.Parse("sources.yaml", data, &list)
	if !ok {
		t.Fatal(list.Err())
	}
	s := rules.ParseSources(doc.Root)
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

func lookups(t testing.TB) *lookup.Set {
	t.Helper()
	var list diag.List
	s := &lookup.Set{Lists: map[string]*lookup.List{}, Tables: map[string]*lookup.Table{}}
	for _, name := range []string{"trusted", "vpn_egress"} {
		s.Lists[name] = lookup.ParseList(name, []byte("192.0.2.1\nfood\n"), &list)
	}
	s.Tables["merchants"] = lookup.ParseTable("merchants", []byte("id,risk\nm1,high\n"), "id", &list)
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// files are the rule files of testdata.
func files(t testing.TB) []rules.File {
	t.Helper()
	var out []rules.File
	for _, name := range []string{"pizzas.yaml", "payments.yaml", "logins.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rules.File{Path: name, Data: data})
	}
	return out
}

// told writes problems as people see them.
func told(list *diag.List) string {
	var b strings.Builder
	for _, p := range list.Sorted() {
		fmt.Fprintln(&b, p)
		fmt.Fprintln(&b, p.Caret())
	}
	return b.String()
}

func loadAll(t testing.TB) *rules.Set {
	t.Helper()
	set, list := rules.Load(files(t), sources(t), lookups(t), rules.Options{})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	return set
}

// load reads rules written without their frame.
func load(t testing.TB, text string, o rules.Options) (*rules.Set, *diag.List) {
	t.Helper()
	return rules.Load([]rules.File{{Path: "r.yaml", Data: []byte("version: 1\nrules:\n" + text)}}, sources(t), lookups(t), o)
}

func mustLoad(t testing.TB, text string) *rules.Set {
	t.Helper()
	set, list := load(t, text, rules.Options{})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	return set
}

func TestRuleOfTheDocumentation(t *testing.T) {
	r := loadAll(t).Rule("amount-far-above-usual")
	field := func(name string) event.Slot { return r.Source.FieldSlot(name) }
	if r.Title != "An amount far above the usual" || r.Severity != rules.High || r.Mode != rules.Live || r.Tags[1] != "t1078" ||
		r.References[0] != "https://example.org/cards" || r.Position != (diag.Position{File: "payments.yaml", Line: 3, Col: 7}) {
		t.Errorf("the head is %+v", r)
	}
	if !slices.Equal(r.GroupBy, []event.Slot{field("customer_id")}) || r.Condition.Text() != "amount > 3 * usual and amount > usual + 4 * spread" {
		t.Errorf("got group_by %v, condition %s", r.GroupBy, r.Condition.Text())
	}
	usual := r.Features[0].Read
	if usual.Agg != window.AggAvg || usual.Window.String() != "30d" || !usual.ExcludeCurrent || usual.MinSamples != 10 || usual.Kinds[0] != event.KindNumber {
		t.Errorf("usual is %+v", usual)
	}
	if s := r.Suppress; s.For != 24*time.Hour || s.Calendar != nil || !slices.Equal(s.By, []event.Slot{field("terminal_id")}) || s.Identity == 0 {
		t.Errorf("suppress is %+v", s)
	}
	row := make(event.Row, 32)
	row[field("customer_id")] = event.StringValue("ann")
	row[field("terminal_id")] = event.StringValue("t1")
	row[field("amount")] = event.NumberValue(12.345)
	row[field("category")] = event.StringValue("food")
	row[field("merchant.id")] = event.StringValue("m1")
	if got := string(r.Alert.Summary.Append(nil, row)); got != "ann paid 12.35, usually n/a" {
		t.Errorf("summary %q", got)
	}
	if r.Alert.Labels[1].Name != "terminal" || string(r.Alert.Links[0].Text.Append(nil, row)) != "https://example.org/ann" || r.Alert.Evidence != 8 {
		t.Errorf("alert %+v", r.Alert)
	}
	if r.Exceptions[0].Where.Truth(row) != expr.True || r.Exceptions[1].Where.Truth(row) != expr.False {
		t.Errorf("exceptions %v %v, want true, false", r.Exceptions[0].Where.Truth(row), r.Exceptions[1].Where.Truth(row))
	}
}

func TestSetIsInOrderOfPaths(t *testing.T) {
	var ids []string
	for i, r := range loadAll(t).Rules {
		if ids = append(ids, r.ID); r.Index != i {
			t.Errorf("rule %d has index %d", i, r.Index)
		}
	}
	if got := strings.Join(ids, " "); got != "impossible-travel amount-far-above-usual items-in-a-session two-pizzas-one-day many-kinds" {
		t.Errorf("got %s", got)
	}
}

func TestDefaultSummary(t *testing.T) {
	set := mustLoad(t, "- {id: a, title: 'A {brace}', source: pizza.purchased, group_by: [item, customer_id], condition: true}\n"+
		"- {id: b, source: pizza.purchased, group_by: customer_id, condition: true}\n")
	row := event.Row{{}, event.StringValue("ann"), event.StringValue("regina"), {}}
	for i, want := range []string{"A {brace}: regina ann", "b: ann"} {
		if got := string(set.Rules[i].Alert.Summary.Append(nil, row)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOnlyOneRule(t *testing.T) {
	const text = "- {id: a, source: pizza.purchased, group_by: customer_id, condition: true, mode: disabled}\n" +
		"- {id: b, source: none, group_by: customer_id, condition: true}\n"
	set, list := load(t, text, rules.Options{Only: "a"})
	if list.HasErrors() || len(set.Rules) != 1 || set.Rules[0].Mode != rules.Live || set.Plan("pizzas") == nil {
		t.Errorf("got %+v, %s", set, told(list))
	}
}
