package engine_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"insolite/bench/reference"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// job makes batches of the reference job.
type job struct {
	payments *reference.Generator
	bytes    []byte
	batch    ingest.Batch
}

func (j *job) next(n int) *ingest.Batch {
	j.bytes, j.batch.Records = j.bytes[:0], j.batch.Records[:0]
	for range n {
		r := *j.payments.Next()
		from := len(j.bytes)
		j.bytes = append(append(j.bytes, r.Key...), r.Value...)
		r.Key, r.Value = j.bytes[from:from+len(r.Key):from+len(r.Key)], j.bytes[from+len(r.Key):len(j.bytes):len(j.bytes)]
		j.batch.Records = append(j.batch.Records, r)
		j.batch.Next = r.Offset + 1
	}
	return &j.batch
}

// warmed is the job's engine after its first events; runs of the benchmark go on from it.
var warmed struct {
	engine *engine.Engine
	job    *job
}

func warm(b *testing.B) (*engine.Engine, *job) {
	if warmed.engine != nil {
		return warmed.engine, warmed.job
	}
	const keys, events, batch = 1_000_000, 2_000_000, 4000
	e, err := engine.New(compile(b, string(reference.Config), string(reference.Rules)).Plans[0], engine.Options{MemoryHint: keys})
	if err != nil {
		b.Fatal(err)
	}
	job, out := &job{payments: reference.New(reference.Options{Keys: keys})}, &engine.Output{}
	for range events / batch {
		if err := e.Step(job.next(batch), out); err != nil {
			b.Fatal(err)
		}
		out.Reset()
	}
	k := e.Keyspaces()[0].Contexts
	b.Logf("warm: %d keys, %d bytes a key, %d bytes a record", k.Len(), k.Bytes()/int64(k.Len()), len(job.bytes)/batch)
	warmed.engine, warmed.job = e, job
	return e, job
}

// The reference job allocates nothing for an event, alerts and the memory of new keys apart.
func TestReferenceJobAllocatesLittle(t *testing.T) {
	e, err := engine.New(compile(t, string(reference.Config), string(reference.Rules)).Plans[0], engine.Options{MemoryHint: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	job := &job{payments: reference.New(reference.Options{Keys: 10_000})}
	var before, after runtime.MemStats
	var mallocs uint64
	const warm, measured, size = 10, 10, 2000
	for i := range warm + measured {
		batch := job.next(size)
		runtime.ReadMemStats(&before)
		if err := e.Replay(batch); err != nil { // as Step, but no alert is written
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if i >= warm {
			mallocs += after.Mallocs - before.Mallocs
		}
	}
	perEvent := float64(mallocs) / (measured * size)
	t.Logf("%.4f allocations an event", perEvent)
	if perEvent > 0.03 {
		t.Errorf("%v allocations an event, at most 0.03 are allowed", perEvent)
	}
	if n := e.Watermark(); n == event.NoTime {
		t.Error("nothing was stepped")
	}
}

// processor returns how much time the process has had on processors, which other processes disturb less than they do a clock.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEngine steps the reference job on one core: a million keys, warm. The making of records is not measured.
func BenchmarkEngine(b *testing.B) {
	e, job := warm(b)
	out := &engine.Output{}
	var spent time.Duration
	var before, after runtime.MemStats
	var mallocs uint64
	alerts := 0
	for events := 0; events < b.N; {
		batch := job.next(min(4000, b.N-events))
		runtime.ReadMemStats(&before)
		begin := processor(b)
		if err := e.Step(batch, out); err != nil {
			b.Fatal(err)
		}
		spent += processor(b) - begin
		runtime.ReadMemStats(&after)
		mallocs += after.Mallocs - before.Mallocs
		alerts += len(out.Alerts)
		events += len(batch.Records)
		out.Reset()
	}
	b.ReportMetric(0, "ns/op") // it would count the making of records
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/event")
	b.ReportMetric(float64(b.N)/spent.Seconds(), "events/s")
	b.ReportMetric(float64(mallocs)/float64(b.N), "mallocs/event")
	b.ReportMetric(float64(alerts)/float64(b.N)*100, "alerts/100")
}

// BenchmarkTwoKeys steps the reference job's form of two keys on one core: the engine that reads the payments, and behind it those of four
// partitions of the stage. Frames are cut every 4,000 payments.
func BenchmarkTwoKeys(b *testing.B) {
	set := compile(b, string(reference.Config), string(reference.TwoKeys))
	const keys, events, size, targets = 1_000_000, 1_000_000, 4000, 4
	e, err := engine.New(set.Plan(reference.Topic), engine.Options{MemoryHint: keys, Targets: func(string) int32 { return targets }})
	if err != nil {
		b.Fatal(err)
	}
	var stages [targets]*engine.Engine
	var logs [targets]ingest.Batch
	for p := range stages {
		if stages[p], err = engine.New(set.Plans[1], engine.Options{Partition: event.Partition(p), MemoryHint: 10_000}); err != nil {
			b.Fatal(err)
		}
	}
	job, out := &job{payments: reference.New(reference.Options{Keys: keys})}, &engine.Output{}
	var source, stage time.Duration
	sent, alerts := 0, 0
	run := func(events int) {
		for events > 0 {
			batch := job.next(min(size, events))
			events -= len(batch.Records)
			begin := processor(b)
			if err := e.Step(batch, out); err != nil {
				b.Fatal(err)
			}
			e.Cut(out)
			source += processor(b) - begin
			begin = processor(b)
			for i := range out.Frames {
				f := &out.Frames[i]
				log := &logs[f.Partition]
				log.Records = append(log.Records[:0], ingest.Record{Offset: log.Next, Value: f.Value})
				log.Next++
				if err := stages[f.Partition].Step(log, out); err != nil {
					b.Fatal(err)
				}
				sent += len(f.Value)
			}
			stage += processor(b) - begin
			alerts += len(out.Alerts)
			out.Reset()
		}
	}
	run(events)
	b.ResetTimer()
	source, stage, sent, alerts = 0, 0, 0, 0
	run(b.N)
	b.ReportMetric(0, "ns/op") // it would count the making of records
	b.ReportMetric(float64(source.Nanoseconds())/float64(b.N), "source-ns/event")
	b.ReportMetric(float64(stage.Nanoseconds())/float64(b.N), "stage-ns/event")
	b.ReportMetric(float64(sent)/float64(b.N), "bytes/row")
	b.ReportMetric(float64(alerts)/float64(b.N)*100, "alerts/100")
}
