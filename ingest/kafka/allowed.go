package kafka

import (
	"context"
	"errors"
	"slices"

	"github.com/IBM/sarama"
)

// Resource is a kind of thing that access is granted to.
type Resource string

// The resources that brokers tell operations of.
const (
	TopicResource   Resource = "topic"
	GroupResource   Resource = "group"
	ClusterResource Resource = "cluster"
)

// operations are what a login may be allowed to do, by their number in the protocol, as kafka-acls.sh names them.
var operations = map[int]string{
	3: "Read", 4: "Write", 5: "Create", 6: "Delete", 7: "Alter", 8: "Describe", 9: "ClusterAction", 10: "DescribeConfigs", 11: "AlterConfigs", 12: "IdempotentWrite",
}

// errNotTold is returned where the brokers do not say.
var errNotTold = errors.New("the brokers do not tell what this login may do")

// Allowed asks what this login may do with a resource: the names of the operations, sorted. Without an authorizer that is all there are.
// told is false where the brokers do not say: old ones, of a topic or group that is not there, or of the cluster to who may not describe it.
// A login that may not even describe it gets no operations.
func (c *Client) Allowed(ctx context.Context, kind Resource, name string) (ops []string, told bool, err error) {
	var bits int32
	err = retry(ctx, "ask for the operations on "+string(kind)+" "+name, func() (err error) {
		switch kind {
		case TopicResource:
			bits, err = c.topicOperations(name)
		case GroupResource:
			bits, err = c.groupOperations(name)
		case ClusterResource:
			bits, err = c.clusterOperations()
		}
		return err
	})
	switch {
	case errors.Is(err, errNotTold), errors.Is(err, sarama.ErrUnsupportedVersion):
		return nil, false, nil
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrGroupAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		return nil, true, nil
	case err != nil:
		return nil, false, err
	}
	for bit, op := range operations {
		if bits&(1<<bit) != 0 {
			ops = append(ops, op)
		}
	}
	slices.Sort(ops)
	return ops, true, nil
}

const operationsNotTold = -1 << 31

func operationBits(bits int32, code sarama.KError) (int32, error) {
	switch {
	case code == sarama.ErrUnknownTopicOrPartition, code == sarama.ErrNoError && bits == operationsNotTold:
		return 0, errNotTold
	case code != sarama.ErrNoError:
		return 0, code
	}
	return bits, nil
}

func (c *Client) topicOperations(name string) (int32, error) {
	request := sarama.NewMetadataRequest(c.conf.Version, []string{name})
	request.IncludeTopicAuthorizedOperations = true
	_, b, err := c.describe(name) // which finds a broker that answers
	if err != nil {
		return 0, err
	}
	r, err := b.GetMetadata(request)
	if err != nil {
		c.conns.drop(b)
		return 0, err
	}
	for _, t := range r.Topics {
		if t.Name == name {
			return operationBits(t.TopicAuthorizedOperations, t.Err)
		}
	}
	return 0, sarama.ErrIncompleteResponse
}

func (c *Client) groupOperations(name string) (int32, error) {
	b, err := c.meta.Coordinator(name)
	if err != nil {
		return 0, err
	}
	r, err := b.DescribeGroups(&sarama.DescribeGroupsRequest{Version: 4, Groups: []string{name}, IncludeAuthorizedOperations: true})
	switch {
	case err != nil:
		_ = b.Close() // the next request opens it again
		return 0, err
	case len(r.Groups) != 1:
		return 0, sarama.ErrIncompleteResponse
	case r.Groups[0].Err == sarama.ErrGroupIDNotFound:
		return 0, errNotTold
	}
	return operationBits(r.Groups[0].AuthorizedOperations, r.Groups[0].Err)
}

func (c *Client) clusterOperations() (int32, error) {
	_, b, err := c.describe()
	if err != nil {
		return 0, err
	}
	r, err := b.DescribeCluster(&sarama.DescribeClusterRequest{IncludeClusterAuthorizedOperations: true})
	if err != nil {
		c.conns.drop(b)
		return 0, err
	}
	if r.ClusterAuthorizedOperations == 0 {
		return 0, errNotTold // to a login that may not describe the cluster, whatever else it may do
	}
	return operationBits(r.ClusterAuthorizedOperations, r.Err)
}
