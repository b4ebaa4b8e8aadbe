package expr

import (
	"testing"

	"insolite/internal/event"
)

// payments is a row as a rule about card fraud has it: amount and usual are numbers, frauds and seen are counts.
var payments = &Scope{Source: "payment", Names: map[string]Ref{
	"amount": {Slot: 0, Kind: event.KindNumber}, "usual": {Slot: 1, Kind: event.KindNumber}, "spread": {Slot: 2, Kind: event.KindNumber},
	"frauds": {Slot: 3, Kind: event.KindInt}, "seen": {Slot: 4, Kind: event.KindInt}, "country": {Slot: 5, Kind: event.KindString},
}}

var paymentRow = event.Row{event.NumberValue(500), event.NumberValue(100), event.NumberValue(20), event.IntValue(3), event.IntValue(9), event.StringValue("IT")}

var hotConditions = []string{
	"amount > 3 * usual and frauds >= 2 and frauds > 0.3 * seen",
	"amount > 3 * usual and amount > usual + 4 * spread",
	"frauds >= 2",
	`country in ["IT", "FR"] and not (amount < 3)`,
}

// BenchmarkTruth has every clause true, so that nothing is cut short.
func BenchmarkTruth(b *testing.B) {
	for _, text := range hotConditions {
		b.Run(text, func(b *testing.B) {
			e := Compile(text, event.KindBool, payments, nil, nil)
			b.ReportAllocs()
			for b.Loop() {
				if e.Truth(paymentRow) != True {
					b.Fatal("not true")
				}
			}
		})
	}
}

func TestHotConditionsDoNotAllocate(t *testing.T) {
	for _, text := range hotConditions {
		e := Compile(text, event.KindBool, payments, nil, nil)
		if n := testing.AllocsPerRun(100, func() {
			if e.Truth(paymentRow) != True {
				t.Errorf("%s is not true", text)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", text, n)
		}
	}
}
