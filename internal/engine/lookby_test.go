package engine_test

import (
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// A rule is told with the features of its own key: those of another key lie in other contexts, wherever they stand in the rule.
func TestLookLeavesOtherKeysOut(t *testing.T) {
	set := compile(t, `version: 1
kafka: {brokers: [b:9092]}
rules: [r.yaml]
sources:
  pay: {topic: pays, key: who, time: {field: at}, fields: {at: time, who: string, shop: string, amount: number}}
`, `version: 1
rules:
- id: share
  source: pay
  group_by: [who]
  context:
    there: {by: [who, shop], agg: last, fields: [amount, at], window: forever}
    all: {agg: sum, field: amount, window: forever}
  condition: all > 1000 and there.amount > 1
`)
	e, err := engine.New(set.Plan("pays"), engine.Options{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	r := ingest.Record{Timestamp: event.NoTime, Value: []byte(`{"at":"2026-10-15T12:00:00Z","who":"ann","shop":"s","amount":7}`)}
	if err := e.Step(&ingest.Batch{Topic: "pays", Records: []ingest.Record{r}, Next: 1}, &engine.Output{}); err != nil {
		t.Fatal(err)
	}
	ann := event.StringValue("ann")
	l, err := e.Look("who", e.Context("who", event.AppendKeyPart(nil, &ann)))
	if err != nil {
		t.Fatal(err)
	}
	there, all := l.Rules[0].Features[0], l.Rules[0].Features[1]
	if len(there.Fields) != 2 || there.Fields[0].Value.Known() || there.Samples != 0 || there.From != event.NoTime {
		t.Errorf("of another key: %+v", there)
	}
	if all.Value.Float() != 7 || all.Samples != 1 {
		t.Errorf("of the rule's own: %+v", all)
	}
}
