package backtest

import (
	"fmt"
	"iter"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// Partition steps the records of one partition of a topic, as `run` does, and gives what comes of it to emit. Each partition is a task of its
// own: call it for one after the other. A topic that no enabled rule reads has no tasks, and nothing comes of it.
func (r *Runner) Partition(topic string, p event.Partition, records iter.Seq2[ingest.Record, error], emit func(*engine.Output) error) error {
	e, err := r.task(topic, p)
	if e == nil {
		return err
	}
	return r.batches(topic, p, records, func(b *ingest.Batch) error {
		r.out.Reset()
		if err := e.Step(b, &r.out); err != nil {
			return err
		}
		return emit(&r.out)
	})
}

// task makes the engine of a partition; nil when no enabled rule reads the topic.
func (r *Runner) task(topic string, p event.Partition) (*engine.Engine, error) {
	plan := r.set.Plan(topic)
	if plan == nil {
		return nil, nil
	}
	e, err := engine.New(plan, engine.Options{Partition: p})
	if err != nil {
		return nil, fmt.Errorf("start partition %d of %s: %w", p, topic, err)
	}
	r.tasks = append(r.tasks, e)
	return e, nil
}

// batches cuts records into batches.
func (r *Runner) batches(topic string, p event.Partition, records iter.Seq2[ingest.Record, error], handle func(*ingest.Batch) error) error {
	b := ingest.Batch{Topic: topic, Partition: p}
	for rec, err := range records {
		if err != nil {
			return err
		}
		b.Records, b.Next = append(b.Records, rec), rec.Offset+1
		if len(b.Records) < r.options.BatchMax {
			continue
		}
		if err := handle(&b); err != nil {
			return err
		}
		b.Records = b.Records[:0]
	}
	if len(b.Records) == 0 {
		return nil
	}
	return handle(&b)
}
