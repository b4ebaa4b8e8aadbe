package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/bench/reference"
	"insolite/internal/engine"
	"insolite/rules"
)

// manyRules are a thousand rules over the features of the reference job.
func manyRules() string {
	text := string(reference.Rules)
	for i := range 990 {
		condition := []string{"n >= %d", "total > %d", "amount > %d and n > 2", "terminals > %d"}[i%4]
		text += fmt.Sprintf("- id: more-%d\n  source: payment\n  group_by: [customer_id]\n  context:\n    n: {agg: count, window: 1h}\n    total: {agg: sum, field: amount, window: 24h}\n"+
			"    terminals: {agg: distinct_count, field: terminal, window: 24h}\n  condition: "+condition+"\n", i, 1_000_000+i)
	}
	return text
}

// BenchmarkReload is the longest that new rules hold up a task with a million keys and a thousand rules: its engine goes on with the new ones. What it
// takes to load them is measured beside it; that happens before, and holds up nothing.
func BenchmarkReload(b *testing.B) {
	const keys, size = 1_000_000, 4000
	text := manyRules()
	load := func(text string) *rules.Set { return compile(b, string(reference.Config), text) }
	first := load(text)
	paid := 0
	job := &job{payments: reference.New(reference.Options{Keys: keys, Customer: func() int { paid++; return (paid - 1) % keys }})}
	e, err := engine.New(first.Plans[0], engine.Options{MemoryHint: keys})
	if err != nil {
		b.Fatal(err)
	}
	out := &engine.Output{}
	for n := 0; n < keys; n += size {
		if err := e.Step(job.next(size), out); err != nil {
			b.Fatal(err)
		}
		out.Reset()
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			load(text)
		}
	})
	for _, c := range []struct {
		name   string
		change func(i int) string
	}{
		{"limits", func(i int) string { return strings.ReplaceAll(text, "n >= 1", fmt.Sprintf("n >= %d", i+2)) }},
		{"feature", func(i int) string {
			return text + fmt.Sprintf("- id: another\n  source: payment\n  group_by: [customer_id]\n  context: {most: {agg: max, field: amount, window: %dm}}\n  condition: most > 1000\n", i+60)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var longest time.Duration
			for i := range b.N {
				plan := load(c.change(i)).Plans[0]
				began := time.Now()
				next, err := e.Switch(plan, 1)
				if err != nil {
					b.Fatal(err)
				}
				longest = max(longest, time.Since(began))
				e = next
			}
			b.ReportMetric(0, "ns/op") // it would count the loading
			b.ReportMetric(float64(longest.Milliseconds()), "ms/longest")
		})
	}
}
