package rules_test

import (
	"slices"
	"strings"
	"testing"

	"insolite/rules"
)

func TestProblemsOfTimers(t *testing.T) {
	absence := func(text string) string { return "absence: " + text }
	for _, c := range []struct{ new, want string }{
		{absence(`[a]`), `r.yaml:8:12: absence is a mapping of fields, this is a list; write name: value`},
		{absence(`{within: 3m}`), `r.yaml:8:12: absence has no "of"; add it, as in absence: {of: order.placed, within: 30m}`},
		{absence(`{of: payment.declined}`), `r.yaml:8:12: absence has no "within"; add it, as in absence: {of: order.placed, within: 30m}`},
		{absence(`{of: payment.declind, within: 3m}`), `r.yaml:8:17: unknown source "payment.declind"; did you mean "payment.declined"?`},
		{absence(`{of: 7, within: 3m}`), `r.yaml:8:17: "of" is a string, this is an int; put it in quotes: "7"`},
		{absence(`{of: unkeyed, within: 3m}`), `r.yaml:8:17: source unkeyed has no field "customer_id", by which the rule is grouped; declare it there, or group by fields that both have`},
		{absence(`{of: payment.declined, within: 3}`), `r.yaml:8:43: "within" is a duration, this is an int; write it with a unit, as in 90s, 1h30m, 30d, 8w`},
		{absence(`{of: payment.declined, within: 3m, where: reson == "x"}`), `r.yaml:8:54: source payment.declined has no field "reson"; did you mean "reason"?`},
		{absence(`{of: payment.declined, within: 3m, where: n > 1}`), `r.yaml:8:54: "n" is a feature, and a where sees the event's fields only; ask for it in condition`},
		{absence(`{of: payment.declined, within: 3m, arm: lst}`), `r.yaml:8:52: unknown arm "lst"; did you mean "last"?`},
		{absence(`{of: payment.declined, within: 3m, cancel_on: payment.declined}`), `r.yaml:8:58: events of payment.declined end the wait already; name another source, or remove it`},
		{absence(`{of: payment.declined, within: 3m, cancel_on: payment.authorized}`), `r.yaml:8:58: events of payment.authorized begin the wait, so they cannot cancel it; name another source, or remove it`},
		{absence(`{of: payment.declined, within: 3m, cancel_on: nobody}`), `r.yaml:8:58: unknown source "nobody"; known are pizza.purchased, payment.authorized, payment.declined, login.succeeded, unkeyed, insolite.alert`},
		{absence(`{of: payment.declined, within: 3m, until: 4m}`), `r.yaml:8:47: unknown field "until" in absence; known are of, where, within, cancel_on, arm`},
		{absence("{of: payment.declined, within: 3m}\n  for: 5m"), `r.yaml:9:3: for is about a condition that goes on holding, and the rule tells of something else; remove it`},
		{absence("{of: payment.declined, within: 3m}\n  new_value: {fields: [terminal_id], history: 3d, learning: 1d}"), `r.yaml:8:3: a rule has one trigger, and this one has new_value; keep one`},
		{absence("{of: payment.declined, within: 3m}\n  condition: m > 1"), `r.yaml:9:14: source payment.authorized has no field "m"; did you mean "n"?`},
		{"condition: n > 1\n  for: soon", `r.yaml:9:8: "soon" is not a duration: a number is missing; write it as in 90s, 1h30m, 30d, 8w`},
		{"condition: n > 1\n  keep_firing_for: 10", `r.yaml:9:20: "keep_firing_for" is a duration, this is an int; write it with a unit, as in 90s, 1h30m, 30d, 8w`},
		{"condition: n > 1\n  for: {calendar: day}", `r.yaml:9:8: "for" is a duration, this is a mapping; write it with a unit, as in 90s, 1h30m, 30d, 8w`},
	} {
		checkProblem(t, "condition: n > 1", c.new, c.want)
	}
}

// What a rule waits for is part of its version, and its identity; what it says is not.
func TestTimersAreOfTheVersion(t *testing.T) {
	seen := map[string]string{}
	for _, trigger := range []string{
		"condition: n > 1", "condition: n > 1\n  for: 5m", "condition: n > 1\n  for: 6m", "condition: n > 1\n  keep_firing_for: 5m", "condition: n > 1\n  for: 5m\n  keep_firing_for: 5m",
		"absence: {of: payment.declined, within: 5m}", "absence: {of: payment.declined, within: 6m}", "absence: {of: payment.declined, within: 5m, arm: first}",
		"absence: {of: payment.authorized, within: 5m}", "absence: {of: payment.declined, within: 5m, where: reason == \"x\"}", "absence: {of: payment.declined, within: 5m}\n  condition: n > 1",
		"absence: {of: payment.authorized, within: 5m, cancel_on: payment.declined}",
	} {
		text := strings.Replace(sound, "condition: n > 1", trigger, 1)
		set, list := load(t, text, rules.Options{})
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
		version := set.Rules[0].Version
		if other, ok := seen[version]; ok {
			t.Errorf("%s has the version of %s", trigger, other)
		}
		seen[version] = trigger
		reworded, list := load(t, strings.Replace(text, `"{n}"`, `"{n} and {terminal_id}"`, 1), rules.Options{})
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
		if a, b := set.Rules[0], reworded.Rules[0]; a.Version != b.Version || a.TimersIdentity != b.TimersIdentity || a.Timed() != (a.TimersIdentity != 0) {
			t.Errorf("%s: other words make another rule", trigger)
		}
	}
}

// A wait reads the other source's events in the task where the rule runs: the topic's own, or a stage to which both are sent.
func TestWaitsReadOtherSources(t *testing.T) {
	const rule = `- id: a
  source: payment.authorized
  group_by: [customer_id]
  absence: {of: payment.declined, where: reason == "x", within: 5m}
`
	set, list := load(t, rule, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	r := set.Rules[0]
	i := slices.IndexFunc(r.Keyspace.Streams, func(s *rules.Stream) bool { return s.Source == r.Absence.Of })
	if i < 0 || len(r.Keyspace.Streams[i].Cancels) != 1 || r.Keyspace.Streams[i].Wheres[r.Keyspace.Streams[i].Cancels[0].Where].Text() != `reason == "x"` {
		t.Fatalf("%s: streams %+v", r.Plan.Topic, r.Keyspace.Streams)
	}
	if r.Source.Topic != r.Absence.Of.Topic {
		if r.Plan.Stage == nil || len(r.Plan.Stage.Upstreams) != 2 {
			t.Errorf("it runs in %s", r.Plan.Topic)
		}
		for _, topic := range r.Plan.Stage.Upstreams {
			for _, x := range set.Plan(topic).Routes[0].Sources {
				if of := x.Source == r.Absence.Of; of != (len(x.Wheres) == 1) {
					t.Errorf("of %s %d conditions decide what is sent", x.Source.Name, len(x.Wheres))
				}
			}
		}
	}
	if r.Keyspace.Retention < r.Absence.Within {
		t.Errorf("a context is kept for %s", r.Keyspace.Retention)
	}
}

// An event of the rule's own source that ends a wait comes to the rule also by the keys of its features, though the rule's `where` refuses it.
func TestEndsTravel(t *testing.T) {
	set, list := load(t, `- id: a
  source: payment.authorized
  where: amount > 5
  group_by: [terminal_id]
  context: {n: {by: [category], agg: count, window: 1h}}
  absence: {of: payment.authorized, where: items > 3, within: 5m}
  condition: n > 1
`, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	routes := 0
	for _, p := range set.Plans {
		for _, route := range p.Routes {
			routes++
			var texts []string
			for _, w := range route.Sources[0].Wheres {
				texts = append(texts, w.Text())
			}
			if slices.Sort(texts); !slices.Equal(texts, []string{"amount > 5", "items > 3"}) {
				t.Errorf("from %s to %s goes what has %q", p.Topic, route.Topic, texts)
			}
		}
	}
	if routes != 2 {
		t.Errorf("%d routes", routes)
	}
}
