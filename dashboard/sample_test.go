package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/alerts"
	"insolite/internal/event"
)

// noon is when the samples' last alert is emitted.
var noon = time.Date(2026, 11, 23, 14, 31, 27, 0, time.FixedZone("", 3600))

// sample is an alert as the engine would have written it.
type sample struct {
	severity, rule, title, source string
	key, sentence, condition      string
	operands                      []alerts.Operand
	features                      []alerts.Feature
	ago                           time.Duration
	suppressed                    int
	event                         string
}

func number(v float64) event.Value { return event.NumberValue(v) }

func over(expr, op string, value, limit float64) alerts.Operand {
	return alerts.Operand{Expr: expr, Op: op, Value: number(value), Limit: number(limit), HasLimit: true}
}

var samples = []sample{
	{"info", "cart-abandoned", "Cart abandoned", "cart.item_added", "cart-19be-44", "cart 19be-44 was left with 7 items worth €96.35 for 30 min", "absent(checkout)",
		[]alerts.Operand{{Expr: "absent(checkout)", Value: event.BoolValue(true)}}, nil, 702 * time.Second, 0, ""},
	{"medium", "sensor-out-of-pattern", "Sensor out of pattern", "sensor.reading", "freezer-12", "freezer-12 reads −9.4 °C; usual for Monday 14:00 is −18.6 ± 0.8", "deviation > 4",
		[]alerts.Operand{over("deviation", ">", 11.5, 4)}, nil, 74 * time.Second, 2, ""},
	{"low", "two-pizzas-one-day", "Two pizzas in one day", "pizza.purchased", "tomasz", "tomasz bought 3 pizzas today. Is that normal?", "pizzas >= 2",
		[]alerts.Operand{over("pizzas", ">=", 3, 2)}, nil, 67 * time.Second, 1, ""},
	{"high", "refund-ratio-high", "Refund ratio high", "order.refunded", "store-204", "store-204 refunded 31 of 58 orders today; usual is 4 %", "ratio > 0.15 and orders >= 20",
		[]alerts.Operand{over("ratio", ">", 0.534, 0.15), over("orders", ">=", 58, 20)}, nil, 61 * time.Second, 4, ""},
	{"medium", "banana-price-jump", "Banana price jump", "banana.sold", "lyon", "bananas in Lyon cost €3.90/kg, 62 % above their last 50 sales", "price > 1.3 * usual",
		[]alerts.Operand{over("price", ">", 3.9, 3.12)}, nil, 52 * time.Second, 0, ""},
	{"critical", "card-testing-burst", "Card-testing burst", "payment.declined", "card-4471", "card ••4471 was declined 14 times in 2 min, then charged €489.00", "declined >= 5",
		[]alerts.Operand{over("declined", ">=", 14, 5)}, nil, 21 * time.Second, 0, ""},
	{"low", "two-pizzas-one-day", "Two pizzas in one day", "pizza.purchased", "ann", "ann bought 2 pizzas today. Is that normal?", "pizzas >= 2",
		[]alerts.Operand{over("pizzas", ">=", 2, 2)}, nil, 19 * time.Second, 0, ""},
	{"high", "amount-far-above-usual", "Amount far above usual", "payment.authorized", "cust-48213", "cust-48213 paid €1,284.00, 6.1 times their usual €210.40", "amount > 3 * usual and amount > usual + 4 * spread",
		[]alerts.Operand{over("amount", ">", 1284, 631.2), over("amount", ">", 1284, 443)},
		[]alerts.Feature{
			{Name: "usual", Value: number(210.4), Agg: "avg of amount", Window: "30 d, without this event", Samples: 38},
			{Name: "spread", Value: number(58.15), Agg: "stddev of amount", Window: "30 d, without this event", Samples: 38},
		}, 0, 0,
		`{"type":"authorized","at":"2026-11-23T14:31:27+01:00","payment_id":"p-5f81c09","customer_id":"cust-48213","amount":1284.00,"terminal_id":"term-0192","serial":9007199254740993,"merchant":{"name":"Elektro Nord"}}`},
}

// hostile is an alert whose every text tries to become something else: markup, a script, another event of the stream.
var hostile = sample{"high", `<script>alert(1)</script>`, `<img src=x onerror="document.title='owned'">`, "evil\n\ndata: x",
	`<img src=x onerror="document.title='owned'">`, "<b onmouseover=alert(1)>bold</b>\n\nevent: reset\ndata: {}\n\n\u2028 </script><script>document.title='owned'</script>",
	`"><svg onload="document.title='owned'">`, []alerts.Operand{{Expr: `<iframe src="javascript:alert(1)">`, Op: ">", Value: event.StringValue("<b>"), Limit: event.StringValue("<i>"), HasLimit: true}},
	nil, time.Second, 0, `{"<img src=x onerror=alert(1)>":"</pre><script>document.title='owned'</script>"}`}

// record returns the sample as a record of the alerts topic.
func (s *sample) record(t testing.TB, offset int64) Alert {
	t.Helper()
	at := noon.Add(-s.ago)
	v, ok := event.TimeOf(at)
	if !ok {
		t.Fatal("time out of range")
	}
	from, _ := event.TimeOf(at.AddDate(0, 0, -30))
	before, _ := event.TimeOf(at.AddDate(0, 0, -1))
	topic, _, _ := strings.Cut(s.source, ".")
	features := s.features
	if features == nil && len(s.operands) > 0 {
		features = []alerts.Feature{{Name: s.operands[0].Expr, Value: s.operands[0].Value, Agg: "count", Window: "1 d", Samples: 12}}
	}
	for i := range features {
		features[i].From, features[i].To = from, v
	}
	a := alerts.Alert{
		Origin: alerts.Origin{Rule: s.rule, Version: "9b1e4c0d2a", Topic: topic, Partition: 7, Offset: event.Offset(18_442_900 + offset), State: "firing"},
		Rule:   alerts.RuleInfo{Title: s.title, Severity: s.severity, Mode: "live", Tags: []string{"demo"}},
		Key:    []alerts.Named{{Name: "key", Value: event.StringValue(s.key)}}, At: event.TimeValue(v, 3600), Summary: s.sentence, Condition: s.condition,
		Because: s.operands, Context: features, Event: []byte(s.event), Fields: []alerts.Named{{Name: "key", Value: event.StringValue(s.key)}}, Source: s.source,
		Evidence:   []alerts.Seen{{Topic: topic, Partition: 7, Offset: event.Offset(18_439_114 + offset), At: before}},
		Suppressed: s.suppressed, Links: []alerts.Text{{Name: "run book", Text: "https://example.org/runbook"}, {Name: "bad", Text: "javascript:alert(1)"}},
	}
	return Alert{Partition: int32(offset % 3), Offset: offset, Timestamp: at.Add(61 * time.Millisecond), Value: a.AppendJSON(nil)}
}

// pizza is the nth of as many different alerts as a test wants.
func pizza(t testing.TB, n int) Alert {
	s := samples[6]
	s.key = fmt.Sprintf("guest-%d", n)
	return s.record(t, int64(1000+n))
}

func f64(v float64) *float64 { return &v }
func i64(v int64) *int64     { return &v }

func sampleStatus() Status {
	st := Status{At: noon, Kafka: "localhost:9092", EventsPerSecond: f64(2412)}
	for i, topic := range []string{"payments", "payments", "pizzas", "logins", "sensors"} {
		st.Partitions = append(st.Partitions, Partition{Topic: topic, Partition: int32(i), Task: fmt.Sprintf("0_%d", i), Phase: "running",
			EventsPerSecond: f64(482.4), End: i64(18_442_931), Lag: i64(int64(i)), LagSeconds: f64(0.1), WatermarkDelaySeconds: f64(60.4), Late: uint64(i * 17)})
	}
	st.Partitions[1].Lag, st.Partitions[1].LagSeconds, st.Partitions[1].WatermarkDelaySeconds = i64(1402), f64(24.6), f64(85.1)
	st.Partitions = append(st.Partitions, Partition{Topic: "carts", Phase: "idle"},
		Partition{Topic: "insolite.by.terminal_id.1", Task: "insolite.by.terminal_id.1/0", Stage: true, Phase: "warming"},
		Partition{Topic: "insolite.by.terminal_id.1", Partition: 1, Task: "insolite.by.terminal_id.1/1", Stage: true, Phase: "waiting", Why: "most records can't be decoded; correct the producer"})
	st.DeadLetters = []DeadLetter{{Reason: "bad JSON", Topic: "payments", Count: 11, Last: noon.Add(-time.Minute)}, {Reason: "event time too far ahead", Topic: "sensors", Count: 2, Last: noon.Add(-time.Hour)}}
	for _, s := range samples {
		st.Rules = append(st.Rules, Rule{ID: s.rule, Title: s.title, Severity: s.severity, Mode: "live", Source: s.source, Evaluated: 868_314, Alerts: 9, Suppressed: uint64(s.suppressed)})
	}
	st.State = State{Keys: i64(218_204), Bytes: i64(412 << 20), BytesMax: i64(1 << 30), CheckpointAgeSeconds: f64(4.1)}
	return st
}
