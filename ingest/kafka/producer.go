package kafka

import (
	"context"
	"sync"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// Producer produces outside of transactions, idempotently and acknowledged by all replicas in sync: for delivery at least once, and for what
// must be durable before anything names it. It is for any goroutine; calls follow one another.
type Producer struct {
	mu sync.Mutex
	w  writer
}

// NewProducer makes a producer. Until it is used it costs nothing.
func (c *Client) NewProducer() *Producer { return &Producer{w: c.newWriter(nil)} }

// Close closes the connections.
func (p *Producer) Close() { p.w.conns.close() }

// Produce stores messages and returns when all are acknowledged. offsets are those of the messages; -1: stored, but the reply was lost.
// After an error some of them may be stored: repeating the call repeats those.
func (p *Producer) Produce(ctx context.Context, messages ...Message) (offsets []event.Offset, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(messages) == 0 {
		return nil, nil
	}
	if p.w.id < 0 {
		if err := p.init(ctx, messages[0].Topic); err != nil {
			return nil, err
		}
	}
	offsets = make([]event.Offset, len(messages))
	for from := 0; from < len(messages); {
		n, err := p.run(ctx, messages[from:], offsets[from:])
		if err != nil {
			p.w.id = -1 // the sequence numbers are not known any more
			return nil, err
		}
		from += n
	}
	return offsets, nil
}

// run sends as many of the first messages as go in one round and returns their number.
func (p *Producer) run(ctx context.Context, messages []Message, offsets []event.Offset) (int, error) {
	n := 0
	for n < len(messages) {
		full, err := p.w.add(ctx, &messages[n])
		if err != nil {
			return 0, err
		}
		if full {
			break
		}
		n++
	}
	order := map[TopicPartition][]int{}
	for tp, q := range p.w.queue {
		order[tp] = q.order
	}
	first, err := p.w.write(ctx, p.w.batches())
	for tp, indexes := range order {
		for i, index := range indexes {
			offsets[index] = -1
			if first[tp] >= 0 {
				offsets[index] = first[tp] + event.Offset(i)
			}
		}
	}
	return n, err
}

// init gets a producer id from any broker.
func (p *Producer) init(ctx context.Context, topic string) error {
	return retry(ctx, "get a producer id", func() error {
		_, b, err := p.w.client.describe(topic)
		if err != nil {
			return err
		}
		r, err := b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
		if err != nil {
			p.w.client.conns.drop(b)
			return err
		}
		if r.Err != sarama.ErrNoError {
			return r.Err
		}
		p.w.reset(r.ProducerID, r.ProducerEpoch)
		return nil
	})
}
