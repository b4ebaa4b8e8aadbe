package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/oracle"
	"insolite/rules"
	"insolite/rules/expr"
)

const paidAndCharged = `version: 1
rules:
- id: first
  source: pay
  group_by: [who]
  sequence: {within: 1h, steps: [{times: 2}, {source: charge, as: c}]}
  alert: {summary: "{who} {c.reason}"}
- id: second
  source: charge
  group_by: [who]
  context: {charges: {agg: count, window: 1h}, paid: {agg: count, source: pay, window: 1h}}
  sequence: {within: 1h, steps: [{}, {source: pay}]}
  condition: paid > 0
  alert: {summary: "{who} {charges} {paid} {reason}"}
- id: third
  source: charge
  group_by: [who]
  new_value: {fields: [reason], history: 30d, learning: 1m}
  alert: {summary: "{who} {reason}"}
`

func payOrCharge(offset event.Offset, minute int, who, reason string) ingest.Record {
	kind := "charge"
	if reason == "" {
		kind = "pay"
	}
	at := event.Time(1_792_065_600e9) + event.Time(minute)*60e9
	return ingest.Record{Offset: offset, Timestamp: at, Key: []byte(who), Value: fmt.Appendf(nil, `{"type":%q,"at":"%s","who":%q,"reason":%q}`, kind, event.AppendTime(nil, at, 0), who, reason)}
}

// summaries are the alerts: rule@offset of the source's record, and its text.
func summaries(t *testing.T, set *rules.Set, records ...ingest.Record) (string, *engine.Engine, *engine.Output) {
	t.Helper()
	e, err := engine.New(set.Plan("charges"), engine.Options{Partition: 3})
	if err != nil {
		t.Fatal(err)
	}
	var out engine.Output
	if err := e.Step(&ingest.Batch{Topic: "charges", Records: records, Next: records[len(records)-1].Offset + 1}, &out); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range out.Alerts {
		_, text, _ := strings.Cut(string(a.Value), `"summary":"`)
		text, _, _ = strings.Cut(text, `"`)
		all = append(all, fmt.Sprintf("%s@%d %s", a.Rule.ID, a.Offset, text))
	}
	return strings.Join(all, "; "), e, &out
}

var paysAndCharges = []ingest.Record{
	payOrCharge(0, 0, "ann", ""), payOrCharge(1, 1, "ann", ""), payOrCharge(2, 2, "ann", "fraud"), payOrCharge(3, 3, "ann", "fraud"), payOrCharge(4, 4, "ann", ""),
	payOrCharge(5, 5, "ann", ""), payOrCharge(6, 6, "bob", "fraud"), payOrCharge(7, 7, "ann", "quality"),
}

// An event of another source completes a match: what the rule says is told of it.
func TestSequenceOfTwoSources(t *testing.T) {
	set := compile(t, strings.ReplaceAll(joined, "TOPIC", "charges"), paidAndCharged)
	got, e, out := summaries(t, set, paysAndCharges...)
	if want := "first@2 ann fraud; second@4 ann 2 3 n/a; first@7 ann quality; third@7 ann quality"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, member := range []string{
		`"source":"charge","position":{"topic":"charges","partition":3,"offset":2},"evidence":[{"topic":"charges","partition":3,"offset":0,"at":"2026-10-15T12:00:00Z"},{"topic":"charges","partition":3,"offset":1,"at":"2026-10-15T12:01:00Z"}]`,
		`"key":{"who":"ann"},"at":"2026-10-15T12:02:00Z"`, `"event":{"type":"charge"`, `"condition":{"text":"2 pay, then charge within 1h","because":[]}`,
	} {
		if !strings.Contains(string(out.Alerts[0].Value), member) {
			t.Errorf("the alert does not say %s\n%s", member, out.Alerts[0].Value)
		}
	}
	if c := e.Counts().Rules; c[0].Alerts+c[1].Alerts+c[2].Alerts != 4 || c[0].Evaluated != 8 || c[0].Rule.ID == c[1].Rule.ID {
		t.Errorf("counts %+v", c)
	}
	look, err := e.Look("who", e.Context("who", ann(t)))
	if err != nil || len(look.Rules) != 3 {
		t.Fatal(err, look)
	}
	for _, r := range look.Rules {
		if (r.Rule.ID == "second") != (len(r.Open) == 1) || (r.Rule.ID == "third") != (r.Values == 2) {
			t.Errorf("%s: open %v, %d values", r.Rule.ID, r.Open, r.Values)
		}
	}
}

func ann(t *testing.T) []byte {
	t.Helper()
	v := event.StringValue("ann")
	return event.AppendKeyPart(nil, &v)
}

// A condition that panics for an event of another source is off for it; the match is over, and the other rules are as they were.
func TestSequencePanics(t *testing.T) {
	set := compile(t, strings.ReplaceAll(joined, "TOPIC", "charges"), paidAndCharged)
	set.Rule("first").Condition = &expr.Expr{}
	got, e, out := summaries(t, set, paysAndCharges...)
	if want := "second@4 ann 2 3 n/a; third@7 ann quality"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(out.Panics) != 2 || out.Panics[0].Rule.ID != "first" || out.Panics[1].Offset != 7 || e.Counts().Panics != 2 {
		t.Errorf("panics %+v", out.Panics)
	}
}

// Rules with triggers see every event, however many rules are filed beside them.
func TestPatternsBesideFiledRules(t *testing.T) {
	for seed := range uint64(3) {
		j, lines := oracle.RandomPatterns(seed)
		plain, _ := oracle.Random(seed)
		for i := range 4 {
			for _, r := range plain.Rules {
				r.ID += fmt.Sprintf("-%d", i)
				j.Rules = append(j.Rules, r)
			}
		}
		if difference, _ := differ(t, j, lines, oracle.Options{}); difference != "" {
			t.Errorf("seed %d: %s", seed, difference)
		}
	}
}

func pursued(t testing.TB, text string) (*engine.Engine, *ingest.Batch) {
	e, err := engine.New(compile(t, strings.ReplaceAll(joined, "TOPIC", "charges"), text).Plan("charges"), engine.Options{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &ingest.Batch{Topic: "charges", Next: 1000}
	for i := range 1000 {
		reason := ""
		if i%5 == 0 {
			reason = fmt.Sprintf("r%d", i/5%30)
		}
		b.Records = append(b.Records, payOrCharge(event.Offset(i), i/100, fmt.Sprintf("c%d", i*7%40), reason))
	}
	return e, b
}

// Nothing is allocated for an event without an alert.
func TestPatternsDoNotAllocate(t *testing.T) {
	text := strings.Replace(paidAndCharged, "  alert: {summary: \"{who} {c.reason}\"}\n", "  condition: c.reason == \"none\"\n", 1)
	text = strings.Replace(text, "paid > 0", "paid > 1000000", 1) + "  condition: reason == \"none\"\n"
	e, b := pursued(t, text)
	var out engine.Output
	run := func() {
		if err := e.Step(b, &out); err != nil {
			t.Fatal(err)
		}
	}
	run()
	run()
	if n := testing.AllocsPerRun(5, run); n > 10 || len(out.Alerts) > 0 {
		t.Errorf("%v allocations for 1000 events, %d alerts", n, len(out.Alerts))
	}
}

// BenchmarkPatterns is what an event costs with a bare condition, and with new_value and sequences beside it.
func BenchmarkPatterns(b *testing.B) {
	bare := "version: 1\nrules:\n- id: bare\n  source: charge\n  group_by: [who]\n  condition: reason == \"\"\n- id: other\n  source: pay\n  group_by: [who]\n  condition: who == \"\"\n"
	for _, c := range []struct{ name, text string }{
		{"bare", bare},
		{"new_value", bare + "- id: new\n  source: charge\n  group_by: [who]\n  new_value: {fields: [reason], history: 30d, learning: 1d}\n"},
		{"sequence", bare + "- id: seq\n  source: pay\n  group_by: [who]\n  sequence: {within: 1h, steps: [{times: 5}, {source: charge, where: reason == \"none\", as: c}]}\n  alert: {summary: \"{c.reason}\"}\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, batch := pursued(b, c.text)
			var out engine.Output
			b.ReportAllocs()
			for range b.N {
				out.Reset()
				if err := e.Step(batch, &out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
		})
	}
}
