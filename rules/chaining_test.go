package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/rules"
)

// onAlerts are rules on alerts, above three of events: one by the key of the records, one by another key, one that is not live.
const onAlerts = `
- id: customer
  source: payment.authorized
  group_by: [customer_id]
  context: {n: {agg: sum, field: amount, window: 1h}}
  condition: n > 3
- id: terminal
  source: payment.authorized
  group_by: [terminal_id]
  context: {n: {agg: count, window: 1h}}
  condition: n > 3
- id: silent
  mode: shadow
  source: login.succeeded
  group_by: [user_id]
  context: {n: {agg: count, window: 1h}}
  condition: n > 3
- id: risky
  source: insolite.alert
  where: severity != "info"
  group_by: [customer_id]
  context: {risks: {agg: sum, field: risk, window: 24h}}
  condition: risks >= 100
- id: again
  source: insolite.alert
  where: state == "firing" and (rule == "risky" or "terminal" == rule)
  group_by: [entity, key]
  context: {n: {agg: count, window: 24h}}
  condition: n >= 2
- id: bought-then-risky
  source: payment.authorized
  group_by: [customer_id]
  sequence:
    within: 1h
    steps: [{source: insolite.alert, where: 'rule in ["risky"]'}, {where: amount > 100}]
`

// Rules on alerts stand behind all that give them: those on events, and those on alerts that they name.
func TestRulesOnAlerts(t *testing.T) {
	set, list := load(t, onAlerts, rules.Options{App: "insolite"})
	if list.HasErrors() {
		t.Fatal(list)
	}
	var levels []string
	for _, r := range set.Rules {
		levels = append(levels, fmt.Sprintf("%s %d", r.ID, r.Level))
	}
	if got := strings.Join(levels, ", "); got != "customer 0, terminal 0, silent 0, risky 1, again 2, bought-then-risky 2" {
		t.Errorf("levels %s", got)
	}
	var plans []string
	for _, p := range set.Plans {
		if p.Stage == nil {
			continue
		}
		var sources []string
		for _, s := range p.Sources {
			sources = append(sources, s.Source.Name)
		}
		plans = append(plans, fmt.Sprintf("%s: %s from %s", p.Topic, strings.Join(sources, ", "), strings.Join(p.Stage.Upstreams, ", ")))
	}
	const want = `insolite.by.terminal_id.1: payment.authorized from payments
insolite.by.customer_id.101: insolite.alert from insolite.by.terminal_id.1, payments
insolite.by.customer_id.201: payment.authorized, insolite.alert from insolite.by.customer_id.101, payments
insolite.by.entity-key.201: insolite.alert from insolite.by.customer_id.101, insolite.by.terminal_id.1`
	if got := strings.Join(plans, "\n"); got != want {
		t.Errorf("stages\n%s\nwant\n%s", got, want)
	}
	route := set.Plan("payments").Routes[0]
	if x := route.Sources[0]; route.Topic != "insolite.by.customer_id.101" || !x.Raised || len(x.Wheres) != 1 || x.Wheres[0].Text() != `severity != "info"` {
		t.Errorf("the topic's tasks send %+v to %s", x, route.Topic)
	}
	if logins := set.Plan("logins"); len(logins.Routes) > 0 {
		t.Error("the alerts of a rule that is not live are sent on")
	}
	alert := set.Rule("risky").Source
	if i := alert.FieldSlot("terminal_id"); i < rules.AlertFields || !alert.Fields[i].Optional {
		t.Error("alerts have no field terminal_id, by which some rule groups")
	}
}

// A rule never sees what comes of its own alerts, and what it sees does not depend on what others see.
func TestProblemsOfRulesOnAlerts(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`rule in ["risky"]`, `rule in ["riskz"]`, `r.yaml:32:7: the alerts of rule "riskz" are asked for, and no rule has that id; did you mean "risky"?`},
		{`where: severity != "info"`, `where: rule == "again"`, `r.yaml:20:7: the rule would see what comes of its own alerts: risky sees those of again sees those of risky, and so on; let one of them name other rules`},
		{`where: severity != "info"`, `where: rule == "risky"`, `r.yaml:20:7: the rule would see what comes of its own alerts: risky sees those of risky, and so on; let one of them name other rules`},
		{`where: state == "firing" and (rule == "risky" or "terminal" == rule)`, `where: rule == "risky" or severity == "high"`, `r.yaml:28:10: rule "risky" is on alerts, which are seen only where each way for the condition to hold names the rules; say rule in ["risky", …] and what else has to hold, or write a second rule`},
		{`where: state == "firing" and (rule == "risky" or "terminal" == rule)`, `where: severity == "high" or not (rule in ["terminl"])`, `r.yaml:28:10: the alerts of rule "terminl" are asked for, and no rule has that id; did you mean "terminal"?`},
		{`where: severity != "info"`, `where: rule == "silent"`, `r.yaml:22:10: no live rule gives the alerts that the rule is to see; name others, or say mode: disabled here, too`},
		{`{where: amount > 100}`, `{where: amount > 100}, {source: insolite.alert}`, `r.yaml:32:7: the rule names a rule on alerts in one place, and sees the alerts of all rules in another; name there, too, which ones it is to see, as in where: rule in ["risky"]`},
		{`group_by: [entity, key]`, `group_by: [user]`, `r.yaml:29:14: group_by names "user", which is no field of insolite.alert; known are rule, key, entity, severity, risk, state, at, id, correlation, suppressed, topic, customer_id, terminal_id, user_id`},
		{`condition: n >= 2`, "condition: n >= 2\n  alert: {evidence: 3}", `r.yaml:32:11: alerts are no evidence that is kept; remove it, and show their ids by a feature such as {agg: last, field: id, window: 1d}`},
	} {
		text := strings.Replace(onAlerts, c.old, c.new, 1)
		_, list := load(t, text, rules.Options{})
		var got []string
		for _, p := range list.Sorted() {
			if p.Severity == diag.Error {
				got = append(got, p.String())
			}
		}
		if s := strings.Join(got, "\n"); s != c.want {
			t.Errorf("%s → %s\n got %s\nwant %s", c.old, c.new, s, c.want)
		}
	}
}
