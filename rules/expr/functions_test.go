package expr

import (
	"math"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

func place(lat event.Slot) Ref {
	at := Ref{Slot: lat + 2, Kind: event.KindTime}
	return Ref{Members: map[string]Ref{"lat": {Slot: lat, Kind: event.KindNumber}, "lon": {Slot: lat + 1, Kind: event.KindNumber}, "at": at}, Time: &at}
}

var places = &Scope{Source: "logins", Names: map[string]Ref{
	"rome": place(0), "paris": place(3), "soon": place(6), "lost": place(9), "name": {Slot: 12, Kind: event.KindString}, "caps": {Slot: 13, Kind: event.KindString},
	"bare": {Members: map[string]Ref{"lat": {Slot: 0, Kind: event.KindNumber}, "lon": {Slot: 1, Kind: event.KindNumber}}},
}}

// The first time is Sunday 2023-12-31 23:30 UTC.
var placesRow = event.Row{
	event.NumberValue(41.9028), event.NumberValue(12.4964), event.TimeValue(1704065400e9, 0),
	event.NumberValue(48.8566), event.NumberValue(2.3522), event.TimeValue(1704069000e9, 0),
	event.NumberValue(48.8566), event.NumberValue(2.3522), event.TimeValue(1704065400e9+999999999, 0),
	{}, event.NumberValue(1), event.TimeValue(0, 0),
	event.StringValue("Èva"), event.StringValue("ÀB"),
}

func TestFunctions(t *testing.T) {
	for text, want := range map[string]Truth{
		`lower(name) == "èva"`: True, `upper(name) == "ÈVA"`: True, `upper(caps) == "ÀB"`: True,
		`hour(rome.at) == 23`: True, `hour(rome.at, "Europe/Rome") == 0`: True, `weekday(rome.at) == 7`: True, `weekday(rome.at, "Europe/Rome") == 1`: True,
		`distance_km(rome, paris) > 1105 and distance_km(rome, paris) < 1107`: True, `distance_km(rome, paris) == distance_km(paris, rome)`: True,
		`distance_km(rome, rome) == 0`: True, `distance_km(rome, lost) > 0`: Unknown, `distance_km(bare, soon) > 1000`: True,
		`speed_kmh(rome, paris) == distance_km(rome, paris)`: True, `speed_kmh(paris, rome) == speed_kmh(rome, paris)`: True,
		`speed_kmh(rome, soon) > 0`: Unknown, `speed_kmh(rome, rome) == 0`: Unknown, `speed_kmh(lost, rome) > 0`: Unknown,
	} {
		var problems diag.List
		e := Compile(text, event.KindBool, places, nil, &problems)
		if e == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		if got := e.Truth(placesRow); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
		if n := testing.AllocsPerRun(20, func() { e.Truth(placesRow) }); n != 0 && !strings.Contains(text, "(name)") {
			t.Errorf("%s allocates %v times", text, n)
		}
	}
	if d := math.Abs(1 - earthRadius*math.Pi/20015.1144); d > 1e-6 {
		t.Errorf("half the girth is off by %v", d)
	}
}

func TestRoundKinds(t *testing.T) {
	for text, want := range map[string]event.Kind{
		"round(count)": event.KindInt, "floor(count + 1)": event.KindInt, "ceil(-count)": event.KindInt, "sqrt(count)": event.KindNumber,
		"round(amount)": event.KindNumber, "floor(count / 2)": event.KindNumber, "ceil(n)": event.KindInt,
	} {
		if got := compile(t, text, event.KindMissing).Kind(); got != want {
			t.Errorf("%s is of kind %s, want %s", text, got, want)
		}
	}
	if v := compile(t, "round(big)", event.KindInt).Value(row); v != event.IntValue(math.MaxInt64) {
		t.Errorf("round(big) is %v", v)
	}
}
