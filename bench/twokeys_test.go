package bench

import (
	"context"
	"fmt"
	"testing"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// The form of two keys costs what an empty claim loop over twice as many records does, times what is printed. Its alerts are those of the same
// engines over what was recorded: the payments, and the repartition topic.
func TestTwoKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker; run without -short")
	}
	cluster := kafkatest.Start(t, 1)
	client, err := kafka.Dial(t.Context(), kafka.Options{Brokers: cluster.Bootstrap(), App: "bench"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
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
			r.add(c, c.start(t, o))
			if !c.alerts {
				continue
			}
			got, want := readAlerts(t, client, o.Alerts), recorded(t, client, o)
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
func recorded(t *testing.T, client *kafka.Client, o contest) alertSet {
	t.Helper()
	o.Dir = t.TempDir()
	p, err := project(o)
	if err != nil {
		t.Fatal(err)
	}
	var all alertSet
	for _, plan := range p.Set.Plans {
		for n := range event.Partition(partitions) {
			e, err := engine.New(plan, engine.Options{Partition: n, Partitions: partitions})
			if err != nil {
				t.Fatal(err)
			}
			if err := stepTopic(t.Context(), client, e, kafka.TopicPartition{Topic: plan.Topic, Partition: n}, &all); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// stepTopic steps all records of a partition, and adds their alerts.
func stepTopic(ctx context.Context, client *kafka.Client, e *engine.Engine, at kafka.TopicPartition, all *alertSet) error {
	end, err := client.LastStable(ctx, at)
	if err != nil {
		return err
	}
	var out engine.Output
	for rec, err := range client.ReadAll(ctx, at, 0, end) {
		if err != nil {
			return err
		}
		out.Reset()
		if err := e.Step(&ingest.Batch{Topic: at.Topic, Partition: at.Partition, Records: []ingest.Record{rec}, Next: rec.Offset + 1}, &out); err != nil {
			return err
		}
		e.Cut(&out)
		for i := range out.Alerts {
			a := &out.Alerts[i]
			all.add(a.Rule.ID, int32(a.Origin.Partition), int64(a.Offset))
		}
	}
	return nil
}
