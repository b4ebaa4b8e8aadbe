package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/ingest/decode"
	"insolite/internal/event"
)

// rowText writes the known values of a row.
func rowText(s *event.Source, row event.Row) string {
	var parts []string
	for i := range s.Fields {
		if row[i].Known() {
			parts = append(parts, s.Fields[i].Name+"="+row[i].Text())
		}
	}
	return strings.Join(parts, " ")
}

// TestRecordsOfTestsDecode holds each event's record against its row, with the decoder that reads real records.
func TestRecordsOfTestsDecode(t *testing.T) {
	all := sources(t)
	n := 0
	for _, r := range loadAll(t).Rules {
		for _, test := range r.Tests {
			for _, step := range test.Steps {
				if step.Event == 0 {
					continue
				}
				n++
				d, err := decode.New(topicOf(all, step.Source.Topic), nil)
				if err != nil {
					t.Fatal(err)
				}
				row := make(event.Row, d.Width())
				i, bad := d.Decode(step.JSON, step.At, row)
				if bad != nil {
					t.Errorf("%s: %s: %s: %v", r.ID, test.Name, step.JSON, bad)
					continue
				}
				s := topicOf(all, step.Source.Topic)[i]
				if got, want := rowText(s, row), rowText(step.Source, step.Row); s.Name != step.Source.Name || got != want {
					t.Errorf("%s: %s:\n got %s\nwant %s", r.ID, test.Name, got, want)
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d events", n)
	}
}

func topicOf(all []*event.Source, topic string) []*event.Source {
	var out []*event.Source
	for _, s := range all {
		if s.Topic == topic {
			out = append(out, s)
		}
	}
	return out
}

func TestSteps(t *testing.T) {
	set := mustLoad(t, `
- id: a
  source: payment.authorized
  group_by: customer_id
  context: {last: {agg: last, fields: [amount, ts, merchant.id], window: 1h}, since: {agg: time_since, window: 1h}}
  condition: amount > 3 and has(last.merchant.id) and since > duration("1s")
  tests:
  - name: one
    lookups: {trusted: [a, b], merchants: {m1: {risk: low}, m2: {name: x}}}
    events:
    - {at: 2026-10-15T12:00:00.25+02:00, customer_id: ann, amount: 4, merchant.id: m1}
    - {advance: 10m}
    - {after: 90s, customer_id: ann, amount: 1e3, event.source: web, category: null}
    - {source: payment.declined, after: 0s, customer_id: ann}
    - {source: login.succeeded, at: 2026-10-15T11:00:00Z, lat: 1}
    - {ts: 1969-12-31T23:59:59.5Z, customer_id: ann, amount: -2}
    expect:
    - {event: 2, at: 2026-10-15T12:11:30.25+02:00, key: ann, context: {last: {amount: 4, ts: 2026-10-15T10:00:00.25Z}, since: 11m30s}, summary: "a: ann", state: firing}
    - {context: {since: null}}
    - {key: {customer_id: bob}}
    - {key: [cyd]}
`)
	test := set.Rules[0].Tests[0]
	var b strings.Builder
	for _, s := range test.Steps {
		if s.Event == 0 {
			fmt.Fprintf(&b, "%s advance %v\n", s.At.Std().Format(time.RFC3339Nano), s.Advance)
			continue
		}
		fmt.Fprintf(&b, "%d %s %s %s\n", s.Event, event.AppendTime(nil, s.At, s.Offset), s.Source.Name, s.JSON)
	}
	const want = `1 2026-10-15T12:00:00.25+02:00 payment.authorized {"amount":4,"customer_id":"ann","items":1,"merchant":{"id":"m1"},"payment_id":"event 1","source":"event 1","terminal_id":"event 1","ts":1792058400250,"type":"authorized"}
2026-10-15T10:10:00.25Z advance 10m0s
2 2026-10-15T12:11:30.25+02:00 payment.authorized {"amount":1000,"customer_id":"ann","items":2,"payment_id":"event 2","source":"web","terminal_id":"event 2","ts":1792059090250,"type":"authorized"}
3 2026-10-15T12:11:30.25+02:00 payment.declined {"customer_id":"ann","reason":"event 3","type":"declined"}
4 2026-10-15T11:00:00Z login.succeeded {"at":"2026-10-15T11:00:00Z","ip":"192.0.2.4","lat":1,"mfa":false,"user_id":"event 4"}
5 1969-12-31T23:59:59.5Z payment.authorized {"amount":-2,"customer_id":"ann","items":5,"payment_id":"event 5","source":"event 5","terminal_id":"event 5","ts":-500,"type":"authorized"}
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	x := test.Expect[0]
	if x.Event != 2 || x.At != test.Steps[2].At || x.Key[0].S != "ann" || *x.Summary != "a: ann" || x.State != "firing" {
		t.Errorf("expect %+v", x)
	}
	var context []string
	for _, v := range x.Context {
		context = append(context, fmt.Sprintf("%s[%d]=%s", v.Name, v.Slot-9, v.Value.Text()))
	}
	if got := strings.Join(context, " "); got != "last.amount[0]=4 last.ts[1]=2026-10-15T10:00:00.25Z since[3]=11m30s" {
		t.Errorf("context %s", got)
	}
	if v := test.Expect[1].Context[0].Value; v.Known() || test.Expect[1].At != event.NoTime || test.Expect[1].Key != nil || test.Expect[1].Summary != nil {
		t.Errorf("expect %+v", test.Expect[1])
	}
	if test.Expect[2].Key[0].S != "bob" {
		t.Errorf("expect %+v", test.Expect[2])
	}
	if test.Expect[3].Key[0].S != "cyd" {
		t.Errorf("expect %+v", test.Expect[3])
	}
	merchants := test.Lookups.Table("merchants")
	if risk, ok := merchants.Get("m1", 1); !ok || risk != "low" || !test.Lookups.List("trusted").Contains("b") || test.Lookups.List("trusted").Contains("food") {
		t.Errorf("lookups %+v", test.Lookups)
	}
	if _, known := merchants.Get("m3", 1); known || merchants.Len() != 2 {
		t.Errorf("merchants has %d rows", merchants.Len())
	}
}
