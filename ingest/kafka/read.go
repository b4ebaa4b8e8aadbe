package kafka

import (
	"context"
	"fmt"
	"iter"

	"github.com/IBM/sarama"

	"insolite/ingest"
	"insolite/internal/event"
)

// ReadAll returns the committed records of a partition in [from, until), in order. It waits until every transaction below until has ended:
// with until as the high watermark after [Transaction.Init] nothing that a predecessor wrote is missed. The records' bytes stay valid. An
// error ends it; passing troubles are outlasted until ctx ends.
func (c *Client) ReadAll(ctx context.Context, tp TopicPartition, from, until event.Offset) iter.Seq2[ingest.Record, error] {
	return func(yield func(ingest.Record, error) bool) {
		conns := conns{conf: c.conf}
		defer conns.close()
		feed := &Feed{TopicPartition: tp, next: from, maxBytes: int32(c.opts.FetchBytes)}
		for feed.next < until {
			b := &Batch{Batch: ingest.Batch{Topic: tp.Topic, Partition: tp.Partition, Next: feed.next}}
			if err := c.fetchOnce(ctx, &conns, feed, b); err != nil {
				yield(ingest.Record{}, fmt.Errorf("read %s from offset %d: %w", tp, feed.next, err))
				return
			}
			for _, r := range b.Records {
				if r.Offset >= until {
					return
				}
				if !yield(r, nil) {
					return
				}
			}
			feed.next = b.Next
		}
	}
}

// RecordAt returns the committed record at an offset. When the log has none there, as with an offset of a control record, it is
// [ErrNotFound]; outside of the log, [*OutOfRangeError].
func (c *Client) RecordAt(ctx context.Context, tp TopicPartition, at event.Offset) (ingest.Record, error) {
	end, err := c.HighWatermark(ctx, tp)
	if err != nil {
		return ingest.Record{}, err
	}
	if at >= end {
		first, err := c.Earliest(ctx, tp)
		if err != nil {
			return ingest.Record{}, err
		}
		return ingest.Record{}, &OutOfRangeError{tp.Topic, tp.Partition, at, first, end}
	}
	for r, err := range c.ReadAll(ctx, tp, at, at+1) {
		return r, err
	}
	return ingest.Record{}, fmt.Errorf("record %d of %s: %w", at, tp, ErrNotFound)
}

// fetchOnce fetches until b has moved on.
func (c *Client) fetchOnce(ctx context.Context, conns *conns, feed *Feed, b *Batch) error {
	from := b.Next
	return retry(ctx, "fetch", func() error {
		for b.Next == from {
			if err := ctx.Err(); err != nil {
				return err
			}
			block, err := c.fetchBlock(conns, feed)
			if err != nil {
				_ = c.meta.RefreshMetadata(feed.Topic) // a failure shows at the next attempt
				return err
			}
			if err := fill(b, block); err != nil {
				return &UnsupportedError{feed.Topic, feed.Partition, feed.next, err.Error()}
			}
			if b.Next == from && event.Offset(block.LastStableOffset) > from {
				feed.maxBytes = min(2*feed.maxBytes, responseBytesMax)
			}
		}
		return nil
	})
}

func (c *Client) fetchBlock(conns *conns, feed *Feed) (*sarama.FetchResponseBlock, error) {
	addr, epoch, err := c.leader(feed.TopicPartition)
	if err != nil {
		return nil, err
	}
	feed.epoch = epoch
	broker, err := conns.to(addr)
	if err != nil {
		return nil, err
	}
	r, err := broker.Fetch(fetchRequest(c.opts.FetchWait, []*Feed{feed}))
	if err != nil {
		conns.drop(broker)
		return nil, err
	}
	block := r.GetBlock(feed.Topic, int32(feed.Partition))
	switch {
	case r.ErrorCode != 0:
		return nil, sarama.KError(r.ErrorCode)
	case block == nil:
		return nil, sarama.ErrIncompleteResponse
	case block.Err == sarama.ErrOffsetOutOfRange:
		return nil, &OutOfRangeError{feed.Topic, feed.Partition, feed.next, event.Offset(block.LogStartOffset), event.Offset(block.HighWaterMarkOffset)}
	case block.Err != sarama.ErrNoError:
		return nil, block.Err
	}
	return block, nil
}
