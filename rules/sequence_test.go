package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/rules"
)

// tried is a card that is declined, and then accepted elsewhere.
const tried = `- id: a
  source: payment.declined
  group_by: [customer_id]
  sequence:
    within: 10m
    steps:
    - {times: 3}
    - not: {source: payment.authorized, where: amount < 10}
    - {source: payment.authorized, where: items > 1, as: entry}
  condition: entry.amount > 100
  alert: {summary: "{customer_id} paid {entry.amount} at {entry.merchant.id}"}
  tests:
  - name: t
    events: [{at: 2026-10-15T12:00:00Z, customer_id: ann}]
    expect: []
`

func TestSequence(t *testing.T) {
	set, list := load(t, tried, rules.Options{})
	if set == nil {
		t.Fatal(told(list))
	}
	r := set.Rules[0]
	q := r.Sequence
	if want := "3 payment.declined, then no payment.authorized where amount < 10, then payment.authorized where items > 1 within 10m, and entry.amount > 100"; r.Trigger() != want {
		t.Errorf("trigger %q", r.Trigger())
	}
	if q.Within != 10*time.Minute || len(q.Steps) != 2 || q.Steps[0].Times != 3 || len(q.Bars) != 1 || q.Bars[0].Before != 1 || q.Keep != 3 || r.Keyspace.Retention < q.Within {
		t.Errorf("got %+v", q)
	}
	var captured []string
	for _, c := range q.Steps[1].Captures {
		captured = append(captured, q.Steps[1].Source.Fields[c.Field].Name)
	}
	if got := fmt.Sprint(captured); got != "[amount merchant.id]" {
		t.Errorf("captured are %s", got)
	}
	p := r.Plan
	for _, s := range p.Sources {
		if wanted := strings.HasPrefix(s.Source.Name, "payment."); slices.Contains(s.Rules, r) != wanted {
			t.Errorf("%s has the rule: %v", s.Source.Name, !wanted)
		}
		if s.Source.Name == "payment.authorized" && (!s.Needed[s.Source.FieldSlot("items")] || !s.Needed[s.Source.FieldSlot("merchant.id")] || s.Needed[s.Source.FieldSlot("category")]) {
			t.Errorf("needed are %v", s.Needed)
		}
	}
	for i, change := range [][2]string{{"10m", "11m"}, {"times: 3", "times: 4"}, {"items > 1", "items > 2"}, {"amount < 10", "amount < 11"}, {"as: entry}", "as: entry}\n    unordered: false"}} {
		other, list := load(t, strings.Replace(tried, change[0], change[1], 1), rules.Options{})
		if other == nil {
			t.Fatal(told(list))
		}
		if o := other.Rules[0]; (o.Version == r.Version) != (i == 4) || (o.Sequence.Identity == q.Identity) != (i == 4) {
			t.Errorf("%v: the same version %v, the same state %v", change, o.Version == r.Version, o.Sequence.Identity == q.Identity)
		}
	}
}

// TestSequenceCaptures reads fields of a named event in every way that the language has.
func TestSequenceCaptures(t *testing.T) {
	for text, want := range map[string]string{
		`entry["items"] > 3`: "[items]", `entry . items > 3`: "[items]", `(entry).items > 3`: "[items]", `entry["merchant"]["id"] == "x"`: "[merchant.id]",
		`entry.merchant["id"] == "x"`: "[merchant.id]", `has(entry.category)`: "[category]", `customer_id == "x"`: "[]",
	} {
		changed := strings.NewReplacer("entry.amount > 100", "'"+text+"'", " paid {entry.amount} at {entry.merchant.id}", "").Replace(tried)
		set, list := load(t, changed, rules.Options{})
		if set == nil {
			t.Fatal(told(list))
		}
		s := &set.Rules[0].Sequence.Steps[1]
		names := []string{}
		for _, c := range s.Captures {
			names = append(names, s.Source.Fields[c.Field].Name)
		}
		if got := fmt.Sprint(names); got != want {
			t.Errorf("%s captures %s, want %s", text, got, want)
		}
	}
	var all []string
	for i := range 3 {
		for _, name := range []string{"amount", "category", "items", "terminal_id", "payment_id", "source"} {
			all = append(all, fmt.Sprintf("{e%d.%s}", i, name))
		}
	}
	_, list := load(t, `- id: a
  source: payment.authorized
  group_by: [customer_id]
  sequence: {within: 1h, steps: [{as: e0}, {as: e1}, {as: e2}]}
  alert: {summary: "`+strings.Join(all, " ")+`"}
  tests: [{name: t, events: [], expect: []}]
`, rules.Options{})
	if got := told(list); !strings.Contains(got, "r.yaml:6:3: 18 fields of named events are read, at most 16 are kept; read fewer") {
		t.Error(got)
	}
}

// TestSequenceOfAnyKey sends the events of all steps to the stage of the rule's key.
func TestSequenceOfAnyKey(t *testing.T) {
	set, list := load(t, `- id: a
  source: payment.authorized
  group_by: [source]
  sequence: {within: 1h, steps: [{where: amount > 3}, {where: items > 2, as: x}]}
  alert: {summary: "{x.category}"}
  tests: [{name: t, events: [], expect: []}]
`, rules.Options{})
	if set == nil {
		t.Fatal(told(list))
	}
	r := set.Rules[0]
	if r.Plan.Stage == nil {
		t.Fatal("the rule runs at the source")
	}
	route := set.Plan("payments").Routes[0].Sources[0]
	var names []string
	for _, c := range route.Columns {
		names = append(names, c.Name)
	}
	if got, want := fmt.Sprint(names), "[ts payment_id customer_id amount items category source]"; got != want {
		t.Errorf("what travels is %s, want %s", got, want)
	}
	if r.Stream.Source.FieldSlot("source") == event.NoSlot {
		t.Error("no key")
	}
}

func TestProblemsOfSequences(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"    within: 10m\n", "", `r.yaml:7:5: sequence has no "within"; add it, as in within: 10m`},
		{"within: 10m", "within: 10", `r.yaml:7:13: "within" is a duration, this is an int; write it with a unit, as in 90s, 1h30m, 30d, 8w`},
		{"within: 10m", "witin: 10m", `r.yaml:7:5: sequence has no "within"; add it, as in within: 10m
r.yaml:7:5: unknown field "witin" in sequence; did you mean "within"?`},
		{"times: 3", "times: 101", `r.yaml:9:15: "times" is 101; it is between 1 and 100`},
		{"times: 3", "time: 3", `r.yaml:9:8: unknown field "time" in a step; did you mean "times"?`},
		{"- {times: 3}", "- {source: payment.declind}", `r.yaml:9:16: unknown source "payment.declind"; did you mean "payment.declined"?`},
		{"- {times: 3}", "- {source: login.succeeded}", `r.yaml:9:16: source login.succeeded has no field "customer_id", by which the sequence is grouped; declare it there, or group by fields that both have`},
		{"- {times: 3}", "- {where: raeson == \"x\"}", `r.yaml:9:15: source payment.declined has no field "raeson"; did you mean "reason"?`},
		{"- {times: 3}\n", "- {source: payment.authorized}\n", `r.yaml:9:5: no step is of the rule's source payment.declined; name one of the steps' sources as source`},
		{"    - {times: 3}\n", "", `r.yaml:9:7: a sequence begins with an event; put not behind a step`},
		{"as: entry", "as: entri", `r.yaml:12:14: source payment.declined has no field "entry"`},
		{"as: entry", "as: reason", `r.yaml:11:58: "reason" is a field of payment.declined; name the feature differently`},
		{"- {times: 3}", "- {times: 3, as: entry}", `r.yaml:11:58: "entry" is a name in this rule already; name the event differently`},
		{"entry.amount > 100", "entry.amuont > 100", `r.yaml:12:20: `},
		{"    within: 10m\n", "    within: 10m\n    unordered: true\n", `r.yaml:11:7: not stands between two steps, and unordered ones have no between; remove it, or unordered`},
		{"  condition: entry", "  new_value: {fields: [reason], history: 9d, learning: 1d}\n  condition: entry", `r.yaml:12:3: a rule has one trigger, this one has new_value and sequence; split the rule`},
		{"  sequence:\n", "  context: {n: {by: [reason], agg: count, window: 1h}}\n  sequence:\n", `r.yaml:6:13: the sequence is of several sources, whose events have no features of another key; remove it, or by`},
		{"entry.amount > 100", `'entry["it\x65ms"] > 100'`, `r.yaml:6:3: a field of a named event is spelt in a way that hides it; write it as in entry.user_id`},
		{`items > 1, as: entry}`, `items > 1, as: entry}
    - not: {}`, `r.yaml:12:7: not at the end of a sequence is not supported yet; end with a step`},
	} {
		set, list := load(t, strings.Replace(tried, c.old, c.new, 1), rules.Options{})
		var b strings.Builder
		for _, p := range list.Sorted() {
			fmt.Fprintln(&b, p)
		}
		if got := strings.TrimSpace(b.String()); set != nil || !strings.HasPrefix(got, c.want) || strings.HasSuffix(c.want, "?") && got != c.want {
			t.Errorf("%s → %s\n got %s\nwant %s", c.old, c.new, got, c.want)
		}
	}
}
