package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/config"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// compile makes a set of a configuration and a rule file.
func compile(t testing.TB, configuration, ruleFile string) *rules.Set {
	c, list := config.Load("insolite.yaml", config.Options{
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) { return []byte(configuration), nil },
	})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte(ruleFile)}}, c.Sources, nil, rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

const payments = `
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
      id: {type: string, optional: true}
      customer: {type: string, optional: true}
      amount: {type: number, optional: true}
      shop: {type: string, optional: true}
rules: [rules.yaml]
`

const spending = `
version: 1
rules:
- id: spending
  source: pay
  group_by: [customer]
  where: shop != "test"
  context:
    n: {agg: count, window: 1h}
    usual: {agg: avg, field: amount, window: 1h, exclude_current: true, min_samples: 2}
    prev: {agg: last, fields: [shop, amount], window: 1h, exclude_current: true}
  condition: amount > 2 * usual
  exceptions: [{name: the baker, where: shop == "baker"}]
  suppress: {for: 30m}
`

// explained says in short what an explanation says.
func explained(x *engine.Explanation) string {
	s := x.Admission.String()
	if x.Message != "" {
		s += ": " + x.Message
	}
	for _, r := range x.Rules {
		s += fmt.Sprintf(" | %s %s", r.Rule.ID, r.Outcome)
		for _, k := range r.Key {
			s += " " + k.Name + "=" + k.Value.Text()
		}
		for _, f := range r.Features {
			s += fmt.Sprintf(" %s=%s/%d", f.Name, f.Value.Text(), f.Samples)
			for _, m := range f.Fields {
				s += "," + m.Name + "=" + m.Value.Text()
			}
		}
		if r.Condition != nil {
			s += fmt.Sprintf(" (%s: %s", r.Condition.Text, r.Condition.Value.Text())
			for _, n := range r.Condition.Nodes {
				s += fmt.Sprintf("; %s: %s", n.Text, n.Value.Text())
			}
			s += ")"
		}
		if r.Where != nil {
			s += " where=" + r.Where.Value.Text()
		}
		if r.Exception != "" {
			s += " " + r.Exception
		}
		if r.Until != event.NoTime {
			s += fmt.Sprintf(" %d until %s", r.Held, event.AppendTime(nil, r.Until, 0))
		}
	}
	return s
}

func TestExplain(t *testing.T) {
	e, err := engine.New(compile(t, payments, spending).Plans[0], engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ value, want string }{
		{`{"type":"pay","at":"T12:00:00Z","customer":"ann","amount":10,"shop":"a"}`,
			`admitted | spending insufficient_data customer=ann n=1/1 usual=n/a/0 prev=n/a/0,shop=n/a,amount=n/a (amount > 2 * usual: n/a; amount: 10; 2 * usual: n/a) where=true`},
		{`{"type":"pay","at":"T12:01:00Z","customer":"ann","amount":20,"shop":"test"}`, `admitted | spending not_evaluated customer=ann where=false`},
		{`{"type":"pay","at":"T12:01:00Z","customer":"ann","amount":20,"shop":"b"}`,
			`admitted | spending insufficient_data customer=ann n=2/2 usual=n/a/1 prev=n/a/1,shop=a,amount=10 (amount > 2 * usual: n/a; amount: 20; 2 * usual: n/a) where=true`},
		{`{"type":"pay","at":"T12:02:00Z","customer":"ann","amount":30,"shop":"c"}`,
			`admitted | spending not_fired customer=ann n=3/3 usual=15/2 prev=n/a/2,shop=b,amount=20 (amount > 2 * usual: false; amount: 30; 2 * usual: 30) where=true`},
		{`{"type":"pay","at":"T12:03:00Z","customer":"ann","shop":"c"}`,
			`admitted | spending missing_field customer=ann n=4/4 usual=20/3 prev=n/a/3,shop=c,amount=30 (amount > 2 * usual: n/a; amount: n/a; 2 * usual: 40) where=true`},
		{`{"type":"pay","at":"T12:04:00Z","customer":"ann","amount":90,"shop":"baker"}`,
			`admitted | spending excepted customer=ann n=5/5 usual=20/3 prev=n/a/4,shop=c,amount=n/a (amount > 2 * usual: true; amount: 90; 2 * usual: 40) where=true the baker`},
		{`{"type":"pay","at":"T12:05:00Z","customer":"ann","amount":99,"shop":"d","id":"x"}`,
			`admitted | spending fired customer=ann n=6/6 usual=37.5/4 prev=n/a/5,shop=baker,amount=90 (amount > 2 * usual: true; amount: 99; 2 * usual: 75) where=true`},
		{`{"type":"pay","at":"T12:05:01Z","customer":"ann","amount":99,"shop":"d","id":"x"}`, `admitted | spending duplicate customer=ann where=true`},
		{`{"type":"pay","at":"T12:06:00Z","customer":"ann","amount":999,"shop":"d"}`,
			`admitted | spending suppressed customer=ann n=7/7 usual=49.8/5 prev=n/a/6,shop=d,amount=99 (amount > 2 * usual: true; amount: 999; 2 * usual: 99.6) where=true 1 until 2026-10-15T12:35:00Z`},
		{`{"type":"pay","at":"T12:06:00Z","amount":999,"shop":"d"}`, `admitted | spending no_key customer=n/a where=true`},
		{`{"type":"pay","at":"T12:04:59Z","customer":"ann"}`, `late`},
		{`{"type":"login"}`, `unmatched`},
		{`{"type":"pay"}`, `malformed: source "pay", field "at", byte 0: a required field is absent; send it, or declare it optional`},
		{``, `tombstone`},
		{`{"type":"pay","at":"T14:00:00Z","customer":"ann"}`,
			`max_ahead: source "pay", field "at": the event time 2026-10-15T14:00:00Z is more than 1h ahead of the record's timestamp 2026-10-15T12:30:00Z; set the producer's clock, or raise max_ahead`},
	} {
		rec := ingest.Record{Offset: event.Offset(i), Timestamp: event.Time(1792067400e9), Value: []byte(strings.Replace(c.value, `"T`, `"2026-10-15T`, 1))}
		if c.value == "" {
			rec.Value = nil
		}
		out := &engine.Output{}
		x, err := e.Explain(&rec, out)
		if err != nil {
			t.Fatal(err)
		}
		clear(rec.Value) // an explanation holds no views
		if got := explained(x); got != c.want {
			t.Errorf("%d:\n got %s\nwant %s", i, got, c.want)
		}
		if fired := strings.Contains(c.want, "fired customer=ann n=6"); fired != (len(out.Alerts) == 1) {
			t.Errorf("%d: %d alerts", i, len(out.Alerts))
		}
	}
	if e.Counts().Records != 15 {
		t.Errorf("%d records counted", e.Counts().Records)
	}
}
