package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// TopicSpec is a topic to be created.
type TopicSpec struct {
	Name        string
	Partitions  int               // 0: the broker's default
	Replication int               // 0: the broker's default
	Config      map[string]string // such as cleanup.policy
}

// Topic describes a topic.
type Topic struct {
	Name            string
	ID              string // hexadecimal; another one tells that the topic was created anew; zeros: the broker has no topic ids
	Partitions      int
	Compacted       bool // cleanup.policy has compact: offsets vanish from the middle of the log
	LogAppendTime   bool // the broker sets the records' timestamps, else the producers do
	Keeps           bool // nothing of it is ever deleted: neither compacted nor limited in age or size
	MaxMessageBytes int  // the largest batch that the topic takes; 0: not known

	Retention      time.Duration // older records are deleted; -1: age deletes nothing
	RetentionBytes int64         // of a partition; what is beyond is deleted, the oldest first; -1: size deletes nothing
}

// EnsureTopic creates a topic unless it is there, whatever it looks like then, and returns when every partition has a leader; a topic that it
// has created is known to every broker that answers then.
func (c *Client) EnsureTopic(ctx context.Context, spec TopicSpec) (created bool, err error) {
	detail := &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1, ConfigEntries: map[string]*string{}}
	if spec.Partitions > 0 {
		detail.NumPartitions = int32(spec.Partitions)
	}
	if spec.Replication > 0 {
		detail.ReplicationFactor = int16(spec.Replication)
	}
	for name, value := range spec.Config {
		detail.ConfigEntries[name] = &value
	}
	if err := c.meta.RefreshMetadata(spec.Name); err == nil {
		return false, c.waitForLeaders(ctx, spec.Name)
	}
	err = retry(ctx, "create topic "+spec.Name, func() error {
		created, err = c.create(spec.Name, detail)
		return err
	})
	if err != nil {
		return false, err
	}
	if err := c.waitForLeaders(ctx, spec.Name); err != nil {
		return created, err
	}
	return created, c.waitForBrokers(ctx, spec.Name)
}

// waitForBrokers waits until a topic is known wherever somebody may ask for it: the brokers hear of it one after the other. Those that don't
// answer are passed over.
func (c *Client) waitForBrokers(ctx context.Context, topic string) error {
	return retry(ctx, "wait until all brokers know "+topic, func() error {
		r, _, err := c.describe(topic)
		if err != nil {
			return err
		}
		for _, broker := range r.Brokers {
			b, err := c.conns.to(broker.Addr())
			if err != nil {
				continue
			}
			r, err := b.GetMetadata(sarama.NewMetadataRequest(c.conf.Version, []string{topic}))
			if err != nil {
				c.conns.drop(b)
				continue
			}
			for _, t := range r.Topics {
				if t.Err != sarama.ErrNoError {
					return fmt.Errorf("broker %s: %w", broker.Addr(), t.Err)
				}
			}
		}
		return nil
	})
}

func (c *Client) create(topic string, detail *sarama.TopicDetail) (created bool, err error) {
	b, err := c.controller(topic)
	if err != nil {
		return false, err
	}
	details := map[string]*sarama.TopicDetail{topic: detail}
	r, err := b.CreateTopics(sarama.NewCreateTopicsRequest(c.conf.Version, details, c.opts.RequestTimeout/2, false))
	if err != nil {
		c.conns.drop(b)
		return false, err
	}
	failure := r.TopicErrors[topic]
	switch {
	case failure == nil:
		return false, sarama.ErrIncompleteResponse
	case failure.Err == sarama.ErrTopicAlreadyExists:
		return false, nil
	case failure.Err != sarama.ErrNoError:
		return false, failure
	}
	return true, nil
}

// controller is a connection to the broker that creates topics.
func (c *Client) controller(topic string) (*sarama.Broker, error) {
	r, asked, err := c.describe(topic)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(r.Brokers, func(b *sarama.Broker) bool { return b.ID() == r.ControllerID })
	if i < 0 {
		return asked, nil
	}
	return c.conns.to(r.Brokers[i].Addr())
}

func (c *Client) waitForLeaders(ctx context.Context, topic string) error {
	return retry(ctx, "wait for the leaders of "+topic, func() error {
		if err := c.meta.RefreshMetadata(topic); err != nil {
			return err
		}
		all, err := c.meta.Partitions(topic)
		if err != nil {
			return err
		}
		writable, err := c.meta.WritablePartitions(topic)
		if err == nil && len(writable) < len(all) {
			return sarama.ErrLeaderNotAvailable
		}
		return err
	})
}

// TopicsWith returns the names that begin so, sorted, of the topics which the login may see.
func (c *Client) TopicsWith(ctx context.Context, prefix string) (names []string, err error) {
	err = retry(ctx, "list the topics", func() error {
		r, _, err := c.describe()
		if err != nil {
			return err
		}
		names = names[:0]
		for _, t := range r.Topics {
			if t.Err == sarama.ErrNoError && strings.HasPrefix(t.Name, prefix) {
				names = append(names, t.Name)
			}
		}
		slices.Sort(names)
		return nil
	})
	return names, err
}

// DescribeTopic asks the brokers about a topic. A topic that isn't there is [ErrNotFound], at once.
func (c *Client) DescribeTopic(ctx context.Context, name string) (*Topic, error) {
	t := &Topic{Name: name}
	missing := false
	err := retry(ctx, "describe topic "+name, func() error {
		r, b, err := c.describe(name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Topics, func(m *sarama.TopicMetadata) bool { return m.Name == name })
		if i < 0 {
			return sarama.ErrIncompleteResponse
		}
		if missing = r.Topics[i].Err == sarama.ErrUnknownTopicOrPartition; missing {
			return nil
		}
		if r.Topics[i].Err != sarama.ErrNoError {
			return r.Topics[i].Err
		}
		t.ID, t.Partitions = hex.EncodeToString(r.Topics[i].Uuid[:]), len(r.Topics[i].Partitions)
		return c.describeConfig(b, t)
	})
	if missing {
		return nil, fmt.Errorf("topic %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (c *Client) describeConfig(b *sarama.Broker, t *Topic) error {
	r, err := b.DescribeConfigs(&sarama.DescribeConfigsRequest{Version: 4, Resources: []*sarama.ConfigResource{{
		Type: sarama.TopicResource, Name: t.Name, ConfigNames: []string{"cleanup.policy", "message.timestamp.type", "max.message.bytes", "retention.ms", "retention.bytes"},
	}}})
	if err != nil {
		c.conns.drop(b)
		return err
	}
	if len(r.Resources) != 1 {
		return sarama.ErrIncompleteResponse
	}
	if code := sarama.KError(r.Resources[0].ErrorCode); code != sarama.ErrNoError {
		return code
	}
	deletes := true
	t.Retention, t.RetentionBytes = -1, -1
	for _, e := range r.Resources[0].Configs {
		n, err := strconv.ParseInt(e.Value, 10, 64)
		switch {
		case e.Name == "retention.ms" && err == nil && n >= 0 && n <= math.MaxInt64/int64(time.Millisecond): // more than that is for ever
			t.Retention = time.Duration(n) * time.Millisecond
		case e.Name == "retention.bytes" && err == nil && n >= 0:
			t.RetentionBytes = n
		}
		switch e.Name {
		case "cleanup.policy":
			t.Compacted, deletes = strings.Contains(e.Value, "compact"), strings.Contains(e.Value, "delete")
		case "message.timestamp.type":
			t.LogAppendTime = e.Value == "LogAppendTime"
		case "max.message.bytes":
			t.MaxMessageBytes, _ = strconv.Atoi(e.Value) // 0 where it is no number
		}
	}
	if !deletes {
		t.Retention, t.RetentionBytes = -1, -1
	}
	t.Keeps = !t.Compacted && t.Retention < 0 && t.RetentionBytes < 0
	return nil
}

// Earliest returns the first offset of a partition's log.
func (c *Client) Earliest(ctx context.Context, tp TopicPartition) (event.Offset, error) {
	return c.listOffset(ctx, tp, sarama.OffsetOldest, sarama.ReadUncommitted)
}

// HighWatermark returns the end of a partition's log, beyond transactions that are open.
func (c *Client) HighWatermark(ctx context.Context, tp TopicPartition) (event.Offset, error) {
	return c.listOffset(ctx, tp, sarama.OffsetNewest, sarama.ReadUncommitted)
}

// LastStable returns the end of what can be read as committed: no transaction below it is open.
func (c *Client) LastStable(ctx context.Context, tp TopicPartition) (event.Offset, error) {
	return c.listOffset(ctx, tp, sarama.OffsetNewest, sarama.ReadCommitted)
}

// OffsetForTime returns the offset of the first record whose timestamp is at or after t; without one, the log's end.
func (c *Client) OffsetForTime(ctx context.Context, tp TopicPartition, t event.Time) (event.Offset, error) {
	const ms = 1_000_000
	millis := int64(t) / ms
	if int64(t) > millis*ms {
		millis++ // Kafka's timestamps are whole milliseconds
	}
	offset, err := c.listOffset(ctx, tp, max(millis, 0), sarama.ReadUncommitted)
	if err != nil || offset >= 0 {
		return offset, err
	}
	return c.HighWatermark(ctx, tp)
}

func (c *Client) listOffset(ctx context.Context, tp TopicPartition, at int64, isolation sarama.IsolationLevel) (event.Offset, error) {
	offset := event.Offset(-1)
	err := retry(ctx, "list offsets of "+tp.String(), func() error {
		b, err := c.meta.Leader(tp.Topic, int32(tp.Partition))
		if err != nil {
			return errors.Join(err, c.meta.RefreshMetadata(tp.Topic))
		}
		req := sarama.NewOffsetRequest(c.conf.Version)
		req.IsolationLevel = isolation
		req.AddBlock(tp.Topic, int32(tp.Partition), at, 1)
		r, err := b.GetAvailableOffsets(req)
		if err != nil {
			_ = b.Close() // the next request opens it again
			return errors.Join(err, c.meta.RefreshMetadata(tp.Topic))
		}
		block := r.GetBlock(tp.Topic, int32(tp.Partition))
		switch {
		case block == nil:
			return sarama.ErrIncompleteResponse
		case block.Err != sarama.ErrNoError:
			return errors.Join(block.Err, c.meta.RefreshMetadata(tp.Topic))
		}
		offset = event.Offset(block.Offset)
		return nil
	})
	return offset, err
}

// DeleteBefore deletes the records of a partition below an offset. [ErrForbidden]: this login may not.
func (c *Client) DeleteBefore(ctx context.Context, tp TopicPartition, offset event.Offset) error {
	return retry(ctx, "delete records of "+tp.String(), func() error {
		b, err := c.meta.Leader(tp.Topic, int32(tp.Partition))
		if err != nil {
			return errors.Join(err, c.meta.RefreshMetadata(tp.Topic))
		}
		r, err := b.DeleteRecords(&sarama.DeleteRecordsRequest{Version: 2, Timeout: c.opts.RequestTimeout / 2, Topics: map[string]*sarama.DeleteRecordsRequestTopic{
			tp.Topic: {PartitionOffsets: map[int32]int64{int32(tp.Partition): int64(offset)}},
		}})
		if err != nil {
			_ = b.Close() // the next request opens it again
			return errors.Join(err, c.meta.RefreshMetadata(tp.Topic))
		}
		topic := r.Topics[tp.Topic]
		if topic == nil || topic.Partitions[int32(tp.Partition)] == nil {
			return sarama.ErrIncompleteResponse
		}
		if code := topic.Partitions[int32(tp.Partition)].Err; code != sarama.ErrNoError {
			return errors.Join(code, c.meta.RefreshMetadata(tp.Topic))
		}
		return nil
	})
}
