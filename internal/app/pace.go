package app

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/task"
	"insolite/rules"
)

// Stages wait for the slowest of those that send to them, and keep in the meantime what the others have sent.
const (
	paceAhead   = time.Hour              // of event time: how far a task may be ahead of the slowest that sends to the same stage
	paceWait    = 100 * time.Millisecond // how long one that is too far ahead waits before it asks again, and how often the group is asked for it
	paceStuck   = time.Minute            // one that has something to read and hasn't moved for so long is not waited for: it does not work
	paceLookups = 64                     // partitions whose ends are asked for at a time; where more seem slow, nobody waits
)

// pace is how far tasks that send to stages may go, by their topics.
type pace struct {
	limits atomic.Pointer[map[string]event.Time] // those without one are not limited
	asked  chan struct{}                         // some task waits: an hour of event time may be less than a second's work
	moved  map[kafka.TopicPartition]movement     // of the goroutine that watches the group
}

// movement is where a task stood, and since when.
type movement struct {
	next  event.Offset
	since time.Time
}

// of returns the pace of the tasks of one topic.
func (p *pace) of(topic string) task.Pace {
	return func(watermark event.Time) time.Duration {
		limits := p.limits.Load()
		if limits == nil {
			return 0
		}
		if limit, ok := (*limits)[topic]; ok && watermark > limit {
			select {
			case p.asked <- struct{}{}:
			default: // it is asked already
			}
			return paceWait
		}
		return 0
	}
}

// move notes where the group's tasks stand.
func (p *pace) move(next map[kafka.TopicPartition]event.Offset, now time.Time) {
	before := p.moved
	p.moved = map[kafka.TopicPartition]movement{}
	for at, n := range next {
		m, ok := before[at]
		if !ok || m.next != n {
			m = movement{n, now}
		}
		p.moved[at] = m
	}
}

func hasRoutes(p *rules.Plan) bool { return len(p.Routes) > 0 }

// limitPace finds out how far tasks that send to stages may go.
func (s *Service) limitPace(ctx context.Context, told commits, next map[kafka.TopicPartition]event.Offset) {
	s.pace.move(next, s.now())
	limits := map[string]event.Time{}
	if set, err := s.bundles.set(ctx, s.bundles.Newest()); err == nil {
		for _, p := range set.Plans {
			if p.Stage == nil {
				continue
			}
			slowest, ok := s.slowest(ctx, p.Stage.Upstreams, told)
			if !ok {
				continue
			}
			for _, topic := range p.Stage.Upstreams {
				limit := slowest.Add(paceAhead)
				if before, ok := limits[topic]; ok {
					limit = min(limit, before)
				}
				limits[topic] = limit
			}
		}
	}
	s.pace.limits.Store(&limits)
}

// slowest returns the lowest watermark of the partitions of some topics that have something to read and move. ok is false when nobody need
// wait for any.
func (s *Service) slowest(ctx context.Context, topics []string, told commits) (watermark event.Time, ok bool) {
	type candidate struct {
		at        kafka.TopicPartition
		watermark event.Time
	}
	fastest := event.NoTime
	var all []candidate
	for at, c := range told {
		if c.Watermark != event.NoTime && slices.Contains(topics, at.Topic) {
			all = append(all, candidate{at, c.Watermark})
			fastest = max(fastest, c.Watermark)
		}
	}
	all = slices.DeleteFunc(all, func(c candidate) bool {
		return c.watermark.Add(paceAhead) >= fastest || s.now().Sub(s.pace.moved[c.at].since) > paceStuck
	})
	if len(all) > paceLookups {
		return 0, false
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.watermark, b.watermark), compare(a.at, b.at))
	})
	for _, c := range all {
		end, err := s.client.LastStable(ctx, c.at)
		if err == nil && end > s.pace.moved[c.at].next {
			return c.watermark, true
		}
	}
	return 0, false
}
