package chain

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

const configuration = `
version: 1
app: shop
kafka: {brokers: [localhost:9092]}
sources:
  pay:
    topic: payments
    key: customer
    time: {field: at, unit: s}
    lateness: 10s
    fields: {at: time, customer: string, shop: {type: string, optional: true}}
  visit:
    topic: visits
    time: {field: at, unit: s}
    lateness: 20s
    fields: {at: time, shop: string}
rules: [rules.yaml]
`

// Two rules by the shop stand around one by the customer, which is the source's key; visits have none.
const ruleFile = `
version: 1
rules:
- id: crowd
  source: pay
  group_by: [shop]
  where: customer != "me"
  context: {n: {agg: count, window: 1h}}
  condition: n >= 2
  alert: {summary: "{n} in {shop}"}
- id: any
  source: pay
  group_by: [customer]
  condition: shop != "closed"
- id: by-both
  source: visit
  group_by: [shop]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 2
`

func load(t testing.TB, rulesYAML string) *rules.Set { return loadFrom(t, configuration, rulesYAML) }

func loadFrom(t testing.TB, configuration, rulesYAML string) *rules.Set {
	t.Helper()
	c, list := config.Load("insolite.yaml", config.Options{
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) { return []byte(configuration), nil },
	})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	set, list := rules.Load([]rules.File{{Path: "rules.yaml", Data: []byte(rulesYAML)}}, c.Sources, nil, rules.Options{App: "shop"})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

func start(t testing.TB, o Options) *Chain {
	t.Helper()
	c, err := New(load(t, ruleFile), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lines(text string) []ingest.Record {
	var all []ingest.Record
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		all = append(all, ingest.Record{Offset: event.Offset(i), Timestamp: 1000e9, Value: []byte(line)})
	}
	return all
}

// told steps records in batches of a size and tells the alerts.
func told(t *testing.T, c *Chain, topic string, p event.Partition, all []ingest.Record, size int) string {
	t.Helper()
	var s []string
	var out engine.Output
	for len(all) > 0 {
		n := min(size, len(all))
		if err := c.Step(&ingest.Batch{Topic: topic, Partition: p, Records: all[:n], Next: all[n-1].Offset + 1}, &out); err != nil {
			t.Fatal(err)
		}
		if len(out.Frames) > 0 {
			t.Errorf("%d frames are left", len(out.Frames))
		}
		all = all[n:]
	}
	for _, a := range out.Alerts {
		s = append(s, fmt.Sprintf("%s@%d/%d", a.Rule.ID, a.Origin.Partition, a.Offset))
	}
	return strings.Join(s, " ")
}

const pays = `{"at":100,"customer":"ann","shop":"x"}
{"at":101,"customer":"bob","shop":"x"}
{"at":102,"customer":"me","shop":"x"}
{"at":103,"customer":"cyd"}
{"at":50,"customer":"cyd","shop":"x"}
nonsense
{"at":104,"customer":"dan","shop":"x"}
`

// Alerts come in the order of the records, of one record those of the source's own task first, whatever the size of batches.
func TestOrder(t *testing.T) {
	for _, size := range []int{1, 2, 3, 100} {
		c := start(t, Options{Files: true})
		if got, want := told(t, c, "payments", 0, lines(pays), size), "any@0/0 any@0/1 crowd@0/1 any@0/2 any@0/6 crowd@0/6"; got != want {
			t.Errorf("batches of %d: got %q, want %q", size, got, want)
		}
	}
}

// A second file of a topic begins at offset 0 again, and is no repetition of the first.
func TestOffsetsBeginAgain(t *testing.T) {
	c := start(t, Options{Files: true})
	told(t, c, "payments", 0, lines(pays), 100)
	if got, want := told(t, c, "payments", 0, lines(pays), 100), "any@0/0 crowd@0/0 any@0/1 crowd@0/1 any@0/2 any@0/6 crowd@0/6"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Partitions meet at a stage, though their times differ; and a stage's time is that of the partition that is behind, until that has ended.
func TestPartitions(t *testing.T) {
	c := start(t, Options{Partitions: func(string) int32 { return 3 }})
	stage := c.Tasks()[len(c.Tasks())-1]
	var got []string
	for i, p := range []event.Partition{2, 0, 1} {
		got = append(got, told(t, c, "payments", p, lines(fmt.Sprintf(`{"at":%d,"customer":"ann","shop":"x"}`, []int{900, 700, 950}[i])), 1))
	}
	if s, want := strings.Join(got, " "), "any@2/0 any@0/0 any@1/0 crowd@1/0"; s != want {
		t.Errorf("got %q, want %q", s, want)
	}
	if stage.Watermark() != event.NoTime {
		t.Errorf("the stage is at %d, though visits may give events of any time", stage.Watermark())
	}
	for p := range event.Partition(3) {
		if err := c.End("visits", p, &engine.Output{}); err != nil {
			t.Fatal(err)
		}
	}
	if stage.Watermark() != 690e9 {
		t.Errorf("the stage is at %d", stage.Watermark())
	}
	if err := c.End("payments", 0, &engine.Output{}); err != nil {
		t.Fatal(err)
	}
	if stage.Watermark() != 890e9 {
		t.Errorf("the stage is at %d", stage.Watermark())
	}
	if late := stage.Counts().Sources[0].Late; late > 0 {
		t.Errorf("%d events are late at the stage", late)
	}
}

// An explanation has all rules of the source, wherever they run, in the order of the set, with what the source's own task decided first.
func TestExplain(t *testing.T) {
	c := start(t, Options{Files: true})
	want := []string{"not_fired any:fired", "fired any:fired", "not_evaluated any:fired", "no_key any:missing_field", "late", "malformed", "fired any:fired"}
	for i, rec := range lines(pays) {
		var out engine.Output
		x, err := c.Explain("payments", 0, &rec, &out)
		if err != nil {
			t.Fatal(err)
		}
		got := x.Admission.String()
		if x.Admission == engine.Admitted {
			got = fmt.Sprintf("%s %s:%s", x.Rules[0].Outcome, x.Rules[1].Rule.ID, x.Rules[1].Outcome)
		}
		if got != want[i] || x.Topic != "payments" || x.Offset != event.Offset(i) {
			t.Errorf("record %d of %s: got %q, want %q", x.Offset, x.Topic, got, want[i])
		}
		for _, r := range x.Rules {
			if r.Key[0].Name == "shop" && r.Key[0].Value.S != "x" && i != 3 || r.Row == nil || r.Rule.ID == "crowd" && r.Where == nil {
				t.Errorf("record %d: %+v", i, r)
			}
		}
		if fired := strings.Count(got, "fired") - strings.Count(got, "not_fired"); len(out.Alerts) != fired {
			t.Errorf("record %d: %d alerts, want %d", i, len(out.Alerts), fired)
		}
	}
	if x, err := c.Explain("others", 0, &ingest.Record{}, nil); x != nil || err != nil {
		t.Errorf("%v, %v", x, err)
	}
}

// Without a declared key every rule runs behind a stage.
func TestNoKey(t *testing.T) {
	c := start(t, Options{Files: true})
	got := told(t, c, "visits", 0, lines("{\"at\":100,\"shop\":\"x\"}\n{\"at\":90,\"shop\":\"x\"}\n{\"at\":79,\"shop\":\"x\"}\n{\"at\":90,\"shop\":\"y\"}"), 3)
	if want := "by-both@0/1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.Now("visits", 0) != 100e9 || c.Now("payments", 0) != event.NoTime || c.Now("others", 0) != event.NoTime || c.Reads("others", 0) || !c.Reads("visits", 0) {
		t.Error("the time of a topic is another")
	}
	if err := c.Pass(500e9, &engine.Output{}); err != nil {
		t.Fatal(err)
	}
	if c.Now("payments", 0) != 500e9 || c.Tasks()[2].Watermark() != 480e9 {
		t.Errorf("after 500 s the stage is at %d", c.Tasks()[2].Watermark())
	}
}

const forked = `
version: 1
rules:
- id: both
  source: pay
  group_by: [customer]
  context:
    m: {by: [shop], agg: count, window: 1h}
    n: {source: gift, agg: count, window: 1h}
  condition: n >= 0
  alert: {summary: "{m} {n}"}
`

// Of one topic, what comes to a stage at once does not overtake what comes there through another one.
func TestForks(t *testing.T) {
	kind := "match: {field: type, equals: KIND}"
	text := strings.Replace(configuration, "  visit:", `  gift:
    topic: payments
    `+strings.Replace(kind, "KIND", "gift", 1)+`
    key: customer
    time: {field: at, unit: s}
    lateness: 10s
    fields: {at: time, customer: string, type: string}
  visit:`, 1)
	text = strings.Replace(text, "    key: customer\n    time: {field: at, unit: s}\n    lateness: 10s\n    fields: {at: time, customer: string, shop: {type: string, optional: true}}",
		"    "+strings.Replace(kind, "KIND", "pay", 1)+"\n    key: customer\n    time: {field: at, unit: s}\n    lateness: 10s\n    fields: {at: time, type: string, customer: string, shop: {type: string, optional: true}}", 1)
	log := lines(`{"at":100,"type":"pay","customer":"ann","shop":"x"}
{"at":101,"type":"gift","customer":"ann"}
{"at":102,"type":"pay","customer":"ann"}
{"at":103,"type":"gift","customer":"ann"}
{"at":104,"type":"pay","customer":"ann","shop":"x"}`)
	for _, size := range []int{1, 2, 100} {
		c, err := New(loadFrom(t, text, forked), Options{Files: true})
		if err != nil {
			t.Fatal(err)
		}
		var out engine.Output
		for all := log; len(all) > 0; {
			n := min(size, len(all))
			if err := c.Step(&ingest.Batch{Topic: "payments", Records: all[:n], Next: all[n-1].Offset + 1}, &out); err != nil {
				t.Fatal(err)
			}
			all = all[n:]
		}
		var got []string
		for _, a := range out.Alerts {
			_, rest, _ := strings.Cut(string(a.Value), `"summary":"`)
			summary, _, _ := strings.Cut(rest, `"`)
			got = append(got, summary)
		}
		if s := strings.Join(got, ", "); s != "1 0, n/a 1, 2 2" {
			t.Errorf("batches of %d: %s", size, s)
		}
	}
}
