package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
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
	filed, plain := newEngine(t, set.Plans[0], Options{Files: true}), newEngine(t, set.Plans[0], Options{Files: true})
	if f := plain.sources[0].filing; f == nil || len(f.shelves) < 10 {
		t.Fatal("rules are not filed")
	}
	plain.sources[0].filing = nil
	records := manyPays(2000)
	got, want := step(t, filed, records...), step(t, plain, records...)
	if len(want.Alerts) < 1000 || told(got) != told(want) {
		t.Errorf("%d alerts, want %d: %q, want %q", len(got.Alerts), len(want.Alerts), told(got), told(want))
	}
	a, b := filed.Counts(), plain.Counts()
	if !reflect.DeepEqual(a.Rules, b.Rules) {
		t.Errorf("counts %+v, want %+v", a.Rules, b.Rules)
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
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := newEngine(b, highRules(b, n).Plans[0], Options{Files: true})
			batch := batch(manyPays(10_000)...)
			out := &Output{}
			b.ResetTimer()
			for done := 0; done < b.N; done += len(batch.Records) {
				e.watermark = event.NoTime
				if err := e.Step(batch, out); err != nil {
					b.Fatal(err)
				}
				out.Reset()
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
