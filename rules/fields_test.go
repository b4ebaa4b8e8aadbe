package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// everything has each kind of mapping that a file of rules can have. STRAY stands for a field that none of them knows: what is told of it lists
// those that are known.
const everything = `
version: 1
STRAY: 1
rules:
- id: one
  STRAY: 1
  source: payment.authorized
  group_by: [customer_id]
  context:
    a: {agg: count, window: 1h, STRAY: 1}
    b: {agg: last, field: amount, window: {calendar: day, timezone: Europe/Paris, STRAY: 1}, exclude_current: true}
    c: {agg: percentile, field: amount, p: 95, window: {session: 5m, STRAY: 1}}
    d: {agg: distinct_count, field: terminal_id, window: {events: 9, STRAY: 1}, STRAY: 1}
  baseline:
    e: {field: amount, season: hour_of_day, timezone: Europe/Paris, STRAY: 1}
  condition: a > 1
  exceptions: [{name: small, where: amount < 1, STRAY: 1}]
  suppress: {for: {calendar: day, STRAY: 1}, by: [terminal_id], STRAY: 1}
  alert: {STRAY: 1}
  tests:
  - name: nothing
    STRAY: 1
    events:
    - {at: 2026-10-15T12:00:00Z}
    - {advance: 1h, STRAY: 1}
    expect: [{event: 1, STRAY: 1}]
- id: two
  source: payment.authorized
  group_by: [customer_id]
  new_value: {fields: [terminal_id], history: 1d, learning: 1h, STRAY: 1}
- id: three
  source: payment.authorized
  group_by: [customer_id]
  absence: {of: payment.declined, within: 1h, STRAY: 1}
- id: four
  source: payment.authorized
  group_by: [customer_id]
  sequence:
    within: 1h
    STRAY: 1
    steps:
    - {times: 2, STRAY: 1}
    - {not: {source: payment.declined, STRAY: 1}, STRAY: 1}
    - {as: paid}
`

// placesOfFields says which part of the page is about which kind of mapping: from a heading to the next one.
var placesOfFields = map[string]string{
	"a rule file":              "# Rules",
	"a rule":                   "## Fields of a rule",
	"a feature":                "## Features",
	"a window":                 "## Features",
	"a baseline":               "## Baselines",
	"an exception":             "## Features", // its example shows one
	"suppress":                 "## Fields of a rule",
	"the time to suppress for": "## Fields of a rule",
	"alert":                    "## Alerts",
	"new_value":                "## New values",
	"absence":                  "## What does not happen",
	"sequence":                 "## Sequences",
	"a step":                   "## Sequences",
	"what must not come":       "## Sequences",
	"a test":                   "## Tests",
	"an event":                 "## Tests",
	"an expected alert":        "## Tests",
}

// section is the part of the page below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut("\n"+page(t), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("the page has no %s", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// knownFields asks the loader which fields it knows, by kind of mapping.
func knownFields(t *testing.T) map[string][]string {
	t.Helper()
	const stray = "qqqqqqqqqqqq"
	_, problems := Load([]File{{Path: "rules.yaml", Data: []byte(strings.ReplaceAll(everything, "STRAY", stray))}}, declared(t), nil, Options{})
	known := map[string][]string{}
	message := regexp.MustCompile(`unknown field "` + stray + `" in ([^;]+); known are (.*)$`)
	told := 0
	for _, p := range problems.Sorted() {
		if !strings.Contains(p.String(), stray) {
			continue // stray fields are not all that is wrong
		}
		m := message.FindStringSubmatch(p.String())
		if m == nil || strings.HasSuffix(m[2], " more") {
			t.Errorf("this does not list what is known: %s", p)
			continue
		}
		told++
		known[m[1]] = append(known[m[1]], strings.Split(m[2], ", ")...)
	}
	if want := strings.Count(everything, "STRAY"); told != want {
		t.Errorf("%d of %d stray fields are told", told, want)
	}
	known["an event"] = append(known["an event"], stepWords...) // for an event of a known source the loader lists that one's fields
	return known
}

// TestDocsNameEveryField demands a place in the page for each field that the loader knows.
func TestDocsNameEveryField(t *testing.T) {
	known := knownFields(t)
	for what, heading := range placesOfFields {
		if len(known[what]) == 0 {
			t.Errorf("no mapping is %s", what)
		}
		text := section(t, heading)
		for _, name := range known[what] {
			if !regexp.MustCompile("(`|[{ ])" + regexp.QuoteMeta(name) + "(`|:)").MatchString(text) {
				t.Errorf("%q does not name %s of %s", heading, name, what)
			}
		}
	}
	for what := range known {
		if placesOfFields[what] == "" {
			t.Errorf("say in placesOfFields where the page is about %s", what)
		}
	}
}

// TestDocsNameNoOtherField demands that the loader knows each field that a table of the page explains.
func TestDocsNameNoOtherField(t *testing.T) {
	known := knownFields(t)
	for head, whats := range map[string][]string{
		"## Fields of a rule\n| field":            {"a rule"},
		"## Features\n| option":                   {"a feature"},
		"## Baselines\n| option":                  {"a baseline"},
		"## New values\n| in `new_value`":         {"new_value"},
		"## What does not happen\n| in `absence`": {"absence"},
		"## Sequences\n| in `sequence`":           {"sequence"},
		"## Sequences\n| in a step":               {"a step"},
	} {
		heading, first, _ := strings.Cut(head, "\n")
		_, table, ok := strings.Cut(section(t, heading), "\n"+first+" |")
		if !ok {
			t.Errorf("%s has no table %s", heading, first)
		}
		table, _, _ = strings.Cut(table, "\n\n")
		var fields []string
		for _, what := range whats {
			fields = append(fields, known[what]...)
		}
		rows := regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(table, -1)
		if len(rows) == 0 {
			t.Errorf("%s has no rows under %s", heading, first)
		}
		for _, row := range rows {
			for _, name := range regexp.MustCompile("`([a-z_]+)").FindAllStringSubmatch(row[1], -1) {
				if !slices.Contains(fields, name[1]) {
					t.Errorf("%s explains %s, which %v does not know", heading, name[1], whats)
				}
			}
		}
	}
}
