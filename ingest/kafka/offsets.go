package kafka

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// Generation identifies a member in one generation of its group. It is captured when a batch is closed, while still the owner, and never
// refreshed: that is what fences a zombie.
type Generation struct {
	MemberID        string
	ID              int32
	GroupInstanceID string // the static id; empty: none
}

func (g Generation) instance() *string {
	if g.GroupInstanceID == "" {
		return nil
	}
	return &g.GroupInstanceID
}

// metadataBytesMax is what a broker takes as an offset's metadata at least: offset.metadata.max.bytes is 4096 by default, and operators
// lower it.
const metadataBytesMax = 256

func checkMetadata(metadata string) error {
	if len(metadata) > metadataBytesMax {
		return fmt.Errorf("commit metadata of %d bytes is above the limit of %d", len(metadata), metadataBytesMax)
	}
	return nil
}

// atCoordinator has the group's coordinator carry out a request until it succeeds or fails for good.
func (c *Client) atCoordinator(ctx context.Context, op string, request func(*sarama.Broker) (sarama.KError, error)) error {
	return retry(ctx, op, func() error {
		b, err := c.meta.Coordinator(c.opts.App)
		if err != nil {
			return err
		}
		code, err := request(b)
		if err == nil && code == sarama.ErrNoError {
			return nil
		}
		if err == nil {
			err = code
		} else {
			_ = b.Close() // the next request opens it again
		}
		if passing(err) {
			_ = c.meta.RefreshCoordinator(c.opts.App) // a failure shows at the next attempt
		}
		return err
	})
}

// Heartbeat asks whether the group still knows the member in that generation: nil, [ErrRebalancing] or [ErrZombie].
func (c *Client) Heartbeat(ctx context.Context, gen Generation) error {
	return c.atCoordinator(ctx, "heartbeat", func(b *sarama.Broker) (sarama.KError, error) {
		r, err := b.Heartbeat(&sarama.HeartbeatRequest{
			Version: 4, GroupId: c.opts.App, GenerationId: gen.ID, MemberId: gen.MemberID, GroupInstanceId: gen.instance(),
		})
		if err != nil {
			return 0, err
		}
		return r.Err, nil
	})
}

// CommittedOffset returns the group's committed offset of a partition and its metadata; found is false when there is none. It waits while
// a transaction that could change it is open: call it after [Transaction.Init], which ends the predecessor's. A group that the coordinator
// does not know is an error, [ErrZombie], and not one that has committed nothing: a member asks, so there is a group.
func (c *Client) CommittedOffset(ctx context.Context, topic string, partition event.Partition) (next event.Offset, metadata string, found bool, err error) {
	op := fmt.Sprintf("read the committed offset of %s/%d", topic, partition)
	err = c.atCoordinator(ctx, op, func(b *sarama.Broker) (sarama.KError, error) {
		req := sarama.NewOffsetFetchRequest(c.conf.Version, c.opts.App, map[string][]int32{topic: {int32(partition)}})
		req.RequireStable = true
		r, err := b.FetchOffset(req)
		if err != nil {
			return 0, err
		}
		if code := r.GroupError(); code != sarama.ErrNoError {
			return code, nil
		}
		block := r.GetGroupBlock(c.opts.App, topic, int32(partition))
		if block == nil {
			return 0, sarama.ErrIncompleteResponse
		}
		next, metadata, found = event.Offset(block.Offset), block.Metadata, block.Offset >= 0
		return block.Err, nil
	})
	if err != nil || !found {
		return -1, "", false, err
	}
	return next, metadata, true, nil
}

// Committed is what the group has committed of a partition.
type Committed struct {
	Next     event.Offset
	Metadata string
}

// CommittedOffsets returns what the group has committed of every partition of every topic, in one request. Transactions under way are not
// waited for: what they commit is not in it yet.
func (c *Client) CommittedOffsets(ctx context.Context) (map[TopicPartition]Committed, error) {
	var all map[TopicPartition]Committed
	err := c.atCoordinator(ctx, "read the committed offsets", func(b *sarama.Broker) (sarama.KError, error) {
		r, err := b.FetchOffset(sarama.NewOffsetFetchRequest(c.conf.Version, c.opts.App, nil))
		if err != nil {
			return 0, err
		}
		if code := r.GroupError(); code != sarama.ErrNoError && code != sarama.ErrGroupIDNotFound { // nobody has committed or joined yet
			return code, nil
		}
		topics := r.Blocks
		if g := r.GetGroup(c.opts.App); g != nil {
			topics = g.Blocks
		}
		all = map[TopicPartition]Committed{}
		for topic, blocks := range topics {
			for p, block := range blocks {
				if block.Err == sarama.ErrNoError && block.Offset >= 0 {
					all[TopicPartition{topic, event.Partition(p)}] = Committed{event.Offset(block.Offset), block.Metadata}
				}
			}
		}
		return sarama.ErrNoError, nil
	})
	return all, err
}

// CommitOffset commits an offset outside of any transaction, for delivery at least once. A zombie is refused with [ErrZombie].
func (c *Client) CommitOffset(ctx context.Context, gen Generation, topic string, partition event.Partition, next event.Offset, metadata string) error {
	if err := checkMetadata(metadata); err != nil {
		return err
	}
	op := fmt.Sprintf("commit offset %d of %s/%d", next, topic, partition)
	return c.atCoordinator(ctx, op, func(b *sarama.Broker) (sarama.KError, error) {
		req := sarama.NewOffsetCommitRequest(c.conf, c.opts.App)
		req.ConsumerGroupGeneration, req.ConsumerID, req.GroupInstanceId = gen.ID, gen.MemberID, gen.instance()
		req.AddBlock(topic, int32(partition), int64(next), 0, metadata)
		r, err := b.CommitOffset(req)
		if err != nil {
			return 0, err
		}
		code, ok := r.Errors[topic][int32(partition)]
		if !ok {
			return 0, sarama.ErrIncompleteResponse
		}
		return code, nil
	})
}
