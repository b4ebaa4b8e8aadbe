package ruletest

import (
	"strings"
	"testing"

	"insolite/internal/config"
	"insolite/rules"
)

const patternRules = `
version: 1
rules:
- id: first-shop
  source: pay
  group_by: [customer]
  new_value: {fields: [shop], history: 30d, learning: 7d}
  tests:
  - name: learns, knows, tells
    events:
    - {at: 2026-10-01T12:00:00Z, customer: ann, shop: a}
    - {after: 1d, customer: ann, shop: b}
    - {after: 7d, customer: ann, shop: b}
    - {after: 1h, customer: ann}
    - {after: 1h, customer: ann, shop: c}
    expect: [{event: 2}, {event: 3}, {event: 4}]
- id: back-and-forth
  source: pay
  group_by: [customer]
  sequence: {within: 1h, steps: [{times: 2}, {source: refund}, {source: visit, as: came}]}
  condition: came.page != "/" and amount > 1
  alert: {summary: "{customer} at {came.page}"}
  tests:
  - name: three sources, two topics
    events:
    - {at: 2026-10-01T12:00:00Z, customer: ann}
    - {after: 1m, customer: ann}
    - {after: 1m, source: refund, customer: ann}
    - {after: 1m, source: visit, customer: ann, page: /}
    - {after: 1m, customer: ann}
    - {after: 1m, customer: ann}
    - {after: 1m, source: refund, customer: ann}
    - {after: 1m, source: visit, customer: ann, page: /x}
    expect: [{event: 4}, {event: 7}, {event: 8}]
`

// TestPatterns tells why rules with new_value and sequence are silent, of events of any source.
func TestPatterns(t *testing.T) {
	text := strings.Replace(configuration, "rules: [rules.yaml]", "  visit:\n    topic: visits\n    key: customer\n    time: {field: at}\n    fields: {at: time, customer: string, page: string}\nrules: [rules.yaml]", 1)
	c, list := config.Load("insolite.yaml", config.Options{ReadFile: func(string) ([]byte, error) { return []byte(text), nil }})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	results, list := Run([]rules.File{{Path: "rules.yaml", Data: []byte(patternRules)}}, c.Sources, nil, Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range results {
		for _, p := range results[i].Problems {
			got = append(got, p.Message)
		}
	}
	want := []string{
		"alert 1: expected at event 2, but there is none: the value is new, but so is the key: it is watched since 2026-10-01T12:00:00Z and learns for 7d",
		"alert 2: expected at event 3, but there is none: the key has shown this value within 30d",
		"alert 3: expected at event 4, but there is none: a field of the value is missing",
		`event 5 raises an alert that is not expected: "first-shop: ann", because the key has not shown this value within 30d`,
		`alert 1: expected at event 4, but there is none: the condition is false: came.page != "/" and amount > 1, as came.page = "/", amount = unknown`,
		"alert 2: expected at event 7, but there is none: the sequence is not complete: the furthest of 2 that have begun waits for step 3 of 3",
		`alert 3: expected at event 8, but there is none: the condition is unknown: came.page != "/" and amount > 1, as came.page = "/x", amount = unknown`,
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}
