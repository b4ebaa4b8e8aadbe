package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/config"
	"insolite/internal/deadletter"
)

// prepareTopics creates what is missing of our own topics, and sees that the sources' are there.
func (s *Service) prepareTopics(ctx context.Context) error {
	c := s.config
	for _, spec := range []kafka.TopicSpec{
		{Name: c.Alerts, Partitions: int(c.Kafka.Topics.Partitions)}, {Name: c.ShadowTopic(), Partitions: int(c.Kafka.Topics.Partitions)},
		{Name: c.DeadLetters, Partitions: int(c.Kafka.Topics.Partitions)},
		{Name: c.JournalTopic(), Partitions: 1, Config: map[string]string{"cleanup.policy": "compact"}}, bundlesSpec(c),
	} {
		spec.Replication = int(c.Kafka.Topics.Replication)
		created, err := s.client.EnsureTopic(ctx, spec)
		if err != nil {
			return fmt.Errorf("create topic %s: %w", spec.Name, err)
		}
		if created {
			s.log.Info("topic created", "topic", spec.Name)
			continue
		}
		if err := s.checkTopic(ctx, spec); err != nil {
			return err
		}
	}
	for _, source := range c.Sources {
		if _, err := s.client.DescribeTopic(ctx, source.Topic); errors.Is(err, kafka.ErrNotFound) {
			return fmt.Errorf("source %s: there is no topic %q; create it, or correct `topic`", source.Name, source.Topic)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// checkTopic sees that a topic of our own which was there before can be what it has to be.
func (s *Service) checkTopic(ctx context.Context, spec kafka.TopicSpec) error {
	topic, err := s.client.DescribeTopic(ctx, spec.Name)
	switch {
	case err != nil:
		return err
	case topic.MaxMessageBytes > 0 && topic.MaxMessageBytes < deadletter.BatchBytesMax:
		return fmt.Errorf("topic %s takes batches of up to %d bytes, ours may have %d; raise its max.message.bytes", topic.Name, topic.MaxMessageBytes, deadletter.BatchBytesMax)
	case topic.Name == s.config.JournalTopic() && !topic.Compacted:
		return fmt.Errorf("topic %s loses entries with time, without which tasks cannot be recovered; set its cleanup.policy to compact", topic.Name)
	case topic.Name == s.config.BundlesTopic() && !topic.Keeps:
		return fmt.Errorf("topic %s loses rules that a recovery may need; set its cleanup.policy to delete, and its retention.ms and retention.bytes to -1", topic.Name)
	}
	return nil
}

// bundlesSpec is the bundles topic: nothing of it may ever go away, because a replay needs the rules of its time.
func bundlesSpec(c *config.Config) kafka.TopicSpec {
	return kafka.TopicSpec{Name: c.BundlesTopic(), Partitions: 1, Replication: int(c.Kafka.Topics.Replication),
		Config: map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}}
}

// A member that died stays in the group until its session has timed out.
const (
	sessionOver = 8 * time.Second
	alonePoll   = 250 * time.Millisecond
)

// alone sees that no other instance is in the group: contexts in a folder belong to one, and another one that got some of the partitions
// would only refuse them. Contexts in Redis belong to all.
func (s *Service) alone(ctx context.Context) error {
	if s.config.State.Redis != nil {
		return nil
	}
	for deadline := time.Now().Add(sessionOver); ; {
		members, err := s.client.Members(ctx)
		if err != nil {
			return err
		}
		own := s.config.Kafka.StaticID
		others := slices.DeleteFunc(members, func(m kafka.Member) bool { return own != "" && m.StaticID == own })
		if len(others) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another instance (%s at %s) is in the consumer group %s, but contexts in a folder (state.store: pebble) belong to one instance; stop the other one, or give this one an `app` of its own",
				others[0].ClientID, others[0].Host, s.client.Group())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(alonePoll):
		}
	}
}
