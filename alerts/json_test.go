package alerts

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/golden"
)

func at(t *testing.T, text string) event.Value {
	t.Helper()
	std, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	_, offset := std.Zone()
	v, ok := event.TimeOf(std)
	if !ok {
		t.Fatal("out of range")
	}
	return event.TimeValue(v, offset)
}

func pizza(t *testing.T) *Alert {
	noon, evening, midnight := at(t, "2026-10-15T12:00:00+02:00"), at(t, "2026-10-15T20:00:00+02:00"), at(t, "2026-10-15T00:00:00+02:00")
	return &Alert{
		Origin:    Origin{Rule: "two-pizzas-one-day", Version: "9b1e", Topic: "pizzas", Partition: 3, Offset: 41, State: "firing"},
		Rule:      RuleInfo{Title: "Two pizzas in one day", Severity: "low", Mode: "live"},
		Key:       []Named{{"customer_id", event.StringValue("ann")}},
		At:        evening,
		Summary:   "ann bought 2 pizzas today. Is that normal?",
		Condition: "pizzas >= 2",
		Because:   []Operand{{Expr: "pizzas", Op: ">=", Value: event.IntValue(2), Limit: event.IntValue(2), HasLimit: true}},
		Context: []Feature{{Name: "pizzas", Value: event.IntValue(2), Agg: "count", Window: "calendar day Europe/Paris", Samples: 2,
			From: midnight.Time(), To: evening.Time()}},
		Event:    []byte("{\n \"at\": \"2026-10-15T20:00:00+02:00\", \"customer_id\": \"ann\"\n}"),
		Source:   "pizza.purchased",
		Evidence: []Seen{{Topic: "pizzas", Partition: 3, Offset: 17, At: noon.Time()}},
	}
}

func TestAlertIsWrittenAsItsContractSays(t *testing.T) {
	a := pizza(t)
	want := `{"schema":1,"id":"` + a.Origin.ID() + `","state":"firing","correlation":"` + a.Origin.Correlation() + `",` +
		`"rule":{"id":"two-pizzas-one-day","version":"9b1e","title":"Two pizzas in one day","severity":"low","mode":"live","tags":[]},` +
		`"key":{"customer_id":"ann"},"at":"2026-10-15T20:00:00+02:00","summary":"ann bought 2 pizzas today. Is that normal?",` +
		`"condition":{"text":"pizzas >= 2","because":[{"expr":"pizzas","op":">=","value":2,"limit":2}]},` +
		`"context":{"pizzas":{"value":2,"agg":"count","window":"calendar day Europe/Paris","samples":2,"from":"2026-10-15T00:00:00+02:00","to":"2026-10-15T20:00:00+02:00"}},` +
		`"event":{"at":"2026-10-15T20:00:00+02:00","customer_id":"ann"},"source":"pizza.purchased","position":{"topic":"pizzas","partition":3,"offset":41},` +
		`"evidence":[{"topic":"pizzas","partition":3,"offset":17,"at":"2026-10-15T12:00:00+02:00"}],"suppressed":0,"links":{}}`
	golden.Same(t, "testdata/alert-1.hex", a.AppendJSON(nil)) // consumers of released versions read it
	if got := string(a.AppendJSON(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The standard library reads back every odd value as what it was.
func TestOddValuesStayValidJSON(t *testing.T) {
	a := pizza(t)
	a.Summary = "quote \" slash \\ tab \t nul \x00 bad \xff accent é line\u2028"
	a.Event = nil
	a.Fields = []Named{
		{"missing", event.Value{}}, {"infinite", event.NumberValue(math.Inf(1))}, {"tiny", event.NumberValue(1e-9)},
		{"waited", event.DurationValue(1500 * time.Millisecond)}, {"yes", event.BoolValue(true)},
	}
	a.Context[0].From = event.NoTime
	a.Context = append(a.Context, Feature{Name: "prev", Fields: []Named{{"lat", event.NumberValue(1.5)}, {"lon", event.Value{}}}})
	var got struct {
		Summary string
		Event   map[string]any
		Context map[string]struct{ Value, From any }
	}
	if err := json.Unmarshal(a.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(a.Summary, "\uFFFD"); got.Summary != want {
		t.Errorf("summary %q, want %q", got.Summary, want)
	}
	if want := map[string]any{"missing": nil, "infinite": nil, "tiny": 1e-9, "waited": 1.5, "yes": true}; !reflect.DeepEqual(got.Event, want) {
		t.Errorf("event %v, want %v", got.Event, want)
	}
	if got.Context["pizzas"].From != nil {
		t.Errorf("an open edge is %v", got.Context["pizzas"].From)
	}
	if want := map[string]any{"lat": 1.5, "lon": nil}; !reflect.DeepEqual(got.Context["prev"].Value, want) {
		t.Errorf("prev is %v", got.Context["prev"].Value)
	}
}

func TestUnfitRecordsAreToldByTheirFields(t *testing.T) {
	for name, value := range map[string]string{
		"too large": `{"pad":"` + strings.Repeat("x", EventBytesMax) + `"}`,
		"no JSON":   "\x00avro",
		"truncated": `{"customer_id":"ann"`,
	} {
		a := pizza(t)
		a.Event, a.Fields = []byte(value), a.Key
		got := string(a.AppendJSON(nil))
		if !json.Valid([]byte(got)) || !strings.Contains(got, `"event":{"customer_id":"ann"},"source"`) {
			t.Errorf("%s: got %.300s", name, got)
		}
	}
}

func TestInvalidTextInARecordIsReplaced(t *testing.T) {
	a := pizza(t)
	a.Event = []byte("{\"item\":\"a\xffb\"}")
	if got := string(a.AppendJSON(nil)); !strings.Contains(got, "\"event\":{\"item\":\"a\uFFFDb\"}") {
		t.Errorf("got %s", got)
	}
}

// Whatever producers send and authors write, an alert stays far below a record's limit, and valid.
func TestAlertsStaySmall(t *testing.T) {
	long := event.StringValue(strings.Repeat("\x01é", 1<<20))
	a := pizza(t)
	a.Event = []byte(`{"note":"` + strings.Repeat("x", EventBytesMax) + `"}`)
	a.Key = []Named{{"a", long}, {"b", long}}
	for range 256 {
		a.Fields = append(a.Fields, Named{"field", long})
	}
	for range 32 {
		a.Context[0].Fields = append(a.Context[0].Fields, Named{"field", long})
	}
	for range 63 {
		a.Context = append(a.Context, a.Context[0])
	}
	for range 1000 {
		a.Because = append(a.Because, Operand{Expr: "a", Op: "<", Value: long, Limit: long, HasLimit: true})
	}
	b := a.AppendJSON(nil)
	if !json.Valid(b) || len(b) > 700<<10 {
		t.Errorf("%d bytes, valid: %v", len(b), json.Valid(b))
	}
	var got struct {
		Key       struct{ A string }
		Condition struct{ Because []any }
	}
	if err := json.Unmarshal(b, &got); err != nil || !strings.HasPrefix(got.Key.A, "\x01é\x01é") || !strings.HasSuffix(got.Key.A, "…") || len(got.Condition.Because) != BecauseMax {
		t.Errorf("%v: key %q, %d comparisons", err, got.Key.A, len(got.Condition.Because))
	}
	for _, key := range [][]Named{a.Key, a.Key[:1]} {
		if b := AppendKey([]byte("before"), key); len(b) < 2*TextMax || len(b) > len("before")+KeyMax {
			t.Errorf("a record key of %d bytes", len(b))
		}
	}
	if got := string(AppendKey(nil, []Named{{"a", event.StringValue("x")}, {"b", event.IntValue(2)}})); got != `{"a":"x","b":2}` {
		t.Errorf("record key %s", got)
	}
}

func TestOptionalPartsOfAnAlert(t *testing.T) {
	a := pizza(t)
	a.Description, a.Runbook = "Two?", "Call ann."
	a.Labels, a.Links = []Text{{"team", "fraud"}}, []Text{{"case", "https://x/ann"}, {"map", `"`}}
	got := string(a.AppendJSON(nil))
	for _, want := range []string{`Is that normal?","description":"Two?","runbook":"Call ann.","condition":`, `"suppressed":0,"labels":{"team":"fraud"},"links":{"case":"https://x/ann","map":"\""}}`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}
