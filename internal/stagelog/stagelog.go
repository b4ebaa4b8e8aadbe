// Package stagelog keeps, for tests, what is committed to the topics of stages, from which the stages delete what they have behind them.
//
//	log := stagelog.Keep(t, client, set) // before the service writes to them
//	records := log.UpTo(partition, end)
package stagelog

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
	"insolite/rules"
)

// Log is what was committed to some topics.
type Log struct {
	t      testing.TB
	client *kafka.Client
	topics []string

	mu      sync.Mutex
	records map[kafka.TopicPartition][]ingest.Record
	next    map[kafka.TopicPartition]event.Offset
}

// Keep reads the topics of a set's stages, which need not be there yet, until the test ends.
func Keep(t testing.TB, client *kafka.Client, set *rules.Set) *Log {
	k := &Log{t: t, client: client, topics: Topics(set), records: map[kafka.TopicPartition][]ingest.Record{}, next: map[kafka.TopicPartition]event.Offset{}}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	done.Go(func() {
		for ctx.Err() == nil {
			for _, topic := range k.topics {
				_ = k.follow(ctx, topic) // the broker may be away; whoever asks for the records is told
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	return k
}

// Topics returns the topics of a set's stages.
func Topics(set *rules.Set) (topics []string) {
	for _, p := range set.Plans {
		if p.Stage != nil {
			topics = append(topics, p.Topic)
		}
	}
	return topics
}

// follow reads what is new in a topic.
func (k *Log) follow(ctx context.Context, topic string) error {
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

func (k *Log) read(ctx context.Context, at kafka.TopicPartition, end event.Offset) error {
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

// UpTo returns all records of a partition up to an offset.
func (k *Log) UpTo(at kafka.TopicPartition, end event.Offset) []ingest.Record {
	k.t.Helper()
	if err := k.read(k.t.Context(), at, end); err != nil {
		k.t.Fatalf("what was in %v from %d on is gone, so nothing can be said of it: %v", at, k.next[at], err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.records[at]
}
