package frame

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/golden"
)

// What this version wrote once is read, and written the same: topics of released versions hold these bytes, and a rolling upgrade reads
// what the version before has written.
func TestGoldenFrame(t *testing.T) {
	l := Layout{
		{"pay", []Field{{"who", event.KindString}, {"amount", event.KindNumber}, {"n", event.KindInt}, {"ok", event.KindBool}, {"at", event.KindTime}, {"ip", event.KindIP}, {"took", event.KindDuration}}},
		{"login", []Field{{"user", event.KindString}}},
	}
	rows := []row{
		{0, 100, 0, 1_700_000_000e9, []event.Value{event.StringValue("änne"), event.NumberValue(-12.5), event.IntValue(1 << 40), event.BoolValue(true),
			event.TimeValue(1_700_000_000e9, 3600), event.IPValue(netip.MustParseAddr("10.0.0.1")), event.DurationValue(90 * time.Minute)}},
		{1, 100, 1, 1_699_999_999e9, []event.Value{event.StringValue("")}},
		{0, 107, 0, 1_700_000_001e9, []event.Value{{}, event.NumberValue(0), {}, event.BoolValue(false), {}, event.IPValue(netip.MustParseAddr("2001:db8::1")), {}}},
	}
	head := Header{Topic: "payments", Partition: 3, Of: 8, From: 100, Bundle: 7}
	w := NewWriter(l, 1<<20)
	w.Begin(head)
	for _, r := range rows {
		if !w.Add(r.source, r.offset, r.ordinal, r.at, r.values) {
			t.Fatal("a row does not fit")
		}
	}
	now := w.End(event.Position{Offset: 120}, 1_699_999_000e9, true)
	kept := golden.Same(t, "testdata/frame-1.hex", now)[0]
	head.Next, head.Watermark, head.Idle = event.Position{Offset: 120}, 1_699_999_000e9, true
	if got := readAll(t, kept, l, head); !reflect.DeepEqual(got, rows) {
		t.Errorf("got %v, want %v", got, rows)
	}
}
