package app

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/testsize"
)

// One key has far more than a hundred times the events of any other. How much longer its neighbours' alerts take is told, not asserted.
func hotKey(r *rig) {
	random := rand.New(rand.NewPCG(11, 100))
	end := r.pour(1000)
	r.run()
	r.goesOn("the start")
	began := time.Now()
	for range testsize.Rounds(3) {
		time.Sleep(time.Second)
	}
	hot, n := time.Now(), 0
	for range testsize.Rounds(3) {
		for began := time.Now(); time.Since(began) < time.Second; {
			now := time.Now()
			all := slices.Repeat([]payment{{now, now, 1}}, 100)
			r.pays(all, random)
			n += len(all)
		}
	}
	over := time.Now()
	end()
	r.finish()
	before, during := r.latency(began, hot), r.latency(hot, over)
	r.t.Logf("%d events of the hot key; neighbours' alerts: p99 %s before, %s during (%.1f times)", n, before, during, float64(during)/float64(max(before, 1)))
}

// latency is the 99th percentile of the time from a record to the alert that it gave, of all keys but the hot one, for records between two times.
func (r *rig) latency(from, to time.Time) time.Duration {
	r.t.Helper()
	events := r.events()
	at := make([]map[event.Offset]time.Time, len(events))
	for p, records := range events {
		at[p] = map[event.Offset]time.Time{}
		for _, rec := range records {
			at[p][rec.Offset] = rec.Timestamp.Std()
		}
	}
	var all []time.Duration
	for _, records := range r.read(r.project.Config.Alerts) {
		for _, rec := range records {
			var a struct {
				Position struct {
					Partition int
					Offset    event.Offset
				}
			}
			must(r.t, json.Unmarshal(rec.Value, &a))
			began := at[a.Position.Partition][a.Position.Offset]
			if string(rec.Key) != string(customerName(1)) && began.After(from) && began.Before(to) {
				all = append(all, rec.Timestamp.Std().Sub(began))
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// The recorded logs, sources' and stages', give the same bytes however they are cut into batches.
func inBatches(r *rig) {
	stageRig(r, terminalRule, settledRules)
	end := r.pourBoth(3000)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	time.Sleep(2 * time.Second)
	end()
	r.interrupt()
	r.drain()
	r.judgeStages()
	want := r.evaluate()
	logs, sets := r.logs()
	for _, size := range []int{1, 7, 4096} {
		var got results
		for i := range logs {
			l := &logs[i]
			e, out := r.engine(l, sets), engine.Output{}
			for batch := range slices.Chunk(l.records, size) {
				must(r.t, e.Step(&ingest.Batch{Topic: l.topic, Records: batch, Next: batch[len(batch)-1].Offset + 1}, &out))
			}
			r.taken(e, &out, &got)
		}
		slices.Sort(got.alerts)
		slices.Sort(got.sent)
		same(r.t, "alerts", got.alerts, want.alerts)
		same(r.t, "rows", got.sent, want.sent)
	}
}
