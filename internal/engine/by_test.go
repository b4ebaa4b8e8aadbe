package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"insolite/internal/chain"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"

	"insolite/ingest"
)

const severalKeys = `version: 1
app: a
kafka: {brokers: [b:9092]}
rules: [r.yaml]
sources:
  pay:
    topic: pays
    key: KEY
    time: {field: at}
    lateness: 1h
    fields: {at: time, who: string, shop: {type: string, optional: true}, amount: number, till: {type: string, optional: true}}
  charge:
    topic: charges
    key: shop
    time: {field: at}
    lateness: 1h
    fields: {at: time, shop: string, amount: number}
`

const crossKeys = `version: 1
rules:
- id: cross
  source: pay
  group_by: [GROUP]
  where: amount > 1
  context:
    mine: {agg: sum, field: amount, window: forever}
    here: {by: [BY], agg: count, window: forever}
    people: {by: [BY], agg: distinct_count, field: who, window: forever, exclude_current: true}
    both: {by: [shop, who], agg: last, fields: [amount, at], window: forever, exclude_current: true}
    frauds: {by: [shop], agg: count, source: charge, window: forever, where: amount > 3}
  condition: amount > 2
  alert: {summary: "{mine} {here} {people} {both.amount} {frauds}"}
- id: alone
  source: pay
  group_by: [BY]
  context: {n: {agg: count, window: forever}}
  condition: n >= 1
  alert: {summary: "{n}"}
`

// seen is one event of the story, in the order in which it happened.
type seen struct {
	charge    bool
	who, shop string
	amount    float64
}

// told is what the rule cross would say of the last event, from the definitions.
func crossTold(story []seen, group, by string) string {
	now := story[len(story)-1]
	key := func(s seen, name string) string { return map[string]string{"who": s.who, "shop": s.shop}[name] }
	mine, shop, frauds := 0.0, 0, 0
	people := map[string]bool{}
	last := "n/a"
	for i, s := range story {
		switch {
		case s.charge && s.shop == now.shop && s.amount > 3:
			frauds++
		case s.charge || s.amount <= 1:
		default:
			if key(s, group) == key(now, group) {
				mine += s.amount
			}
			if key(s, by) == key(now, by) {
				shop++
				if i < len(story)-1 {
					people[s.who] = true
				}
			}
			if s.who == now.who && s.shop == now.shop && i < len(story)-1 {
				last = number(s.amount)
			}
		}
	}
	count, different, charges := fmt.Sprint(shop), fmt.Sprint(len(people)), fmt.Sprint(frauds)
	if now.shop == "" { // no key of these features
		last, charges = "n/a", "n/a"
		if by == "shop" {
			count, different = "n/a", "n/a"
		}
	}
	return fmt.Sprintf("%s %s %s %s %s", number(mine), count, different, last, charges)
}

// A rule with features of other keys says what the definitions say, whichever of the keys is that of the records.
func TestFeaturesOfOtherKeys(t *testing.T) {
	for _, c := range []struct{ key, group, by, topics string }{
		{"who", "who", "shop", "charges pays by.shop.1 by.who.2"}, // shop and who together are in one partition
		{"shop", "who", "shop", "charges pays by.shop.1 by.who.2"},
		{"shop", "shop", "who", "charges pays by.who.1 by.shop.2"},
		{"who", "shop", "who", "charges pays by.shop.1"},
		{"till", "who", "shop", "charges pays by.shop.1 by.shop-who.2 by.who.3"},
	} {
		text := strings.NewReplacer("GROUP", c.group, "BY", c.by).Replace(crossKeys)
		if c.group == "shop" {
			text = strings.Replace(text, "by: [shop], ", "", 1) // it is the rule's own key
		}
		set := compile(t, strings.ReplaceAll(severalKeys, "KEY", c.key), text)
		if got := topics(set); got != c.topics {
			t.Errorf("keyed by %s, grouped by %s: topics %s, want %s", c.key, c.group, got, c.topics)
		}
		random := rand.New(rand.NewPCG(7, 7))
		all, err := chain.New(set, chain.Options{Files: true})
		if err != nil {
			t.Fatal(err)
		}
		var story []seen
		var want, got []string
		var out engine.Output
		offsets := map[string]event.Offset{}
		for i := range 400 {
			s := seen{charge: random.IntN(5) == 0, who: fmt.Sprintf("p%d", random.IntN(4)), shop: fmt.Sprintf("s%d", random.IntN(4)), amount: float64(random.IntN(24)) / 4}
			if !s.charge && c.group == "who" && random.IntN(10) == 0 {
				s.shop = ""
			}
			story = append(story, s)
			at := (event.Time(i) * 1e9).Std().Format("2006-01-02T15:04:05Z")
			topic, value := "pays", fmt.Sprintf(`{"at":%q,"who":%q,"shop":%q,"amount":%v}`, at, s.who, s.shop, s.amount)
			if s.shop == "" {
				value = fmt.Sprintf(`{"at":%q,"who":%q,"amount":%v}`, at, s.who, s.amount)
			}
			if s.charge {
				topic, value = "charges", fmt.Sprintf(`{"at":%q,"shop":%q,"amount":%v}`, at, s.shop, s.amount)
			} else if s.amount > 2 {
				want = append(want, crossTold(story, c.group, c.by))
			}
			o := offsets[topic]
			offsets[topic]++
			if err := all.Step(&ingest.Batch{Topic: topic, Records: []ingest.Record{{Offset: o, Value: []byte(value)}}, Next: o + 1}, &out); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range out.Alerts {
			var m struct {
				Summary string
				Rule    struct{ ID string }
				Context map[string]struct{ Samples int }
			}
			if err := json.Unmarshal(a.Value, &m); err != nil {
				t.Fatal(err)
			}
			if m.Rule.ID != "cross" {
				continue
			}
			if x := m.Context["here"]; fmt.Sprint(x.Samples) != strings.Fields(m.Summary)[1] && x.Samples > 0 {
				t.Errorf("%s: %d samples are told, %s counted", c.key, x.Samples, m.Summary)
			}
			got = append(got, m.Summary)
		}
		if !slices.Equal(got, want) {
			n := 0
			for n < len(got) && n < len(want) && got[n] == want[n] {
				n++
			}
			t.Errorf("keyed by %s, grouped by %s, features by %s (%s): %d alerts, want %d; the first that differs is %d: %q, want %q",
				c.key, c.group, c.by, topics(set), len(got), len(want), n, got[min(n, len(got)-1):min(n+1, len(got))], want[min(n, len(want)-1):min(n+1, len(want))])
		}
	}
}

// Events come to a stage by one way: rules whose features have different keys, and rules of another source that read this one by the key of the
// stage, stand behind a stage each, and count every event once.
func TestOneWayToAStage(t *testing.T) {
	for _, text := range []string{`
- {id: a, source: pay, group_by: [who], context: {n: {agg: count, window: forever}, m: {by: [shop], agg: count, window: forever}}, condition: n >= 1, alert: {summary: "{n} {m}"}}
- {id: b, source: pay, group_by: [who], context: {n: {agg: count, window: forever}, m: {by: [till], agg: count, window: forever}}, condition: n >= 1, alert: {summary: "{n} {m}"}}
`, `
- {id: a, source: pay, group_by: [shop], context: {n: {agg: count, window: forever}, m: {by: [amount_cents], agg: count, window: forever}}, condition: n >= 1, alert: {summary: "{n} {m}"}}
- {id: b, source: charge, group_by: [shop], context: {n: {agg: count, source: pay, window: forever}, m: {by: [amount_cents], agg: count, window: forever}}, condition: n >= 1, alert: {summary: "{n} {m}"}}
`} {
		sources := strings.ReplaceAll(strings.ReplaceAll(severalKeys, "KEY", "amount_cents"), "amount: number", "amount: number, amount_cents: int")
		all, err := chain.New(compile(t, sources, "version: 1\nrules:"+text), chain.Options{Files: true})
		if err != nil {
			t.Fatal(err)
		}
		var out engine.Output
		for i := range event.Offset(3) {
			for _, topic := range []string{"pays", "charges"} {
				value := fmt.Sprintf(`{"at":"2026-01-01T00:00:0%dZ","who":"ann","till":"a","shop":"s","amount":1,"amount_cents":100}`, i)
				if err := all.Step(&ingest.Batch{Topic: topic, Records: []ingest.Record{{Offset: i, Value: []byte(value)}}, Next: i + 1}, &out); err != nil {
					t.Fatal(err)
				}
			}
		}
		told := map[string]string{}
		for _, a := range out.Alerts {
			_, rest, _ := strings.Cut(string(a.Value), `"summary":"`)
			summary, _, _ := strings.Cut(rest, `"`)
			told[a.Rule.ID] += summary + ", "
		}
		if want := "1 1, 2 2, 3 3, "; told["a"] != want || told["b"] != want {
			t.Errorf("got %q, want %q of both", told, want)
		}
	}
}

// way is what the name of a topic says of how events come there.
var way = regexp.MustCompile(`\.[0-9a-f]{8}$`)

func topics(set *rules.Set) string {
	var all []string
	for _, p := range set.Plans {
		all = append(all, way.ReplaceAllString(p.Topic, ""))
	}
	return strings.Join(all, " ")
}

func number(f float64) string { return string(event.AppendNumber(nil, f)) }
