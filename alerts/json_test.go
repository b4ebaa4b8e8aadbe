package alerts

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
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
