package bench

import (
	"fmt"
	"testing"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/stagelog"
	"insolite/rules"
)

// The form of two keys costs what an empty claim loop over twice as many records does, times what is printed. Its alerts are those of the same
// engines over what was recorded: the payments, and the repartition topic.
func TestTwoKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker; run without -short")
	}
	cluster, client := startCluster(t)
	payload := fill(t, client, *eventsFlag, *keysFlag)
	r := newReport(payload)
	for round := range *roundsFlag {
		for i := range twoKeyContenders {
			c := &twoKeyContenders[i]
			run := fmt.Sprint("two-", round, "-", i)
			o := contest{Brokers: cluster.Bootstrap(), Events: payload.events, Run: "bench-" + run, Alerts: "alerts-" + run, TwoKeys: true}
			if c.name == twoKeys {
				o.Profile = profilePath(t, *keepFlag)
			}
			if c.alerts {
				if _, err := client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: o.Alerts, Partitions: partitions}); err != nil {
					t.Fatal(err)
				}
			}
			p, err := project(contest{Dir: t.TempDir(), Run: o.Run, TwoKeys: true})
			if err != nil {
				t.Fatal(err)
			}
			log := stagelog.Keep(t, client, p.Set)
			r.add(c, c.start(t, o))
			if !c.alerts {
				continue
			}
			got, want := readAlerts(t, client, o.Alerts), recorded(t, client, p.Set, log)
			if got != want || want.Count == 0 {
				t.Errorf("%s: %v, the recorded logs give %v", c.name, got, want)
			}
		}
	}
	ratio := r.median(twoKeys, cpu) / r.median(claimLoop, cpu) / 2
	t.Logf("%d payments, medians of %d rounds: %.2f × an empty claim loop over twice as many records, %.3f allocations per event, %.0f MB\n%s", payload.events, *roundsFlag,
		ratio, r.median(twoKeys, allocs), r.median(twoKeys, memory)/(1<<20), verdict{"two keys, CPU per event against an empty claim loop over twice as many records", ratio, 1.8, true}.line())
}

// recorded returns the alerts of engines that step what a run has read: the payments, and the frames of its repartition topic.
func recorded(t *testing.T, client *kafka.Client, set *rules.Set, stages *stagelog.Log) alertSet {
	t.Helper()
	var all alertSet
	for _, plan := range set.Plans {
		for n := range event.Partition(partitions) {
			e, err := engine.New(plan, engine.Options{Partition: n, Partitions: partitions})
			if err != nil {
				t.Fatal(err)
			}
			at := kafka.TopicPartition{Topic: plan.Topic, Partition: n}
			end, err := client.LastStable(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Stage != nil {
				for _, rec := range stages.UpTo(at, end) {
					stepOne(t, e, at, rec, &all)
				}
				continue
			}
			for rec, err := range client.ReadAll(t.Context(), at, 0, end) {
				if err != nil {
					t.Fatal(err)
				}
				stepOne(t, e, at, rec, &all)
			}
		}
	}
	return all
}

// stepOne steps a record, and adds its alerts.
func stepOne(t *testing.T, e *engine.Engine, at kafka.TopicPartition, rec ingest.Record, all *alertSet) {
	t.Helper()
	var out engine.Output
	if err := e.Step(&ingest.Batch{Topic: at.Topic, Partition: at.Partition, Records: []ingest.Record{rec}, Next: rec.Offset + 1}, &out); err != nil {
		t.Fatal(err)
	}
	e.Cut(&out)
	for i := range out.Alerts {
		a := &out.Alerts[i]
		all.add(a.Rule.ID, int32(a.Origin.Partition), int64(a.Offset))
	}
}
