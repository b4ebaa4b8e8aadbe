package main

import (
	"context"
	"errors"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/loadgen"
)

const (
	// outgoingMax and outgoingBytesMax bound what is produced at once. While one lot is under way the next one gathers.
	outgoingMax      = 5000
	outgoingBytesMax = 4 << 20
	// drainTime is how long what was made may still take to be stored when the user has had enough.
	drainTime = 10 * time.Second
)

// outgoing is a lot of events to be produced.
type outgoing struct {
	messages []kafka.Message
	due      []event.Time
	bytes    []byte // of keys and values
	labels   []outgoingLabel
}

type outgoingLabel struct {
	index int // of the message
	label *label
}

// kafkaSink produces events and labels. Making and producing go on side by side, so that a slow broker does not slow the schedule down
// before a lot is full.
type kafkaSink struct {
	client      *kafka.Client
	producer    *kafka.Producer
	topic       string
	partitions  int
	labels      string // topic; empty: none
	score       *scorer
	wait        time.Duration // for the last alerts
	fill        *outgoing
	work, spare chan *outgoing
	failed      chan struct{} // closed with err set
	done        chan struct{}
	err         error
	acks        histogram
	cancel      context.CancelFunc
}

// openKafka connects, looks at the topics and starts to produce.
func (j *generateJob) openKafka(ctx context.Context) (sink eventSink, err error) {
	client, err := j.cluster.dial(ctx, j.g)
	if err != nil {
		return nil, err
	}
	s := &kafkaSink{
		client: client, topic: j.topic(), labels: j.labels, wait: j.wait, fill: &outgoing{},
		work: make(chan *outgoing), spare: make(chan *outgoing, 1), failed: make(chan struct{}), done: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, client.Close())
		}
	}()
	if s.partitions, err = j.cluster.partitions(ctx, client, s.topic); err != nil {
		return nil, err
	}
	if s.labels != "" {
		if _, err := j.cluster.partitions(ctx, client, s.labels); err != nil {
			return nil, err
		}
	}
	if j.score {
		if s.score, err = newScorer(ctx, client, j.cluster.alerts, s.topic); err != nil {
			return nil, err
		}
	}
	s.producer = client.NewProducer()
	s.spare <- &outgoing{}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })
	s.cancel = func() { stop(); cancel() }
	go s.produce(own)
	return s, nil
}

// produce stores one lot after the other.
func (s *kafkaSink) produce(ctx context.Context) {
	defer close(s.done)
	for lot := range s.work {
		if s.err = s.store(ctx, lot); s.err != nil {
			close(s.failed)
			return
		}
		lot.messages, lot.due, lot.bytes, lot.labels = lot.messages[:0], lot.due[:0], lot.bytes[:0], lot.labels[:0]
		s.spare <- lot
	}
}

func (s *kafkaSink) store(ctx context.Context, lot *outgoing) error {
	offsets, err := s.producer.Produce(ctx, lot.messages...)
	if err != nil {
		return err
	}
	now := wallTime()
	for _, due := range lot.due {
		s.acks.add(time.Duration(now - due))
	}
	var labels []kafka.Message
	for _, l := range lot.labels {
		m := &lot.messages[l.index]
		l.label.Partition, l.label.Offset = int32(m.Partition), int64(offsets[l.index])
		labels = append(labels, kafka.Message{Topic: s.labels, Key: m.Key, Value: l.label.line()})
		if s.score != nil {
			s.score.expect(l.label, lot.due[l.index])
		}
	}
	if s.score != nil {
		for i, o := range offsets {
			s.score.sent(lot.messages[i].Partition, o)
		}
	}
	if s.labels == "" || len(labels) == 0 {
		return nil
	}
	_, err = s.producer.Produce(ctx, labels...)
	return err
}

func (s *kafkaSink) add(_ context.Context, e *loadgen.Event, due event.Time) error {
	f := s.fill
	from := len(f.bytes)
	f.bytes = append(append(f.bytes, e.Key...), e.Value...)
	mid, end := from+len(e.Key), len(f.bytes)
	f.messages = append(f.messages, kafka.Message{
		Topic: s.topic, Pinned: true, Partition: kafka.PartitionOf(e.Key, s.partitions), Key: f.bytes[from:mid:mid], Value: f.bytes[mid:end:end],
	})
	f.due = append(f.due, due)
	if e.Label != "" {
		f.labels = append(f.labels, outgoingLabel{len(f.messages) - 1, newLabel(e, s.topic)})
	}
	if len(f.messages) < outgoingMax && len(f.bytes) < outgoingBytesMax {
		return nil
	}
	return s.hand()
}

// hand gives the lot to be produced as soon as the one before is stored.
func (s *kafkaSink) hand() error {
	select {
	case s.work <- s.fill:
		return s.renew()
	case <-s.failed:
		return s.err
	}
}

// renew takes the lot that is free: one is under way, the other one was stored.
func (s *kafkaSink) renew() error {
	select {
	case s.fill = <-s.spare:
		return nil
	case <-s.failed:
		return s.err
	}
}

func (s *kafkaSink) idle(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		work := s.work
		if len(s.fill.messages) == 0 {
			work = nil
		}
		select {
		case work <- s.fill:
			if s.renew() != nil {
				return // the next hand tells
			}
		case <-s.failed:
			return
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		}
	}
}

func (s *kafkaSink) finish(ctx context.Context, r *generateReport) error {
	defer s.cancel()
	err := s.hand()
	close(s.work)
	<-s.done
	s.producer.Close()
	r.Ack = s.acks.delays()
	if s.score != nil {
		r.Score = s.score.finish(ctx, s.wait)
	}
	if err == nil {
		err = s.err
	}
	return errors.Join(err, s.client.Close())
}
