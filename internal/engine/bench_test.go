package engine_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// The reference job: payments of 250 bytes with 14 fields, keyed by customer, five windows, ten rules.
const referenceConfig = `
version: 1
app: reference
kafka: {brokers: [localhost:9092]}
sources:
  payment:
    topic: payments
    key: customer_id
    time: {field: at}
    fields:
      at: time
      payment_id: string
      customer_id: string
      terminal_id: string
      amount: number
      currency: string
      country: string
      channel: string
      mcc: int
      merchant: {type: string, path: merchant.name}
      online: bool
      device: {type: string, optional: true}
      attempt: int
      note: {type: string, optional: true}
rules: [rules.yaml]
`

const referenceRules = `
version: 1
rules:
- id: r01
  source: payment
  group_by: [customer_id]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 40
  suppress: {for: 1h}
- id: r02
  source: payment
  group_by: [customer_id]
  context: {total: {agg: sum, field: amount, window: 24h}}
  condition: total > 90000
  suppress: {for: 24h}
- id: r03
  source: payment
  group_by: [customer_id]
  context:
    usual: {agg: avg, field: amount, window: 30d, exclude_current: true, min_samples: 10}
    spread: {agg: stddev, field: amount, window: 30d, exclude_current: true, min_samples: 10}
  condition: amount > 3 * usual and amount > usual + 4 * spread
- id: r04
  source: payment
  group_by: [customer_id]
  context: {terminals: {agg: distinct_count, field: terminal_id, window: 24h}}
  condition: terminals >= 60
  suppress: {for: 24h}
- id: r05
  source: payment
  group_by: [customer_id]
  context: {prev: {agg: last, fields: [country, at], window: 24h, exclude_current: true}}
  condition: prev.country != country and amount > 998
- id: r06
  source: payment
  group_by: [customer_id]
  context: {n: {agg: count, window: 1h}, usual: {agg: avg, field: amount, window: 30d, exclude_current: true, min_samples: 10}}
  condition: n >= 3 and amount > 5 * usual
- id: r07
  source: payment
  group_by: [customer_id]
  context: {total: {agg: sum, field: amount, window: 24h}}
  condition: total > 50000 and country == "XX"
- id: r08
  source: payment
  group_by: [customer_id]
  condition: amount > 999 and attempt > 3
- id: r09
  source: payment
  group_by: [customer_id]
  context: {terminals: {agg: distinct_count, field: terminal_id, window: 24h}, n: {agg: count, window: 1h}}
  condition: terminals > 0.9 * n and n > 30
  suppress: {for: 24h}
- id: r10
  source: payment
  group_by: [customer_id]
  context: {total: {agg: sum, field: amount, window: 24h}, usual: {agg: avg, field: amount, window: 30d, exclude_current: true, min_samples: 10}}
  condition: total > 200 * usual
  suppress: {for: 24h}
`

// reference makes the job's records: keys by Zipf's law, a day in so many events, now and then out of order.
type reference struct {
	random *rand.Rand
	zipf   *rand.Zipf
	at     event.Time
	step   time.Duration
	n      int
	bytes  []byte
	batch  ingest.Batch
}

func newReference(keys uint64, perDay int) *reference {
	r := rand.New(rand.NewPCG(1, 2))
	return &reference{random: r, zipf: rand.NewZipf(r, 1.1, 20, keys-1), at: event.Time(1792067400e9), step: 24 * time.Hour / time.Duration(perDay)}
}

func (r *reference) next(n int) *ingest.Batch {
	r.bytes, r.batch.Records = r.bytes[:0], r.batch.Records[:0]
	for range n {
		r.at += event.Time(r.step)
		at := r.at
		if r.random.IntN(10) == 0 {
			at -= event.Time(r.random.Int64N(int64(time.Minute)))
		}
		customer := "c" + strconv.FormatUint(1e7+r.zipf.Uint64()*2654435761%1e6, 10)
		from := len(r.bytes)
		r.bytes = append(r.bytes, `{"at":"`...)
		r.bytes = event.AppendTime(r.bytes, at/1e6*1e6, 7200)
		r.bytes = fmt.Appendf(r.bytes, `","payment_id":"p%010d","customer_id":"%s","terminal_id":"t%04d","amount":%d.%02d,"currency":"EUR","country":"%s","channel":"pos","mcc":%d,"merchant":{"name":"m%05d"},"online":%t,"device":"d%06d","attempt":1,"note":""}`,
			r.n, customer, r.random.IntN(10000), r.random.IntN(1000), r.random.IntN(100), []string{"DE", "FR", "IT", "DE"}[r.random.IntN(4)], 5000+r.random.IntN(999), r.random.IntN(99999), r.random.IntN(2) == 0, r.random.IntN(999999))
		r.batch.Records = append(r.batch.Records, ingest.Record{Offset: event.Offset(r.n), Timestamp: at, Key: []byte(customer), Value: r.bytes[from:len(r.bytes):len(r.bytes)]})
		r.n++
	}
	r.batch.Next = event.Offset(r.n)
	return &r.batch
}

// warmed is the job's engine after its first events; runs of the benchmark go on from it.
var warmed struct {
	engine *engine.Engine
	job    *reference
}

func warm(b *testing.B) (*engine.Engine, *reference) {
	if warmed.engine != nil {
		return warmed.engine, warmed.job
	}
	const keys, events, batch = 1_000_000, 2_000_000, 4000
	e, err := engine.New(compile(b, referenceConfig, referenceRules).Plans[0], engine.Options{MemoryHint: keys})
	if err != nil {
		b.Fatal(err)
	}
	job, out := newReference(keys, 2_000_000), &engine.Output{}
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
