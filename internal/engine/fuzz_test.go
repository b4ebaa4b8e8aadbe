package engine_test

import (
	"encoding/json"
	"testing"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// Whatever a record holds, it is counted once, gives an alert that is JSON or none, and explaining it changes nothing.
func FuzzStep(f *testing.F) {
	set := compile(f, payments, spending)
	for _, s := range []string{
		`{"type":"pay","at":"2026-10-15T12:00:00Z","customer":"ann","amount":10,"shop":"a"}`, `{"type":"login"}`, `{"type":"pay"}`, ``, `nonsense`,
		`{"type":"pay","at":"1678-01-01T00:00:00Z","customer":"","amount":-1e308}`, `{"type":"pay","at":"2262-01-01T00:00:00Z","customer":"\u0000\"","amount":1e308,"id":"x"}`,
	} {
		f.Add([]byte(s), int64(1792065600e9), uint8(3))
	}
	f.Fuzz(func(t *testing.T, value []byte, timestamp int64, times uint8) {
		stepped, err := engine.New(set.Plans[0], engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		explained, err := engine.New(set.Plans[0], engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var all []ingest.Record
		for i := range event.Offset(times%8 + 1) {
			all = append(all, ingest.Record{Offset: i, Timestamp: event.Time(timestamp), Key: value, Value: value})
		}
		a, b := &engine.Output{}, &engine.Output{}
		if err := stepped.Step(&ingest.Batch{Topic: "pays", Records: all, Next: event.Offset(len(all))}, a); err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if _, err := explained.Explain(&all[i], b); err != nil {
				t.Fatal(err)
			}
		}
		if string(emitted(a)) != string(emitted(b)) || len(a.DeadLetters) != len(b.DeadLetters) {
			t.Errorf("stepped %s, explained %s", emitted(a), emitted(b))
		}
		for _, x := range a.Alerts {
			if !json.Valid(x.Value) {
				t.Errorf("no JSON: %s", x.Value)
			}
		}
		c := stepped.Counts()
		if n := c.Tombstones + c.Unmatched + c.Malformed + c.Sources[0].Events; c.Records != uint64(len(all)) || n != c.Records || c.Panics > 0 {
			t.Errorf("%d records of %d, %d by what they are: %+v", c.Records, len(all), n, c)
		}
	})
}
