package chain

import (
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
)

// risk is above alerts of the source's own task, of a stage, and of a timer.
const risk = `
version: 1
rules:
- id: crowd
  source: pay
  severity: high
  group_by: [shop]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 2
  suppress: {for: 2s}
- id: first
  source: pay
  severity: low
  group_by: [customer]
  context: {n: {agg: count, window: 1h}}
  condition: n == 1
- id: left
  source: pay
  group_by: [customer]
  absence: {of: pay, within: 30s}
- id: hushed
  mode: shadow
  source: pay
  group_by: [customer]
  condition: shop == "x"
- id: risky
  source: insolite.alert
  where: risk > 1
  group_by: [topic]
  context:
    total: {agg: sum, field: risk, window: 1h}
    kinds: {agg: distinct_count, field: rule, window: 1h, exact: true}
    newest: {agg: last, field: id, window: 1h}
  condition: total >= 100
  alert: {summary: "{total} of {kinds}, now {rule} of {entity} {key}"}
- id: most
  source: insolite.alert
  where: rule == "risky"
  group_by: [topic]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 4
- id: customer
  source: insolite.alert
  group_by: [customer]
  condition: risk > 40
`

// An alert is an event for the rules above it, once it is emitted, whatever raised it, and behind it; their own alerts name its record.
func TestAlertsAreEvents(t *testing.T) {
	all := lines(pays + `{"at":105,"customer":"ann","shop":"x"}
{"at":106,"customer":"ann","shop":"x"}
{"at":160,"customer":"bob"}`)
	const want = `first@0/0 hushed@0/0 first@0/1 hushed@0/1 crowd@0/1 risky@0/1 first@0/2 hushed@0/2 risky@0/2 first@0/3 risky@0/3 ` +
		`first@0/6 hushed@0/6 crowd@0/6 risky@0/6 risky@0/6 most@0/6 most@0/6 hushed@0/7 hushed@0/8 crowd@0/8 risky@0/8 most@0/8 ` +
		`left@0/1 left@0/2 left@0/3 left@0/6 left@0/8 customer@0/1 customer@0/2 customer@0/3 customer@0/6 customer@0/8 ` +
		`risky@0/1 risky@0/2 risky@0/3 risky@0/6 risky@0/8 most@0/1 most@0/2 most@0/3 most@0/6 most@0/8`
	for _, size := range []int{1, 3, 100} {
		c, err := New(load(t, risk), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := told(t, c, "payments", 0, all, size); got != want {
			t.Errorf("in batches of %d\n got %s\nwant %s", size, got, want)
		}
	}
}

// What an alert about an alert is depends on the one that raised it, and it says so.
func TestAlertsOfAlerts(t *testing.T) {
	c, err := New(load(t, risk), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out engine.Output
	if err := c.Step(&ingest.Batch{Topic: "payments", Records: lines(pays), Next: 7}, &out); err != nil {
		t.Fatal(err)
	}
	var crowd, risky *engine.Alert
	for i := range out.Alerts {
		switch a := &out.Alerts[i]; {
		case a.Rule.ID == "crowd" && crowd == nil:
			crowd = a
		case a.Rule.ID == "risky" && risky == nil:
			risky = a
		}
	}
	if risky.Origin.Of != crowd.Origin.ID() || risky.Origin.Topic != "payments" || risky.Origin.ID() == crowd.Origin.ID() {
		t.Errorf("the alert is %+v, about %s", risky.Origin, crowd.Origin.ID())
	}
}
