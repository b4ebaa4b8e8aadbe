package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
)

// orders is a source with one field of each sort, so that the cases below stay short.
func orders() *event.Source {
	return &event.Source{Name: "order", Topic: "orders", Time: 0, EventTime: 0, Fields: []event.Field{
		declare("at", event.KindTime),
		optional(declare("text", event.KindString)),
		optional(declare("amount", event.KindNumber)),
		optional(declare("count", event.KindInt)),
		optional(declare("paid", event.KindBool)),
		optional(units(declare("ms", event.KindTime), time.Millisecond)),
		optional(declare("ip", event.KindIP)),
		optional(declare("city", event.KindString, "shop", "city")),
		optional(declare("host", event.KindString, "shop.host")),
	}}
}

func newDecoder(t testing.TB, sources ...*event.Source) *Decoder {
	t.Helper()
	d, err := New(sources, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// order decodes {"at": …, members} and returns the text of the field with that name.
func order(t *testing.T, d *Decoder, members, field string) string {
	t.Helper()
	row := make(event.Row, d.Width())
	if _, err := d.Decode([]byte(`{"at":"2026-10-15T20:00:00+02:00",`+members+`}`), 0, row); err != nil {
		return err.Reason + " " + err.Field
	}
	return row[orders().FieldSlot(field)].Text()
}

func TestValues(t *testing.T) {
	for _, c := range []struct{ members, field, want string }{
		{`"text":"ann"`, "at", "2026-10-15T20:00:00+02:00"},
		{`"text":"a\u00e9\ud83d\ude00\n\/"`, "text", "aé😀\n/"},
		{`"text":"\ud83d x"`, "text", "\ufffd x"},
		{"\"text\":\"a\xff\xfeb\"", "text", "a\ufffd\ufffdb"},
		{`"text":""`, "text", ""},
		{`"text":null`, "text", "n/a"},
		{`"text":"null"`, "text", "null"},
		{`"text":5`, "text", "wrong_type text"},
		{`"amount":12`, "amount", "12"},
		{`"amount":0.1`, "amount", "0.1"},
		{`"amount":179769313486231570000e288`, "amount", "1.7976931348623157e+308"},
		{`"amount":1e309`, "amount", "out_of_range amount"},
		{`"amount":"12"`, "amount", "wrong_type amount"},
		{`"count":1.0`, "count", "1"},
		{`"count":1e3`, "count", "1000"},
		{`"count":1200e-2`, "count", "12"},
		{`"count":9007199254740993`, "count", "9007199254740993"}, // not a double
		{`"count":9223372036854775807.0`, "count", "9223372036854775807"},
		{`"count":-9223372036854775808`, "count", "-9223372036854775808"},
		{`"count":9223372036854775808`, "count", "out_of_range count"},
		{`"count":1.5`, "count", "wrong_type count"},
		{`"count":1e-400`, "count", "wrong_type count"},
		{`"paid":true`, "paid", "true"},
		{`"paid":1`, "paid", "wrong_type paid"},
		{`"paid":"true"`, "paid", "wrong_type paid"},
		{`"ms":1700000000123`, "ms", "2023-11-14T22:13:20.123Z"},
		{`"ms":1700000000123.4567891`, "ms", "2023-11-14T22:13:20.123456789Z"},
		{`"ms":-1`, "ms", "1969-12-31T23:59:59.999Z"},
		{`"ms":1e30`, "ms", "out_of_range ms"},
		{`"ms":"2026-10-15T20:00:00Z"`, "ms", "wrong_type ms"},
		{`"ip":"10.0.0.255"`, "ip", "10.0.0.255"},
		{`"ip":"::ffff:10.0.0.1"`, "ip", "10.0.0.1"},
		{`"ip":"2001:DB8::1"`, "ip", "2001:db8::1"},
		{`"ip":"10.0.0.256"`, "ip", "wrong_type ip"},
		{`"ip":"10.0.00.1"`, "ip", "wrong_type ip"},
		{`"shop":{"city":"Lyon"}`, "city", "Lyon"},
		{`"shop.city":"Lyon"`, "city", "n/a"},
		{`"shop":{"host":"h"}`, "host", "n/a"},
		{`"shop.host":"h"`, "host", "h"},
		{`"shop":"Lyon"`, "city", "n/a"},
		{`"shop":{"city":"a"},"shop":{"x":1}`, "city", "n/a"}, // the last object wins as a whole
		{`"shop":{"city":"a","city":"b"}`, "city", "b"},
		{`"text":5,"text":"last"`, "text", "last"},
		{`"TEXT":5`, "text", "n/a"},
		{`"at":null`, "at", "missing_field at"},
		{`"at":"2026-10-15 20:00:00Z"`, "at", "wrong_type at"},
		{`"at":"1500-01-01T00:00:00Z"`, "at", "out_of_range at"},
	} {
		d := newDecoder(t, orders())
		strict := order(t, d, c.members, c.field)
		if again := order(t, d, c.members, c.field); strict != c.want || again != c.want {
			t.Errorf("%s: %s is %q, then %q; want %q", c.members, c.field, strict, again, c.want)
		}
	}
}

func TestErrorsTellPlaceCauseAndCure(t *testing.T) {
	d := newDecoder(t, orders())
	for _, c := range []struct{ value, reason, message string }{
		{`{"at":"2026-10-15T20:00:00Z","amount":"12,50"}`, ReasonWrongType,
			`source "order", field "amount", byte 39: want a number, got the string "12,50"; correct the producer or the field's declared type`},
		{`{"at":1760558400}`, ReasonWrongType,
			`source "order", field "at", byte 6: want a time as RFC 3339 text, got the number 1760558400; give the field its unit (s, ms, us or ns)`},
		{`{"text":"x"}`, ReasonMissingField, `source "order", field "at", byte 0: a required field is absent; send it, or declare it optional`},
		{`{"at":"2026-10-15T20:00:00Z","text":{"a":1}}`, ReasonWrongType,
			`source "order", field "text", byte 36: want a string, got an object; declare the field's path down to the value inside`},
		{`{"at":"2026-10-15T20:00:00Z","ms":` + strings.Repeat("9", 60) + `}`, ReasonOutOfRange,
			`source "order", field "ms", byte 34: want a time as a number of units of 1ms since 1970, got the number ` + strings.Repeat("9", 40) +
				`, which is out of range; check the field's unit: years 1678 to 2261 can be held`},
		{`{"at":"2026`, ReasonMalformedJSON, `byte 6: a string without its closing quote; have the producer send one JSON object a record`},
		{`{"at" "x"}`, ReasonMalformedJSON, `byte 6: found "\"" where a colon is due; have the producer send one JSON object a record`},
		{`{"at":`, ReasonMalformedJSON, `byte 6: the JSON ends where a value is due; have the producer send one JSON object a record`},
		{`{"a":"\x"}`, ReasonMalformedJSON, `byte 6: an escape that JSON does not know: "\\x\"}"; have the producer send one JSON object a record`},
		{"{\"a\":\"x\ny\"}", ReasonMalformedJSON, `byte 7: a control character in a string: "\n"; have the producer send one JSON object a record`},
		{``, ReasonMalformedJSON, `byte 0: the JSON ends where a value is due; have the producer send one JSON object a record`},
		{` [1]`, ReasonNotAnObject, `byte 1: want an object, got an array; have the producer send one JSON object a record`},
		{`{"a":` + strings.Repeat("[", 64), ReasonTooDeep, `byte 68: more than 64 objects and arrays inside each other; have the producer nest less`},
		{strings.Repeat(" ", SizeMax+1), ReasonTooLarge,
			`byte 0: the value has 1048577 bytes, more than 1048576; have the producer send smaller events, with a reference to the rest`},
	} {
		_, err := d.Decode([]byte(c.value), 0, make(event.Row, d.Width()))
		if err == nil || err.Reason != c.reason || err.Error() != c.message {
			t.Errorf("%.60s:\n got %v\nwant %s", c.value, err, c.message)
		}
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	d := newDecoder(t, orders())
	row := make(event.Row, d.Width())
	head := `{"at":"2026-10-15T20:00:00Z","x":`
	for _, value := range []string{
		head + strings.Repeat("[", DepthMax-1) + strings.Repeat("]", DepthMax-1) + "}",
		head + `"` + strings.Repeat("x", SizeMax-len(head)-3) + `"}`,
	} {
		for range 2 {
			if _, err := d.Decode([]byte(value), 0, row); err != nil {
				t.Errorf("%.60s: %v", value, err)
			}
		}
	}
}

// The depth of what is skipped counts from the root, also where only the fast way has been.
func TestDepthCountsFromTheRoot(t *testing.T) {
	d := newDecoder(t, orders())
	row := make(event.Row, d.Width())
	write := func(n int) []byte {
		return []byte(`{"at":"2026-10-15T20:00:00Z","shop":{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}}")
	}
	for range 3 {
		if _, err := d.Decode(write(DepthMax-2), 0, row); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Decode(write(DepthMax-1), 0, row); err == nil || err.Reason != ReasonTooDeep {
		t.Errorf("error %v, want %s", err, ReasonTooDeep)
	}
}

// Every byte at every place of a word, with and without what ends a text in front of it.
func TestSpecialBytes(t *testing.T) {
	ends := func(c byte) bool { return c < 0x20 || c == '"' || c == '\\' || c >= 0x80 }
	for before := range 256 {
		for c := range 256 {
			for k := range 8 {
				var word [8]byte
				for i := range word {
					word[i] = 'a'
				}
				first := 8
				if word[k] = byte(c); ends(byte(c)) {
					first = k
				}
				if k > 0 {
					if word[k-1] = byte(before); ends(byte(before)) {
						first = k - 1
					}
				}
				if got := bits.TrailingZeros64(special(binary.LittleEndian.Uint64(word[:]))) / 8; got != first {
					t.Fatalf("%q: the first special byte is %d, want %d", word, got, first)
				}
			}
		}
	}
}

// Every byte at every place of a time, and every place left out or doubled.
func TestTimesAsTheJudgeReadsThem(t *testing.T) {
	check := func(d *dates, text []byte) {
		v, reason := typed(string(text), declare("at", event.KindTime))
		at, offset, got := d.parse(text)
		if got != reason || reason == "" && event.TimeValue(at, offset) != v {
			t.Fatalf("%q: %v %d %q, want %v %d %q", text, at, offset, got, v.Time(), v.OffsetSeconds(), reason)
		}
	}
	var d dates
	for _, base := range []string{
		"2026-10-15T20:00:00Z", "2024-02-29T23:59:59.999-23:59", "1970-01-01T00:00:00+00:00", "1900-03-01T09:09:09.1234567891+19:30",
		"2000-02-29T10:10:10Z", "2100-02-28T10:10:10Z", "2023-12-31T23:59:60Z", "2026-10-15T20:00:00.Z", "0000-02-29T00:00:00Z", "2026-06-31T20:00:00Z",
	} {
		for i := range base {
			for c := range 256 {
				text := []byte(base)
				text[i] = byte(c)
				check(&d, text)
			}
			check(&d, []byte(base[:i]+base[i+1:]))
			check(&d, []byte(base[:i]+base[i:i+1]+base[i:]))
			check(&d, []byte(base[:i]))
		}
	}
	for day := range 130_000 { // 1650 to 2005, then to 2270 in the same steps
		for _, from := range []int{1650, 1915} {
			at := time.Date(from, 1, 1+day, 12, 0, 0, 0, time.UTC)
			check(&d, at.AppendFormat(nil, time.RFC3339))
		}
	}
}

func TestTheWholeRecordIsJudgedWhateverRulesRead(t *testing.T) {
	none := [][]bool{make([]bool, len(orders().Fields))}
	for _, wanted := range [][][]bool{nil, none} {
		d, err := New([]*event.Source{orders()}, wanted)
		if err != nil {
			t.Fatal(err)
		}
		row := make(event.Row, d.Width())
		good := `{"at":"2026-10-15T20:00:00Z","amount":1,"z":[1,2]}`
		for range 3 {
			if _, err := d.Decode([]byte(good), 0, row); err != nil {
				t.Fatal(err)
			}
		}
		for _, bad := range []string{
			`{"at":"2026-10-15T20:00:00Z","amount":"1","z":[1,2]}`, `{"at":"2026-10-15T20:00:00Z","amount":1e999,"z":[1,2]}`,
			`{"at":"2026-10-15T20:00:00Z","amount":1,"z":[1,2}`, `{"at":"2026-10-15T20:00:00Z","amount":1,"z":[1,2]`, `{"at":"2026-10-15T20:00:00Z","amount":1,"z":[1,2]}}`,
			`{"at":"2026-10-15T20:00:00Z","amount":01,"z":[1,2]}`, `{"at":"2026-10-15T25:00:00Z","amount":1,"z":[1,2]}`,
		} {
			if _, err := d.Decode([]byte(bad), 0, row); err == nil {
				t.Errorf("wanted %v: %s passed", wanted, bad)
			}
		}
	}
}

func TestUnwantedSlotsStayAsTheyAre(t *testing.T) {
	wanted := make([]bool, len(orders().Fields))
	wanted[2] = true
	d, err := New([]*event.Source{orders()}, [][]bool{wanted})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		row := make(event.Row, d.Width()+1)
		for i := range row {
			row[i] = event.StringValue("before")
		}
		if _, err := d.Decode([]byte(`{"at":"2026-10-15T20:00:00Z","text":"x","count":2}`), 0, row); err != nil {
			t.Fatal(err)
		}
		for i := range row {
			touched := row[i] != event.StringValue("before")
			if event := i == 0; touched != (event || wanted[min(i, len(wanted)-1)] && i < len(wanted)) {
				t.Errorf("slot %d: touched is %t", i, touched)
			}
		}
		if row[2].Known() {
			t.Errorf("an absent field left %v in its slot", row[2])
		}
	}
}

func TestNewRefuses(t *testing.T) {
	change := func(f func(s *event.Source)) *event.Source { s := orders(); f(s); return s }
	match := func(equals string) *event.Source {
		return change(func(s *event.Source) { s.Match = &event.Match{Path: []string{"type"}, Equals: equals} })
	}
	for _, c := range []struct {
		sources []*event.Source
		wanted  [][]bool
		want    string
	}{
		{nil, nil, "no source"},
		{[]*event.Source{orders(), orders()}, nil, "the same records"},
		{[]*event.Source{match("a"), match("a")}, nil, "the same records"},
		{[]*event.Source{orders(), change(func(s *event.Source) { s.Topic = "x" })}, nil, "one topic"},
		{[]*event.Source{orders()}, [][]bool{{true}}, "1 fields, not 9"},
		{[]*event.Source{orders()}, [][]bool{nil, nil}, "2 sources, not 1"},
		{[]*event.Source{change(func(s *event.Source) { s.Fields[1].Path = nil })}, nil, "no path"},
		{[]*event.Source{change(func(s *event.Source) { s.Fields[1].Kind = event.KindDuration })}, nil, "no field can be a duration"},
		{[]*event.Source{change(func(s *event.Source) { s.Fields[1].Unit = time.Minute })}, nil, "unit 1m0s"},
		{[]*event.Source{change(func(s *event.Source) { s.Fields[0].Optional = true })}, nil, "required time"},
		{[]*event.Source{change(func(s *event.Source) { s.EventTime = 99 })}, nil, "slot 99"},
		{[]*event.Source{change(func(s *event.Source) { s.Match = &event.Match{} })}, nil, "no field"},
	} {
		if _, err := New(c.sources, c.wanted); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	if _, err := New([]*event.Source{match("a"), match("b"), orders()}, nil); err != nil {
		t.Error(err)
	}
}

func TestEscapedTextLivesUntilReset(t *testing.T) {
	d := newDecoder(t, orders())
	var rows []event.Row
	for i := range 2000 {
		row := make(event.Row, d.Width())
		if _, err := d.Decode(fmt.Appendf(nil, `{"at":"2026-10-15T20:00:00Z","text":"n\u00b0 %d"}`, i), 0, row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	for i, row := range rows {
		if want := fmt.Sprintf("n° %d", i); row[1].S != want {
			t.Fatalf("row %d is %q, want %q", i, row[1].S, want)
		}
	}
	d.Reset()
	if len(d.arena) != 0 {
		t.Errorf("the arena holds %d bytes after Reset", len(d.arena))
	}
}
