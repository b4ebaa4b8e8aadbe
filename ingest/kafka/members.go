package kafka

import (
	"cmp"
	"context"
	"slices"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// Member is a member of the consumer group.
type Member struct {
	ClientID string // see [AdminAddress]
	Host     string
	StaticID string           // empty: none
	Assigned []TopicPartition // what it reads, by topic and partition; empty while the group is rebalancing
}

// Members returns the members of the group. One that died stays among them until its session has timed out.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	var all []Member
	err := c.atCoordinator(ctx, "describe group "+c.opts.App, func(b *sarama.Broker) (sarama.KError, error) {
		all = nil
		r, err := b.DescribeGroups(&sarama.DescribeGroupsRequest{Version: 4, Groups: []string{c.opts.App}})
		switch {
		case err != nil:
			return 0, err
		case len(r.Groups) != 1:
			return 0, sarama.ErrIncompleteResponse
		case r.Groups[0].Err == sarama.ErrGroupIDNotFound: // nobody has joined yet
			return sarama.ErrNoError, nil
		}
		for _, m := range r.Groups[0].Members {
			member := Member{ClientID: m.ClientId, Host: m.ClientHost}
			if m.GroupInstanceId != nil {
				member.StaticID = *m.GroupInstanceId
			}
			assigned, err := m.GetMemberAssignment()
			if err != nil {
				return 0, err
			}
			if assigned != nil { // one that is joining has none
				member.Assigned = partitionsOf(assigned.Topics)
			}
			all = append(all, member)
		}
		return r.Groups[0].Err, nil
	})
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Host, b.Host), cmp.Compare(a.StaticID, b.StaticID))
	})
	return all, err
}

func partitionsOf(topics map[string][]int32) []TopicPartition {
	var all []TopicPartition
	for topic, partitions := range topics {
		for _, p := range partitions {
			all = append(all, TopicPartition{Topic: topic, Partition: event.Partition(p)})
		}
	}
	slices.SortFunc(all, func(a, b TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}
