package app

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/event"
)

// recorder keeps what is committed to the topics of stages, from which the stages delete what they have behind them.
type recorder struct {
	t      *testing.T
	client *kafka.Client
	topics []string

	mu      sync.Mutex
	records map[kafka.TopicPartition][]ingest.Record
	next    map[kafka.TopicPartition]event.Offset
}

// record keeps the topics of the stages that the rig's rules have, until the test ends.
func record(r *rig) *recorder {
	k := &recorder{t: r.t, client: r.client, records: map[kafka.TopicPartition][]ingest.Record{}, next: map[kafka.TopicPartition]event.Offset{}}
	for _, p := range r.project.Set.Plans {
		if p.Stage != nil {
			k.topics = append(k.topics, p.Topic)
		}
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	var done sync.WaitGroup
	r.t.Cleanup(func() { cancel(); done.Wait() })
	done.Go(func() {
		for ctx.Err() == nil {
			for _, topic := range k.topics {
				_ = k.follow(ctx, topic) // the broker may be away; whoever asks for the records is told
			}
			select {
			case <-ctx.Done():
			case <-time.After(3 * time.Second):
			}
		}
	})
	return k
}

// follow reads what is new in a topic.
func (k *recorder) follow(ctx context.Context, topic string) error {
	d, err := k.client.DescribeTopic(ctx, topic)
	if errors.Is(err, kafka.ErrNotFound) {
		return nil
	}
	for p := 0; err == nil && p < d.Partitions; p++ {
		at := kafka.TopicPartition{Topic: topic, Partition: event.Partition(p)}
		var end event.Offset
		if end, err = k.client.LastStable(ctx, at); err == nil {
			err = k.read(ctx, at, end)
		}
	}
	return err
}

func (k *recorder) read(ctx context.Context, at kafka.TopicPartition, end event.Offset) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for rec, err := range k.client.ReadAll(ctx, at, k.next[at], end) {
		if err != nil {
			return err
		}
		rec.Key, rec.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		k.records[at], k.next[at] = append(k.records[at], rec), rec.Offset+1
	}
	k.next[at] = max(k.next[at], end)
	return nil
}

// upTo returns all records of a partition up to an offset.
func (k *recorder) upTo(at kafka.TopicPartition, end event.Offset) []ingest.Record {
	k.t.Helper()
	if err := k.read(k.t.Context(), at, end); err != nil {
		k.t.Fatalf("what was in %v from %d on is gone, so nothing can be said of it: %v", at, k.next[at], err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.records[at]
}
