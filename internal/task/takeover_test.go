package task

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/pebble"
	"insolite/context/checkpoint/redis"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/redistest"
	"insolite/internal/testsize"
)

var takeOverKeys = flag.Int("keys", 1_000_000, "keys of BenchmarkTakeOver")

// estate is a log of many keys with a store that a task may take over.
type estate struct {
	*world
	t     testing.TB
	store checkpoint.Store
	limit int64 // of memory; 0: none
	batch int   // records
	next  int   // number of the next event
	keys  int
	truth *engine.Engine // has room for everything
	told  []string       // its alerts
}

func newEstate(t testing.TB, keys int, store checkpoint.Store) *estate {
	w := newWorld(simPlans(t), 1)
	w.faults = false
	e := &estate{world: w, t: t, store: store, batch: 500, keys: keys}
	t.Cleanup(func() { _ = e.store.Close() })
	return e
}

func folder(t testing.TB, dir string) checkpoint.Store {
	s, err := pebble.Open(pebble.Options{Dir: dir, MinFreeBytes: 1})
	must(t, err)
	return s
}

func shared(t testing.TB) checkpoint.Store {
	s, err := redis.Open(t.Context(), redis.Options{Addresses: []string{redistest.Start(t).Addr()}})
	must(t, err)
	return s
}

// more appends events of the next keys to the log; all but the last batch are forgotten.
func (e *estate) more(n int) []ingest.Record {
	e.records = e.records[:0]
	for range n {
		e.now = e.now.Add(time.Microsecond)
		who := strconv.Itoa(e.next * 7919 % e.keys)
		value := fmt.Appendf(nil, `{"at":%q,"who":"customer-%s","id":"%d","amount":%d}`, e.now.UTC().Format(time.RFC3339Nano), who, e.next, e.next%12)
		e.records = append(e.records, ingest.Record{Offset: e.end, Timestamp: event.Time(e.now.UnixNano()), Key: []byte(who), Value: value})
		e.end++
		e.next++
	}
	return e.records
}

// estateLog is the log as a task reads it: all that was appended last is one batch.
type estateLog struct {
	*port
	e    *estate
	next event.Offset
}

func (l *estateLog) Open(_ context.Context, from event.Offset) (Feed, error) {
	l.next = from
	return l, nil
}

func (l *estateLog) Poll(context.Context, time.Duration) (*ingest.Batch, error) {
	if l.next == l.e.end {
		return nil, nil
	}
	l.next = l.e.end
	return &ingest.Batch{Topic: "pays", Records: l.e.records, Next: l.next}, nil
}

func (l *estateLog) End() event.Offset { return l.e.end }
func (l *estateLog) Close()            {}

// fill steps an event of every key and stores the contexts, as a task that has been drained leaves them.
func (e *estate) fill() {
	own := e.task()
	s, err := own.o.Store.Open(e.t.Context(), own.id)
	must(e.t, err)
	e.journal = []journal.Entry{{Number: 1, Kind: journal.First}}
	eng, err := engine.New(e.plans[0], engine.Options{})
	must(e.t, err)
	e.truth = eng
	for left := e.keys; left > 0; left -= min(left, 1000) {
		e.more(min(left, 1000))
		e.tell()
	}
	e.told = nil
	own.store, own.engine, own.layouts = s, eng, map[uint64]bool{}
	for _, k := range eng.Keyspaces() {
		for more := true; more; {
			n, err := own.writeDirty(e.t.Context(), k, checkpoint.ChunkItemsMax)
			must(e.t, err)
			more = n > 0
		}
	}
	must(e.t, s.Flip(e.t.Context(), &checkpoint.Meta{Y: eng.Position(), Watermark: eng.Watermark(), Journal: 1, Last: -1, TopicID: e.topicID, Partitions: e.parts, Engine: 1}))
	c := journal.Commit{Journal: 1, Watermark: eng.Watermark(), Engine: 1, Swept: true}
	e.x, e.metadata, e.found, e.earliest, e.records = eng.Position().Offset, c.Text(), true, e.end, nil
}

// tell has the truth step what was appended last.
func (e *estate) tell() {
	if e.truth == nil {
		return
	}
	var out engine.Output
	must(e.t, e.truth.Step(&ingest.Batch{Topic: "pays", Records: e.records, Next: e.end}, &out))
	for _, a := range out.Alerts {
		e.told = append(e.told, "alerts "+string(a.Key)+" "+string(a.Value))
	}
}

// task is an instance that takes over.
func (e *estate) task() *Task {
	t := e.instance()
	t.o.Log = &estateLog{port: t.o.Log.(*port), e: e}
	t.o.Store, t.o.Memory, t.shareMin = e.store, nil, sweepContextsMin
	if e.limit > 0 {
		t.o.Memory = func() int64 { return e.limit }
	}
	t.lifetime, t.last = e.t.Context(), last{offset: -1}
	return t
}

// turn is one turn of the task's work.
func (e *estate) turn(t *Task) {
	if t.commitDue() {
		must(e.t, t.boundary(e.t.Context()))
	}
	must(e.t, t.poll(e.t.Context(), 0))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stored scans the store plainly.
func (e *estate) stored(t *Task) (n int) {
	for _, k := range t.engine.Keyspaces() {
		must(e.t, t.store.Scan(e.t.Context(), idOf(k), func(checkpoint.Context) error { n++; return nil }))
	}
	return n
}

// work is time on the wall, and that of the processors, which does not depend on the neighbours; a server's is not in it.
type work struct{ wall, cpu time.Duration }

func (w *work) add(to, from work) {
	w.wall += to.wall - from.wall
	w.cpu += to.cpu - from.cpu
}

func present(t testing.TB) work {
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return work{time.Duration(time.Now().UnixNano()), time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}

// BenchmarkTakeOver compares the way back into memory with a plain scan of the same store:
//
//	go test ./internal/task -run '^$' -bench TakeOver -benchtime 1x -timeout 1h -args -keys 10000000
func BenchmarkTakeOver(b *testing.B) {
	b.Run("pebble", func(b *testing.B) { takeOver(b, folder(b, b.TempDir())) })
	b.Run("redis", func(b *testing.B) { takeOver(b, shared(b)) })
}

func takeOver(b *testing.B, store checkpoint.Store) {
	e := newEstate(b, *takeOverKeys, store)
	e.fill()
	var scan, warm work
	contexts := 0
	for b.Loop() {
		t := e.task()
		must(b, t.recover(b.Context()))
		e.more(1)
		began := time.Now()
		must(b, t.poll(b.Context(), 0))
		if first := time.Since(began); t.engine.Position().Offset != e.end || t.warmth() != Warming {
			b.Fatalf("the first event is not stepped at once: the task is at %v of %d, %s", t.engine.Position(), e.end, t.warmth())
		} else {
			b.ReportMetric(float64(first.Microseconds()), "µs-to-first-event")
		}
		e.stored(t) // so that both find the files read
		before := present(b)
		n := e.stored(t)
		scan.add(present(b), before)
		before = present(b)
		for t.warmth() == Warming {
			e.turn(t)
		}
		warm.add(present(b), before)
		contexts += n
		if t.warmth() != Warm || n < e.keys || t.engine.Keyspaces()[0].Contexts.Len() != n {
			b.Fatalf("%s: %d contexts are stored, %d in memory", t.warmth(), n, t.engine.Keyspaces()[0].Contexts.Len())
		}
	}
	b.ReportMetric(float64(scan.cpu.Nanoseconds())/float64(contexts), "cpu-ns/scanned")
	b.ReportMetric(float64(warm.cpu.Nanoseconds())/float64(contexts), "cpu-ns/warmed")
	cpu, wall := float64(scan.cpu)/float64(warm.cpu), float64(scan.wall)/float64(warm.wall)
	b.ReportMetric(cpu, "cpu-share-of-scan")
	if b.ReportMetric(wall, "share-of-scan"); max(cpu, wall) < 0.5 && contexts >= 1_000_000 {
		b.Errorf("becoming warm is %.2f times as fast as a scan, 0.5 is the limit", wall)
	}
}

// Keys pass through that need many times the memory that there is: it is never taken beyond its limit, a sixteenth, and what one batch adds;
// and nothing of it shows in the alerts. The task that takes over fills the memory, and not more.
func TestMemoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	e := newEstate(t, testsize.Of(6_000, 60_000), folder(t, dir))
	e.fill()
	probe := e.task()
	must(t, probe.recover(t.Context()))
	for probe.warmth() == Warming {
		e.turn(probe)
	}
	all := probe.memory()
	e.limit = all / 8
	soak := os.Getenv("SOAK") != "" // then the process is measured, and nothing may take memory beside the task
	if probe = nil; soak {
		e.truth = nil
		must(t, e.store.Close())
		debug.FreeOSMemory()
		e.store = folder(t, dir)
	}
	begun := resident(t)

	own := e.task()
	must(t, own.recover(t.Context()))
	most := int64(0)
	look := func() {
		if e.turn(own); soak {
			e.output = nil
		}
		most = max(most, own.memory())
	}
	for own.warmth() == Warming {
		look()
	}
	if least := e.limit * 3 / 4; own.warmth() != Partly || own.memory() < least {
		t.Errorf("%s: %d bytes are in memory, there is room for %d", own.warmth(), own.memory(), e.limit)
	}
	for range 3 * e.keys / e.batch {
		e.more(e.batch)
		e.tell()
		look()
		e.now = e.now.Add(time.Second)
	}
	must(t, own.stop(t.Context()))
	if !soak && (len(e.told) == 0 || !slices.Equal(e.output, e.told)) {
		t.Errorf("%d alerts, want %d, the same", len(e.output), len(e.told))
	}
	if bound := e.limit + e.limit/evictSlack + int64(e.batch)<<10; most > bound {
		t.Errorf("%d bytes were in memory, the bound is %d", most, bound)
	}
	t.Logf("%d keys: at most %d bytes, the limit is %d, all need more than %d", e.keys, most, e.limit, all)
	if !soak {
		return
	}
	grown, bound := resident(t)-begun, 2*e.limit+residentSlack
	if t.Logf("the process has grown by %d bytes", grown); grown > bound {
		t.Errorf("the process has grown by %d bytes, the bound is %d", grown, bound)
	}
}

// residentSlack is what the process may take beside contexts and what the collector leaves: the store's cache and memtables.
const residentSlack = 200 << 20

// resident is the memory that the process has.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			must(t, err)
			return n << 10
		}
	}
	t.Fatal("the kernel does not tell VmRSS")
	return 0
}
