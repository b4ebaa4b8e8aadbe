package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/bench/reference"
	"insolite/internal/engine"
)

// BenchmarkKeys steps the reference job with customers drawn evenly out of few and of many, each of whom has paid before. Ten million take
// about 8 GiB. The making of records is not measured.
func BenchmarkKeys(b *testing.B) {
	for _, keys := range []int{100_000, 10_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) { benchmarkKeys(b, keys) })
	}
}

// crowd is the engine of a benchmark with so many keys; runs of the benchmark go on from it.
var crowd struct {
	keys   int
	engine *engine.Engine
	job    *job
}

func benchmarkKeys(b *testing.B, keys int) {
	const size = 4000
	out := &engine.Output{}
	if crowd.keys != keys {
		crowd.keys, crowd.engine = keys, nil // the memory of the former one is free now
		e, err := engine.New(compile(b, string(reference.Config), string(reference.Rules)).Plans[0], engine.Options{MemoryHint: keys})
		if err != nil {
			b.Fatal(err)
		}
		paid, random := 0, rand.New(rand.NewPCG(3, 5))
		crowd.engine, crowd.job = e, &job{payments: reference.New(reference.Options{Keys: keys, Customer: func() int {
			if paid++; paid <= keys {
				return paid - 1
			}
			return random.IntN(keys)
		}})}
		for n := 0; n < keys; n += size {
			if err := e.Step(crowd.job.next(size), out); err != nil {
				b.Fatal(err)
			}
			out.Reset()
		}
		k := e.Keyspaces()[0].Contexts
		b.Logf("%d keys, %d bytes a key", k.Len(), k.Bytes()/int64(k.Len()))
	}
	var spent time.Duration
	for events := 0; events < b.N; {
		batch := crowd.job.next(min(size, b.N-events))
		begin := processor(b)
		if err := crowd.engine.Step(batch, out); err != nil {
			b.Fatal(err)
		}
		spent += processor(b) - begin
		events += len(batch.Records)
		out.Reset()
	}
	b.ReportMetric(0, "ns/op") // it would count the making of records
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/event")
}
