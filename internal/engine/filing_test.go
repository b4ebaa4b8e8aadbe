package engine

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"insolite/ingest"
	"insolite/internal/config"
	"insolite/internal/event"
	"insolite/rules"
)

// manyRules is a set of so many rules over four features of payments.
func manyRules(t testing.TB, n int) *rules.Set {
	c, list := config.Load("insolite.yaml", config.Options{
		Env: func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) {
			return []byte("version: 1\napp: many\nkafka: {brokers: [localhost:9092]}\nsources:\n  pay:\n    topic: pays\n    key: customer\n    time: {field: at, unit: s}\n" +
				"    fields: {at: time, customer: string, amount: {type: number, optional: true}, shop: int}\nrules: [rules.yaml]\n"), nil
		},
	})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	text := "version: 1\nrules:\n"
	for i := range n {
		condition := []string{
			fmt.Sprintf("n >= %d", 5+i), fmt.Sprintf("%d < n and amount > %d", i/4, 10*i), fmt.Sprintf("usual > %d and amount > 1.5 * usual", 3*i), fmt.Sprintf("amount < %d and n > 3", i),
			fmt.Sprintf("shop == %d or n > %d", i, 40+i), fmt.Sprintf("total > %d", 1000+50*i), fmt.Sprintf("n == %d", i), fmt.Sprintf("least <= %d and amount >= %d", i, i),
		}[i%8]
		where := []string{"", "  where: shop > 3\n", "  where: amount > 20\n"}[i/8%3]
		text += fmt.Sprintf("- id: r%d\n  source: pay\n  group_by: [customer]\n%s  context:\n    n: {agg: count, window: 1h}\n    usual: {agg: avg, field: amount, window: 1h, exclude_current: true, min_samples: 3}\n"+
			"    total: {agg: sum, field: amount, window: 2h}\n    least: {agg: min, field: amount, window: 2h}\n  condition: %s\n", i, where, condition)
	}
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte(text)}}, c.Sources, nil, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

func manyPays(n int) []ingest.Record {
	r := rand.New(rand.NewPCG(1, 1))
	var all []ingest.Record
	for i := range n {
		v := fmt.Sprintf(`{"at":%d,"customer":"c%d","shop":%d`, 1000+i*10, r.IntN(8), r.IntN(10))
		if r.IntN(10) > 0 {
			v += fmt.Sprintf(`,"amount":%d`, r.IntN(300))
		}
		all = append(all, ingest.Record{Offset: event.Offset(i), Value: []byte(v + "}")})
	}
	return all
}

// Rules that are filed give the same alerts and counts as if each were evaluated.
func TestFilingDoesNotMatter(t *testing.T) {
	set := manyRules(t, 200)
	sorted, plain := newEngine(t, set.Plans[0], Options{Files: true}), newEngine(t, set.Plans[0], Options{Files: true})
	if f := plain.sources[0].filing; f == nil || len(f.shelves) < 10 {
		t.Fatal("rules are not filed")
	}
	plain.sources[0].filing = nil
	records := manyPays(1500) // more than the first ones, after which rules are filed anew
	got, want := step(t, sorted, records...), step(t, plain, records...)
	if len(want.Alerts) < 500 || told(got) != told(want) {
		t.Errorf("%d alerts, want %d: %q, want %q", len(got.Alerts), len(want.Alerts), told(got), told(want))
	}
	a, b := sorted.Counts(), plain.Counts()
	if !reflect.DeepEqual(a.Rules, b.Rules) {
		t.Errorf("counts %+v, want %+v", a.Rules, b.Rules)
	}
	if f := sorted.sources[0].filing; f.events <= learnFirst || !slices.ContainsFunc(f.rules, func(x filed) bool { return x.under > 0 }) {
		t.Error("nothing was learnt")
	}
	var unknown uint64
	for _, c := range b.Rules {
		unknown += c.InsufficientData + c.MissingField
	}
	if unknown == 0 {
		t.Error("no condition is unknown")
	}
}

// BenchmarkRules steps payments through more and more rules over the same features, few of which are near to hold.
func BenchmarkRules(b *testing.B) {
	records := manyPays(400_000)
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			plan, out := highRules(b, n).Plans[0], &Output{}
			for done := 0; done < b.N; {
				b.StopTimer()
				e := newEngine(b, plan, Options{Files: true})
				if err := e.Step(batch(records[:learnLast]...), out); err != nil {
					b.Fatal(err)
				}
				out.Reset()
				rest := records[learnLast:]
				rest = rest[:min(len(rest), b.N-done)]
				b.StartTimer()
				if err := e.Step(batch(rest...), out); err != nil {
					b.Fatal(err)
				}
				done += len(rest)
			}
		})
	}
}

// highRules are rules whose limits are seldom reached.
func highRules(t testing.TB, n int) *rules.Set {
	set := manyRules(t, 8)
	text := "version: 1\nrules:\n"
	for i := range n {
		condition := []string{
			fmt.Sprintf("n >= %d", 1_000_000+i), fmt.Sprintf("usual > %d and amount > 3 * usual", 1_000_000+i), fmt.Sprintf("total > %d and shop != %d", 1_000_000_000+i, i%10), fmt.Sprintf("amount > %d and n > 2", 10_000+i),
		}[i%4]
		text += fmt.Sprintf("- id: r%d\n  source: pay\n  group_by: [customer]\n  context:\n    n: {agg: count, window: 1h}\n    usual: {agg: avg, field: amount, window: 1h, exclude_current: true, min_samples: 3}\n"+
			"    total: {agg: sum, field: amount, window: 2h}\n    least: {agg: min, field: amount, window: 2h}\n  condition: %s\n", i, condition)
	}
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte(text)}}, set.Sources, nil, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// Of a thousand rules whose limits are seldom reached an event evaluates a few, once it has shown which limits those are.
func TestManyRulesAreSeldomEvaluated(t *testing.T) {
	e := newEngine(t, highRules(t, 1000).Plans[0], Options{Files: true})
	records := manyPays(learnFirst + 500)
	step(t, e, records[:learnFirst]...)
	chosen := 0
	for _, r := range records[learnFirst:] {
		step(t, e, r)
		for _, word := range e.sources[0].filing.chosen {
			chosen += bits.OnesCount64(word)
		}
	}
	if perEvent := chosen / 500; perEvent > 50 {
		t.Errorf("%d rules are evaluated an event, at most 50 are allowed", perEvent)
	}
}
