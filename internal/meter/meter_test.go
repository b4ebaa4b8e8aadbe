package meter_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/config"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/meter"
	"insolite/internal/telemetry"
	"insolite/loadgen"
	"insolite/rules"
	"insolite/rules/examples"
)

// pizzas is the plan of the pizza example, with its first rule in another mode.
func pizzas(t *testing.T, mode string) *rules.Plan {
	t.Helper()
	read := func(p string) ([]byte, error) { return fs.ReadFile(examples.FS, p) }
	c, list := config.Load("pizza/insolite.yaml", config.Options{ReadFile: read})
	if c == nil {
		t.Fatal(list.Err())
	}
	data, err := read("pizza/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte("  severity: low"), []byte("  mode: "+mode), 1)
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: data}}, c.Sources, nil, rules.Options{})
	if set == nil {
		t.Fatal(list.Err())
	}
	return set.Plan("pizzas")
}

// The metrics are the sums of what all engines of a task have counted, whatever the sizes of their batches.
func TestMetricsAreTheSumOfTheCounts(t *testing.T) {
	g, err := loadgen.New("pizza", loadgen.Options{Seed: 1, Start: 1e18, Keys: 50, Rate: 0.01, Anomalies: 0.1, Disorder: 0.1, Late: 0.1, Malformed: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	registry := telemetry.New()
	m := meter.New(registry, "pizzas", 3)
	sum := map[string]uint64{}
	var out engine.Output
	var e loadgen.Event
	next := event.Offset(0)
	// The second engine counts more than the first before it is observed once.
	for _, life := range []struct {
		mode    string
		batches []int
	}{{"live", []int{1, 7, 500}}, {"shadow", []int{4000, 3, 1}}} {
		eng, err := engine.New(pizzas(t, life.mode), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range life.batches {
			b := ingest.Batch{Topic: "pizzas"}
			for range n {
				g.Next(&e)
				b.Records = append(b.Records, ingest.Record{Offset: next, Timestamp: e.Due, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value)})
				next++
			}
			b.Next = next
			out.Reset()
			if err := eng.Step(&b, &out); err != nil {
				t.Fatal(err)
			}
			m.Observe(eng)
			for _, a := range out.Alerts {
				sum[fmt.Sprintf("insolite_output_alerts_total{rule=%q,mode=%q}", a.Rule.ID, a.Rule.Mode)]++
			}
			sum[`insolite_decode_records_total{topic="pizzas",path="failed"}`] += uint64(len(out.DeadLetters))
			for _, d := range out.DeadLetters {
				sum[fmt.Sprintf("insolite_output_dead_letters_total{stage=%q,reason=%q}", d.Stage, d.Reason)]++
			}
		}
		space := eng.Keyspaces()[0]
		sum[fmt.Sprintf(`insolite_context_contexts{topic="pizzas",partition="3",keyspace=%q}`, space.Plan.Name)] = uint64(space.Contexts.Len())
		sum[fmt.Sprintf(`insolite_context_dirty{topic="pizzas",partition="3",keyspace=%q}`, space.Plan.Name)] = uint64(space.Contexts.Len())
		c := eng.Counts()
		s := c.Sources[0]
		sum[`insolite_engine_events_total{source="pizza.purchased"}`] += s.Events - s.Late - s.TooFar
		sum[`insolite_engine_late_events_total{source="pizza.purchased"}`] += s.Late
		for _, r := range c.Rules {
			outcome := func(o string) string {
				return fmt.Sprintf("insolite_rules_outcomes_total{rule=%q,outcome=%q}", r.Rule.ID, o)
			}
			sum[outcome("suppressed")] += r.Suppressed
			sum[outcome("matched")] += r.Suppressed + r.Alerts
			sum[outcome("insufficient_data")] += r.InsufficientData
			sum[outcome("not_matched")] += r.Evaluated - r.InsufficientData - r.MissingField - r.Suppressed - r.Alerts
		}
	}
	var b bytes.Buffer
	if err := registry.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	for series, n := range sum {
		if !strings.Contains(b.String(), fmt.Sprintf("\n%s %d\n", series, n)) {
			at := strings.Index(b.String(), series)
			t.Errorf("want %s %d, shown: %.120s", series, n, b.String()[max(0, at):])
		}
	}
	m.Close()
	b.Reset()
	if err := registry.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "insolite_context_contexts") {
		t.Error("the contexts of a task that has left are shown")
	}
	for _, series := range []string{`insolite_output_alerts_total{rule="two-pizzas-one-day",mode="shadow"}`, `insolite_output_alerts_total{rule="two-pizzas-one-day",mode="live"}`} {
		if sum[series] == 0 {
			t.Errorf("no %s", series)
		}
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	eng, err := engine.New(pizzas(t, "live"), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := meter.New(telemetry.New(), "pizzas", 0)
	m.Observe(eng)
	if n := testing.AllocsPerRun(100, func() { m.Observe(eng) }); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
