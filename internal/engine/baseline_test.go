package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/oracle"
	"insolite/internal/testsize"
)

// Engine and brute-force evaluator agree on every value that a baseline gives, to the last bit.
func TestBaselinesAgreeWithTheEvaluator(t *testing.T) {
	findings := 0
	for seed := range uint64(testsize.Of(4, 60)) {
		j, lines := oracle.RandomBaselines(seed)
		difference, result := differ(t, j, lines, oracle.Options{})
		findings += len(result.Findings)
		if difference != "" {
			j, lines = oracle.Minimize(j, lines, func(j oracle.Job, lines []string) bool { d, _ := differ(t, j, lines, oracle.Options{}); return d != "" })
			difference, _ = differ(t, j, lines, oracle.Options{})
			t.Errorf("seed %d: %s\n%s\n%s\n%s", seed, difference, j.ConfigYAML(), j.RulesYAML(), strings.Join(lines, "\n"))
		}
	}
	if findings < 1000 {
		t.Errorf("%d findings", findings)
	}
	t.Logf("%d findings agree", findings)
}

// Another history, season, zone or direction is noticed.
func TestBaselineComparisonNoticesOtherDefinitions(t *testing.T) {
	for name, change := range map[string]func(*oracle.Baseline){
		"history": func(b *oracle.Baseline) { b.History += time.Hour }, "season": func(b *oracle.Baseline) { b.Season = "hour_of_day" },
		"zone": func(b *oracle.Baseline) { b.Zone = "America/New_York" }, "direction": func(b *oracle.Baseline) { b.Direction = "down" },
	} {
		noticed := false
		for seed := uint64(0); seed < 4 && !noticed; seed++ {
			j, lines := oracle.RandomBaselines(seed)
			out, _ := run(t, j, load(t, j), lines, 4096)
			is := told(t, j, out)
			for i := range j.Rules {
				for k := range j.Rules[i].Features {
					change(j.Rules[i].Features[k].Baseline)
				}
			}
			noticed = !slices.Equal(is, found(j, oracle.Evaluate(j, lines, oracle.Options{}).Findings))
		}
		if !noticed {
			t.Errorf("another %s is not noticed", name)
		}
	}
}

// Batches, restarts, evictions, expiry and rules that come and go beside them change no byte of what baselines say.
func TestBaselinesSurvive(t *testing.T) {
	alerts := 0
	for seed := range uint64(testsize.Of(3, 20)) {
		j, lines := oracle.RandomBaselines(seed)
		set := load(t, j)
		one, _ := run(t, j, set, lines, 1)
		many, _ := run(t, j, set, lines, 4096)
		if !bytes.Equal(emitted(one), emitted(many)) {
			t.Errorf("seed %d: batches matter", seed)
		}
		difference, _, emitted := survive(t, seed, j, lines, "")
		if difference != "" {
			t.Errorf("seed %d: %s", seed, difference)
		}
		alerts += len(emitted)
	}
	if alerts < 500 {
		t.Errorf("%d alerts", alerts)
	}
}

const warmth = `
version: 1
rules:
- id: warm
  source: pay
  group_by: [customer]
  baseline:
    spent: {field: amount, season: hour_of_week, timezone: Europe/Paris, history: 8w}
  condition: spent.score >= 4
  alert: {summary: "{spent.value:.1} for {spent.expected:.1}, at most {spent.upper:.1}"}
`

// An alert, an explanation and what is remembered of a key tell what a baseline says, of how many samples, for which hour.
func TestBaselineIsTold(t *testing.T) {
	set := compile(t, payments, warmth)
	e, err := engine.New(set.Plans[0], engine.Options{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 2, 0, 30, 0, 0, time.UTC) // a Monday
	record := func(i int, amount float64) *ingest.Record {
		text := fmt.Sprintf(`{"type":"pay","at":"%s","customer":"ann","shop":"a","amount":%g}`, at.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), amount)
		return &ingest.Record{Offset: event.Offset(i), Timestamp: event.NoTime, Value: []byte(text)}
	}
	var out engine.Output
	explain := func(i int, amount float64) *engine.Explanation {
		t.Helper()
		x, err := e.Explain(record(i, amount), &out)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for i := range 8 * 24 {
		x := explain(i, 20+float64(i%5)/10)
		if r := x.Rules[0]; i < 7*24 && (r.Outcome != engine.InsufficientData || r.Features[0].Fields[0].Value.Float() < 20 || r.Features[0].Fields[1].Value.Known()) {
			t.Fatalf("event %d of the first week: %+v", i, r)
		} else if i >= 7*24 && r.Outcome != engine.NotFired {
			t.Fatalf("event %d: %+v", i, r)
		}
	}
	x := explain(8*24, 60)
	f := x.Rules[0].Features[0]
	if x.Rules[0].Outcome != engine.Fired || f.Agg != "baseline" || f.Window != "56d hour_of_week Europe/Paris" || f.Season != "tuesday 01h" || f.Samples != 8*24 ||
		len(f.Fields) != 6 || f.From != event.Time(at.UnixNano()) {
		t.Errorf("explained: %+v", f)
	}
	if got := string(out.Alerts[0].Value); !strings.Contains(got, `"summary":"60.0 for 20.2, at most 20.`) ||
		!strings.Contains(got, `"agg":"baseline","window":"56d hour_of_week Europe/Paris","season":"tuesday 01h","samples":192`) {
		t.Errorf("alert %s", got)
	}
	ann := event.StringValue("ann")
	l, err := e.Look("customer", e.Context("customer", event.AppendKeyPart(nil, &ann)))
	if err != nil {
		t.Fatal(err)
	}
	f = l.Rules[0].Features[0]
	if f.Samples != 8*24+1 || f.Season != "tuesday 01h" || f.Fields[0].Value.Known() || !f.Fields[1].Value.Known() || f.Fields[4].Value.Known() {
		t.Errorf("remembered: %+v", f)
	}
}
