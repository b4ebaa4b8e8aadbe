package deadletter

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"insolite/ingest"
	"insolite/internal/event"
)

func sent(m Message) ingest.Record {
	return ingest.Record{Offset: 7, Timestamp: 1, Key: m.Key, Value: m.Value, Headers: m.Headers}
}

// What is encoded is decoded, whatever is not known.
func TestDecode(t *testing.T) {
	full := letter()
	bare := &Letter{Topic: "t", Byte: -1, Record: ingest.Record{Timestamp: event.NoTime, Value: []byte("x")}}
	for _, l := range []*Letter{full, bare} {
		got, cut, err := Decode(sent(l.Encode()))
		if err != nil || cut != (Cut{}) || !reflect.DeepEqual(&got, l) {
			t.Errorf("%v %+v\n got %+v\nwant %+v", err, cut, got, *l)
		}
	}
}

func TestDecodeOfWhatWasCut(t *testing.T) {
	l := letter()
	l.Record.Key, l.Record.Value = make([]byte, keyBytesMax+5), make([]byte, 2<<20)
	l.Record.Headers = []ingest.Header{{Key: "big", Value: make([]byte, headersBytesMax+1)}}
	got, cut, err := Decode(sent(l.Encode()))
	if err != nil || cut.KeyBytes != 5 || cut.Headers != 1 || len(got.Record.Value)+cut.ValueBytes != 2<<20 || got.Record.Headers != nil {
		t.Errorf("%v %+v", err, cut)
	}
}

// A letter says of which version it is. One that does not is of the first, whose headers are the same; one of a newer version is told as such.
func TestDecodeOfOtherVersions(t *testing.T) {
	m := letter().Encode()
	m.Headers = without(m.Headers, HeaderSchema)
	if got, _, err := Decode(sent(m)); err != nil || !reflect.DeepEqual(&got, letter()) {
		t.Errorf("without a schema: %+v, %v", got, err)
	}
	m.Headers = append([]ingest.Header{{Key: HeaderSchema, Value: []byte("2")}}, m.Headers...)
	if _, _, err := Decode(sent(m)); !errors.Is(err, ErrNewer) {
		t.Errorf("of a newer schema: %v", err)
	}
}

func TestDecodeOfNoLetters(t *testing.T) {
	for name, change := range map[string]func(*Message){
		"no headers":   func(m *Message) { m.Headers = nil },
		"no topic":     func(m *Message) { m.Headers = without(m.Headers, HeaderTopic) },
		"no partition": func(m *Message) { m.Headers = without(m.Headers, HeaderPartition) },
		"no offset":    func(m *Message) { m.Headers = without(m.Headers, HeaderOffset) },
		"mark":         func(m *Message) { *m = Mark(Place{1, 2}) },
	} {
		m := letter().Encode()
		change(&m)
		if _, _, err := Decode(sent(m)); !errors.Is(err, ErrNoLetter) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, header := range []string{HeaderOffset, HeaderPartition, HeaderByte, HeaderTimestamp, HeaderValueCut} {
		m := letter().Encode()
		m.Headers = append(without(m.Headers, header), ingest.Header{Key: header, Value: []byte("-x")})
		if _, _, err := Decode(sent(m)); err == nil {
			t.Errorf("%s may be nonsense", header)
		}
	}
}

func without(list []ingest.Header, name string) (out []ingest.Header) {
	for _, h := range list {
		if h.Key != name {
			out = append(out, h)
		}
	}
	return out
}

// A record that comes back is as it was, and says from which dead letter it comes, the last one only.
func TestRedriven(t *testing.T) {
	l, place := letter(), Place{Partition: 3, Offset: 1822}
	for range 2 {
		got, _, err := Decode(sent(l.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		m := got.Redriven(place)
		want := append(without(l.Record.Headers, HeaderRedriven), ingest.Header{Key: HeaderRedriven, Value: []byte(place.String())})
		if !reflect.DeepEqual(m, Message{Key: l.Record.Key, Value: l.Record.Value, Headers: want}) {
			t.Errorf("got %+v", m)
		}
		if _, ok := ParseMark(sent(l.Encode())); ok {
			t.Error("a letter is taken for a mark")
		}
		l.Record.Headers = m.Headers
		place.Offset += 100
	}
}

func TestMarks(t *testing.T) {
	want := Place{Partition: 2, Offset: 1 << 40}
	if at, ok := ParseMark(sent(Mark(want))); !ok || at != want {
		t.Errorf("%v %v", at, ok)
	}
	for _, text := range []string{"", "1", "1/", "/1", "-1/2", "1/-2", "1/2/3", "99999999999/1", "a/b"} {
		if at, ok := ParseMark(ingest.Record{Headers: []ingest.Header{{Key: HeaderRedriven, Value: []byte(text)}}}); ok {
			t.Errorf("%q is %v", text, at)
		}
	}
	if _, ok := ParseMark(ingest.Record{Headers: []ingest.Header{{Key: strings.ToUpper(HeaderRedriven), Value: []byte("1/2")}}}); ok {
		t.Error("another header is taken for a mark")
	}
}
