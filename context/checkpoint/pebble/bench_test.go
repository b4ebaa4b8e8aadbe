package pebble

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

func BenchmarkContexts(b *testing.B) {
	const total = 250_000
	blob := bytes.Repeat([]byte("0123456789abcdef"), 15) // 240 bytes, what a context of a few windows takes
	items := make([]checkpoint.Item, total)
	keys := make([][]byte, total)
	for i := range items { // scattered over the order of keys, as contexts are over a sweep
		items[i] = at(fmt.Sprintf("customer-%09d", i*7919%total), 1, string(blob))
		keys[i] = items[i].Key
	}
	s, err := Open(Options{Dir: b.TempDir(), MinFreeBytes: 1})
	must(b, err)
	defer s.Close()
	task := mustOpen(b, s, id)
	offset := event.Offset(0)
	write := func() {
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
	}
	write()
	wait := func() { // until something that is later each time
		for i := range items {
			items[i].Deadline = event.Time(offset)*total + event.Time(i)
		}
		write()
	}
	measure := func(b *testing.B, op func()) {
		b.ReportAllocs()
		before := cpu(b)
		for b.Loop() {
			op()
		}
		b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/total, "cpu-ns/context")
	}
	b.Run("write", func(b *testing.B) {
		measure(b, write)
	})
	b.Run("write what waits", func(b *testing.B) {
		wait()
		measure(b, wait)
	})
	must(b, s.db.Flush())
	b.Run("due", func(b *testing.B) {
		measure(b, func() {
			for next := checkpoint.FirstTimer; next.Deadline != event.Never; {
				var err error
				next, err = task.Due(b.Context(), 1, next, event.Never, checkpoint.ChunkItemsMax, func(checkpoint.Context) error { return nil })
				must(b, err)
			}
		})
	})
	b.Run("load", func(b *testing.B) {
		measure(b, func() {
			for i := 0; i < total; i += checkpoint.ChunkItemsMax {
				must(b, task.Load(b.Context(), 1, keys[i:min(i+checkpoint.ChunkItemsMax, total)], func(int, checkpoint.Context) error { return nil }))
			}
		})
	})
	absent := make([][]byte, total) // a new key is asked for too
	for i := range absent {
		absent[i] = fmt.Appendf(nil, "customer-%09d-", i*7919%total)
	}
	b.Run("absent", func(b *testing.B) {
		measure(b, func() {
			for i := 0; i < total; i += 64 {
				must(b, task.Load(b.Context(), 1, absent[i:min(i+64, total)], func(int, checkpoint.Context) error { return nil }))
			}
		})
	})
	b.Run("scan", func(b *testing.B) {
		measure(b, func() {
			if n := count(b, task); n != total {
				b.Fatal(n)
			}
		})
	})
}

// cpu returns the nanoseconds that the process has worked, pebble's background included: the time on the wall depends on the neighbours.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}
