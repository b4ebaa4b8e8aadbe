package rules_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"insolite/internal/event"
	"insolite/rules"
)

// byOthers are rules by other fields than those by which records are keyed, and one by the same.
const byOthers = `
- id: terminal
  source: payment.authorized
  group_by: [terminal_id]
  where: amount > 5
  context: {n: {agg: count, window: 1h}}
  condition: n > 3
- id: terminal-items
  source: payment.authorized
  group_by: [terminal_id]
  where: items > 2
  context: {n: {agg: count, window: 1h, where: category == "food"}}
  condition: n > 3
- id: customer
  source: payment.authorized
  group_by: [customer_id]
  context: {n: {agg: sum, field: amount, window: 1h}}
  condition: n > 3
- id: both
  source: payment.authorized
  group_by: [terminal_id, customer_id]
  condition: amount > 100
- id: unkeyed
  source: unkeyed
  group_by: [id]
  context: {n: {agg: count, window: 1h}}
  condition: n > 3
- id: off
  mode: disabled
  source: payment.authorized
  group_by: [merchant.id]
  condition: amount > 3
`

func names(s *event.Source, slots []event.Slot) string {
	var all []string
	for _, slot := range slots {
		all = append(all, s.Fields[slot].Name)
	}
	return strings.Join(all, " ")
}

// A rule runs where all events of its key meet, and what it reads is sent there.
func TestRoutes(t *testing.T) {
	set, list := load(t, byOthers, rules.Options{App: "insolite"})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	var topics []string
	for _, p := range set.Plans {
		topics = append(topics, p.Topic)
	}
	if want := []string{"payments", "unkeyed", "insolite.by.id.1", "insolite.by.terminal_id.1"}; !slices.Equal(topics, want) {
		t.Fatalf("plans of %v, want %v", topics, want)
	}
	for id, topic := range map[string]string{"terminal": "insolite.by.terminal_id.1", "customer": "payments", "both": "payments", "unkeyed": "insolite.by.id.1"} {
		if got := set.Rule(id).Plan.Topic; got != topic {
			t.Errorf("%s runs in %s, want %s", id, got, topic)
		}
	}
	if set.Rule("off").Plan != nil {
		t.Error("a disabled rule runs somewhere")
	}
	pays := set.Plan("payments")
	if len(pays.Routes) != 1 || len(pays.Routes[0].Sources) != 1 || pays.Stage != nil || len(pays.Keyspaces) != 2 {
		t.Fatalf("payments: %+v", pays)
	}
	route := pays.Routes[0].Sources[0]
	if got := names(route.Source, route.Slots); got != "ts payment_id customer_id terminal_id amount items category" || names(route.Source, route.Key) != "terminal_id" || len(route.Wheres) != 2 {
		t.Errorf("what is sent: %s by %s, %d conditions", got, names(route.Source, route.Key), len(route.Wheres))
	}
	if got := needed(pays.Sources[0]); got != "ts payment_id customer_id terminal_id amount items category" {
		t.Errorf("of payment.authorized are needed: %s", got)
	}
	stage := set.Plan("insolite.by.terminal_id.1")
	if got := fmt.Sprint(*stage.Stage); got != "{1 [terminal_id] [payments]}" || len(stage.Sources) != 1 || stage.Lateness != 0 || len(stage.Routes) != 0 {
		t.Errorf("stage %s: %+v", got, stage)
	}
	if k := stage.Keyspaces[0]; len(stage.Keyspaces) != 1 || k.Name != "terminal_id" || len(k.Rules) != 2 || len(k.Cells) != 2 {
		t.Errorf("keyspaces of the stage: %+v", stage.Keyspaces)
	}
	if all := set.Plan("unkeyed").Routes[0].Sources[0]; all.Wheres != nil {
		t.Errorf("a rule without where is not sent every event: %v", all.Wheres)
	}
}

// Names of topics stay within what Kafka allows.
func TestLongTopic(t *testing.T) {
	s := &event.Source{Name: "s", Topic: "s", Fields: []event.Field{{Name: "at", Kind: event.KindTime}}, Time: 0}
	var fields []string
	for i := range 8 {
		fields = append(fields, fmt.Sprintf("f%d%s", i, strings.Repeat("x", 60)))
		s.Fields = append(s.Fields, event.Field{Name: fields[i], Kind: event.KindString})
	}
	text := "version: 1\nrules:\n- {id: a, source: s, group_by: [" + strings.Join(fields, ", ") + "], condition: f0" + strings.Repeat("x", 60) + " == \"a\"}\n"
	set, list := rules.Load([]rules.File{{Path: "r.yaml", Data: []byte(text)}}, []*event.Source{s}, nil, rules.Options{App: "insolite"})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	if topic := set.Rule("a").Plan.Topic; !regexp.MustCompile(`^insolite\.by\.[0-9a-f]{32}\.1$`).MatchString(topic) {
		t.Errorf("the topic is %s", topic)
	}
}

// A rule with a feature of another source runs where the events of both meet: in their own topic if they are keyed alike there, else in a stage
// that both send to.
func TestFeaturesOfOtherSources(t *testing.T) {
	refund := &event.Source{Name: "refund", Topic: "refunds", Key: []event.Slot{0}, Time: event.NoSlot, EventTime: 3, Fields: []event.Field{
		{Name: "id", Kind: event.KindString}, {Name: "customer_id", Kind: event.KindString}, {Name: "ok", Kind: event.KindBool}, {Name: rules.EventTimeField, Kind: event.KindTime}}}
	set, list := rules.Load([]rules.File{{Path: "r.yaml", Data: []byte(`version: 1
rules:
- id: declined
  source: payment.authorized
  group_by: [customer_id]
  where: amount > 1
  context:
    declined: {agg: count, source: payment.declined, window: 1h, where: reason == "pin"}
    mine: {agg: count, window: 1h}
  condition: declined > 3 and mine > 1
- id: joined
  source: payment.authorized
  group_by: [customer_id]
  context: {refunds: {agg: count, source: refund, window: 1h, where: ok}}
  condition: refunds > 3
`)}}, append(sources(t), refund), lookups(t), rules.Options{App: "insolite"})
	if list.HasErrors() {
		t.Fatal(told(list))
	}
	if got := set.Rule("declined").Plan.Topic; got != "payments" {
		t.Errorf("declined runs in %s", got)
	}
	declined := set.Plan("payments").Keyspaces[0].Streams
	if len(declined) != 2 || len(declined[1].Lent) != 1 || len(declined[1].Rules) != 0 || len(declined[0].After) != 2 || len(declined[0].Cells) != 1 {
		t.Errorf("streams %+v %+v", declined[0], declined[1])
	}
	stage := set.Rule("joined").Plan
	if got := fmt.Sprint(*stage.Stage); got != "{1 [customer_id] [payments refunds]}" || len(stage.Sources) != 2 {
		t.Errorf("stage %s", got)
	}
	refunds := set.Plan("refunds")
	if len(refunds.Routes) != 1 || len(refunds.Routes[0].Sources[0].Wheres) != 1 {
		t.Fatalf("refunds: %+v", refunds)
	}
	if x := refunds.Routes[0].Sources[0]; names(x.Source, x.Key) != "customer_id" || names(x.Source, x.Slots) != "id customer_id ok event_time" {
		t.Errorf("refunds are sent by %s: %s", names(x.Source, x.Key), names(x.Source, x.Slots))
	}
}
