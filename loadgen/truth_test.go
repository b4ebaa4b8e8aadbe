package loadgen_test

import (
	"encoding/json"
	"io/fs"
	"path"
	"path/filepath"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/internal/chain"
	"insolite/internal/config"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/loadgen"
	"insolite/rules"
	"insolite/rules/examples"
	"insolite/rules/lookup"
)

// deployment loads the example that belongs to the scenario.
func deployment(t *testing.T, name string) *rules.Set {
	t.Helper()
	read := func(p string) ([]byte, error) { return fs.ReadFile(examples.FS, filepath.ToSlash(p)) }
	c, list := config.Load(path.Join(name, "insolite.yaml"), config.Options{ReadFile: read})
	if c == nil {
		t.Fatal(list.Err())
	}
	lookups := &lookup.Set{Lists: map[string]*lookup.List{}}
	for _, l := range c.Lookups {
		data, err := read(l.File)
		if err != nil {
			t.Fatal(err)
		}
		lookups.Lists[l.Name] = lookup.ParseList(l.File, data, list)
	}
	data, err := read(c.Rules[0])
	if err != nil {
		t.Fatal(err)
	}
	set, list := rules.Load([]rules.File{{Path: c.Rules[0], Data: data}}, c.Sources, lookups, rules.Options{})
	if set == nil {
		t.Fatal(list.Err())
	}
	return set
}

// The engine with the example's rules finds every anomaly at its event, hardly anything else, and refuses exactly what is malformed.
func TestTruth(t *testing.T) {
	keys := map[string]int{"pizza": 1500, "payments": 400, "logins": 300, "sensors": 50}
	for _, s := range loadgen.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			begin, _ := event.TimeOf(time.Date(2026, 10, 15, 9, 0, 0, 0, time.UTC))
			g, err := loadgen.New(s.Name, loadgen.Options{
				Seed: 7, Keys: keys[s.Name], Start: begin, Anomalies: 0.01, HistoryAnomalies: 0.01, Disorder: 0.02, Late: 0.01, Malformed: 0.01,
			})
			if err != nil {
				t.Fatal(err)
			}
			truth(t, deployment(t, s.Name), g, 35_000)
		})
	}
}

// What the demo shows: behind a quiet history, alerts of many rules within two minutes, and the labels hold at that speed too.
func TestHaste(t *testing.T) {
	for name, o := range map[string]loadgen.Options{
		"payments": {Keys: 3000, History: 12 * 24 * time.Hour, Rate: 5, Anomalies: 0.1},
		"logins":   {Keys: 1000, History: 4 * 24 * time.Hour, Rate: 2, Anomalies: 0.1},
	} {
		o.Start, _ = event.TimeOf(time.Date(2026, 10, 15, 9, 0, 0, 0, time.UTC))
		o.Hasty = true
		g, err := loadgen.New(name, o)
		if err != nil {
			t.Fatal(err)
		}
		set := deployment(t, name)
		eng, err := chain.New(set, chain.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var e loadgen.Event
		var out engine.Output
		found := map[string]int{}
		for e.Due < o.Start.Add(2*time.Minute) {
			g.Next(&e)
			out.Reset()
			at := event.Offset(e.Number)
			if err := eng.Step(&ingest.Batch{Topic: e.Topic, Records: []ingest.Record{{Offset: at, Timestamp: e.Due, Key: e.Key, Value: e.Value}}, Next: at + 1}, &out); err != nil {
				t.Fatal(err)
			}
			hit := e.Label == ""
			for _, a := range out.Alerts {
				hit = hit || a.Rule.ID == e.Label
				if !e.History {
					found[a.Rule.ID]++
				}
			}
			if !hit {
				t.Errorf("%s: event %d should have raised %s", name, e.Number, e.Label)
			}
		}
		if len(found) < 3 {
			t.Errorf("%s: alerts of few rules: %v", name, found)
		}
		t.Logf("%s: %v", name, found)
	}
}

func truth(t *testing.T, set *rules.Set, g *loadgen.Generator, n int) {
	t.Helper()
	topic := g.Scenario().Topics[0]
	eng, err := chain.New(set, chain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	type finding struct {
		offset event.Offset
		rule   string
	}
	want, found := map[finding]bool{}, map[finding]bool{}
	injected, extra, timers := map[string]int{}, map[string]int{}, map[string]int{}
	var out engine.Output
	malformed, late := 0, uint64(0)
	var e loadgen.Event
	for i := range n {
		g.Next(&e)
		at := event.Offset(i)
		if e.Label != "" {
			want[finding{at, e.Label}] = true
			injected[e.Label]++
		}
		if e.Late {
			late++
		}
		out.Reset()
		b := ingest.Batch{Topic: topic, Records: []ingest.Record{{Offset: at, Timestamp: e.Due, Key: e.Key, Value: e.Value}}, Next: at + 1}
		if err := eng.Step(&b, &out); err != nil {
			t.Fatal(err)
		}
		for _, a := range out.Alerts {
			if a.Timer { // it stands behind some event that let time pass, and the label at the event that ends the silence
				timers[a.Rule.ID]++
				continue
			}
			found[finding{at, a.Rule.ID}] = true
			if !want[finding{at, a.Rule.ID}] {
				extra[a.Rule.ID]++
			}
		}
		if len(out.DeadLetters) > 0 != e.Malformed {
			t.Fatalf("%s: malformed %v, dead letters %v", e.Value, e.Malformed, out.DeadLetters)
		}
		malformed += len(out.DeadLetters)
	}
	for f := range want {
		if !found[f] {
			t.Errorf("event %d should have raised %s", f.offset, f.rule)
		}
	}
	for _, id := range g.Scenario().Rules {
		if injected[id] == 0 {
			t.Errorf("no %s among %d events", id, n)
		}
	}
	lates := uint64(0)
	for _, s := range eng.Tasks()[0].Counts().Sources {
		lates += s.Late
		if s.WrongKey > 0 {
			t.Errorf("%d records of %s with another key than their field", s.WrongKey, s.Source.Name)
		}
	}
	if lates != late || malformed == 0 || late == 0 {
		t.Errorf("%d late events, want %d; %d malformed", lates, late, malformed)
	}
	other := 0
	for _, n := range extra {
		other += n
	}
	if other*20 > len(want) {
		t.Errorf("%d alerts beside %d anomalies: %v", other, len(want), extra)
	}
	if silent := injected["sensor-was-silent"]; timers["sensor-silent"] < silent || timers["sensor-silent"] > silent+silent/10 {
		t.Errorf("%d silences were told while they lasted, want %d", timers["sensor-silent"], silent)
	}
	summary, _ := json.Marshal(injected)
	t.Logf("injected %s, found beside them %v", summary, extra)
}
