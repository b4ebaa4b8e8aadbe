package oracle

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// source is what the hand-computed cases read: times are written as seconds, minutes or whole instants by the cases themselves.
func source() Source {
	return Source{Name: "events", Topic: "events", Key: []string{"user"}, Lateness: time.Minute, Fields: []Field{
		{"at", Time, false}, {"id", String, true}, {"user", String, false}, {"shop", Int, true}, {"amount", Number, true}, {"qty", Int, true},
		{"item", String, true}, {"flag", Bool, true}, {"seen", Time, true}, {"addr", IP, true},
	}}
}

// at writes an event of ann so many seconds after a round hour, with more fields as JSON.
func at(seconds float64, fields string) string {
	t := time.Date(2026, 10, 15, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	return event(t.Format(time.RFC3339Nano), fields)
}

func event(instant, fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return fmt.Sprintf(`{"at":%q,"user":"ann"%s}`, instant, fields)
}

// readings runs one feature over the log and returns what it showed at each event: "value/samples", separated by blanks.
func readings(t *testing.T, f Feature, o Options, lines ...string) string {
	t.Helper()
	f.Name = "f"
	j := Job{Source: source(), Rules: []Rule{{ID: "r", GroupBy: []string{"user"}, Features: []Feature{f}, Condition: Lit(boolean(true))}}}
	j.Source.Lateness = 24 * time.Hour
	r := Evaluate(j, lines, o)
	if r.Malformed > 0 || len(r.Findings)+r.Late != len(lines) {
		t.Fatalf("%d malformed, %d late, %d findings of %d lines", r.Malformed, r.Late, len(r.Findings), len(lines))
	}
	var shown []string
	for _, found := range r.Findings {
		names := []string{"f"}
		for i, member := range f.Fields {
			names = append(names[:i], "f."+member)
		}
		var values []string
		for _, name := range names {
			values = append(values, found.Features[name].Value.JSON())
		}
		shown = append(shown, fmt.Sprintf("%s/%d", strings.Join(values, ","), found.Features[names[0]].Samples))
	}
	return strings.Join(shown, " ")
}

// series writes one event for each pair of second and value of a field.
func series(field string, pairs ...float64) []string {
	var lines []string
	for i := 0; i < len(pairs); i += 2 {
		lines = append(lines, at(pairs[i], fmt.Sprintf(`%q:%v`, field, pairs[i+1])))
	}
	return lines
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// Each case is computed by hand: what the feature shows at each event of the log.
func TestFeatures(t *testing.T) {
	minute := Window{Kind: "sliding", Span: time.Minute} // panes of one second
	exact := Window{Kind: "exact", Span: time.Minute}
	session := Window{Kind: "session", Span: 10 * time.Second}
	forever := Window{Kind: "forever"}
	last2 := Window{Kind: "events", N: 2}
	for _, c := range []struct {
		what    string
		feature Feature
		lines   []string
		want    string
	}{
		{"the pane sixty before is in", Feature{Agg: "count", Window: minute}, series("qty", 0.9, 1, 60.1, 1, 61, 1), "1/1 2/2 2/2"},
		{"a later event in the same pane counts, one in the next doesn't", Feature{Agg: "count", Window: minute}, series("qty", 10.9, 1, 11, 1, 10.1, 1), "1/1 2/2 2/2"},
		{"exact leaves out t-W and what is after t", Feature{Agg: "count", Window: exact}, series("qty", 0, 1, 60, 1, 59, 1), "1/1 1/1 2/2"},
		{"exclude_current", Feature{Agg: "sum", Field: "qty", Window: minute, ExcludeCurrent: true}, series("qty", 0, 5, 1, 7, 2, 1), "0/0 5/1 12/2"},
		{"min_samples", Feature{Agg: "count", Window: minute, MinSamples: 2}, series("qty", 0, 5, 1, 7), "null/1 2/2"},
		{"min_samples without the current one", Feature{Agg: "count", Window: minute, MinSamples: 1, ExcludeCurrent: true}, series("qty", 0, 5, 1, 7), "null/0 1/1"},
		{"where", Feature{Agg: "count", Window: minute, Where: Op(">", Ref("qty"), Lit(integer(5)))}, append(series("qty", 0, 5, 1, 7), at(2, "")), "0/0 1/1 1/1"},
		{"a missing field is no sample", Feature{Agg: "count", Field: "qty", Window: minute}, append(series("qty", 0, 5), at(1, `"qty":null`), at(2, "")), "1/1 1/1 1/1"},
		{"sum of ints", Feature{Agg: "sum", Field: "qty", Window: minute}, append(series("qty", 0, -5), at(1, `"qty":9223372036854775807`), at(2, `"qty":7`), at(3, `"qty":-3`)), "-5/1 9223372036854775802/2 null/3 9223372036854775806/4"},
		{"average of negative ints", Feature{Agg: "avg", Field: "qty", Window: minute}, series("qty", 0, -5, 1, -6), "-5/1 -5.5/2"},
		{"average of huge ints", Feature{Agg: "avg", Field: "qty", Window: minute}, []string{at(0, `"qty":9223372036854775807`), at(1, `"qty":9223372036854775807`)}, "9223372036854776000/1 9223372036854776000/2"},
		{"average of nothing", Feature{Agg: "avg", Field: "qty", Window: minute, ExcludeCurrent: true}, series("qty", 0, -5), "null/0"},
		{"sum in log order within a pane", Feature{Agg: "sum", Field: "amount", Window: minute}, series("amount", 0.5, 0.1, 0.4, 0.2, 0.3, 0.3), "0.1/1 0.30000000000000004/2 0.6000000000000001/3"},
		{"sum of panes from old to new", Feature{Agg: "sum", Field: "amount", Window: minute}, series("amount", 2, 0.1, 1, 0.2, 0, 0.3, 2, 0), "0.1/1 0.2/1 0.3/1 0.6/4"},
		{"exact folds by time", Feature{Agg: "sum", Field: "amount", Window: exact}, series("amount", 2, 0.1, 1, 0.2, 0, 0.3, 2, 0), "0.1/1 0.2/1 0.3/1 0.6/4"},
		{"an infinite sum is unknown", Feature{Agg: "sum", Field: "amount", Window: minute}, []string{at(0, `"amount":1e308`), at(0, `"amount":1e308`)}, "1e+308/1 null/2"},
		{"stddev", Feature{Agg: "stddev", Field: "qty", Window: minute}, series("qty", 0, 2, 1, 4, 2, 9), "null/1 1.4142135623730951/2 3.605551275463989/3"},
		{"min stays an int", Feature{Agg: "min", Field: "qty", Window: minute}, series("qty", 0, 4, 1, 2, 62, 9), "4/1 2/2 9/1"},
		{"max of numbers", Feature{Agg: "max", Field: "amount", Window: last2}, series("amount", 0, 4.5, 1, 2, 2, 1), "4.5/1 4.5/2 2/2"},
		{"min of times keeps the first offset", Feature{Agg: "min", Field: "seen", Window: forever}, []string{at(0, `"seen":"2026-01-01T02:00:00+02:00"`), at(1, `"seen":"2026-01-01T00:00:00Z"`)}, `"2026-01-01T02:00:00+02:00"/1 "2026-01-01T02:00:00+02:00"/2`},
		{"percentile: the third of four is the 75th, the fourth the one above", Feature{Agg: "percentile", P: 75_000, Field: "qty", Window: forever}, series("qty", 0, 4, 1, -7, 2, 20, 3, 12), "4/1 4/2 20/3 12/4"},
		{"percentile above it", Feature{Agg: "percentile", P: 75_001, Field: "qty", Window: forever}, series("qty", 0, 4, 1, -7, 2, 20, 3, 12), "4/1 4/2 20/3 20/4"},
		{"percentile: the middle of the bin, by sign, and zero", Feature{Agg: "percentile", P: 50_000, Field: "amount", Window: Window{Kind: "session", Span: 150 * time.Second}}, series("amount", 0, 100, 200, -100, 400, 0), "102/1 -102/1 0/1"},
		{"percentile of ints: the lower middle int", Feature{Agg: "percentile", P: 50_000, Field: "qty", Window: minute}, series("qty", 0, 103, 100, -35, 200, 31), "101/1 -34/1 31/1"},
		{"percentile out of range", Feature{Agg: "percentile", P: 50_000, Field: "amount", Window: minute}, []string{at(0, `"amount":1e300`), at(100, `"amount":1e-10`), at(200, `"amount":3e-10`)}, "9079256848778920000/1 0/1 2.9831426218152046e-10/1"},
		{"percentile of rows is a sample", Feature{Agg: "percentile", P: 50_000, Field: "amount", Window: exact}, series("amount", 0, 100, 1, 103.5, 2, 99), "100/1 100/2 100/3"},
		{"distinct", Feature{Agg: "distinct_count", Field: "qty", Window: last2}, series("qty", 0, 4, 1, 4, 2, 5), "1/1 1/2 2/2"},
		{"session: a gap as long as allowed joins", Feature{Agg: "count", Window: session}, series("qty", 0, 1, 10, 1, 20.1, 1), "1/1 2/2 1/1"},
		{"session: an event merges two", Feature{Agg: "count", Window: session}, series("qty", 0, 1, 20, 1, 10, 1, 0, 1), "1/1 1/1 3/3 4/4"},
		{"session: without the current one it is what it would join", Feature{Agg: "sum", Field: "qty", Window: session, ExcludeCurrent: true}, series("qty", 0, 1, 20, 2, 10, 4, 50, 1), "0/0 0/0 3/2 0/0"},
		{"session: older part first, then the event", Feature{Agg: "sum", Field: "amount", Window: session}, series("amount", 20, 0.3, 0, 0.1, 10, 0.2), "0.3/1 0.1/1 0.6000000000000001/3"},
		{"last n by log order", Feature{Agg: "sum", Field: "qty", Window: last2}, series("qty", 10, 1, 0, 2, 5, 4), "1/1 3/2 6/2"},
		{"n others", Feature{Agg: "sum", Field: "qty", Window: last2, ExcludeCurrent: true}, series("qty", 10, 1, 0, 2, 5, 4), "0/0 1/1 3/2"},
		{"first by time, never after t", Feature{Agg: "first", Field: "qty", Window: minute}, series("qty", 10, 1, 0, 2, 5, 4, 61, 8), "1/1 2/1 2/2 4/3"},
		{"last by time, then log order", Feature{Agg: "last", Field: "qty", Window: forever}, series("qty", 10, 1, 0, 2, 10, 3), "1/1 2/1 3/3"},
		{"last before", Feature{Agg: "last", Field: "qty", Window: forever, ExcludeCurrent: true}, series("qty", 10, 1, 0, 2, 10, 3), "null/0 null/0 1/2"},
		{"last of several fields", Feature{Agg: "last", Fields: []string{"qty", "item"}, Window: forever}, []string{at(0, `"qty":1`), at(1, `"item":"a"`), at(2, "")}, `1,null/1 null,"a"/2 null,"a"/2`},
		{"delta", Feature{Agg: "delta", Field: "qty", Window: forever}, series("qty", 0, 1, 10, 5, 4, 2), "null/1 4/2 1/2"},
		{"delta without the current one", Feature{Agg: "delta", Field: "qty", Window: forever, ExcludeCurrent: true}, series("qty", 0, 1, 10, 5, 20, 2), "null/0 null/1 4/2"},
		{"time_since never counts itself", Feature{Agg: "time_since", Window: minute}, series("qty", 0, 1, 0, 1, 1.5, 1, 70, 1), `null/0 "0s"/1 "1.5s"/2 null/0`},
		{"time_since of a where", Feature{Agg: "time_since", Where: Ref("flag"), Window: forever}, []string{at(0, `"flag":true`), at(3, `"flag":false`), at(5, "")}, `null/0 "3s"/1 "5s"/1`},
		{"last in a session", Feature{Agg: "first", Field: "qty", Window: session}, series("qty", 0, 1, 10, 2, 30, 3, 20, 4), "1/1 1/2 3/1 1/3"},
		{"first of the last two by log order", Feature{Agg: "first", Field: "qty", Window: last2}, series("qty", 10, 1, 0, 2, 5, 3, 20, 4), "1/1 2/1 2/2 3/2"},
	} {
		expect(t, c.what, readings(t, c.feature, Options{}, c.lines...), c.want)
	}
}

func TestPaneLength(t *testing.T) {
	for _, c := range []struct{ span, want time.Duration }{
		{time.Minute, time.Second}, {time.Second, 17 * time.Millisecond}, {60 * time.Millisecond, time.Millisecond}, {60*time.Millisecond + 1, 2 * time.Millisecond}, {time.Millisecond, time.Millisecond},
	} {
		if got := time.Duration(Window{Span: c.span}.step()); got != c.want {
			t.Errorf("a pane of %s is %s, want %s", c.span, got, c.want)
		}
	}
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct{ what, unit, zone, want string }{
		{"the day of 25 hours", "day", "Europe/Paris", "1/1 2/2 1/1"},
		{"the hour that comes twice is two", "hour", "Europe/Paris", "1/1 1/1 1/1"},
		{"a week begins on Monday", "week", "Europe/Paris", "1/1 2/2 1/1"},
		{"the same in UTC, an hour later", "week", "", "1/1 2/2 3/3"},
		{"month", "month", "Europe/Paris", "1/1 2/2 3/3"},
	} {
		w := Window{Kind: "calendar", Unit: c.unit, Zone: c.zone}
		// 25 October 2026 is a Sunday; clocks go from 03:00+02:00 to 02:00+01:00. The last event is on Monday in Paris, not in UTC.
		got := readings(t, Feature{Agg: "count", Window: w}, Options{}, event("2026-10-25T02:30:00+02:00", ""), event("2026-10-25T02:30:00+01:00", ""), event("2026-10-26T00:30:00+01:00", ""))
		expect(t, c.what, got, c.want)
	}
}

// first, last, delta and time_since have sixteen samples to choose from, and exact windows 1024.
func TestBounds(t *testing.T) {
	var lines []string
	for i := range 17 {
		lines = append(lines, at(float64(i), fmt.Sprintf(`"qty":%d`, i)))
	}
	lines = append(lines, at(0.5, `"qty":99`))
	got := readings(t, Feature{Agg: "first", Field: "qty", Window: Window{Kind: "forever"}}, Options{}, lines...)
	expect(t, "the oldest gives way, also when it is the current one", got[len(got)-len("0/16 1/16 null/0"):], "0/16 1/16 null/0")

	lines = nil
	for i := range 1026 {
		lines = append(lines, at(float64(i), ""))
	}
	got = readings(t, Feature{Agg: "count", Window: Window{Kind: "exact", Span: time.Hour}}, Options{}, lines...)
	expect(t, "1024 rows", got[len(got)-len("1023/1023 1024/1024 1024/1024 1024/1024"):], "1023/1023 1024/1024 1024/1024 1024/1024")
}

// A sketch is within four of its standard errors of the truth, and repeats nothing.
func TestDistinctEstimate(t *testing.T) {
	for _, n := range []int{16, 17, 100, 1000, 20000} {
		values := map[string]bool{}
		for i := range n {
			values[string(integer(int64(i)).keyBytes())] = true
		}
		got := float64(estimate(values))
		if tolerance := 0.26 * float64(n); got < float64(n)-tolerance || got > float64(n)+tolerance || n <= 16 && int(got) != n {
			t.Errorf("%d distinct values are estimated as %v", n, got)
		}
	}
}

// An exact window counts different values; only windows of registers guess.
func TestExactDistinct(t *testing.T) {
	var pairs []float64
	for i := range 40 {
		pairs = append(pairs, float64(i), float64(i-35%(i+1)))
	}
	f := Feature{Agg: "distinct_count", Field: "qty", Window: Window{Kind: "exact", Span: time.Hour}}
	different := map[float64]bool{}
	var want []string
	for i := 0; i < len(pairs); i += 2 {
		different[pairs[i+1]] = true
		want = append(want, fmt.Sprintf("%d/%d", len(different), i/2+1))
	}
	expect(t, "exact", readings(t, f, Options{}, series("qty", pairs...)...), strings.Join(want, " "))
	if len(different) <= 16 {
		t.Errorf("%d different values prove nothing", len(different))
	}
}
