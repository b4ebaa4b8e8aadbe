package ruletest

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/examples"
	"insolite/rules/lookup"
)

const configuration = `
version: 1
app: shop
kafka: {brokers: [localhost:9092]}
sources:
  pay:
    topic: pays
    match: {field: type, equals: pay}
    key: customer
    time: {field: at}
    dedupe: {id: id, for: 10m}
    fields:
      at: time
      id: string
      customer: {type: string, optional: true}
      amount: {type: number, optional: true}
      shop: {type: string, optional: true}
  refund:
    topic: pays
    match: {field: type, equals: refund}
    key: customer
    time: {field: at}
    fields: {at: time, customer: string}
rules: [rules.yaml]
lookups: {bakers: {file: bakers.txt}}
`

const rule = `
version: 1
rules:
- id: spending
  source: pay
  mode: disabled
  group_by: [customer]
  where: (shop ?? "") != "test"
  context:
    n: {agg: count, window: 1h}
    usual: {agg: avg, field: amount, window: 1h, exclude_current: true, min_samples: 2}
  condition: amount > 2 * usual
  exceptions: [{name: bakers, where: 'shop in list("bakers")'}]
  suppress: {for: 30m}
  alert: {summary: "{customer} spends {amount}"}
  tests:
  - name: story
`

func sources(t *testing.T) []*event.Source {
	c, list := config.Load("insolite.yaml", config.Options{
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) { return []byte(configuration), nil },
	})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return c.Sources
}

// story runs one test, written with its own indentation taken away.
func story(t *testing.T, text string) Result {
	t.Helper()
	var problems diag.List
	lookups := &lookup.Set{Lists: map[string]*lookup.List{"bakers": lookup.ParseList("bakers.txt", []byte("anna\n"), &problems)}}
	data := rule + strings.ReplaceAll(text, "\n", "\n    ")
	results, list := Run([]rules.File{{Path: "rules.yaml", Data: []byte(data)}}, sources(t), lookups, Options{})
	if err := list.Err(); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if len(results) != 1 || results[0].Name != "story" || results[0].Rule != "spending" {
		t.Fatalf("results %+v", results)
	}
	return results[0]
}

const events = `
events:
- {at: 2026-10-15T12:00:00+02:00, customer: ann, amount: 10}
- {after: 1m, customer: ann, amount: 20}
- {after: 1m, customer: ann, amount: 40}
- {after: 1m, customer: ann, amount: 50, shop: anna}
- {after: 1m, customer: ann, amount: 70, shop: test}
- {after: 1m, customer: ann, amount: 80}
- {after: 1m, customer: bob, amount: 80}
- {after: 1m, amount: 80}
- {after: 1m, customer: ann, amount: 40}
- {advance: 1h}
- {at: 2026-10-15T12:30:00+02:00, customer: ann, amount: 1000}
- {after: 40m, source: refund, customer: ann}
`

func TestAStoryThatHolds(t *testing.T) {
	for _, expect := range []string{
		"expect: [{event: 3}]", "expect: [{}]", "expect: [{at: 2026-10-15T10:02:00Z, key: ann}]",
		`expect: [{event: 3, at: 2026-10-15T12:02:00+02:00, key: {customer: ann}, context: {n: 3, usual: 15.0000000001}, summary: "ann spends 40", state: firing}]`,
		"lookups: {bakers: [ann]}\nexpect: [{event: 3}]",
	} {
		r := story(t, events+expect)
		if !r.Passed() || r.Alerts != 1 {
			t.Errorf("%s: %d alerts, %v", expect, r.Alerts, r.Problems)
		}
	}
}

// What differs is told at the place of the expectation, in the rule's terms.
func TestWhatDiffers(t *testing.T) {
	why := func(text string) string {
		return "rules.yaml:32:14: alert 1: expected at event 1, but there is none: " + text
	}
	for _, c := range []struct{ expect, want string }{
		{"expect: []", `rules.yaml:22:7: event 3 raises an alert that is not expected: "ann spends 40", because amount = 40, usual = 15`},
		{"\nexpect: [{event: 3, at: 2026-10-15T12:00:00Z}]", "rules.yaml:32:14: alert 1, at event 3: expected at 2026-10-15T14:00:00+02:00, got 2026-10-15T12:02:00+02:00"},
		{"\nexpect: [{key: bob}]", "rules.yaml:32:14: alert 1, at event 3: expected key customer bob, got ann"},
		{"\nexpect: [{context: {n: 4, usual: null}}]", "rules.yaml:32:14: alert 1, at event 3: expected n 4, got 3\nrules.yaml:32:14: alert 1, at event 3: expected usual unknown, got 15"},
		{"\nexpect: [{summary: ann}]", `rules.yaml:32:14: alert 1, at event 3: expected summary "ann", got "ann spends 40"`},
		{"\nexpect: [{event: 3}, {}]", "rules.yaml:32:26: alert 2: expected, but there is none; of event 11, the last one, the event is of refund, the rule reads pay"},
		{"\nexpect: [{event: 1}, {}]", why(`the condition is unknown: amount > 2 * usual, as amount = 10, usual = unknown; usual has 0 of 2 samples`)},
	} {
		check(t, c.expect, c.want)
	}
	for n, text := range map[string]string{
		"4": `the exception "bakers" holds`, "5": `where does not hold: (shop ?? "") != "test", as shop = "test"`,
		"6": "it is suppressed until 2026-10-15T12:32:00+02:00", "8": "a field of group_by is missing: customer",
		"9":  "the condition is false: amount > 2 * usual, as amount = 40, usual = 40",
		"10": "the event is late, its time 2026-10-15T12:30:00+02:00 lies before the watermark 2026-10-15T13:07:00+02:00",
		"11": "the event is of refund, the rule reads pay",
	} {
		check(t, "\nexpect: [{event: 3}, {event: "+n+"}]", "rules.yaml:32:26: alert 2: expected at event "+n+", but there is none: "+text)
	}
	check(t, "lookups: {bakers: [ann]}\nexpect: [{event: 4}]",
		`rules.yaml:22:7: event 3 raises an alert that is not expected: "ann spends 40", because amount = 40, usual = 15`+"\n"+
			"rules.yaml:33:14: alert 1: expected at event 4, but there is none: it is suppressed until 2026-10-15T12:32:00+02:00")
}

func check(t *testing.T, expect, want string) {
	t.Helper()
	r := story(t, events+strings.TrimPrefix(expect, "\n")+"\n")
	var got []string
	for _, p := range r.Problems {
		if !strings.Contains(p.Snippet, "event") && !strings.Contains(p.Snippet, "expect") && !strings.Contains(p.Snippet, "after") {
			t.Errorf("%s: the line is %q", p, p.Snippet)
		}
		got = append(got, p.String())
	}
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("%s:\n got %s\nwant %s", expect, g, want)
	}
}

func TestErrorsInRules(t *testing.T) {
	results, list := Run([]rules.File{{Path: "a.yaml", Data: []byte("version: 1\nrules: [{id: a}]\n")}}, sources(t), nil, Options{})
	if !list.HasErrors() || results != nil {
		t.Errorf("results %v without errors", results)
	}
}

// Every example tells its tests, and they hold.
func TestExamples(t *testing.T) {
	folders, err := fs.ReadDir(examples.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		t.Run(folder.Name(), func(t *testing.T) { testExample(t, folder.Name()) })
	}
}

func testExample(t *testing.T, name string) {
	read := func(p string) ([]byte, error) { return fs.ReadFile(examples.FS, filepath.ToSlash(p)) }
	c, list := config.Load(path.Join(name, "insolite.yaml"), config.Options{ReadFile: read, Env: func(string) (string, bool) { return "", false }})
	lookups := &lookup.Set{Lists: map[string]*lookup.List{}, Tables: map[string]*lookup.Table{}}
	for _, l := range c.Lookups {
		data, err := read(l.File)
		if err != nil {
			t.Fatal(err)
		}
		if l.Key == "" {
			lookups.Lists[l.Name] = lookup.ParseList(l.File, data, list)
		} else {
			lookups.Tables[l.Name] = lookup.ParseTable(l.File, data, l.Key, list)
		}
	}
	var files []rules.File
	for _, p := range c.Rules {
		data, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rules.File{Path: p, Data: data})
	}
	results, problems := Run(files, c.Sources, lookups, Options{})
	list.Merge(problems)
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, r := range results {
		alerts += r.Alerts
		for _, p := range r.Problems {
			t.Errorf("%s, %s: %s", r.Rule, r.Name, p)
		}
	}
	if alerts == 0 {
		t.Error("no test raises an alert")
	}
}

// A rule by another key than its source's, which sees the events behind a stage: what that one decides, and what was decided before, is told alike.
func TestAStoryByAnotherKey(t *testing.T) {
	const byShop = `
version: 1
rules:
- id: crowd
  source: pay
  group_by: [shop]
  where: amount > 1
  context:
    people: {agg: distinct_count, field: customer, window: 10m}
    usual: {agg: avg, field: amount, window: 1h, exclude_current: true}
  condition: people >= 3
  suppress: {for: 5m}
  alert: {summary: "{people} people in {shop}, {usual}"}
  tests:
  - name: story
    events:
    - {at: 2026-10-15T12:00:00Z, id: a, customer: ann, amount: 10, shop: x}
    - {after: 1m, id: b, customer: bob, amount: 20, shop: x}
    - {after: 1m, id: c, customer: cyd, amount: 30, shop: y}
    - {after: 1m, id: d, customer: dan, amount: 1, shop: x}
    - {after: 1m, id: e, customer: dan, amount: 9}
    - {after: 1m, id: f, customer: eve, amount: 30, shop: x}
    - {after: 1m, id: b, customer: fay, amount: 30, shop: x}
    - {after: 1m, id: g, customer: gil, amount: 30, shop: x}
    - {advance: 1h}
    - {at: 2026-10-15T12:30:00Z, id: h, customer: ann, amount: 10, shop: x}
    - {after: 40m, id: i, customer: ann, amount: 10, shop: x}
    - {after: 1m, source: refund, customer: ann}
    expect:
`
	for expect, want := range map[string]string{
		`{event: 6, at: 2026-10-15T12:05:00Z, key: x, context: {people: 3, usual: 15}, summary: "3 people in x, 15"}`: "",
		"{event: 5}":  "alert 1: expected at event 5, but there is none: a field of group_by is missing: shop",
		"{event: 4}":  "alert 1: expected at event 4, but there is none: where does not hold: amount > 1, as amount = 1",
		"{event: 7}":  "alert 2: expected at event 7, but there is none: the event is a duplicate",
		"{event: 8}":  "alert 2: expected at event 8, but there is none: it is suppressed until 2026-10-15T12:10:00Z",
		"{event: 9}":  "alert 2: expected at event 9, but there is none: the event is late, its time 2026-10-15T12:30:00Z lies before the watermark 2026-10-15T13:06:00Z",
		"{event: 10}": "alert 2: expected at event 10, but there is none: the condition is false: people >= 3, as people = 1",
		"{event: 11}": "alert 2: expected at event 11, but there is none: the event is of refund, the rule reads pay",
	} {
		text := byShop
		if strings.HasPrefix(want, "alert 2") {
			text += "    - {event: 6}\n"
		}
		if strings.HasPrefix(want, "alert 1") {
			expect += "\n    - {event: 6}"
		}
		results, list := Run([]rules.File{{Path: "rules.yaml", Data: []byte(text + "    - " + expect + "\n")}}, sources(t), nil, Options{})
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
		r, got := results[0], ""
		if r.Alerts != 1 {
			t.Errorf("%s: %d alerts", expect, r.Alerts)
		}
		for _, p := range r.Problems {
			got += p.Message
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", expect, got, want)
		}
	}
}
