package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
)

// ruleScore says how well the alerts of a rule agree with the truth.
type ruleScore struct {
	Rule      string   `json:"rule"`
	Injected  int      `json:"injected"`
	Found     int      `json:"found"`
	Missed    int      `json:"missed"`
	Other     int      `json:"other"`               // alerts at events that have no label
	Precision *float64 `json:"precision,omitempty"` // found / (found + other)
	Recall    *float64 `json:"recall,omitempty"`    // found / injected
	Delay     *delays  `json:"delay,omitempty"`     // from when the event was due until the alert could be read

	delays histogram
}

// finding is an alert of a rule at a record.
type finding struct {
	rule      string
	partition event.Partition
	offset    event.Offset
}

// scorer reads the alerts topic from now on and compares it with what is expected. An alert may be there before it is known where its event
// was stored, so that all is compared at the end.
type scorer struct {
	topic   string // of the events
	fetcher *kafka.Fetcher
	readers sync.WaitGroup

	mu       sync.Mutex
	expected map[finding]event.Time // when the event was due
	found    map[finding]event.Time // when the alert could be read first
	ranges   map[event.Partition][2]event.Offset
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
		topic: eventsTopic, fetcher: client.NewFetcher(),
		expected: map[finding]event.Time{}, found: map[finding]event.Time{}, ranges: map[event.Partition][2]event.Offset{},
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
	f := finding{a.Rule.ID, a.Position.Partition, a.Position.Offset}
	if _, known := s.found[f]; !known {
		s.found[f] = now
	}
}

// expect notes an anomaly; one that was stored nobody knows where cannot be compared.
func (s *scorer) expect(l *label, due event.Time) {
	if l.Offset < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected[finding{l.Rule, event.Partition(l.Partition), event.Offset(l.Offset)}] = due
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

func (s *scorer) missing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.expected {
		if _, found := s.found[f]; !found {
			return true
		}
	}
	return false
}

func (s *scorer) compare() []*ruleScore {
	byRule := map[string]*ruleScore{}
	of := func(rule string) *ruleScore {
		if byRule[rule] == nil {
			byRule[rule] = &ruleScore{Rule: rule}
		}
		return byRule[rule]
	}
	for f, due := range s.expected {
		x := of(f.rule)
		x.Injected++
		if at, found := s.found[f]; found {
			x.Found++
			x.delays.add(time.Duration(at - due))
		} else {
			x.Missed++
		}
	}
	for f := range s.found {
		r, ours := s.ranges[f.partition]
		if _, wanted := s.expected[f]; !wanted && ours && f.offset >= r[0] && f.offset <= r[1] {
			of(f.rule).Other++
		}
	}
	var all []*ruleScore
	for _, x := range byRule {
		x.Precision, x.Recall = ratio(x.Found, x.Found+x.Other), ratio(x.Found, x.Injected)
		x.Delay = x.delays.delays()
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *ruleScore) int { return strings.Compare(a.Rule, b.Rule) })
	return all
}

func ratio(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}

// tellScore prints the scores for people.
func tellScore(w io.Writer, p paint, scores []*ruleScore) error {
	t := newGrid("RULE", ">INJECTED", ">FOUND", ">MISSED", ">OTHER", ">PRECISION", ">RECALL", ">DELAY P50", ">MAX")
	percent := func(r *float64) string {
		if r == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f %%", 100**r)
	}
	for _, x := range scores {
		half, last := "-", "-"
		if x.Delay != nil {
			half, last = seconds(x.Delay.P50), seconds(x.Delay.Max)
		}
		t.add(x.Rule, thousands(x.Injected), thousands(x.Found), thousands(x.Missed), thousands(x.Other), percent(x.Precision), percent(x.Recall), half, last)
	}
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	return t.write(w, "", p)
}
