package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// flushBytes is how much a writer gathers over all partitions before it sends on its own.
const flushBytes = 8 << 20

// writer produces record batches as one idempotent producer: it numbers them, so that a batch which is sent again after a lost reply is not
// stored twice. It is for one goroutine. After an error it must have a new producer id or epoch.
type writer struct {
	client *Client
	conns  conns
	txnID  *string // nil: no transactions
	id     int64   // producer id; -1: none yet
	epoch  int16
	next   map[TopicPartition]int32 // sequence numbers
	queue  map[TopicPartition]*pending
	bytes  int
	queued int // messages
}

func (c *Client) newWriter(txnID *string) writer {
	return writer{client: c, conns: conns{conf: c.conf}, txnID: txnID, id: -1}
}

// reset forgets what is queued and takes a new identity.
func (w *writer) reset(id int64, epoch int16) {
	w.id, w.epoch, w.bytes, w.queued = id, epoch, 0, 0
	w.next, w.queue = map[TopicPartition]int32{}, map[TopicPartition]*pending{}
}

// add queues a message; full tells that it must be preceded by a flush.
func (w *writer) add(ctx context.Context, m *Message) (full bool, err error) {
	size := m.bytes()
	tp, err := w.place(ctx, m)
	if err != nil {
		return false, err
	}
	p := w.queue[tp]
	if p == nil {
		p = &pending{}
		w.queue[tp] = p
	}
	if len(p.messages) > 0 && p.bytes+size > w.client.opts.BatchBytes || w.bytes > flushBytes {
		return true, nil
	}
	p.messages = append(p.messages, *m)
	p.order = append(p.order, w.queued)
	w.queued++
	p.bytes += size
	w.bytes += size
	return false, nil
}

func (w *writer) place(ctx context.Context, m *Message) (TopicPartition, error) {
	tp := TopicPartition{m.Topic, m.Partition}
	if m.Pinned {
		return tp, nil
	}
	n, err := w.client.partitions(ctx, m.Topic)
	if err != nil {
		return tp, err
	}
	tp.Partition = m.partition(n)
	return tp, nil
}

// partitions returns the number of a topic's partitions as last known.
func (c *Client) partitions(ctx context.Context, topic string) (n int, err error) {
	err = retry(ctx, "look up topic "+topic, func() error {
		all, err := c.meta.Partitions(topic)
		if n = len(all); err == nil && n == 0 { // as sarama tells while every leader is being elected
			err = sarama.ErrLeaderNotAvailable
		}
		return err
	})
	return n, err
}

// batches takes the queue and makes record batches of it, numbered in sequence.
func (w *writer) batches() map[TopicPartition]*sarama.RecordBatch {
	out := map[TopicPartition]*sarama.RecordBatch{}
	now := time.Now()
	for tp, p := range w.queue {
		if len(p.messages) == 0 {
			continue
		}
		rb := p.recordBatch(codecs[w.client.opts.Compression], now)
		rb.ProducerID, rb.ProducerEpoch, rb.FirstSequence, rb.IsTransactional = w.id, w.epoch, w.next[tp], w.txnID != nil
		w.next[tp] = int32((int64(w.next[tp]) + int64(len(p.messages))) & 0x7fffffff)
		out[tp] = rb
	}
	clear(w.queue)
	w.bytes, w.queued = 0, 0
	return out
}

// write sends record batches, each to its partition's leader, until all are stored or one fails for good. It returns their first offsets;
// -1: stored by an attempt whose reply was lost.
func (w *writer) write(ctx context.Context, batches map[TopicPartition]*sarama.RecordBatch) (map[TopicPartition]event.Offset, error) {
	offsets := map[TopicPartition]event.Offset{}
	err := retry(ctx, "produce", func() error {
		byAddr := map[string][]TopicPartition{}
		for tp := range batches {
			addr, _, err := w.client.leader(tp)
			if err != nil {
				_ = w.client.meta.RefreshMetadata(tp.Topic) // a failure shows at the next attempt
				return fmt.Errorf("%s: %w", tp, err)
			}
			byAddr[addr] = append(byAddr[addr], tp)
		}
		var group sync.WaitGroup
		results := make(chan produced, len(byAddr))
		for addr, tps := range byAddr {
			request := w.request(batches, tps)
			group.Go(func() { results <- w.send(addr, request, tps, batches) })
		}
		group.Wait()
		close(results)
		var failures []error
		for r := range results {
			for tp, offset := range r.offsets {
				offsets[tp] = offset
				delete(batches, tp)
			}
			failures = append(failures, r.errs...)
		}
		return worst(failures)
	})
	return offsets, err
}

// worst joins failures; those that do not pass come alone, because they decide.
func worst(failures []error) error {
	for _, err := range failures {
		if !passing(err) {
			return err
		}
	}
	return errors.Join(failures...)
}

// produced is what a produce request came to.
type produced struct {
	offsets map[TopicPartition]event.Offset
	errs    []error
}

func (w *writer) request(batches map[TopicPartition]*sarama.RecordBatch, tps []TopicPartition) *sarama.ProduceRequest {
	r := &sarama.ProduceRequest{
		TransactionalID: w.txnID, RequiredAcks: sarama.WaitForAll, Version: produceVersion,
		Timeout: int32(w.client.opts.RequestTimeout.Milliseconds() / 2), // the broker answers before we hang up
	}
	for _, tp := range tps {
		r.AddBatch(tp.Topic, int32(tp.Partition), batches[tp])
	}
	return r
}

// produceVersion is lowered to what the broker knows. Versions from 12 on would mean Transactions V2, which sarama does not speak.
const produceVersion = 9

// send carries a request to its broker. Other requests run meanwhile: batches is only read.
func (w *writer) send(addr string, request *sarama.ProduceRequest, tps []TopicPartition, batches map[TopicPartition]*sarama.RecordBatch) produced {
	out := produced{offsets: map[TopicPartition]event.Offset{}}
	b, err := w.conns.to(addr)
	if err != nil {
		return produced{errs: []error{err}}
	}
	response, err := b.Produce(request)
	if err != nil {
		w.conns.drop(b)
		for _, tp := range tps {
			_ = w.client.meta.RefreshMetadata(tp.Topic) // a failure shows at the next attempt
		}
		return produced{errs: []error{fmt.Errorf("broker %s: %w", addr, err)}}
	}
	for _, tp := range tps {
		block := response.GetBlock(tp.Topic, int32(tp.Partition))
		switch {
		case block == nil:
			out.errs = append(out.errs, sarama.ErrIncompleteResponse)
		case block.Err == sarama.ErrNoError:
			out.offsets[tp] = event.Offset(block.Offset)
		case block.Err == sarama.ErrDuplicateSequenceNumber:
			out.offsets[tp] = -1
		case block.Err == sarama.ErrMessageSizeTooLarge:
			out.errs = append(out.errs, fmt.Errorf("%s: %w: %w", tp, block.Err, &TooLargeError{tp.Topic, size(batches[tp])}))
		default:
			_ = w.client.meta.RefreshMetadata(tp.Topic) // a failure shows at the next attempt
			out.errs = append(out.errs, fmt.Errorf("%s: %w", tp, block.Err))
		}
	}
	return out
}

// size is what a batch's records take before compression.
func size(rb *sarama.RecordBatch) int {
	n := 0
	for _, r := range rb.Records {
		n += len(r.Key) + len(r.Value) + messageOverheadBytes
	}
	return n
}
