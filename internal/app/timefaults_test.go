package app

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/testsize"
)

// payment is an event of a test that needs its times as they are.
type payment struct {
	at, stamp time.Time // of the event, of the record
	customer  int
}

// customersOf are so many customers of each partition.
func customersOf(n int) (all [rigPartitions][]int) {
	for c, full := 0, 0; full < rigPartitions; c++ {
		p := kafka.PartitionOf(customerName(c), rigPartitions)
		if len(all[p]) < n {
			if all[p] = append(all[p], c); len(all[p]) == n {
				full++
			}
		}
	}
	return all
}

func customerName(n int) []byte { return fmt.Appendf(nil, "customer-%d", n) }

// pays produces payments in their order.
func (r *rig) pays(all []payment, random *rand.Rand) {
	r.t.Helper()
	producer := r.client.NewProducer()
	defer producer.Close()
	for chunk := range slices.Chunk(all, 100) {
		var batch []kafka.Message
		for _, p := range chunk {
			value := fmt.Appendf(nil, `{"at":%q,"payment_id":"%d","customer_id":%q,"card_id":"c","terminal_id":"t%d","amount":%d,"channel":"chip","approved":true}`,
				p.at.UTC().Format(time.RFC3339Nano), random.Int64(), customerName(p.customer), random.IntN(20), 1+random.IntN(200))
			if random.IntN(500) == 0 {
				value = value[:20] // a dead letter
			}
			stamp, _ := event.TimeOf(p.stamp)
			batch = append(batch, kafka.Message{Topic: r.topic(), Key: customerName(p.customer), Value: value, Timestamp: stamp})
		}
		_, err := producer.Produce(r.t.Context(), batch...)
		must(r.t, err)
		time.Sleep(30 * time.Millisecond)
	}
}

// shuffled has events come up to a delay after their time, while the program is killed, and compares how many are late with what the recorded
// log says by plain arithmetic, and with what a program that is not killed tells.
func shuffled(r *rig, delay time.Duration) (late int) {
	random := rand.New(rand.NewPCG(10, uint64(delay)))
	customers := customersOf(10)
	now := time.Now()
	some := func(n int) (all []payment) {
		for range n {
			now = now.Add(20 * time.Millisecond)
			of := customers[random.IntN(rigPartitions)]
			all = append(all, payment{now.Add(-rand64(random, delay)), now, of[random.IntN(len(of))]})
		}
		return all
	}
	r.run()
	r.pays(some(4000), random)
	r.caughtUp("the first part")
	r.lateIsTold()
	for range testsize.Rounds(2) {
		r.kill()
		r.start("run")
		r.pays(some(2000), random)
	}
	r.finish()
	late = r.lateByArithmetic()
	if got := r.lateByEngine(); got != late {
		r.t.Errorf("%d events are late, want %d", got, late)
	}
	r.t.Logf("%d events are late", late)
	return late
}

// lateIsTold waits until the program's metric has come to what it has to be, and not beyond, unless a recovery had it step events again.
func (r *rig) lateIsTold() {
	r.t.Helper()
	want, told := r.lateByArithmetic(), -1
	for deadline := time.Now().Add(patience); told < want && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		told = r.metric("insolite_engine_late_events_total")
	}
	if told < want || told > want && r.lines("msg=recover ") == 0 {
		r.t.Errorf("the program tells of %d late events, want %d", told, want)
	}
}

func rand64(random *rand.Rand, below time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(below)))
}

// Events come in any order within the lateness of their source: none is late.
func shuffledWithinLateness(r *rig) {
	if late := shuffled(r, time.Minute); late != 0 {
		r.t.Errorf("%d events are late", late)
	}
}

// Events come in any order, some of them later than their source allows: exactly those are late.
func shuffledBeyondLateness(r *rig) {
	if late := shuffled(r, 90*time.Second); late == 0 {
		r.t.Error("no event is late: the test shows nothing")
	}
}

// lateByArithmetic is how many events of the recorded log are below the watermark before them: the highest of the lesser of event time and
// record timestamp, minus a minute.
func (r *rig) lateByArithmetic() (late int) {
	r.t.Helper()
	for _, records := range r.events() {
		var highest time.Time
		for _, rec := range records {
			var e struct{ At time.Time }
			if json.Unmarshal(rec.Value, &e) != nil {
				continue
			}
			if e.At.Before(highest.Add(-time.Minute)) {
				late++
			}
			if stamp := rec.Timestamp.Std(); stamp.Before(e.At) {
				e.At = stamp
			}
			if e.At.After(highest) {
				highest = e.At
			}
		}
	}
	return late
}

func (r *rig) lateByEngine() (late int) {
	r.t.Helper()
	for p, records := range r.events() {
		e, err := engine.New(r.journalled()[p][0].plan, engine.Options{Partition: event.Partition(p)})
		must(r.t, err)
		var out engine.Output
		must(r.t, e.Step(&ingest.Batch{Topic: r.topic(), Records: records, Next: event.Offset(len(records))}, &out))
		late += int(e.Counts().Sources[0].Late)
	}
	return late
}

// metric is the sum of a metric of the program that runs.
func (r *rig) metric(name string) (sum int) {
	r.t.Helper()
	response, err := http.Get("http://" + r.adminAddress() + "/metrics")
	must(r.t, err)
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	must(r.t, err)
	lines := regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? ([0-9.e+]+)$`).FindAllSubmatch(b, -1)
	if len(lines) == 0 {
		r.t.Fatalf("there is no metric %s", name)
	}
	for _, m := range lines {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		must(r.t, err)
		sum += int(v)
	}
	return sum
}

// Partitions of the source are hours apart; a stage is fed by all of them.
func upstreamsApart(r *rig) {
	stageRig(r, terminalRule)
	random := rand.New(rand.NewPCG(10, 3))
	customers := customersOf(10)
	start, n := time.Now().Add(-12*time.Hour), 0
	some := func(more int) (all []payment) {
		for range more {
			n++
			p := random.IntN(rigPartitions)
			at := start.Add(time.Duration(p)*3*time.Hour + time.Duration(n)*100*time.Millisecond)
			all = append(all, payment{at, at, customers[p][random.IntN(10)]})
		}
		return all
	}
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	for range testsize.Rounds(2) {
		r.pays(some(3000), random)
		r.kill()
		r.start("run")
	}
	r.pays(some(1000), random)
	r.leave()
	r.drain()
	r.judgeStages()
}

// The producer of one partition is silent while the others go on for hours, and comes back with what it had to say long ago. A stage has not
// waited for it.
func silentAndBack(r *rig) {
	stageRig(r, terminalRule)
	random := rand.New(rand.NewPCG(10, 4))
	customers := customersOf(10)
	some := func(n int, from time.Time, by time.Duration, first int) (all []payment) {
		for i := range n {
			at := from.Add(time.Duration(i) * by)
			all = append(all, payment{at, at, customers[first+random.IntN(rigPartitions-first)][random.IntN(10)]})
		}
		return all
	}
	start := time.Now().Add(-12 * time.Hour)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	for n := range testsize.Rounds(1) {
		start := start.Add(time.Duration(n) * 10 * time.Minute)
		r.pays(some(2000, start, 10*time.Millisecond, 0), random)
		r.kill()
		r.start("run")
		r.pays(some(12_000, start.Add(20*time.Second), 40*time.Millisecond, 1), random) // seconds, in which the first partition is idle
		r.pays(some(2000, start.Add(30*time.Second), 10*time.Millisecond, 0), random)
	}
	r.leave()
	r.drain()
	r.judgeStages()
}
