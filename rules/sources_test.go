package rules

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
)

func parseSources(text string) ([]*event.Source, *diag.List) {
	var list diag.List
	doc, ok := yamldoc.Parse("s.yaml", []byte(text), &list)
	if !ok {
		return nil, &list
	}
	return ParseSources(doc.Root), &list
}

func TestSourceOfTheDocumentation(t *testing.T) {
	got, list := parseSources(`payment.authorized:
  topic: payments
  format: json
  match: {field: type, equals: authorized}
  key: customer_id
  time: {field: at}
  lateness: 2m
  dedupe: {id: payment_id, for: 10m}
  start: earliest
  warm_up: 30d
  fields:
    at: time
    payment_id: string
    customer_id: string
    amount: number
    merchant: {type: string, path: merchant.name, optional: true}
    ip: {type: ip, path: ["source.ip"]}
`)
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	want := &event.Source{
		Name: "payment.authorized", Topic: "payments", Format: "json", Match: &event.Match{Path: []string{"type"}, Equals: "authorized"},
		Key: []event.Slot{2}, Time: 0, EventTime: 0, Lateness: 2 * time.Minute, MaxAhead: time.Hour,
		Dedupe: &event.Dedupe{ID: 1, For: 10 * time.Minute}, Start: "earliest", WarmUp: 720 * time.Hour,
		Fields: []event.Field{
			{Name: "at", Kind: event.KindTime, Path: []string{"at"}},
			{Name: "payment_id", Kind: event.KindString, Path: []string{"payment_id"}},
			{Name: "customer_id", Kind: event.KindString, Path: []string{"customer_id"}},
			{Name: "amount", Kind: event.KindNumber, Path: []string{"amount"}},
			{Name: "merchant", Kind: event.KindString, Path: []string{"merchant", "name"}, Optional: true},
			{Name: "ip", Kind: event.KindIP, Path: []string{"source.ip"}},
		},
	}
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v\nwant %+v", got[0], want)
	}
}

func TestSourceWithoutTimeUsesTheRecordsTimestamp(t *testing.T) {
	got, list := parseSources("a:\n  topic: t\n  lateness: 0s\n  fields: {id: string}\n")
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	s := got[0]
	if s.Time != event.NoSlot || s.EventTime != 1 || s.Fields[1].Name != EventTimeField || s.Fields[1].Path != nil || s.Lateness != 0 || s.Start != "latest" {
		t.Errorf("got %+v", s)
	}
}

func TestBrokenSources(t *testing.T) {
	const good = "a:\n  topic: t\n  fields: {id: string, n: number, at: time, o: {type: time, optional: true}}\n"
	for _, c := range []struct{ text, want string }{
		{"a: {fields: {id: string}}\n", `s.yaml:1:4: source a has no "topic"; add it, as in topic: payments`},
		{"a: {topic: t}\n", `s.yaml:1:4: source a has no "fields"; add it, as in fields: {customer_id: string, amount: number}`},
		{"a: {topic: \"x y\", fields: {id: string}}\n", `s.yaml:1:12: "x y" is no name for a topic; Kafka allows letters, digits, dots, - and _`},
		{"a: {topic: t, fields: {id: strin}}\n", `s.yaml:1:28: unknown type "strin"; did you mean "string"?`},
		{"a: {topic: t, fields: {list: string}}\n", `s.yaml:1:24: "list" has a meaning of its own in expressions; name the field otherwise and add path: list`},
		{"a: {topic: t, fields: {id: {type: string, unit: ms}}}\n", `s.yaml:1:49: unit is for fields of type time, id is a string; remove it`},
		{good + "  topik: t\n", `s.yaml:4:3: unknown field "topik" in source a; did you mean "topic"?`},
		{good + "  format: avro\n", `s.yaml:4:11: format "avro" is not supported yet; use json`},
		{good + "  format: jsn\n", `s.yaml:4:11: unknown format "jsn"; did you mean "json"?`},
		{good + "  match: {ce_type: x}\n", `s.yaml:4:11: "ce_type" is not supported yet; remove it`},
		{good + "  match: {field: type}\n", `s.yaml:4:10: match has no "equals"; add it, as in match: {field: type, equals: authorized}`},
		{good + "  key: idd\n", `s.yaml:4:8: key names the field "idd", which a does not declare; did you mean "id"?`},
		{good + "  key: n\n", `s.yaml:4:8: a key is a string, int, bool or ip, n is a number; key by another field`},
		{good + "  key: [id, id]\n", `s.yaml:4:13: "id" is in the key twice; remove one`},
		{good + "  time: {field: id}\n", `s.yaml:4:17: the event time must be a field of type time, id is a string; declare it as id: time`},
		{good + "  time: {field: o}\n", `s.yaml:4:17: the event time cannot be optional; remove optional from o`},
		{good + "  lateness: soon\n", `s.yaml:4:13: "soon" is not a duration: a number is missing; write it as in 90s, 1h30m, 30d, 8w`},
		{good + "  dedupe: {id: id}\n", `s.yaml:4:11: dedupe has no "for"; add it, as in dedupe: {id: payment_id, for: 10m}`},
		{good + "  start: now\n", `s.yaml:4:10: start is latest, earliest or an instant, not "now"; write it as in 2026-10-15T12:00:00Z`},
		{good + "b: {topic: t, fields: {id: string}}\n", `s.yaml:4:5: sources a and b both read every record of topic t; tell them apart with match: {field: type, equals: …}`},
	} {
		_, list := parseSources(c.text)
		var b strings.Builder
		for _, p := range list.Sorted() {
			fmt.Fprintln(&b, p)
		}
		if got := strings.TrimSpace(b.String()); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}
