package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/rules"
)

// sound is a rule that every case of TestProblems breaks in one place.
const sound = `- id: a
  source: payment.authorized
  group_by: [customer_id]
  context:
    n: {agg: sum, field: amount, window: 24h}
  condition: n > 1
  exceptions: [{name: x, where: amount < 3}]
  suppress: {for: 1h, by: [terminal_id]}
  alert: {summary: "{n}", evidence: 3}
  tests:
  - name: t
    events: [{at: 2026-10-15T12:00:00Z, customer_id: ann, terminal_id: t, amount: 1}]
    expect: [{event: 1}]
`

func TestProblems(t *testing.T) {
	if _, list := load(t, sound, rules.Options{}); list.HasErrors() {
		t.Fatal(told(list))
	}
	for _, c := range []struct{ old, new, want string }{
		{"id: a", "id: 7", `r.yaml:3:7: "id" is a string, this is an int; put it in quotes: "7"`},
		{"id: a", "id: a b", `r.yaml:3:7: "a b" is no id for a rule; use letters, digits, dots, - and _, at most 127 of them`},
		{"id: a", "title: a", `r.yaml:3:3: a rule has no "id"; add it, as in id: two-pizzas-one-day`},
		{"  source: payment.authorized\n", "", `r.yaml:3:3: a rule has no "source"; add it, as in source: payment.authorized`},
		{"payment.authorized", "payment.authorised", `r.yaml:4:11: unknown source "payment.authorised"; did you mean "payment.authorized"?`},
		{"payment.authorized", "unkeyed", `r.yaml:5:14: group_by names "customer_id", which is no field of unkeyed; known are id, amount, event_time
r.yaml:10:28: suppress names "terminal_id", which is no field of unkeyed; known are id, amount, event_time
r.yaml:14:41: unknown field "customer_id" in unkeyed; known are id, amount, event_time
r.yaml:14:59: unknown field "terminal_id" in unkeyed; known are id, amount, event_time`},
		{"[customer_id]", "[custmer_id]", `r.yaml:5:14: group_by names "custmer_id", which is no field of payment.authorized; did you mean "customer_id"?`},
		{"[customer_id]", "[customer_id, amount]", `r.yaml:5:27: a key is a string, int, bool or ip, amount is a number; use another field`},
		{"[customer_id]", "[customer_id, customer_id]", `r.yaml:5:27: "customer_id" is in group_by twice; remove one`},
		{"[customer_id]", "[]", `r.yaml:5:13: group_by is empty; name the fields that make a key, as in group_by: [customer_id]`},
		{"[customer_id]", "{a: b}", `r.yaml:5:13: "group_by" is a list of strings, this is a mapping; write [ ] around it or a dash before each item`},
		{"    n: {", "    amount: {", `r.yaml:7:5: "amount" is a field of payment.authorized; name the feature differently
r.yaml:8:14: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts
r.yaml:11:22: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts`},
		{"    n: {", "    merchant: {", `r.yaml:7:5: "merchant" is a field of payment.authorized; name the feature differently
r.yaml:8:14: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts
r.yaml:11:22: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts`},
		{"    n: {", "    event: {", `r.yaml:7:5: "event" has a meaning of its own in expressions; name the feature differently
r.yaml:8:14: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts
r.yaml:11:22: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts`},
		{"    n: {", "    n-1: {", `r.yaml:7:5: "n-1" is no name for a feature; use letters, digits and _, starting with a letter, at most 64 of them
r.yaml:8:14: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts
r.yaml:11:22: source payment.authorized has no field "n"; known: amount, category, customer_id, event, items, merchant, payment_id, source, terminal_id, ts`},
		{"agg: sum", "agg: summ", `r.yaml:7:14: unknown agg "summ"; did you mean "sum"?`},
		{"agg: sum, ", "", `r.yaml:7:8: a feature has no "agg"; add it, as in agg: count`},
		{"agg: sum", "agg: [sum]", `r.yaml:7:14: "agg" is a string, this is a list; write text`},
		{"field: amount", "field: amout", `r.yaml:7:26: sum names "amout", which is no field of payment.authorized; did you mean "amount"?`},
		{"field: amount", "field: terminal_id", `r.yaml:7:26: sum does not apply to terminal_id, which is a string; name a field of type number, int`},
		{"field: amount", "fields: [amount, items]", `r.yaml:7:19: sum is of one field; write field: amount`},
		{"field: amount", "field: [amount, items]", `r.yaml:7:26: field is one name; for several write fields: [lat, lon]`},
		{"field: amount, ", "", `r.yaml:7:14: sum needs a field; add it, as in field: amount`},
		{", window: 24h", "", `r.yaml:7:8: a feature has no "window"; add it, as in window: 24h`},
		{"window: 24h", "window: 24", `r.yaml:7:42: "window" is a duration, this is an int; write it with a unit, as in 90s, 1h30m, 30d, 8w`},
		{"window: 24h", "window: 24x", `r.yaml:7:42: "24x" is not a duration: a unit is missing or unknown; write it as in 90s, 1h30m, 30d, 8w`},
		{"window: 24h", "window: {calender: day}", `r.yaml:7:43: unknown field "calender" in a window; did you mean "calendar"?`},
		{"window: 24h", "window: {calendar: dya}", `r.yaml:7:53: unknown calendar "dya"; did you mean "day"?`},
		{"window: 24h", "window: {calendar: day, timezone: Europe/Pariss}", `r.yaml:7:68: "Europe/Pariss" is not a known time zone; write it like Europe/Paris or UTC`},
		{"window: 24h", "window: {session: 1h, events: 3}", `r.yaml:7:42: a window is one of calendar, session and events; keep one`},
		{"window: 24h", "window: {events: 1001}", `r.yaml:7:51: "events" is 1001; it is between 1 and 1000`},
		{"window: 24h", "window: {calendar: day}, exact: true", `r.yaml:7:59: exact is for windows like 24h, for distinct_count and for percentile; remove it, sum over calendar day UTC is exact without it`},
		{"window: 24h", "window: 24h, min_samples: 0", `r.yaml:7:60: "min_samples" is 0; it is between 1 and 1000000`},
		{"window: 24h", "window: 24h, exclude_current: yes", `r.yaml:7:64: "exclude_current" is true or false, this is a string; write true`},
		{"window: 24h", "window: 24h, exclude_curent: true", `r.yaml:7:47: unknown field "exclude_curent" in a feature; did you mean "exclude_current"?`},
		{"window: 24h", "window: 24h, by: [terminal_di]", `r.yaml:7:52: by names "terminal_di", which is no field of payment.authorized; did you mean "terminal_id"?`},
		{"window: 24h", "window: 24h, by: [terminal_id, terminal_id]", `r.yaml:7:65: "terminal_id" is in by twice; remove one`},
		{"window: 24h", "window: 24h, by: [customer_id]", `r.yaml:7:51: by is the rule's own key; remove it`},
		{"window: 24h", "window: 24h, by: [amount]", `r.yaml:7:52: a key is a string, int, bool or ip, amount is a number; use another field`},
		{"window: 24h", "window: 24h, by: []", `r.yaml:7:51: by is empty; name the fields that make the feature's key, as in by: [terminal_id]`},
		{"agg: sum, field: amount, window: 24h", "by: [terminal_id], agg: count, window: 24h, source: payment.declined", `r.yaml:7:61: source payment.declined has no field "terminal_id", by which the feature is grouped; declare it there, or group by fields that both have`},
		{"window: 24h", "window: 24h, source: payment.declined", `r.yaml:7:26: sum names "amount", which is no field of payment.declined; known are customer_id, reason, type, event_time`},
		{"window: 24h", "window: 24h, source: payment.declind", `r.yaml:7:55: unknown source "payment.declind"; did you mean "payment.declined"?`},
		{"window: 24h", "window: 24h, source: payment.authorized", `r.yaml:7:55: payment.authorized is the rule's own source; remove it`},
		{"agg: sum, field: amount, window: 24h", "agg: count, window: 24h, source: unkeyed", `r.yaml:7:42: source unkeyed has no field "customer_id", by which the feature is grouped; declare it there, or group by fields that both have`},
		{"agg: sum, field: amount, window: 24h", "agg: count, window: 24h, source: payment.declined, exclude_current: true", `r.yaml:7:60: the current event is of payment.authorized, and no sample of a feature of payment.declined; remove it`},
		{"window: 24h", "window: 24h, where: n > 3", `r.yaml:7:54: "n" is a feature, and a where sees the event's fields only; ask for it in condition`},
		{"condition: n > 1", "condition: n", `r.yaml:8:14: this is a number, a bool is wanted; compare it, such as x > 1`},
		{"condition: n > 1", "condition: m > 1", `r.yaml:8:14: source payment.authorized has no field "m"; did you mean "n"?`},
		{"condition: n > 1", "condition: n > 'x", `r.yaml:8:20: syntax: literal not terminated; check the quotes, brackets and operators here`},
		{"condition: n > 1", "condition: ''", `r.yaml:8:14: the expression is empty; write one, or remove the field`},
		{"condition: n > 1", "condition: [n > 1]", `r.yaml:8:14: an expression is text, this is a list; put it in quotes when it begins with a brace, a bracket or a quote`},
		{"condition: n > 1", "condition: terminal_id in list(\"trustd\")", `r.yaml:8:34: there is no list "trustd"; did you mean "trusted"?`},
		{"  condition: n > 1\n", "", `r.yaml:3:3: a rule has no "condition"; add it, as in condition: pizzas >= 2`},
		{"condition: n > 1", "condition: n > 1\n  wen: 5m", `r.yaml:9:3: unknown field "wen" in a rule; known are id, title, description, tags, references, severity, mode, source, where, context, baseline, group_by, new_value, sequence, absence, for, keep_firing_for, suppress, condition, exceptions, alert, tests`},
		{"condition: n > 1", "condition: n > 1\n  condition: n > 1", `r.yaml:9:3: "condition" is given twice, first in line 8; keep one`},
		{"condition: n > 1", "condition: n > 1\n  severity: hihg", `r.yaml:9:13: unknown severity "hihg"; did you mean "high"?`},
		{"condition: n > 1", "condition: n > 1\n  mode: of", `r.yaml:9:9: unknown mode "of"; it is one of live, shadow, disabled`},
		{"name: x, ", "", `r.yaml:9:16: an exception has no "name"; add it, as in {name: vpn egress, where: vpn == true}`},
		{"where: amount < 3", "where: amount < \"3\"", `r.yaml:9:40: < does not apply to a number and a string; both sides must be of one kind`},
		{"for: 1h, ", "", `r.yaml:10:13: suppress has no "for"; add it, as in suppress: {for: 24h}`},
		{"for: 1h", "for: {calendar: day, timezone: Mars}", `r.yaml:10:45: "Mars" is not a known time zone; write it like Europe/Paris or UTC`},
		{"for: 1h", "for: {timezone: UTC}", `r.yaml:10:19: the time to suppress for has no "calendar"; add it, as in {calendar: day}`},
		{"for: 1h", "for: -1h", `r.yaml:10:19: "-1h" is not a duration: a number is missing; write it as in 90s, 1h30m, 30d, 8w`},
		{"by: [terminal_id]", "by: [amount]", `r.yaml:10:28: what refines the key is a string, int, bool or ip, amount is a number; use another field`},
		{"\"{n}\"", "\"{n\"", `r.yaml:11:21: { is not closed; write {{ for a brace`},
		{"\"{n}\"", "\"{nn}\"", `r.yaml:11:22: source payment.authorized has no field "nn"; did you mean "n"?`},
		{"\"{n}\"", "\"{terminal_id:.2}\"", `r.yaml:11:33: a format applies to numbers, this is a string; remove it`},
		{"evidence: 3", "evidence: -1", `r.yaml:11:37: "evidence" is -1; it is between 0 and 16`},
		{"evidence: 3", "evidence: 17", `r.yaml:11:37: "evidence" is 17; it is between 0 and 16`},
		{"evidence: 3", "labels: [a]", `r.yaml:11:35: labels is a mapping of fields, this is a list; write name: value`},
		{"  - name: t\n    events", "  - events", `r.yaml:13:5: a test has no "name"; add it, as in name: the second pizza of a day`},
		{"at: 2026-10-15T12:00:00Z", "at: 2026-10-15", `r.yaml:14:19: "2026-10-15" is no instant; write it as in 2026-10-15T12:00:00+02:00`},
		{"at: 2026-10-15T12:00:00Z, ", "", `r.yaml:14:14: the event has no time; add at: 2026-10-15T12:00:00Z or after: 5m`},
		{"at: 2026-10-15T12:00:00Z", "after: 3h", `r.yaml:14:15: there is no event before the first; write at, as in at: 2026-10-15T12:00:00Z`},
		{"[{at: 2026", "[{advance: 3h}, {at: 2026", `r.yaml:14:14: time cannot pass before the first event; begin with an event at an instant`},
		{"customer_id: ann", "customer_id: 7", `r.yaml:14:54: "customer_id" is a string, this is an int; put it in quotes: "7"`},
		{"customer_id: ann", "customr_id: ann", `r.yaml:14:41: unknown field "customr_id" in payment.authorized; did you mean "customer_id"?`},
		{"customer_id: ann, ", "", `r.yaml:14:14: the event has no "customer_id", which the rule reads and payment.authorized requires; add it, as in customer_id: …`},
		{"customer_id: ann", "customer_id: null", `r.yaml:14:54: "customer_id" is required by payment.authorized; give it a value, or declare it optional`},
		{"amount: 1", "amount: x", `r.yaml:14:83: "amount" is a number, this is the string "x"; write it as in 12.5`},
		{"{event: 1}", "{event: 2}", `r.yaml:15:22: "event" is 2; it is between 1 and 1`},
		{"{event: 1}", "{key: [a, b]}", `r.yaml:15:20: the key has 2 fields, 1 are wanted; write a value for each of group_by`},
		{"{event: 1}", "{context: {m: 3}}", `r.yaml:15:25: "m" is no feature of this rule; did you mean "n"?`},
		{"{event: 1}", "{context: {n: x}}", `r.yaml:15:28: "n" is a number, this is the string "x"; write it as in 12.5`},
		{"{event: 1}", "{state: resolved}", `r.yaml:15:22: an alert is resolved where the rule has keep_firing_for; add it, or expect firing`},
		{"{event: 1}", "{evnt: 1}", `r.yaml:15:15: unknown field "evnt" in an expected alert; did you mean "event"?`},
		{"    expect: [{event: 1}]\n", "", `r.yaml:13:5: a test has no "expect"; add it, as in expect: [{event: 2}], or expect: [] for silence`},
	} {
		checkProblem(t, c.old, c.new, c.want)
	}
}

func TestProblemsOfPercentiles(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"agg: sum", "agg: percentile", `r.yaml:7:14: percentile needs p; add it, as in p: 95`},
		{"agg: sum", "agg: percentile, p: 100", `r.yaml:7:29: p is 100; it lies above 0 and below 100 and has at most three decimals, as in p: 99.9`},
		{"agg: sum", "agg: percentile, p: 0", `r.yaml:7:29: p is 0; it lies above 0 and below 100 and has at most three decimals, as in p: 99.9`},
		{"agg: sum", "agg: percentile, p: -5", `r.yaml:7:29: p is -5; it lies above 0 and below 100 and has at most three decimals, as in p: 99.9`},
		{"agg: sum", "agg: percentile, p: 99.9999", `r.yaml:7:29: p is 99.9999; it lies above 0 and below 100 and has at most three decimals, as in p: 99.9`},
		{"agg: sum", "agg: percentile, p: most", `r.yaml:7:29: "p" is a number, this is the string "most"; write it as in 12.5`},
		{"agg: sum", "agg: sum, p: 95", `r.yaml:7:19: p is for percentile; remove it, or write agg: percentile`},
		{"agg: sum", "agg: percentle, p: 95", `r.yaml:7:14: unknown agg "percentle"; did you mean "percentile"?`},
		{"agg: sum, field: amount", "agg: percentile, p: 95, field: terminal_id", `r.yaml:7:40: percentile does not apply to terminal_id, which is a string; name a field of type number, int`},
		{"agg: sum, field: amount", "agg: percentile, p: 95", `r.yaml:7:14: percentile needs a field; add it, as in field: amount`},
		{"agg: sum, field: amount, window: 24h", "agg: percentile, p: 95, field: amount, window: {events: 50}, exact: true", `r.yaml:7:70: exact is for windows like 24h, for distinct_count and for percentile; remove it, percentile over 50 events is exact without it`},
	} {
		checkProblem(t, c.old, c.new, c.want)
	}
}

// checkProblem changes the sound rule and compares what is told.
func checkProblem(t *testing.T, old, new, want string) {
	t.Helper()
	_, list := load(t, strings.Replace(sound, old, new, 1), rules.Options{})
	var b strings.Builder
	for _, p := range list.Sorted() {
		fmt.Fprintln(&b, p)
	}
	if got := strings.TrimSpace(b.String()); got != want {
		t.Errorf("%s → %s\n got %s\nwant %s", old, new, got, want)
	}
}

// TestWhatIsNotSupportedYet reads the constructs of the language that this version does not know: one problem each, at its place.
func TestWhatIsNotSupportedYet(t *testing.T) {
	_, list := load(t, `
- id: two-keys
  source: payment.authorized
  group_by: [customer_id]
  context:
    usual:  {agg: avg, field: amount, window: 30d, exclude_current: true, min_samples: 10}
    seen:   {by: [terminal_id], agg: count, window: 28d}
    frauds: {by: [terminal_id], agg: count, source: payment.declined, window: 28d}
  condition: amount > 2 * usual and frauds >= 2 and frauds > 0.3 * seen
- id: spraying
  source: login.succeeded
  group_by: [user_id]
  sequence:
    within: 10m
    steps: [{source: login.succeeded, times: 5}, {source: login.succeeded, as: entry}]
  alert: {summary: "{user_id} got in as {entry.ip} after five failures"}
- id: out-of-pattern
  source: pizza.purchased
  group_by: [customer_id]
  baseline:
    temp: {field: price, season: hour_of_week, history: 8w, min_samples: 20}
  condition: abs(temp.score) >= 4
- id: new
  source: login.succeeded
  group_by: [user_id]
  new_value: {fields: [ip], history: 90d, learning: 30d}
- id: risk
  source: insolite.alert
  group_by: [entity]
  context: {risk_of_day: {agg: sum, field: risk, window: 24h}}
  condition: risk_of_day > 100
`, rules.Options{})
	var b strings.Builder
	for _, p := range list.Sorted() {
		fmt.Fprintln(&b, p)
	}
	const want = `r.yaml:10:53: source payment.declined has no field "terminal_id", by which the feature is grouped; declare it there, or group by fields that both have
r.yaml:23:19: baseline names "price", which is no field of pizza.purchased; known are at, customer_id, item, size
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
