package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
)

// scorer reads the alerts topic from now on and compares it with what is expected. An alert may be there before it is known where its event
// was stored, so that all is compared at the end.
type scorer struct {
	topic   string // of the events
	fetcher *kafka.Fetcher
	readers sync.WaitGroup

	mu     sync.Mutex
	tally  tally
	ranges map[event.Partition][2]event.Offset // of our events
}

func newScorer(ctx context.Context, client *kafka.Client, alertsTopic, eventsTopic string) (*scorer, error) {
	t, err := client.DescribeTopic(ctx, alertsTopic)
	if errors.Is(err, kafka.ErrNotFound) {
		return nil, fmt.Errorf("the brokers have no topic %s, so nothing is alerted yet; start `detector run` before, or name its topic with --alerts", alertsTopic)
	}
	if err != nil {
		return nil, err
	}
	s := &scorer{
		topic: eventsTopic, fetcher: client.NewFetcher(), tally: newTally(), ranges: map[event.Partition][2]event.Offset{},
	}
	for p := range t.Partitions {
		tp := kafka.TopicPartition{Topic: alertsTopic, Partition: event.Partition(p)}
		end, err := client.HighWatermark(ctx, tp)
		if err != nil {
			s.fetcher.Close()
			return nil, err
		}
		feed := s.fetcher.Add(tp.Topic, tp.Partition, end)
		s.readers.Go(func() { s.read(feed) })
	}
	return s, nil
}

func (s *scorer) read(feed *kafka.Feed) {
	for b := range feed.Batches() {
		now := wallTime()
		for i := range b.Records {
			s.alert(b.Records[i].Value, now)
		}
		b.Release()
	}
}

func (s *scorer) alert(value []byte, now event.Time) {
	var a struct {
		State    string
		Key      map[string]any
		At       string
		Rule     struct{ ID string }
		Position struct {
			Topic     string
			Partition event.Partition
			Offset    event.Offset
		}
	}
	if json.Unmarshal(value, &a) != nil || a.Position.Topic != s.topic || a.State != "firing" {
		return // not about our events
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := finding{a.Rule.ID, s.topic, a.Position.Partition, a.Position.Offset}
	h := hit{read: now}
	h.at, _ = parseTime(a.At)
	for _, v := range a.Key { // stories are of keys of one field
		h.entity = fmt.Sprint(v)
	}
	s.tally.find(f, h)
}

// sent notes that a record is ours.
func (s *scorer) sent(p event.Partition, o event.Offset) {
	if o < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.ranges[p]
	if !known {
		r = [2]event.Offset{o, o}
	}
	s.ranges[p] = [2]event.Offset{min(r[0], o), max(r[1], o)}
}

// finish waits until every anomaly is found, at most so long, and compares.
func (s *scorer) finish(ctx context.Context, wait time.Duration) []*ruleScore {
	deadline := time.Now().Add(wait)
	for s.missing() && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	s.fetcher.Close()
	s.readers.Wait()
	return s.compare()
}

// expect notes an anomaly that was stored.
func (s *scorer) expect(l *label, due event.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.expect(l, due)
}

func (s *scorer) missing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.missing()
}

// compare compares everything that came.
func (s *scorer) compare() []*ruleScore {
	all := s.tally.compare(func(f finding) bool {
		r, ours := s.ranges[f.partition]
		return ours && f.offset >= r[0] && f.offset <= r[1]
	})
	for _, x := range all {
		x.Delay = x.delays.delays()
	}
	return all
}
