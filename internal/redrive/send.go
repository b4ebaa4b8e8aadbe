package redrive

import (
	"bytes"
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

// Result is what became of one letter.
type Result struct {
	At      deadletter.Place
	Topic   string // where its record went
	Already bool   // another call was first
	Refused error  // why it was not sent; nil: it was
}

// A transaction is short, so that the readers of the topics, which wait for its end, don't notice it.
const (
	chunkMessages = 100
	chunkBytes    = 4 << 20
)

// Transactional is the name of the transactional id, after the application and a slash.
const Transactional = "redrive"

// Send sends the records of these letters back to their topics, in the order of the letters within each partition of the dead-letters
// topic. It tells done of each. Only records of the given topics are sent. After an error it may be called again: nothing is sent twice.
func Send(ctx context.Context, c *kafka.Client, topic string, items []Item, topics []string, done func(Result)) (err error) {
	s := &sender{c: c, topic: topic, topics: topics, partitions: map[string]int{}, t: c.NewNamedTransaction(Transactional), done: done}
	defer func() { err = errors.Join(err, s.t.Close(ctx)) }()
	if err := s.t.Init(ctx); err != nil {
		return err
	}
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.At.Partition, b.At.Partition), cmp.Compare(a.At.Offset, b.At.Offset))
	})
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].At.Partition == items[0].At.Partition {
			n++
		}
		if err := s.partition(ctx, items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

type sender struct {
	c          *kafka.Client
	topic      string
	topics     []string       // that may be sent to
	partitions map[string]int // of topics that were looked up; 0: there is none
	t          *kafka.Transaction
	done       func(Result)
	chunk      []sending
	bytes      int
}

// sending is a record and its mark.
type sending struct {
	at       deadletter.Place
	messages [2]kafka.Message
}

// partition sends the letters of one partition, in their order.
func (s *sender) partition(ctx context.Context, items []Item) error {
	tp := kafka.TopicPartition{Topic: s.topic, Partition: items[0].At.Partition}
	from, until := items[0].At.Offset, items[len(items)-1].At.Offset+1
	marks, end, err := s.marks(ctx, tp, from)
	if err != nil {
		return err
	}
	for r, err := range s.c.ReadAll(ctx, tp, from, min(until, end)) {
		if err != nil {
			return err
		}
		for len(items) > 0 && items[0].At.Offset < r.Offset {
			s.gone(items[0])
			items = items[1:]
		}
		if len(items) == 0 {
			break
		}
		if items[0].At.Offset > r.Offset {
			continue
		}
		at := items[0].At
		items = items[1:]
		if marks[at] {
			s.done(Result{At: at, Already: true})
			continue
		}
		if err := s.add(ctx, at, r); err != nil {
			return err
		}
	}
	for _, i := range items {
		s.gone(i)
	}
	return s.flush(ctx)
}

func (s *sender) gone(i Item) {
	s.done(Result{At: i.At, Topic: i.Letter.Topic, Refused: errors.New("the dead letter is gone: retention or compaction has deleted it")})
}

// marks returns the marks of a partition from an offset on, and its end. After Init nothing that an earlier call has sent is missed.
func (s *sender) marks(ctx context.Context, tp kafka.TopicPartition, from event.Offset) (marks map[deadletter.Place]bool, end event.Offset, err error) {
	if end, err = s.c.HighWatermark(ctx, tp); err != nil {
		return nil, 0, err
	}
	marks = map[deadletter.Place]bool{}
	for r, err := range s.c.ReadAll(ctx, tp, from, end) {
		if err != nil {
			return nil, 0, err
		}
		if at, ok := deadletter.ParseMark(r); ok {
			marks[at] = true
		}
	}
	return marks, end, nil
}

// add queues a letter's record, or refuses it.
func (s *sender) add(ctx context.Context, at deadletter.Place, r ingest.Record) error {
	l, cut, err := deadletter.Decode(r)
	if err == nil {
		err = s.known(ctx, &l)
	}
	if err == nil && cut != (deadletter.Cut{}) {
		err = s.whole(ctx, &l, cut)
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.done(Result{At: at, Topic: l.Topic, Refused: err})
		return nil
	}
	record, mark := l.Redriven(at), deadletter.Mark(at)
	m := kafka.Message{Topic: l.Topic, Key: record.Key, Value: record.Value, Headers: record.Headers}
	if m.Partition = l.Partition; int(l.Partition) < s.partitions[l.Topic] {
		m.Pinned = true
	}
	if l.Record.Timestamp != event.NoTime {
		m.Timestamp = l.Record.Timestamp
	}
	s.chunk = append(s.chunk, sending{at, [2]kafka.Message{m,
		{Topic: s.topic, Pinned: true, Partition: at.Partition, Key: mark.Key, Value: mark.Value, Headers: mark.Headers}}})
	s.bytes += len(m.Key) + len(m.Value)
	if len(s.chunk) >= chunkMessages || s.bytes >= chunkBytes {
		return s.flush(ctx)
	}
	return nil
}

// known sees that the record's topic is one of ours, and there.
func (s *sender) known(ctx context.Context, l *deadletter.Letter) error {
	if !slices.Contains(s.topics, l.Topic) {
		return fmt.Errorf("no source reads topic %s; nothing is sent to it", l.Topic)
	}
	if _, looked := s.partitions[l.Topic]; !looked {
		t, err := s.c.DescribeTopic(ctx, l.Topic)
		switch {
		case errors.Is(err, kafka.ErrNotFound):
			s.partitions[l.Topic] = 0
		case err != nil:
			return err
		default:
			s.partitions[l.Topic] = t.Partitions
		}
	}
	if s.partitions[l.Topic] == 0 {
		return fmt.Errorf("there is no topic %s any more", l.Topic)
	}
	return nil
}

// whole takes a large record from its own topic, because the letter has only a part of it.
func (s *sender) whole(ctx context.Context, l *deadletter.Letter, cut deadletter.Cut) error {
	lost := func(why string) error {
		return fmt.Errorf("the dead letter lacks a part of the record, and the record itself is gone from %s/%d at offset %d: %s", l.Topic, l.Partition, l.Record.Offset, why)
	}
	if int(l.Partition) >= s.partitions[l.Topic] {
		return lost("there is no such partition")
	}
	r, err := s.c.RecordAt(ctx, kafka.TopicPartition{Topic: l.Topic, Partition: l.Partition}, l.Record.Offset)
	var out *kafka.OutOfRangeError
	switch {
	case errors.As(err, &out), errors.Is(err, kafka.ErrNotFound):
		return lost("its topic no longer holds it")
	case err != nil:
		return err
	case len(r.Key) != len(l.Record.Key)+cut.KeyBytes, len(r.Value) != len(l.Record.Value)+cut.ValueBytes,
		!bytes.HasPrefix(r.Key, l.Record.Key), !bytes.HasPrefix(r.Value, l.Record.Value):
		return lost("another record is there, so the topic was created anew")
	}
	l.Record = r
	return nil
}

// flush commits what is queued. When a topic refuses a record as too large, the others go on without it.
func (s *sender) flush(ctx context.Context) error {
	chunk := s.chunk
	s.chunk, s.bytes = nil, 0
	if len(chunk) == 0 {
		return nil
	}
	err := s.commit(ctx, chunk)
	var large *kafka.TooLargeError
	switch {
	case err == nil:
		for _, x := range chunk {
			s.done(Result{At: x.at, Topic: x.messages[0].Topic})
		}
		return nil
	case !errors.As(err, &large):
		return err
	}
	if err := s.t.Init(ctx); err != nil {
		return err
	}
	if len(chunk) == 1 {
		s.done(Result{At: chunk[0].at, Topic: chunk[0].messages[0].Topic, Refused: large})
		return nil
	}
	for i := range chunk {
		s.chunk = chunk[i : i+1]
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) commit(ctx context.Context, chunk []sending) error {
	for i := range chunk {
		if err := s.t.Send(ctx, chunk[i].messages[:]...); err != nil {
			return err
		}
	}
	return s.t.Commit(ctx)
}
