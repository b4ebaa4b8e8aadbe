package rules

import (
	"bytes"
	"reflect"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
)

const encodeSources = `
plain: {topic: a, fields: {x: string}}
pay:
  topic: b
  match: {field: [kind, "sub.kind"], equals: "it's \"x\""}
  key: [who, place]
  time: {field: at, unit: ms}
  lateness: 0s
  max_ahead: 1h30m15s7ms3us1ns
  dedupe: {id: n, for: 10d}
  start: 2026-10-15T12:00:00+02:00
  warm_up: 8w
  fields:
    who: {type: string, path: deep.er, optional: true}
    place: {type: ip, path: ["a.b", "ü"]}
    at: time
    n: int
    other: {type: time, unit: us, optional: true}
    z: bool
    amount: number
stamped: {topic: c, start: earliest, key: id, fields: {id: bool, b: string, a: string}}
`

// A source reads back from its encoding as it was.
func TestSourcesReadBack(t *testing.T) {
	list := &diag.List{}
	doc, _ := yamldoc.Parse("s.yaml", []byte(encodeSources), list)
	want := ParseSources(doc.Root)
	if err := list.Err(); err != nil || len(want) != 3 {
		t.Fatal(err, len(want))
	}
	var names []string
	var texts [][]byte
	for _, s := range want {
		text, err := EncodeSource(s)
		if err != nil {
			t.Fatal(err)
		}
		names, texts = append(names, s.Name), append(texts, text)
	}
	got, err := DecodeSources(names, texts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s\n got %+v\nwant %+v\ntext %s", names[i], got[i], want[i], texts[i])
		}
		again, err := EncodeSource(got[i])
		if err != nil || !bytes.Equal(again, texts[i]) {
			t.Errorf("%s is written otherwise the second time: %s, %v", names[i], again, err)
		}
	}
	// Every field of event.Source has to be thought of.
	if n := reflect.TypeFor[event.Source]().NumField(); n != 13 {
		t.Errorf("event.Source has %d fields; say in EncodeSource what becomes of the new one", n)
	}
}
