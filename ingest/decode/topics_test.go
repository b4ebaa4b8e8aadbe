package decode

import (
	"testing"
	"time"

	"insolite/internal/event"
)

func declare(name string, kind event.Kind, path ...string) event.Field {
	if len(path) == 0 {
		path = []string{name}
	}
	return event.Field{Name: name, Kind: kind, Path: path}
}

func optional(f event.Field) event.Field { f.Optional = true; return f }

func units(f event.Field, unit time.Duration) event.Field { f.Unit = unit; return f }

// payments is the source of performance.md's reference job: 14 fields.
func payments() *event.Source {
	return &event.Source{Name: "payment.authorized", Topic: "payments", Format: "json", Time: 1, EventTime: 1, Fields: []event.Field{
		declare("payment_id", event.KindString),
		declare("at", event.KindTime),
		declare("customer_id", event.KindString),
		declare("terminal_id", event.KindString),
		declare("amount", event.KindNumber),
		declare("currency", event.KindString),
		declare("merchant", event.KindString),
		declare("category", event.KindInt),
		declare("country", event.KindString),
		declare("channel", event.KindString),
		declare("ip", event.KindIP),
		declare("card_present", event.KindBool),
		declare("lat", event.KindNumber),
		declare("lon", event.KindNumber),
	}}
}

const payment = `{"payment_id":"p-00012345","at":"2026-10-15T20:00:00.125Z","customer_id":"c-482113","terminal_id":"t-9921",` +
	`"amount":129.95,"currency":"EUR","merchant":"Pizzeria Rosa","category":5812,"country":"FR","channel":"pos","ip":"10.20.30.40",` +
	`"card_present":true,"lat":48.8566,"lon":2.3522}`

// topic is a set of sources that tests decode for.
type topic struct {
	name    string
	sources []*event.Source
	wanted  [][]bool
	seeds   []string
}

func topics() []topic {
	stamped := func(name string, m *event.Match, fields ...event.Field) *event.Source {
		fields = append(fields, event.Field{Name: "event_time", Kind: event.KindTime})
		return &event.Source{Name: name, Topic: "t", Match: m, Time: event.NoSlot, EventTime: event.Slot(len(fields) - 1), Fields: fields}
	}
	kind := func(equals string) *event.Match { return &event.Match{Path: []string{"type"}, Equals: equals} }
	every := []event.Field{
		declare("s", event.KindString), optional(declare("n", event.KindNumber)), optional(declare("i", event.KindInt)),
		optional(declare("b", event.KindBool)), optional(declare("t", event.KindTime)), optional(units(declare("u", event.KindTime), time.Second)),
		optional(declare("ip", event.KindIP)), optional(declare("name", event.KindString, "m", "name")),
		optional(declare("deep", event.KindInt, "m", "x", "y")), optional(declare("dotted", event.KindString, "source.ip")),
		optional(units(declare("ms", event.KindTime), time.Millisecond)),
	}
	half := make([]bool, len(every)+1)
	for i := range half {
		half[i] = i%2 == 0
	}
	return []topic{
		{name: "payments", sources: []*event.Source{payments()}, seeds: []string{payment}},
		{name: "every kind", sources: []*event.Source{stamped("every", nil, every...)}, seeds: everySeeds},
		{name: "half wanted", sources: []*event.Source{stamped("every", nil, every...)}, wanted: [][]bool{half}, seeds: everySeeds},
		{name: "match", seeds: matchSeeds, sources: []*event.Source{
			stamped("a", kind("a"), declare("x", event.KindInt), declare("type", event.KindString)),
			stamped("b", kind("b"), optional(declare("x", event.KindString)), optional(declare("y", event.KindNumber, "o", "y"))),
			stamped("rest", nil, optional(declare("x", event.KindNumber)), optional(declare("type", event.KindString))),
		}},
		{name: "match without rest", seeds: matchSeeds, sources: []*event.Source{
			stamped("a", kind("a"), declare("x", event.KindInt)), stamped("b", kind("b"), declare("x", event.KindString)),
		}},
		{name: "below the match field", seeds: matchSeeds, sources: []*event.Source{
			stamped("a", kind("a"), optional(declare("x", event.KindInt))),
			stamped("rest", nil, optional(declare("sub", event.KindString, "type", "sub")), optional(declare("y", event.KindInt, "o", "y"))),
		}},
		{name: "match on an address", seeds: []string{`{"type":"1.2.3.4","x":1}`, `{"type":"1.2.3","x":1}`, `{"x":1}`}, sources: []*event.Source{
			stamped("a", kind("1.2.3.4"), declare("type", event.KindIP)), stamped("b", kind("1.2.3"), declare("type", event.KindIP)),
		}},
		{name: "two match fields", seeds: matchSeeds, sources: []*event.Source{
			stamped("a", kind("a"), declare("x", event.KindInt)),
			stamped("b", &event.Match{Path: []string{"o", "kind"}, Equals: "b"}, optional(declare("x", event.KindString))),
		}},
		{name: "one path twice", seeds: everySeeds, sources: []*event.Source{
			stamped("twice", nil, declare("s", event.KindString), optional(declare("n", event.KindInt)), optional(declare("n2", event.KindNumber, "n"))),
		}},
		{name: "a path inside another", seeds: everySeeds, sources: []*event.Source{
			stamped("a", kind("a"), optional(declare("m", event.KindString)), optional(declare("name", event.KindString, "m", "name"))),
			stamped("rest", nil, optional(declare("m", event.KindString))),
		}},
	}
}

var everySeeds = []string{
	`{"s":"x"}`, `{"s":"x","n":1.5,"i":7,"b":true,"t":"2026-10-15T20:00:00+02:00","u":1700000000,"ip":"::ffff:1.2.3.4","m":{"name":"ann","x":{"y":1}},"source.ip":"z","ms":1700000000123}`,
	`{"s": "x", "n": 1.5, "i": 7, "b": false, "m": {"name": "ann", "x": {"y": 1}}, "extra": [1, {"a": null}], "ms": 1.5}` + "\n",
	`{"s":"a\"b\\c\/\u00e9\ud83d\ude00\ud800","n":-0,"i":1.0,"u":1700000000.123456789123,"m":null}`,
	`{"s":"x","i":1e3,"n":1e308}`, `{"s":"x","i":9223372036854775807}`, `{"s":"x","i":-9223372036854775808}`, `{"s":"x","i":9223372036854775808}`,
	`{"s":"x","n":426778858772.749977}`, `{"s":"x","n":904359706797.029839}`, // rounded twice they would be off
	`{"s":"x","n":1e400}`, `{"s":"x","n":1e-400}`, `{"s":"x","i":0e99999999999999999999}`, `{"s":"x","i":1.5}`, `{"s":"x","i":12345678901234567890123}`,
	`{"s":"x","m":{"name":"a"},"m":{}}`, `{"s":"x","m":{"name":"a"},"m":{"x":{"y":2}}}`, `{"s":"x","s":1}`, `{"s":1,"s":"x"}`, `{"\u0073":"x","s":null}`,
	`{"s":"x","m":{"name":"a","name":null}}`, `{"s":"x","m":[{"name":"a"}]}`, `{"s":"x","source":{"ip":"q"}}`, `{"type":"a","m":{"name":"x"}}`,
	"{\"s\":\"caf\xc3\xa9 \xff\xed\xa0\x80\",\"\xff\":1}", "{\"s\":\"a\tb\"}", `{"s":"\x"}`, `{"s":"x",}`, `{"s":"x"}}`, `{"s":"x"} {}`, `{s:1}`, `[1]`, `null`, `"x"`, ``, ` `, `{`, `{}`,
	`{"s":"x","n":01}`, `{"s":"x","n":1.}`, `{"s":"x","n":-}`, `{"s":"x","n":.5}`, `{"s":"x","n":1e}`, `{"s":"x","n":+1}`, `{"s":"x","n":NaN}`, `{"s":"x","b":"true"}`, `{"s":"x","b":tru}`,
	`{"s":"x","t":"2026-02-29T00:00:00Z"}`, `{"s":"x","t":"2024-02-29T23:59:59.999999999999-23:59"}`, `{"s":"x","t":"0000-01-01T00:00:00Z"}`, `{"s":"x","t":"2026-10-15T2:00:00Z"}`,
	`{"s":"x","t":"2026-10-15T20:00:00,5Z"}`, `{"s":"x","t":"2262-04-11T23:47:16Z"}`, `{"s":"x","t":"2262-04-11T23:47:15.9Z"}`, `{"s":"x","t":"1677-09-21T00:12:44Z"}`, `{"s":"x","t":"\u0032026-10-15T20:00:00Z"}`,
	`{"s":"x","ip":"1.2.3"}`, `{"s":"x","ip":"fe80::1%eth0"}`, `{"s":"x","ip":"1.2.3.\u0034"}`, `{"s":"x","u":9223372036.854775808}`, `{"s":"x","u":-9223372036.854775807}`, `{"s":"x","u":"1"}`,
	"{\n  \"s\": \"x\",\n  \"n\": 2,\n  \"m\": {\n    \"name\": \"y\"\n  }\n}\n",
}

var matchSeeds = []string{
	`{"type":"a","x":1}`, `{"type":"b","x":"s","o":{"y":2,"kind":"b"}}`, `{"type":"c","x":1.5}`, `{"x":1}`, `{"x":1,"type":"a"}`, `{"x":"s","type":"b"}`, `{"type":"a","type":"b","x":"s"}`,
	`{"type":"\u0061","x":1}`, `{"type":1,"x":1}`, `{"type":{"type":"a"},"x":1}`, `{"type":null,"x":1}`, `{"o":{"kind":"b"},"x":"s"}`, `{"o":{"kind":"b"},"type":"a","x":3}`, `{"type":"a"}`, `{"type":"b"}`,
	`{"type":"a","x":1,"o":{}}`, `{"type":"b","o":{},"x":null}`, `{"type":"zzz","x":[}`,
}

// bench holds a topic's decoders: one that learns and one that never does.
type bench struct {
	topic
	judge        judge
	fast, strict *Decoder
	fastRow, row event.Row
}

func newBench(t testing.TB, tp topic) *bench {
	b := &bench{topic: tp, judge: judge{tp.sources}}
	for _, d := range []**Decoder{&b.fast, &b.strict} {
		var err error
		if *d, err = New(tp.sources, tp.wanted); err != nil {
			t.Fatal(err)
		}
	}
	b.strict.spec = false
	b.fastRow, b.row = make(event.Row, b.fast.Width()), make(event.Row, b.fast.Width())
	return b
}

const timestamp = event.Time(1_790_000_000_000_000_000)

// check decodes a record all three ways, the learning one twice, and compares.
func (b *bench) check(t testing.TB, value []byte) {
	t.Helper()
	want := b.judge.decode(value, timestamp)
	source, err := b.strict.Decode(value, timestamp, b.row)
	b.compare(t, "strict", value, want, source, err, b.row)
	for range 2 {
		b.fast.budget.credit = 1
		again, againErr := b.fast.Decode(value, timestamp, b.fastRow)
		b.compare(t, "fast", value, want, again, againErr, b.fastRow)
		if err != nil && *err != *againErr {
			t.Fatalf("%s: %q: the strict scanner says %+v, the fast one %+v", b.name, value, *err, *againErr)
		}
	}
	b.fast.Reset()
	b.strict.Reset()
}

func (b *bench) compare(t testing.TB, way string, value []byte, want verdict, source int, err *Error, row event.Row) {
	t.Helper()
	reason, field := "", ""
	if err != nil {
		reason, field = err.Reason, err.Field
		if err.Offset < 0 || err.Offset > len(value) || err.Stage != Stage {
			t.Fatalf("%s, %s: %q: error %+v", b.name, way, value, *err)
		}
	}
	deepFirst := want.reason == ReasonMalformedJSON && reason == ReasonTooDeep // both are true, the judge does not see the first
	if source != want.source || reason != want.reason && !deepFirst || field != want.field {
		t.Fatalf("%s, %s: %q: source %d, error %v; want source %d, reason %q, field %q", b.name, way, value, source, err, want.source, want.reason, want.field)
	}
	for k := range want.row {
		if b.wanted != nil && !b.wanted[source][k] && event.Slot(k) != b.sources[source].EventTime {
			if row[k].Known() {
				t.Fatalf("%s, %s: %q: slot %d was filled but is not wanted", b.name, way, value, k)
			}
			continue
		}
		if row[k] != want.row[k] {
			t.Fatalf("%s, %s: %q: slot %d is %+v, want %+v", b.name, way, value, k, row[k], want.row[k])
		}
	}
}
