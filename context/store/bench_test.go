package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
)

// The reference job: a million customers, Zipf, of whom a tenth have over 100 events in 30 days, which makes 53 events a second. Contexts
// are as full as they get before the timer starts; then time goes on in order, and panes roll over.
const (
	benchBatch     = 64
	benchLateness  = time.Minute
	zipfS, zipfV   = 1.05, 10
	benchHistory   = 31 * 24 * time.Hour
	benchDraws     = 1 << 20
	benchKeyLength = 16
)

// benchCell is a feature of the job.
type benchCell struct {
	family window.Family
	window window.Window
	agg    window.Agg
	kind   event.Kind
}

func sliding(d time.Duration) window.Window {
	return window.Window{Kind: window.Sliding, Length: d}
}

var (
	benchCount24h  = benchCell{window.Count, sliding(24 * time.Hour), window.AggCount, event.KindMissing}
	benchSum24h    = benchCell{window.Sum, sliding(24 * time.Hour), window.AggSum, event.KindNumber}
	benchAvg30d    = benchCell{window.Sum, sliding(30 * 24 * time.Hour), window.AggAvg, event.KindNumber}
	benchStddev30d = benchCell{window.Spread, sliding(30 * 24 * time.Hour), window.AggStddev, event.KindNumber}
	benchCount1h   = benchCell{window.Count, sliding(time.Hour), window.AggCount, event.KindMissing}
	benchFive      = []benchCell{benchCount24h, benchSum24h, benchAvg30d, benchStddev30d, benchCount1h}
)

// job is a keyspace in steady state and the log that goes on.
type job struct {
	cells  []benchCell
	layout *Layout
	keys   *Keyspace
	draws  []uint32
	every  event.Time // between two events
	next   int
	at     event.Time
	names  [benchBatch][benchKeyLength]byte
	hashes [benchBatch]uint64
	values [2][]event.Value // by the number of fields
	row    [1]event.Value
}

func newJob(tb testing.TB, n int, cells []benchCell) *job {
	s := Specs{}
	for i, c := range cells {
		exact := c.family == window.Distinct && c.window.Kind == window.Exact
		w := window.Spec{Identity: uint64(i), Family: c.family, Window: c.window, Exact: exact}
		if c.kind != event.KindMissing {
			w.Kinds = []event.Kind{c.kind}
		}
		s.Cells = append(s.Cells, w)
	}
	l, err := NewLayout(s)
	if err != nil {
		tb.Fatal(err)
	}
	j := &job{cells: cells, layout: l, keys: New(l, Options{MemoryHint: n}), at: 1_700_000_000e9}
	j.values[1] = make([]event.Value, 1)
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, zipfS, zipfV, uint64(n-1))
	j.draws = make([]uint32, benchDraws)
	for i := range j.draws {
		j.draws[i] = uint32(zipf.Uint64())
	}
	j.warm(r, n)
	return j
}

// warm gives each key a history that leaves it with the panes that its rate fills: one event for every 50th part of its age, no more.
func (j *job) warm(r *rand.Rand, n int) {
	total := 0.0
	for rank := range n {
		total += math.Pow(zipfV+float64(rank), -zipfS)
	}
	share := func(rank int) float64 { return math.Pow(zipfV+float64(rank), -zipfS) / total }
	j.every = event.Time(30 * 24 * time.Hour.Seconds() * 1e7 * share(n/10))
	ages := make([]float64, 0, 1000)
	for _, rank := range r.Perm(n) {
		mean := float64(j.every) / share(rank) // between its events
		ages = ages[:0]
		for age := mean * r.Float64(); age < float64(benchHistory); {
			ages = append(ages, age)
			age += max(mean, age/50) * r.ExpFloat64()
		}
		if len(ages) == 0 {
			ages = append(ages, mean)
		}
		name := benchName(uint32(rank))
		x := j.keys.View(j.keys.Create(Hash(name[:]), name[:]))
		for i := len(ages) - 1; i >= 0; i-- {
			at := j.at - event.Time(ages[i])
			j.add(&x, at, benchAmount(i))
			j.read(&x, at)
			x.Advance(event.Position{Offset: 1}, at)
		}
	}
	for h := range j.keys.Dirty {
		j.keys.MarkClean(h)
	}
}

// benchName is a customer's number as text.
func benchName(rank uint32) (name [benchKeyLength]byte) {
	binary.LittleEndian.PutUint64(name[:], uint64(rank)*0x9e3779b97f4a7c15)
	copy(name[8:], "customer")
	return name
}

// benchAmount is between 0 and 16,777,215.
func benchAmount(i int) float64 { return float64(uint32(i) * 2654435769 >> 8) }

func (j *job) add(x *Ctx, at event.Time, amount float64) {
	for i := range j.cells {
		values := j.values[0]
		switch k := j.cells[i].kind; k {
		case event.KindNumber:
			values = j.values[1]
			values[0] = event.NumberValue(amount)
		case event.KindInt:
			values = j.values[1]
			values[0] = event.IntValue(int64(amount))
		}
		j.layout.cells[i].Add(x, at, values, at.Add(-benchLateness))
	}
}

func (j *job) read(x *Ctx, at event.Time) {
	for i := range j.cells {
		j.layout.cells[i].Read(x, window.Query{Agg: j.cells[i].agg, P: 95_000}, at, j.row[:])
	}
}

// stages are what a batch does.
type stages struct{ touch, find, add, read bool }

func (j *job) batch(do stages) {
	k := j.keys
	for i := range benchBatch {
		j.names[i] = benchName(j.draws[j.next&(benchDraws-1)])
		j.next++
		j.hashes[i] = Hash(j.names[i][:])
	}
	if do.touch {
		k.Touch(j.hashes[:])
	}
	if !do.find {
		return
	}
	for i := range benchBatch {
		h, ok := k.Find(j.hashes[i], j.names[i][:])
		if !ok {
			h = k.Create(j.hashes[i], j.names[i][:])
		}
		x := k.View(h)
		j.at += j.every
		if do.add {
			j.add(&x, j.at, benchAmount(j.next))
		}
		if do.read {
			j.read(&x, j.at)
		}
		if do.add {
			x.Advance(event.Position{Offset: event.Offset(j.next)}, j.at)
		}
	}
}

func (j *job) run(b *testing.B, do stages) {
	b.ReportAllocs()
	b.ResetTimer()
	used := cpuTime(b)
	for i := 0; i < b.N; i += benchBatch {
		j.batch(do)
	}
	used = cpuTime(b) - used
	b.StopTimer()
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(j.keys.Bytes())/float64(j.keys.Len()), "bytes/key")
}

// cpuTime is the time that the process has run so far: what others do on the machine shows less in it.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReference is the reference job's part of the context, in steps; one operation is an event. The few keys stay in the cache.
func BenchmarkReference(b *testing.B) {
	for _, n := range []int{2000, 1_000_000} {
		reference := sync.OnceValue(func() *job { return newJob(b, n, benchFive) })
		for _, s := range []struct {
			name string
			do   stages
		}{
			{"hash", stages{}},
			{"touch", stages{touch: true}},
			{"find", stages{touch: true, find: true}},
			{"add", stages{touch: true, find: true, add: true}},
			{"read", stages{touch: true, find: true, read: true}},
			{"all", stages{true, true, true, true}},
			{"untouched", stages{false, true, true, true}},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, s.name), func(b *testing.B) { reference().run(b, s.do) })
		}
	}
}

// BenchmarkCell is one feature over 10,000 keys.
func BenchmarkCell(b *testing.B) {
	day, hour := sliding(24*time.Hour), time.Hour
	for _, c := range []benchCell{
		benchCount24h, benchSum24h, {window.Sum, day, window.AggSum, event.KindInt}, {window.Spread, day, window.AggStddev, event.KindNumber},
		{window.Extremes, day, window.AggMax, event.KindNumber}, {window.Distinct, day, window.AggDistinct, event.KindInt},
		{window.Recent, day, window.AggDelta, event.KindNumber},
		{window.Count, window.Window{Kind: window.Calendar, Unit: window.Day}, window.AggCount, event.KindMissing},
		{window.Sum, window.Window{Kind: window.Events, N: 50}, window.AggSum, event.KindNumber},
		{window.Sum, window.Window{Kind: window.Exact, Length: hour}, window.AggSum, event.KindNumber},
		{window.Spread, window.Window{Kind: window.Exact, Length: hour}, window.AggStddev, event.KindNumber},
		{window.Distinct, window.Window{Kind: window.Exact, Length: hour}, window.AggDistinct, event.KindInt},
		{window.Sum, window.Window{Kind: window.Session, Length: hour}, window.AggSum, event.KindNumber},
	} {
		j := sync.OnceValue(func() *job { return newJob(b, 10_000, []benchCell{c}) })
		b.Run(fmt.Sprintf("%s %s %s", c.agg, c.kind, c.window), func(b *testing.B) { j().run(b, stages{true, true, true, true}) })
	}
}
