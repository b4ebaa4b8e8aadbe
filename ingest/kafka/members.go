package kafka

import (
	"cmp"
	"context"
	"slices"
	"time"

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
	all, _, err := c.describeGroup(ctx)
	return all, err
}

// describeGroup asks the coordinator about the group. stable tells that no rebalance is under way.
func (c *Client) describeGroup(ctx context.Context) (all []Member, stable bool, err error) {
	err = c.atCoordinator(ctx, "describe group "+c.opts.App, func(b *sarama.Broker) (sarama.KError, error) {
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
		stable = r.Groups[0].State == "Stable"
		return r.Groups[0].Err, nil
	})
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Host, b.Host), cmp.Compare(a.StaticID, b.StaticID))
	})
	return all, stable, err
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

// completePoll is between two looks at a group that is still forming.
const completePoll = 200 * time.Millisecond

// complete has a member join again when partitions of its topics are nobody's. One that comes back with its static id gets what it had, and
// nobody is asked for another assignment: topics or partitions that came in the meantime would have to wait for the next rebalance.
func (m *Membership) complete(ctx context.Context, session sarama.ConsumerGroupSession) {
	for ctx.Err() == nil {
		members, stable, err := m.client.describeGroup(ctx)
		lacks := false
		if err == nil && stable {
			lacks, err = m.lacks(ctx, members)
		}
		switch {
		case err != nil:
			m.trouble.Store(&err)
			return
		case lacks && !joinAgain(session):
			m.Rejoin()
			return
		case stable:
			return
		}
		_ = sleep(ctx, completePoll) // the end of ctx is seen above
	}
}

// lacks reports whether partitions of the member's topics are nobody's.
func (m *Membership) lacks(ctx context.Context, members []Member) (bool, error) {
	assigned := map[string]int{}
	for _, member := range members {
		for _, tp := range member.Assigned {
			assigned[tp.Topic]++
		}
	}
	for _, topic := range m.Topics() {
		n, err := m.client.partitions(ctx, topic)
		if err != nil {
			return false, err
		}
		if assigned[topic] < n {
			return true, nil
		}
	}
	return false, nil
}
