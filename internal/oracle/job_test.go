package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// found runs a job of one rule and returns offset(held back) of each finding.
func found(r Result) string {
	var shown []string
	for _, f := range r.Findings {
		shown = append(shown, fmt.Sprintf("%d(%d)", f.Offset, f.Suppressed))
	}
	return strings.Join(shown, " ")
}

func always(change func(*Rule)) Job {
	r := Rule{ID: "r", GroupBy: []string{"user"}, Condition: Lit(boolean(true))}
	change(&r)
	return Job{Source: source(), Rules: []Rule{r}}
}

func TestLateness(t *testing.T) {
	j := always(func(*Rule) {})
	r := Evaluate(j, []string{at(100, ""), at(40, ""), at(39.9, ""), at(101, ""), at(40.9, "")}, Options{})
	expect(t, "at the watermark is not late", found(r), "0(0) 1(0) 3(0)")
	if r.Late != 2 {
		t.Errorf("%d late, want 2", r.Late)
	}
}

func TestDedupe(t *testing.T) {
	j := always(func(*Rule) {})
	j.Source.Dedupe = &Dedupe{ID: "id", For: 10 * time.Second}
	r := Evaluate(j, []string{at(20, `"id":"a"`), at(29.9, `"id":"a"`), at(10.1, `"id":"a"`), at(30, `"id":"a"`), at(39, `"id":"a"`), at(39, ""), at(39, "")}, Options{})
	expect(t, "an id apart by the whole time is another event", found(r), "0(0) 3(0) 5(0) 6(0)")
	if r.Duplicates != 3 {
		t.Errorf("%d duplicates, want 3", r.Duplicates)
	}
	lines := []string{at(0, `"id":"a"`)}
	for i := range 64 {
		lines = append(lines, at(0, fmt.Sprintf(`"id":"x%d"`, i)))
	}
	r = Evaluate(j, append(lines, at(0, `"id":"a"`), at(0, `"id":"x63"`)), Options{})
	if r.Duplicates != 1 || r.Findings[len(r.Findings)-1].Offset != 65 {
		t.Errorf("of 65 ids the first is forgotten, the last is not: %d duplicates, last finding %d", r.Duplicates, r.Findings[len(r.Findings)-1].Offset)
	}
}

func TestRuleOrder(t *testing.T) {
	j := always(func(r *Rule) {
		r.GroupBy = []string{"user", "shop"}
		r.Where = Ref("flag")
		r.Exceptions = []Exception{{"quiet", Op("==", Ref("item"), Lit(Value{Kind: String, S: "a"}))}}
		r.Condition = Op(">", Ref("qty"), Lit(integer(3)))
	})
	r := Evaluate(j, []string{
		at(0, `"flag":true,"qty":4`),                     // no key
		at(0, `"shop":1,"qty":4`),                        // where is unknown
		at(0, `"shop":1,"flag":true`),                    // the condition is unknown
		at(0, `"shop":1,"flag":true,"qty":4,"item":"a"`), // silenced
		at(0, `"shop":1,"flag":true,"qty":4`),            // the exception is unknown
	}, Options{})
	expect(t, "one is found", found(r), "4(0)")
	if r.Skipped != 1 || r.Unknown != 1 || r.Silenced != 1 || r.Findings[0].Key != `{"user":"ann","shop":1}` {
		t.Errorf("got %+v", r)
	}
}

func TestSuppress(t *testing.T) {
	cooling := always(func(r *Rule) { r.Suppress = &Suppress{For: 10 * time.Second} })
	r := Evaluate(cooling, []string{at(20, ""), at(29.9, ""), at(5, ""), at(30, ""), at(25, ""), at(41, "")}, Options{})
	expect(t, "held back until, and before, the end", found(r), "0(0) 3(2) 5(1)")
	by := always(func(r *Rule) { r.Suppress = &Suppress{For: 10 * time.Second, By: []string{"item"}} })
	r = Evaluate(by, []string{at(0, `"item":"a"`), at(1, `"item":"b"`), at(2, ""), at(3, ""), at(4, `"item":"a"`)}, Options{})
	expect(t, "a missing by is a value of its own", found(r), "0(0) 1(0) 2(0)")
	daily := always(func(r *Rule) { r.Suppress = &Suppress{Unit: "minute"} })
	r = Evaluate(daily, []string{at(0, ""), at(59.9, ""), at(60, ""), at(59, ""), at(119, "")}, Options{})
	expect(t, "once a bucket, whatever came between", found(r), "0(0) 2(1)")
}

func TestKleene(t *testing.T) {
	yes, no, unknown := Lit(boolean(true)), Lit(boolean(false)), Ref("nothing")
	names := func(string) Value { return Value{} }
	for _, c := range []struct {
		e    *Expr
		want string
	}{
		{Op("and", no, unknown), "false"}, {Op("and", unknown, no), "false"}, {Op("and", yes, unknown), "null"}, {Op("and", unknown, unknown), "null"},
		{Op("or", yes, unknown), "true"}, {Op("or", unknown, yes), "true"}, {Op("or", no, unknown), "null"}, {Op("not", unknown), "null"}, {Op("not", no), "true"},
		{Op("and", yes, yes), "true"}, {Op("or", no, no), "false"}, {Op("has", unknown), "false"}, {Op("??", unknown, yes), "true"}, {Op("==", unknown, unknown), "null"},
		{Op("/", Lit(integer(1)), Lit(integer(0))), "null"}, {Op("/", Lit(integer(1)), Lit(integer(2))), "0.5"}, {Op("*", Lit(integer(1<<62)), Lit(integer(2))), "null"},
		{Op("+", Lit(integer(1)), Lit(number(0.5))), "1.5"}, {Op("==", Lit(integer(1)), Lit(number(1))), "true"}, {Op("<=", Lit(integer(2)), Lit(number(1.5))), "false"},
	} {
		expect(t, c.e.Text(), c.e.eval(names, Options{}).JSON(), c.want)
	}
}

func TestYAML(t *testing.T) {
	j := always(func(r *Rule) {
		r.Where = Op("!=", Ref("item"), Lit(Value{Kind: String, S: "it's"}))
		r.Features = []Feature{
			{Name: "n", Agg: "count", Window: Window{Kind: "calendar", Unit: "day", Zone: "Europe/Paris"}, MinSamples: 2},
			{Name: "l", Agg: "last", Fields: []string{"qty", "item"}, Window: Window{Kind: "exact", Span: 36*time.Hour + time.Millisecond}, ExcludeCurrent: true},
		}
		r.Condition = Op("or", Op(">", Ref("n"), Lit(number(3))), Op("==", Ref("l.qty"), Lit(integer(-1))))
		r.Suppress = &Suppress{By: []string{"item"}, Unit: "day", Zone: "Europe/Paris"}
	})
	want := `version: 1
rules:
- id: r
  title: r
  source: events
  where: '(item != "it''s")'
  group_by: [user]
  context:
    n: {agg: count, window: {calendar: day, timezone: Europe/Paris}, min_samples: 2}
    l: {agg: last, fields: [qty, item], window: 1d12h1ms, exact: true, exclude_current: true}
  condition: '((n > 3.0) or (l.qty == (-1)))'
  suppress: {by: [item], for: {calendar: day, timezone: Europe/Paris}}
`
	expect(t, "rules", j.RulesYAML(), want)
	if c := j.ConfigYAML(); !strings.Contains(c, "    lateness: 1m\n") || !strings.Contains(c, "      qty: {type: int, optional: true}\n") {
		t.Errorf("configuration:\n%s", c)
	}
}
