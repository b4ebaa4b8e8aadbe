package engine

import (
	"fmt"
	"testing"

	"insolite/context/window"
	"insolite/ingest"
	"insolite/rules"
)

// reading is a set of one rule over payments with a condition.
func reading(t *testing.T, condition string) *rules.Set {
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte("version: 1\nrules:\n- id: r\n  source: pay\n  group_by: [customer]\n  context:\n" +
		"    n: {agg: count, window: 1h}\n    usual: {agg: avg, field: amount, window: 1h, exclude_current: true, min_samples: 3}\n" +
		"    spread: {agg: stddev, field: amount, window: 1h, exclude_current: true}\n    shops: {agg: distinct_count, field: shop, window: 1h}\n" +
		"    prev: {agg: last, field: shop, window: 1h, exclude_current: true}\n    first: {agg: first, field: shop, window: 1h}\n" +
		"    least: {agg: min, field: amount, window: 2h}\n  condition: " + condition + "\n")}}, manyRules(t, 1).Sources, nil, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// Of an event, those features are read that decide.
func TestOnlyWhatDecidesIsRead(t *testing.T) {
	const second, fifth = 1, 4
	for _, c := range []struct {
		condition string
		at        int
		read      string // and last, always: first shares its cell and includes the event
	}{
		{"shops > 1 and amount > 1000 and n >= 2", fifth, ""},
		{"shops > 1 and n > 99", fifth, "count "},
		{"shops > 9 and n > 2", fifth, "count distinct_count "},
		{"shops > 9 or n > 9", second, "count distinct_count "},
		{"amount > usual + 4 * spread", second, "avg "},
		{"amount > usual + 4 * spread", fifth, "avg stddev "},
		{"amount > 3 * usual and amount > usual + 4 * spread", fifth, "avg "},
		{"first == shop and amount < 0", fifth, ""},
		{"has(spread) and least > 50", fifth, "stddev min "},
		{"prev != shop", second, "avg stddev count distinct_count first min "}, // an alert shows all
	} {
		e := newEngine(t, reading(t, c.condition).Plans[0], Options{Files: true})
		for i := range c.at + 1 {
			step(t, e, ingest.Record{Value: fmt.Appendf(nil, `{"at":%d,"customer":"ann","shop":%d,"amount":10}`, 1000+i, i)})
		}
		got := ""
		for _, r := range e.sources[0].streams[0].reads {
			if r.event == e.serial && r.plan.Agg != window.AggLast {
				got += fmt.Sprint(r.plan.Agg, " ")
			}
		}
		if got != c.read {
			t.Errorf("%s: read %s, want %s", c.condition, got, c.read)
		}
	}
}
