package redis

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/event"
	"insolite/internal/redistest"
)

// The server's work is what counts: it has one thread for all tasks.
func BenchmarkContexts(b *testing.B) {
	const total = 250_000
	server := redistest.Start(b)
	s := open(b, Options{Addresses: []string{server.Addr()}})
	task := mustOpen(b, s, id)
	blob := bytes.Repeat([]byte("0123456789abcdef"), 15) // 240 bytes, what a context of a few windows takes
	items, keys, absent := make([]checkpoint.Item, total), make([][]byte, total), make([][]byte, total)
	for i := range items { // scattered over the buckets by their hash anyway
		items[i] = at(fmt.Sprintf("customer-%09d", i), 1, string(blob))
		keys[i], absent[i] = items[i].Key, fmt.Appendf(nil, "customer-%09d-", i)
	}
	info := func(section, name string) float64 {
		v, err := strconv.ParseFloat(parseInfo(server.CLI("INFO", section))[name], 64)
		must(b, err)
		return v
	}
	cpu := func() float64 { return info("cpu", "used_cpu_user") + info("cpu", "used_cpu_sys") }
	measure := func(name string, op func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			before, n := cpu(), 0
			for b.Loop() {
				op(b)
				n++
			}
			b.ReportMetric((cpu()-before)*1e9/float64(n)/total, "server-ns/context")
		})
	}
	offset, empty := event.Offset(0), info("memory", "used_memory")
	measure("write", func(b *testing.B) {
		offset++
		for i := range items {
			items[i].Position.Offset = offset
		}
		for rest := items; len(rest) > 0; {
			n := checkpoint.ChunkLen(rest)
			must(b, task.Write(b.Context(), rest[:n]))
			rest = rest[n:]
		}
		must(b, task.Flip(b.Context(), upTo(int(offset))))
	})
	b.Logf("%.0f bytes of the server's memory for a context of %d bytes with a key of %d", (info("memory", "used_memory")-empty)/total, len(blob), len(keys[0]))
	load := func(keys [][]byte) func(b *testing.B) {
		return func(b *testing.B) {
			for i := 0; i < total; i += checkpoint.ChunkItemsMax {
				must(b, task.Load(b.Context(), 1, keys[i:min(i+checkpoint.ChunkItemsMax, total)], func(int, checkpoint.Context) error { return nil }))
			}
		}
	}
	measure("load", load(keys))
	measure("absent", load(absent))
	measure("scan", func(b *testing.B) {
		n := 0
		must(b, task.Scan(b.Context(), 1, func(checkpoint.Context) error { n++; return nil }))
		if n != total {
			b.Fatal(n)
		}
	})
}
