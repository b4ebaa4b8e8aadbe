package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/rules"
)

func TestLints(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{sound[strings.Index(sound, "  tests:"):], "", `r.yaml:3:7: the rule has no tests; add tests: with events and the alerts to expect, so that a change cannot silence it unseen`},
		{"n > 1", "1 < 2", `r.yaml:8:14: condition is the same for every event; let it read a field or a feature`},
		{"condition:", "where: true\n  condition:", `r.yaml:8:10: where is the same for every event; let it read a field or a feature`},
		{"    n:", "    m: {agg: count, window: 1h}\n    n:", `r.yaml:7:5: nothing reads the feature "m"; use it in condition or in the alert's text, or remove it`},
		{"24h}", "57w}", `r.yaml:7:42: a window of 399d is longer than a year; state that old cannot be rebuilt from the topic, make it shorter or say forever
r.yaml:10:19: 1h is below a 60th of the window 399d of "n", which then still holds what this alert rose from; suppress for longer`},
		{"24h}", "{events: 3}, min_samples: 4}", `r.yaml:7:68: sum over 3 events has at most 3 samples, so it is never known; ask for no more`},
		{"agg: sum, field: amount, window: 24h}", "agg: last, field: amount, window: 24h, min_samples: 17}", `r.yaml:7:61: last over 1d has at most 16 samples, so it is never known; ask for no more`},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: avg, field: amount, window: 24h, min_samples: 5}\n  condition: amount > 3 * n", `r.yaml:7:5: avg of amount contains the event's own, which condition compares; add exclude_current: true to compare with the others`},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: avg, field: amount, window: 24h, exclude_current: true, min_samples: 5}\n  condition: amount > 3 * n", ``},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: stddev, field: amount, window: 24h, exclude_current: true}\n  condition: amount > 3 * n", `r.yaml:7:5: stddev of amount is known from the first events of a key, which say little of what is usual; add min_samples: 10`},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: percentile, p: 99, field: amount, window: 24h, exclude_current: true}\n  condition: amount > 3 * n", `r.yaml:7:5: percentile 99 of fewer than 100 samples is the smallest or the largest of them; add min_samples: 100`},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: percentile, p: 50, field: amount, window: 24h, min_samples: 10}\n  condition: amount > 3 * n", `r.yaml:7:5: percentile of amount contains the event's own, which condition compares; add exclude_current: true to compare with the others`},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: percentile, p: 99, field: amount, window: 24h, exact: true, exclude_current: true, min_samples: 1025}\n  condition: amount > 3 * n", `r.yaml:7:110: percentile over 1d exact has at most 1024 samples, so it is never known; ask for no more`},
		{"by: [terminal_id]", "by: [terminal_id, customer_id]", `r.yaml:10:41: customer_id is part of the key, which is told apart anyway; leave it out`},
		{sound[strings.Index(sound, "  context:"):strings.Index(sound, "  exceptions:")] + "  exceptions: [{name: x, where: amount < 3}]\n  suppress: {for: 1h, by: [terminal_id]}\n  alert: {summary: \"{n}\",",
			"  condition: amount > 1\n  alert: {", `r.yaml:7:22: the rule has no features, so no event contributes but the one that it alerts for; remove evidence`},
		{"agg: sum, field: amount, window: 24h}\n  condition: n > 1", "agg: last, field: amount, window: 24h}\n  condition: amount > 3 * n", `r.yaml:7:5: the last amount is the event's own, as long as events are in order; add exclude_current: true to see the one before`},
		{"for: 1h", "for: 20m", `r.yaml:10:19: 20m is below a 60th of the window 1d of "n", which then still holds what this alert rose from; suppress for longer`},
	} {
		text := sound
		if c.old != "" {
			text = strings.Replace(sound, c.old, c.new, 1)
		}
		set, list := load(t, text, rules.Options{})
		if set == nil {
			t.Errorf("%s: no set: %s", c.new, told(list))
			continue
		}
		var b strings.Builder
		for _, p := range list.Sorted() {
			if fmt.Fprintln(&b, p); p.Severity != diag.Lint {
				t.Errorf("%s is no lint", p)
			}
		}
		if got := strings.TrimSpace(b.String()); got != c.want {
			t.Errorf("%s → %s\n got %s\nwant %s", c.old, c.new, got, c.want)
		}
	}
}
