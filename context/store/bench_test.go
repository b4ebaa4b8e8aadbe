package store

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
)

func benchLayout(tb testing.TB) *Layout {
	number := []event.Kind{event.KindNumber}
	day := window.Window{Kind: window.Sliding, Length: 24 * time.Hour}
	l, err := NewLayout(Specs{Cells: []window.Spec{
		{Identity: 1, Family: window.Sum, Window: window.Window{Kind: window.Sliding, Length: 30 * 24 * time.Hour}, Kinds: number},
		{Identity: 2, Family: window.Count, Window: day},
		{Identity: 3, Family: window.Spread, Window: day, Kinds: number},
		{Identity: 4, Family: window.Extremes, Window: day, Kinds: number},
		{Identity: 5, Family: window.Count, Window: window.Window{Kind: window.Calendar, Unit: window.Day}},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// BenchmarkUpdate adds to and reads a sum over 30 days of one of a million keys, Zipf, in batches of 64. One operation is an event.
func BenchmarkUpdate(b *testing.B) {
	for _, cells := range []int{1, 5} {
		b.Run(map[int]string{1: "sum", 5: "five"}[cells], func(b *testing.B) { benchmarkUpdate(b, cells) })
	}
}

func benchmarkUpdate(b *testing.B, cells int) {
	const n = 1_000_000
	l := benchLayout(b)
	k := New(l, Options{MemoryHint: n})
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.05, 10, n-1)
	keys := make([][8]byte, 1<<20)
	for i := range keys {
		binary.LittleEndian.PutUint64(keys[i][:], zipf.Uint64())
	}
	var hashes [64]uint64
	row, values := make([]event.Value, 1), []event.Value{event.NumberValue(3.5)}
	at := event.Time(1_700_000_000e9)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += 64 {
		batch := keys[i&(1<<20-1):][:64]
		for j := range batch {
			hashes[j] = Hash(batch[j][:])
		}
		k.Touch(hashes[:])
		for j := range batch {
			h, ok := k.Find(hashes[j], batch[j][:])
			if !ok {
				h = k.Create(hashes[j], batch[j][:])
			}
			x := k.View(h)
			for c := range cells {
				agg := [...]window.Agg{window.AggSum, window.AggCount, window.AggStddev, window.AggMax, window.AggCount}[c]
				l.Cell(c).Add(&x, at, values, at-60e9)
				l.Cell(c).Read(&x, agg, at, row)
			}
			x.Advance(event.Position{Offset: event.Offset(i + j + 1)}, at)
			at += 500e6
		}
	}
	b.ReportMetric(float64(k.Bytes())/float64(k.Len()), "bytes/key")
}
