package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

const joined = `version: 1
app: a
kafka: {brokers: [b:9092]}
rules: [r.yaml]
sources:
  pay:
    topic: TOPIC
    match: {field: type, equals: pay}
    key: who
    time: {field: at}
    lateness: 0s
    fields: {at: time, who: string, type: string}
  charge:
    topic: charges
    match: {field: type, equals: charge}
    key: who
    time: {field: at}
    lateness: 0s
    fields: {at: time, who: string, type: string, reason: string}
`

const disputed = `version: 1
rules:
- id: disputed
  source: pay
  group_by: [who]
  context:
    mine: {agg: count, window: 1h}
    frauds: {agg: count, source: charge, window: 1h, where: reason == "fraud"}
    why: {agg: last, field: reason, source: charge, window: 1h}
    since: {agg: time_since, source: charge, window: 1h}
  condition: frauds >= 1
  alert: {summary: "{mine} {frauds} {why} {since}"}
`

// A feature of another source sees the events of the key there, up to the event's time, whether both come from one topic or meet in a stage.
func TestFeatureOfAnotherSource(t *testing.T) {
	type happened struct {
		minute int
		who    string
		reason string // empty: a payment
	}
	log := []happened{{0, "ann", ""}, {1, "ann", "fraud"}, {2, "bob", ""}, {3, "ann", ""}, {4, "bob", "quality"}, {5, "ann", "quality"}, {6, "ann", ""}, {7, "bob", ""}, {65, "ann", ""}}
	want := "2 1 fraud 2m0s; 3 1 quality 1m0s"
	for _, topic := range []string{"charges", "pays"} {
		set := compile(t, strings.ReplaceAll(joined, "TOPIC", topic), disputed)
		var out engine.Output
		engines := map[string]*engine.Engine{}
		for _, p := range set.Plans {
			e, err := engine.New(p, engine.Options{Files: true})
			if err != nil {
				t.Fatal(err)
			}
			engines[p.Topic] = e
		}
		offsets := map[string]event.Offset{}
		give := func(topic string, r ingest.Record) {
			r.Offset = offsets[topic]
			offsets[topic]++
			if err := engines[topic].Step(&ingest.Batch{Topic: topic, Records: []ingest.Record{r}, Next: r.Offset + 1}, &out); err != nil {
				t.Fatal(err)
			}
		}
		for _, h := range log {
			at := event.Time(h.minute) * 60e9
			to, value := topic, fmt.Sprintf(`{"at":%q,"who":%q,"type":"pay"}`, at.Std().Format("2006-01-02T15:04:05Z"), h.who)
			if h.reason != "" {
				to, value = "charges", fmt.Sprintf(`{"at":%q,"who":%q,"type":"charge","reason":%q}`, at.Std().Format("2006-01-02T15:04:05Z"), h.who, h.reason)
			}
			give(to, ingest.Record{Timestamp: at, Value: []byte(value)})
			engines[to].Cut(&out)
			frames := out.Frames
			out.Frames = nil
			for _, f := range frames {
				give(f.Topic, ingest.Record{Value: f.Value})
			}
		}
		var got []string
		for _, a := range out.Alerts {
			_, rest, _ := strings.Cut(string(a.Value), `"summary":"`)
			text, _, _ := strings.Cut(rest, `"`)
			got = append(got, text)
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s: %q, want %q", topic, text, want)
		}
	}
}
