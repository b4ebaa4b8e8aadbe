package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/ingest"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

// start is the time of the first record of a test.
var start = event.Time(time.Date(2026, 10, 15, 12, 0, 0, 0, time.UTC).UnixNano())

func compile(t testing.TB, text string, names map[string]expr.Ref) *expr.Expr {
	var problems diag.List
	x := expr.Compile(text, event.KindBool, &expr.Scope{Source: "pay", Names: names}, nil, &problems)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return x
}

// plan is that of a rule that alerts on the third payment of a customer within an hour, once in ten minutes.
func plan(t testing.TB) *rules.Plan {
	src := &event.Source{
		Name: "pay", Topic: "pays", Format: "json", Key: []event.Slot{1}, Time: 0, EventTime: 0, Lateness: time.Minute, MaxAhead: time.Hour,
		Dedupe: &event.Dedupe{ID: 2, For: 10 * time.Minute},
		Fields: []event.Field{
			{Name: "at", Kind: event.KindTime, Path: []string{"at"}}, {Name: "customer", Kind: event.KindString, Path: []string{"customer"}, Optional: true},
			{Name: "id", Kind: event.KindString, Path: []string{"id"}, Optional: true}, {Name: "amount", Kind: event.KindNumber, Path: []string{"amount"}, Optional: true},
		},
	}
	names := map[string]expr.Ref{
		"amount": {Slot: 3, Kind: event.KindNumber, Optional: true}, "n": {Slot: 4, Kind: event.KindInt}, "usual": {Slot: 5, Kind: event.KindNumber, Optional: true},
	}
	var problems diag.List
	summary := expr.CompileTemplate("{n} payments", &expr.Scope{Source: "pay", Names: names}, nil, &problems)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	hour := window.Window{Kind: window.Sliding, Length: time.Hour}
	k := &rules.Keyspace{Name: "customer", Fields: []string{"customer"}}
	st := &rules.Stream{Source: src, Keyspace: k, Key: []event.Slot{1}, DedupeIdentity: 5, Cells: []int{0, 1}, Evidence: []rules.Evidence{{Identity: 9, Where: -1, Max: 4, Within: time.Hour}}}
	st.Wheres = []*expr.Expr{compile(t, "amount > 0", names)}
	k.Streams = []*rules.Stream{st}
	k.Cells = []*rules.Cell{
		{Spec: window.Spec{Identity: 1, Family: window.Count, Window: hour}, Stream: st},
		{Spec: window.Spec{Identity: 2, Family: window.Sum, Window: hour, Kinds: []event.Kind{event.KindNumber}}, Fields: []event.Slot{3}, Wheres: []int{0}, Stream: st},
	}
	n := &rules.Read{Agg: window.AggCount, Window: hour, Results: []event.Slot{4}, Kinds: []event.Kind{event.KindInt}, Stream: st, Cell: 0, Index: 0}
	usual := &rules.Read{Agg: window.AggAvg, Window: hour, Fields: []event.Slot{3}, FieldNames: []string{"amount"}, ExcludeCurrent: true, MinSamples: 2, Results: []event.Slot{5}, Kinds: []event.Kind{event.KindNumber}, Stream: st, Cell: 1, Index: 1}
	k.Reads = []*rules.Read{n, usual}
	st.Before, st.After = []*rules.Read{usual}, []*rules.Read{n}
	third := &rules.Rule{ID: "third", Title: "Third", Version: "v", Source: src, GroupBy: []event.Slot{1}, Condition: compile(t, "n >= 3", names), WhereIndex: -1,
		Features: []*rules.Feature{{Name: "n", Read: n}}, Suppress: &rules.Suppress{Identity: 3, For: 10 * time.Minute}, EvidenceWithin: time.Hour, Alert: rules.Alert{Summary: summary, Evidence: 4},
		Keyspace: k, Stream: st}
	high := &rules.Rule{Index: 1, ID: "high", Version: "v", Source: src, GroupBy: []event.Slot{1}, Condition: compile(t, "amount > 2 * usual", names), WhereIndex: 0, EvidenceIndex: -1,
		Exceptions: []rules.Exception{{Name: "huge", Where: compile(t, "amount > 1000", names)}},
		Features:   []*rules.Feature{{Name: "usual", Read: usual}}, Alert: rules.Alert{Summary: summary}, Keyspace: k, Stream: st}
	st.Rules, k.Rules = []*rules.Rule{third, high}, []*rules.Rule{third, high}
	sp := &rules.SourcePlan{Source: src, Width: 6, Needed: []bool{true, true, true, true}, Streams: []*rules.Stream{st}, Rules: k.Rules}
	return &rules.Plan{Topic: "pays", Sources: []*rules.SourcePlan{sp}, Keyspaces: []*rules.Keyspace{k}, Lateness: time.Minute}
}

// pay is a payment so many minutes after the start; more is further members.
func pay(offset event.Offset, minutes float64, customer, more string) ingest.Record {
	at := start.Add(time.Duration(minutes * float64(time.Minute)))
	v := fmt.Sprintf(`{"at":"%s","customer":"%s"%s}`, event.AppendTime(nil, at, 0), customer, more)
	return ingest.Record{Offset: offset, Timestamp: at, Key: []byte(customer), Value: []byte(v)}
}

func batch(records ...ingest.Record) *ingest.Batch {
	return &ingest.Batch{Topic: "pays", Records: records, Next: records[len(records)-1].Offset + 1}
}

func newEngine(t testing.TB, p *rules.Plan, o Options) *Engine {
	e, err := New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func step(t testing.TB, e *Engine, records ...ingest.Record) *Output {
	var out Output
	if err := e.Step(batch(records...), &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// told is what alerts say in short: rule@offset.
func told(out *Output) string {
	var s []string
	for _, a := range out.Alerts {
		s = append(s, fmt.Sprintf("%s@%d", a.Rule.ID, a.Offset))
	}
	return strings.Join(s, " ")
}

func TestAlertsOfABatch(t *testing.T) {
	e := newEngine(t, plan(t), Options{Partition: 2})
	out := step(t, e,
		pay(0, 0, "ann", `,"amount":10`), pay(1, 1, "ann", `,"amount":10,"id":"a"`), pay(2, 2, "ann", `,"amount":25,"id":"a"`), // a duplicate
		pay(3, 3, "bob", ``), pay(4, 4, "ann", `,"amount":25`), pay(5, 5, "ann", `,"amount":2000`), pay(6, 30, "ann", ``))
	if got, want := told(out), "third@4 high@4 third@6"; got != want {
		t.Fatalf("alerts %q, want %q", got, want)
	}
	want := `{"schema":1,"id":"` + out.Alerts[0].Origin.ID() + `","state":"firing","correlation":"` + out.Alerts[0].Origin.Correlation() +
		`","rule":{"id":"third","version":"v","title":"Third","severity":"info","mode":"live","tags":[]},"key":{"customer":"ann"},"at":"2026-10-15T12:04:00Z",` +
		`"summary":"3 payments","condition":{"text":"n >= 3","because":[{"expr":"n","op":">=","value":3,"limit":3}]},"context":{"n":{"value":3,"agg":"count","window":"1h","samples":3,"from":"2026-10-15T11:04:00Z","to":"2026-10-15T12:04:00Z"}},` +
		`"event":{"at":"2026-10-15T12:04:00Z","customer":"ann","amount":25},"source":"pay","position":{"topic":"pays","partition":2,"offset":4},` +
		`"evidence":[{"topic":"pays","partition":2,"offset":0,"at":"2026-10-15T12:00:00Z"},{"topic":"pays","partition":2,"offset":1,"at":"2026-10-15T12:01:00Z"}],"suppressed":0,"links":{}}`
	if got := string(out.Alerts[0].Value); got != want {
		t.Errorf("alert\n%s\nwant\n%s", got, want)
	}
	if got := string(out.Alerts[0].Key); got != "ann" {
		t.Errorf("record key %q", got)
	}
	if got := string(out.Alerts[2].Value); !strings.Contains(got, `"suppressed":1`) {
		t.Errorf("the alert after a held back one does not tell: %s", got)
	}
	c := e.Counts()
	if third, high := c.Rules[0], c.Rules[1]; third.Evaluated != 6 || third.Suppressed != 1 || third.Alerts != 2 || high.Evaluated != 4 || high.InsufficientData != 2 || high.Excepted[0] != 1 || high.Alerts != 1 {
		t.Errorf("counts of rules %+v", c.Rules)
	}
	if s := c.Sources[0]; s.Events != 7 || s.Duplicates != 1 || s.WrongKey != 0 {
		t.Errorf("counts of the source %+v", s)
	}
	if e.Position() != (event.Position{Offset: 7}) || e.Watermark() != start.Add(29*time.Minute) {
		t.Errorf("position %v, watermark %v", e.Position(), e.Watermark().Std())
	}
}

func TestRecordsThatAreNoEvents(t *testing.T) {
	e := newEngine(t, plan(t), Options{})
	ahead, other := pay(2, 10, "ann", ""), pay(5, 0, "ann", "")
	ahead.Timestamp = start.Add(10*time.Minute - time.Hour - 1)
	other.Key = []byte("bob")
	out := step(t, e, pay(0, 0, "ann", ""), ingest.Record{Offset: 1, Value: []byte(`{"at":7}`)}, ahead, ingest.Record{Offset: 3}, pay(4, -1.01, "ann", ""), other,
		ingest.Record{Offset: 6, Timestamp: start, Value: []byte(`{"at":"2026-10-15T12:00:00Z"}`)})
	var got []string
	for _, d := range out.DeadLetters {
		got = append(got, fmt.Sprintf("%d %s %s %s", d.Record.Offset, d.Stage, d.Reason, d.Field))
	}
	if want := "1 decode wrong_type at, 2 step max_ahead at"; strings.Join(got, ", ") != want {
		t.Errorf("dead letters %q, want %q", got, want)
	}
	if want := "12:10:00Z is more than 1h ahead of the record's timestamp 2026-10-15T11:09:59.999999999Z"; !strings.Contains(out.DeadLetters[1].Message, want) {
		t.Errorf("message %q does not say %q", out.DeadLetters[1].Message, want)
	}
	c := e.Counts()
	if s := c.Sources[0]; c.Records != 7 || c.Tombstones != 1 || c.Malformed != 1 || s.TooFar != 1 || s.Late != 1 || s.WrongKey != 1 || c.Rules[0].NoKey != 1 || c.Rules[0].Evaluated != 2 {
		t.Errorf("counts %+v", c)
	}
}

// A rule that panics is off for that record; features, other rules and later records are as if it were not.
func TestARuleThatPanicsIsOffForTheRecord(t *testing.T) {
	p := plan(t)
	broken := *p.Sources[0].Rules[0]
	broken.ID, broken.Condition, broken.Suppress = "broken", &expr.Expr{}, nil
	k, st := p.Keyspaces[0], p.Keyspaces[0].Streams[0]
	all := append([]*rules.Rule{&broken}, k.Rules...)
	p.Sources[0].Rules, k.Rules, st.Rules = all, all, all
	e := newEngine(t, p, Options{})
	out := step(t, e, pay(0, 0, "ann", ""), pay(1, 0, "ann", ""), pay(2, 0, "ann", ""))
	if got := told(out); got != "third@2" || len(out.Panics) != 3 || out.Panics[2].Rule.ID != "broken" || out.Panics[2].Offset != 2 || e.Counts().Rules[0].Panics != 3 {
		t.Errorf("alerts %q, panics %+v", got, out.Panics)
	}

	st.Wheres[0] = &expr.Expr{} // of the rule high
	e = newEngine(t, p, Options{})
	out = step(t, e, pay(0, 0, "ann", ""), pay(1, 0, "ann", ""), pay(2, 0, "ann", ""))
	if got := told(out); got != "third@2" || len(out.Panics) != 6 || e.Counts().Records != 3 || e.Counts().Sources[0].Events != 3 {
		t.Errorf("alerts %q, panics %+v, counts %+v", got, out.Panics, e.Counts())
	}
}

func TestReplaySkipsWhatAContextHolds(t *testing.T) {
	records := []ingest.Record{pay(0, 0, "ann", ""), pay(1, 0, "bob", ""), pay(2, 0, "ann", ""), pay(3, 0, "bob", ""), pay(4, 0, "ann", ""), pay(5, 0, "bob", "")}
	first := newEngine(t, plan(t), Options{})
	step(t, first, records[:2]...)
	stored := map[string][]byte{}
	keys := first.spaces[0].keys
	for h := range keys.All {
		v := keys.View(h)
		stored[string(v.Key())] = keys.Blob(nil, h)
	}
	at, watermark := first.Position(), first.Watermark()
	step(t, first, records[2]) // ann's context is written once more, as by an eviction
	for h := range keys.Dirty {
		if v := keys.View(h); v.Position().Offset == 3 {
			stored[string(v.Key())] = keys.Blob(nil, h)
		}
	}
	step(t, first, records[3])

	load := func(_ *rules.Keyspace, keys, blobs [][]byte) error {
		for i, k := range keys {
			blobs[i] = stored[string(k)]
		}
		return nil
	}
	second := newEngine(t, plan(t), Options{Load: load})
	second.Restore(at, watermark)
	if err := second.Replay(batch(records[2:4]...)); err != nil {
		t.Fatal(err)
	}
	want, got := step(t, first, records[4:]...), step(t, second, records[4:]...)
	if told(got) != "third@4 third@5" || told(want) != told(got) || string(got.Alerts[0].Value) != string(want.Alerts[0].Value) {
		t.Errorf("after recovery %q, want %q", told(got), told(want))
	}
	ahead := newEngine(t, plan(t), Options{Load: load})
	if err := ahead.Step(batch(records[2]), &Output{}); err == nil || !strings.Contains(err.Error(), "ahead of its task") {
		t.Errorf("a live task took a context of the future: %v", err)
	}
}

// Nothing is allocated for an event without an alert.
func TestNoAllocation(t *testing.T) {
	e := newEngine(t, plan(t), Options{})
	var records []ingest.Record
	for i := range event.Offset(1000) {
		records = append(records, pay(i, float64(i)*2, fmt.Sprintf("c%d", i%50), fmt.Sprintf(`,"id":"%d","amount":10`, i)))
	}
	b, out := batch(records...), &Output{}
	run := func() {
		e.watermark = event.NoTime
		if err := e.Step(b, out); err != nil {
			t.Fatal(err)
		}
		out.Reset()
	}
	run()
	if n := testing.AllocsPerRun(5, run); n > 10 {
		t.Errorf("%v allocations for 1000 events", n)
	}
}
