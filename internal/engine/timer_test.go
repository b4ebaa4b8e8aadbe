package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

const doors = `
version: 1
app: doors
kafka: {brokers: [localhost:9092]}
sources:
  opened:
    topic: doors
    format: json
    match: {field: type, equals: opened}
    key: door
    time: {field: at, unit: s}
    lateness: 10s
    fields: {at: time, door: string, by: {type: string, optional: true}, seen: {type: time, optional: true}, ip: {type: ip, optional: true}, n: {type: int, optional: true}, hot: {type: bool, optional: true}, c: {type: number, optional: true}}
  closed:
    topic: doors
    format: json
    match: {field: type, equals: closed}
    key: door
    time: {field: at, unit: s}
    lateness: 10s
    fields: {at: time, door: string}
rules: [rules.yaml]
`

const ajar = `
version: 1
rules:
- id: ajar
  source: opened
  group_by: [door]
  absence: {of: closed, within: 60s}
  alert: {summary: "{door} {by} {seen} {ip} {n} {hot} {c}"}
- id: warm
  source: opened
  group_by: [door]
  condition: c > 20
  for: 30s
  keep_firing_for: 20s
  alert: {summary: "{c:.1}"}
`

// open is a record of a door that opens, or closes.
func door(offset event.Offset, kind string, at int, more string) ingest.Record {
	value := fmt.Sprintf(`{"type":%q,"at":%d,"door":"d"%s}`, kind, at, more)
	return ingest.Record{Offset: offset, Timestamp: event.Time(at) * 1e9, Key: []byte("d"), Value: []byte(value)}
}

func doorEngine(t *testing.T, change func(*rules.Set)) *engine.Engine {
	t.Helper()
	set := compile(t, doors, ajar)
	if change != nil {
		change(set)
	}
	e, err := engine.New(set.Plan("doors"), engine.Options{Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func batch(all ...ingest.Record) *ingest.Batch {
	return &ingest.Batch{Topic: "doors", Records: all, Next: all[len(all)-1].Offset + 1}
}

// An alert by timer shows its event, of every kind of value, also when the context has moved since; long text is cut, but not in the key.
func TestTimersCarryTheirEvent(t *testing.T) {
	e := doorEngine(t, nil)
	long := strings.Repeat("ü", 300)
	more := `,"by":"` + long + `","seen":"2026-10-15T12:00:00+02:00","ip":"10.0.0.7","n":-7,"hot":true,"c":1.5`
	name := strings.Repeat("d", 400)
	first := door(0, "opened", 1000, more)
	first.Value = []byte(strings.Replace(string(first.Value), `"door":"d"`, `"door":"`+name+`"`, 1))
	var out engine.Output
	if err := e.Step(batch(first, door(1, "opened", 1001, ""), door(2, "opened", 1071, "")), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Alerts) != 1 {
		t.Fatalf("%d alerts", len(out.Alerts))
	}
	a := out.Alerts[0]
	row := map[string]string{}
	for i, f := range a.Rule.Source.Fields {
		row[f.Name] = a.Row[i].Text()
	}
	want := map[string]string{"door": name, "by": strings.Repeat("ü", 128), "seen": "2026-10-15T12:00:00+02:00", "ip": "10.0.0.7", "n": "-7", "hot": "true", "c": "1.5"}
	for field, text := range want {
		if row[field] != text {
			t.Errorf("%s is %q, want %q", field, row[field], text)
		}
	}
	if !a.Timer || a.Offset != 0 || a.After != 2 || a.At.Time() != 1060e9 || a.Origin.State != "firing" || !strings.Contains(string(a.Value), `"at":"1970-01-01T00:17:40Z"`) {
		t.Errorf("%+v, %s", a.Origin, a.Value)
	}
}

// What waits is told of an event and of a key, and an explanation is of its event also when something is due behind it.
func TestWaitsAreTold(t *testing.T) {
	e := doorEngine(t, nil)
	var out engine.Output
	x, err := e.Explain(new(door(0, "opened", 1000, `,"c":21`)), &out)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []engine.Wait{{Since: 1000e9, Deadline: 1060e9}, {Since: 1000e9, Deadline: 1030e9}} {
		if r := x.Rules[i]; r.Outcome != engine.Waits || len(r.Waits) != 1 || r.Waits[0] != want {
			t.Errorf("%s: %s, %+v", r.Rule.ID, r.Outcome, r.Waits)
		}
	}
	if x, err = e.Explain(new(door(1, "opened", 1045, `,"c":22`)), &out); err != nil {
		t.Fatal(err)
	}
	if r := x.Rules[1]; r.Outcome != engine.Waits || len(out.Alerts) != 1 || x.Row[7].Float() != 22 || r.Waits[0].Open {
		t.Errorf("%d alerts; %s of %+v, %+v", len(out.Alerts), r.Outcome, x.Row[7], r.Waits)
	}
	k := event.StringValue("d")
	key := event.AppendKeyPart(nil, &k)
	l, err := e.Look("door", e.Context("door", key))
	if err != nil {
		t.Fatal(err)
	}
	if w := l.Rules[1].Waits; len(w) != 1 || w[0] != (engine.Wait{Since: 1000e9, Deadline: 1065e9, Open: true}) {
		t.Errorf("a look at the key tells %+v", w)
	}
	c := e.Counts()
	if a, w := c.Rules[0], c.Rules[1]; a.Armed != 2 || a.Due != 0 || w.Armed != 1 || w.Due != 1 || w.Alerts != 1 || w.Resolved != 0 {
		t.Errorf("counts %+v, %+v", a, w)
	}
}

// Before the place where output begins timers fire without a word, and what is left of them fires behind it.
func TestHistoryIsSilent(t *testing.T) {
	e := doorEngine(t, nil)
	var out engine.Output
	if err := e.History(batch(door(0, "opened", 1000, ""), door(1, "opened", 1100, "")), &out); err != nil {
		t.Fatal(err)
	}
	if err := e.Step(batch(door(2, "closed", 1171, "")), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Alerts) != 1 || out.Alerts[0].Offset != 1 || out.Alerts[0].At.Time() != 1160e9 {
		t.Errorf("%+v", out.Alerts)
	}
}

// A rule that panics when it is due is off for that, and nothing is due any more.
func TestPanicOfATimer(t *testing.T) {
	e := doorEngine(t, func(set *rules.Set) {
		var problems diag.List
		scope := &expr.Scope{Source: "opened", Names: map[string]expr.Ref{"boom": {Slot: 5000, Kind: event.KindBool}}}
		set.Rules[0].Condition = expr.Compile("boom", event.KindBool, scope, nil, &problems)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
	})
	var out engine.Output
	if err := e.Step(batch(door(0, "opened", 1000, `,"c":30`), door(1, "closed", 1071, "")), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Panics) != 1 || out.Panics[0].Rule.ID != "ajar" || out.Panics[0].Offset != 0 || e.Counts().Rules[0].Panics != 1 || e.Firing() {
		t.Errorf("panics %+v", out.Panics)
	}
	var states []string
	for _, a := range out.Alerts {
		states = append(states, fmt.Sprint(a.Rule.ID, " ", a.Origin.State, " ", a.At.Time()/1e9))
	}
	if got := strings.Join(states, ", "); got != "warm firing 1030, warm resolved 1050" {
		t.Errorf("alerts %s", got)
	}
}

// A tick fires what lies before it, and lets nobody be late.
func TestTicks(t *testing.T) {
	e := doorEngine(t, nil)
	var out engine.Output
	if err := e.Step(batch(door(0, "opened", 1000, "")), &out); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[event.Time]bool{1060e9: false, 1060e9 + 1: true} {
		if is, err := e.Waits(at); is != want || err != nil {
			t.Errorf("something waits before %d: %v, %v", at, is, err)
		}
	}
	for _, c := range []struct {
		at     event.Time
		alerts int
	}{{1060e9, 0}, {1060e9 + 1, 1}, {5000e9, 1}} {
		if err := e.Tick(c.at, &out); err != nil {
			t.Fatal(err)
		}
		if len(out.Alerts) != c.alerts || e.Watermark() != 990e9 {
			t.Errorf("tick to %d: %d alerts, watermark %d", c.at, len(out.Alerts), e.Watermark())
		}
	}
	if err := e.Step(batch(door(1, "opened", 991, ""), door(2, "closed", 1062, "")), &out); err != nil {
		t.Fatal(err)
	}
	if late := e.Counts().Sources[0].Late; late != 0 || len(out.Alerts) != 2 || out.Alerts[1].Offset != 1 {
		t.Errorf("%d late, alerts %+v", late, out.Alerts)
	}
}

// Without keep_firing_for an alert is open until the condition does not hold, or the key has been silent for a week; its context stays as long.
func TestAWeekOfSilence(t *testing.T) {
	const open = 1000 + 30 + 7*24*3600 // until then
	for at, alerts := range map[int]int{open: 1, open + 1: 2} {
		set := compile(t, doors, strings.Replace(ajar, "  keep_firing_for: 20s\n", "", 1))
		e, err := engine.New(set.Plan("doors"), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out engine.Output
		step := func(r ingest.Record) {
			if err := e.Step(batch(r), &out); err != nil {
				t.Fatal(err)
			}
		}
		other := func(offset event.Offset, at int) ingest.Record {
			r := door(offset, "closed", at, "")
			r.Value = []byte(strings.Replace(string(r.Value), `"door":"d"`, `"door":"e"`, 1))
			return r
		}
		step(door(0, "opened", 1000, `,"c":30`))
		step(door(1, "closed", 1001, "")) // so that nothing is missed
		step(other(2, open+5))            // the watermark is at open - 5
		e.Keyspaces()[0].Contexts.Expire(e.Watermark(), 100, nil)
		step(door(3, "opened", at, `,"c":30`))
		step(door(4, "closed", at+1, ""))
		step(other(5, at+60))
		if len(out.Alerts) != alerts {
			t.Errorf("an event at %d: %d alerts, want %d", at, len(out.Alerts), alerts)
		}
	}
}
