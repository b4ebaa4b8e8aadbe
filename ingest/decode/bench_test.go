package decode

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/bytedance/sonic"

	"insolite/internal/event"
)

// batch returns payments that differ in every value, as a producer's do.
func batch(n int) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		records[i] = fmt.Appendf(nil, `{"payment_id":"p-%08d","at":"2026-10-15T%02d:%02d:%02d.%03dZ","customer_id":"c-%d","terminal_id":"t-%d","amount":%d.%02d,"currency":"EUR",`+
			`"merchant":"Pizzeria %d","category":58%02d,"country":"FR","channel":"pos","ip":"10.20.%d.%d","card_present":%t,"lat":48.%04d,"lon":2.%04d}`,
			i, i/3600%24, i/60%60, i%60, i%1000, i*7919%1_000_000, i*31%10_000, i*17%500, i%100, i%5000, i%100, i%256, i*3%256, i%2 == 0, i*11%10_000, i*13%10_000)
	}
	return records
}

// sixWanted are the fields that the reference job's rules read.
func sixWanted() [][]bool {
	w := make([]bool, 14)
	for _, i := range []int{1, 2, 3, 4, 8, 11} {
		w[i] = true
	}
	return [][]bool{w}
}

func runDecode(b *testing.B, strict bool, wanted [][]bool) {
	d, err := New([]*event.Source{payments()}, wanted)
	if err != nil {
		b.Fatal(err)
	}
	d.spec = !strict
	records, row := batch(1024), make(event.Row, d.Width())
	b.SetBytes(int64(len(records[0])))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if source, err := d.Decode(records[i&1023], 0, row); source != 0 || err != nil {
			b.Fatal(source, err)
		}
		i++
	}
}

func BenchmarkSixWanted(b *testing.B) { runDecode(b, false, sixWanted()) }

func BenchmarkAllWanted(b *testing.B) { runDecode(b, false, nil) }

func BenchmarkStrict(b *testing.B) { runDecode(b, true, sixWanted()) }

type slim struct {
	At          string  `json:"at"`
	CustomerID  string  `json:"customer_id"`
	TerminalID  string  `json:"terminal_id"`
	Amount      float64 `json:"amount"`
	Country     string  `json:"country"`
	CardPresent bool    `json:"card_present"`
}

func runUnmarshal[T any](b *testing.B, unmarshal func([]byte, any) error) {
	records := batch(1024)
	b.SetBytes(int64(len(records[0])))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		var v T
		if err := unmarshal(records[i&1023], &v); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkEncodingJSONMap(b *testing.B) { runUnmarshal[map[string]any](b, json.Unmarshal) }

func BenchmarkEncodingJSONSlim(b *testing.B) { runUnmarshal[slim](b, json.Unmarshal) }

func BenchmarkSonicSlim(b *testing.B) { runUnmarshal[slim](b, sonic.Unmarshal) }
