package rules_test

import (
	"strings"
	"testing"
	"time"

	"insolite/context/baseline"
	"insolite/rules"
)

// outOfPattern is a rule that every case of TestBaselineProblems breaks in one place.
const outOfPattern = `- id: a
  source: payment.authorized
  group_by: [customer_id]
  context:
    n: {agg: count, window: 24h}
  baseline:
    spent: {field: amount, season: hour_of_week, timezone: Europe/Paris, history: 8w, min_samples: 20, direction: up, min_deviation: 20%}
  condition: spent.score >= 4 and n > 1
  alert: {summary: "{spent.value:.2}, usually {spent.expected:.2} ({spent.lower:.2} to {spent.upper:.2}), p {spent.p}"}
  tests:
  - name: t
    events: [{at: 2026-10-15T12:00:00Z, customer_id: ann, amount: 1}]
    expect: [{event: 1, context: {spent: {score: 5, p: null}}}]
`

func TestBaselineProblems(t *testing.T) {
	if _, list := load(t, outOfPattern, rules.Options{}); list.HasErrors() {
		t.Fatal(told(list))
	}
	for _, c := range []struct{ old, new, want string }{
		{"field: amount, ", "", `r.yaml:9:12: a baseline has no "field"; add it, as in field: celsius`},
		{"field: amount", "field: amuont", `r.yaml:9:20: baseline names "amuont", which is no field of payment.authorized; did you mean "amount"?`},
		{"field: amount", "field: category", `r.yaml:9:20: a baseline is of numbers, and category is a string; name a field of type int, number`},
		{"hour_of_week", "hour_of_month", `r.yaml:9:36: unknown season "hour_of_month"; it is one of hour_of_day, hour_of_week`},
		{"season: hour_of_week, ", "", `r.yaml:9:38: a time zone is of a season, and there is none; add season: hour_of_day, or remove timezone`},
		{"Europe/Paris", "Paris", `r.yaml:9:60: "Paris" is not a known time zone; write it like Europe/Paris or UTC`},
		{"8w", "1w", `r.yaml:9:83: a history of 1w is too short for the season hour_of_week; make it 14d at least, two of its periods`},
		{"season: hour_of_week, timezone: Europe/Paris, history: 8w", "history: 1s", `r.yaml:9:37: a history of 1s is too short; make it 1m at least`},
		{"8w", "800d", `r.yaml:9:83: a history of 800d is longer than two years; state that old cannot be rebuilt from the topic, make it shorter`},
		{"samples: 20", "samples: 0", `r.yaml:9:100: "min_samples" is 0; it is between 1 and 1000000`},
		{"direction: up", "direction: upp", `r.yaml:9:115: unknown direction "upp"; did you mean "up"?`},
		{"20%", "some", `r.yaml:9:134: min_deviation is a number above 0, or a share of what is expected; write it like 2.0 or 20%`},
		{"20%", "-1", `r.yaml:9:134: min_deviation is a number above 0, or a share of what is expected; write it like 2.0 or 20%`},
		{"20%", "-1%", `r.yaml:9:134: min_deviation is a number above 0, or a share of what is expected; write it like 2.0 or 20%`},
		{"20%", "[1]", `r.yaml:9:134: min_deviation is a number above 0, or a share of what is expected; write it like 2.0 or 20%`},
		{"direction", "directoin", `r.yaml:9:104: unknown field "directoin" in a baseline; did you mean "direction"?`},
		{"    spent:", "    n:", "r.yaml:9:5: \"n\" stands in context, too; name the baseline differently"},
		{"    spent:", "    amount:", "r.yaml:9:5: \"amount\" is a field of payment.authorized; name the feature differently"},
		{"spent.score", "spent.scor", `r.yaml:10:20: spent has no member "scor"; did you mean "score"?`},
		{"{score: 5", "{scores: 5", `r.yaml:15:43: "scores" is no field of spent; did you mean "score"?`},
		{"condition: spent.score >= 4 and n > 1", "where: spent.score > 4\n  condition: n > 1", `"spent" is a feature, and a where sees the event's fields only; ask for it in condition`},
		{"  baseline:\n", "  absence: {of: payment.authorized, within: 5m}\n  baseline:\n", `r.yaml:9:3: a baseline scores an event, and when an absence is due there is none; remove it`},
		{"  baseline:\n", "  baseline: 7\n  labels:\n", `baseline is a mapping of fields, this is an int; write name: value`},
	} {
		if strings.Count(outOfPattern, c.old) < 1 {
			t.Fatalf("%q is not in the rule", c.old)
		}
		_, list := load(t, strings.Replace(outOfPattern, c.old, c.new, 1), rules.Options{})
		if got := told(list); !strings.Contains(got, c.want) {
			t.Errorf("%s → %s\n got %s\nwant %s", c.old, c.new, got, c.want)
		}
	}
}

func TestBaselineIsRead(t *testing.T) {
	set, list := load(t, outOfPattern, rules.Options{})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	r := set.Rule("a")
	b := r.Features[1].Read.Baseline
	if b.Spec.Season != baseline.HourOfWeek || b.Spec.Zone.String() != "Europe/Paris" || b.Spec.History != 56*24*time.Hour ||
		b.Query != (baseline.Query{MinSamples: 20, Direction: baseline.Up, MinDeviation: 0.2, Relative: true}) {
		t.Errorf("%+v", b)
	}
	if got := r.Features[1].Read.Span(); got != "56d hour_of_week Europe/Paris" {
		t.Errorf("span %q", got)
	}
	if r.Keyspace.Retention != b.Spec.History || len(r.Stream.Before) != 1 || len(r.Keyspace.Cells) != 2 {
		t.Errorf("%+v in %+v", r.Stream, r.Keyspace)
	}
	set, list = load(t, "- id: a\n  source: payment.authorized\n  group_by: [customer_id]\n  baseline:\n    b: {field: amount}\n  condition: b.score > 4\n", rules.Options{})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	b = set.Rule("a").Features[0].Read.Baseline
	if b.Spec != (baseline.Spec{History: 28 * 24 * time.Hour}) || b.Query != (baseline.Query{MinSamples: 20}) {
		t.Errorf("of a field alone: %+v", b)
	}
}

// What is learned is shared by rules that ask differently for it, and another season, history, field or where is learned anew; each is another version.
func TestBaselineIdentity(t *testing.T) {
	const base = "- id: %\n  source: payment.authorized\n  group_by: [customer_id]\n  baseline:\n    b: {field: amount, season: hour_of_day, history: 4w}\n  condition: b.score > 4\n"
	for _, c := range []struct {
		old, new     string
		cells, reads int
	}{
		{"b.score > 4", "b.score > 4", 1, 1},
		{"b.score > 4", "b.p < 0.01", 1, 1},
		{"4w}", "4w, timezone: UTC, direction: both, min_samples: 20}", 1, 1},
		{"4w}", "4w, direction: up}", 1, 2},
		{"4w}", "4w, min_samples: 30}", 1, 2},
		{"4w}", "4w, min_deviation: 2}", 1, 2},
		{"4w}", "4w, min_deviation: 200%}", 1, 2},
		{"4w}", "5w}", 2, 2},
		{"4w}", "4w, timezone: Europe/Paris}", 2, 2},
		{"season: hour_of_day, ", "", 2, 2},
		{"field: amount", "field: items", 2, 2},
		{"  baseline", "  where: amount > 3\n  baseline", 2, 2},
	} {
		other := strings.Replace(strings.Replace(base, "%", "two", 1), c.old, c.new, 1)
		set, list := load(t, strings.Replace(base, "%", "one", 1)+other, rules.Options{})
		if list.HasErrors() {
			t.Fatal(told(list))
		}
		k := set.Rule("one").Keyspace
		if len(k.Cells) != c.cells || len(k.Reads) != c.reads {
			t.Errorf("%s: %d cells, %d reads, want %d, %d", c.new, len(k.Cells), len(k.Reads), c.cells, c.reads)
		}
		same := set.Rule("one").Version == set.Rule("two").Version
		if want := c.reads == 1 && c.old != "b.score > 4" || c.old == c.new; same != want && c.old != c.new || c.reads > 1 && same {
			t.Errorf("%s: the same version: %v, want %v", c.new, same, want)
		}
	}
}
