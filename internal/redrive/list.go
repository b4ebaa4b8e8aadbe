// Package redrive finds dead letters in their topic and sends their records back to where they came from, each once.
//
//	found, err := redrive.List(ctx, client, "insolite.dead-letters", redrive.Filter{App: "payments", Limit: 100})   // to be shown
//	found, err = redrive.Pending(ctx, client, "insolite.dead-letters", redrive.Filter{App: "payments", Limit: 100}) // to be sent
//	err = redrive.Send(ctx, client, "insolite.dead-letters", found.Items, []string{"payments"}, func(r redrive.Result) { … })
//
// # Once
//
// A record is sent in one Kafka transaction with a mark, a record behind the letter in the letter's own partition of the dead-letters topic.
// So there is never one without the other, whatever breaks; a letter that has a mark is passed over by every later call. All calls of an
// application share one transactional id: a second one that begins while the first is at work takes over from it, and sees every mark
// of the first. Retention deletes the letter before its mark, so that a letter which is there has its mark, too.
//
// # What is sent
//
// Key, value, headers, timestamp and partition are the record's own, and one header more names the letter. What a letter lacks of a large
// record is taken from the record's topic. What can't be sent is refused with the reason, and the others go on.
package redrive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/deadletter"
	"insolite/internal/event"
)

// Filter says which letters are meant. Empty texts mean all.
type Filter struct {
	App    string // that put the record aside: a topic may be shared
	Reason string
	Source string
	Topic  string     // where the record came from
	Since  event.Time // put aside then or later; [event.NoTime]: all
	Limit  int        // at most so many; at least 1
}

func (f *Filter) wants(l *deadletter.Letter) bool {
	same := func(want, is string) bool { return want == "" || want == is }
	return same(f.App, l.App) && same(f.Reason, l.Reason) && same(f.Source, l.Source) && same(f.Topic, l.Topic)
}

// Item is a dead letter in its topic.
type Item struct {
	At       deadletter.Place
	Time     event.Time        // when it was put aside
	Letter   deadletter.Letter // without the record's key, value and headers
	Cut      deadletter.Cut
	Redriven bool
}

// Found are the letters that a filter wants.
type Found struct {
	Items    []Item
	More     int // beyond Filter.Limit
	Nonsense int // records of the topic that are neither letters nor marks
}

// List returns the newest letters, the newest first.
func List(ctx context.Context, c *kafka.Client, topic string, f Filter) (*Found, error) {
	return find(ctx, c, topic, f, func(Item) bool { return true }, func(a, b Item) int { return -older(a, b) })
}

// Pending returns the oldest letters that are not redriven, the oldest first.
func Pending(ctx context.Context, c *kafka.Client, topic string, f Filter) (*Found, error) {
	return find(ctx, c, topic, f, func(i Item) bool { return !i.Redriven }, older)
}

func older(a, b Item) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.At.Partition, b.At.Partition), cmp.Compare(a.At.Offset, b.At.Offset))
}

// find holds the letters of one partition at a time beside those that it returns, without their records.
func find(ctx context.Context, c *kafka.Client, topic string, f Filter, want func(Item) bool, order func(a, b Item) int) (*Found, error) {
	described, err := c.DescribeTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	found := &Found{}
	for p := range described.Partitions {
		tp := kafka.TopicPartition{Topic: topic, Partition: event.Partition(p)}
		from, err := begin(ctx, c, tp, f.Since)
		if err != nil {
			return nil, err
		}
		until, err := c.LastStable(ctx, tp)
		if err != nil {
			return nil, err
		}
		if err := found.add(ctx, c, tp, from, until, &f, want); err != nil {
			return nil, err
		}
		slices.SortFunc(found.Items, order)
		if beyond := len(found.Items) - f.Limit; beyond > 0 {
			found.More += beyond
			found.Items = slices.Clone(found.Items[:f.Limit])
		}
	}
	return found, nil
}

func begin(ctx context.Context, c *kafka.Client, tp kafka.TopicPartition, since event.Time) (event.Offset, error) {
	if since == event.NoTime {
		return c.Earliest(ctx, tp)
	}
	return c.OffsetForTime(ctx, tp, since)
}

// add adds the letters of a partition.
func (found *Found) add(ctx context.Context, c *kafka.Client, tp kafka.TopicPartition, from, until event.Offset, f *Filter, want func(Item) bool) error {
	var items []Item
	marks := map[deadletter.Place]bool{}
	for r, err := range c.ReadAll(ctx, tp, from, until) {
		if err != nil {
			return err
		}
		if at, ok := deadletter.ParseMark(r); ok {
			marks[at] = true
			continue
		}
		l, cut, err := deadletter.Decode(r)
		switch {
		case errors.Is(err, deadletter.ErrNoLetter):
			found.Nonsense++
			continue
		case err != nil:
			return fmt.Errorf("dead letter at offset %d of %s: %w", r.Offset, tp, err)
		case r.Timestamp < f.Since || !f.wants(&l):
			continue
		}
		l.Record = ingest.Record{Offset: l.Record.Offset, Timestamp: l.Record.Timestamp}
		items = append(items, Item{At: deadletter.Place{Partition: tp.Partition, Offset: r.Offset}, Time: r.Timestamp, Letter: l, Cut: cut})
	}
	for _, i := range items {
		i.Redriven = marks[i.At]
		if want(i) {
			found.Items = append(found.Items, i)
		}
	}
	return nil
}
