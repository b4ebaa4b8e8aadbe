package kafka

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/IBM/sarama"
)

// BrokerStatus is a broker of the cluster, as it answers.
type BrokerStatus struct {
	ID      int32
	Address string // that it gives itself: its advertised listener
	Release string // the oldest Kafka that speaks as it does, such as "4.1"; empty: one before 0.11
	Fences  bool   // it refuses the offsets of a member that has left the group, in a transaction too: Kafka 2.5 and later
	Err     error  // why it does not answer, see [Cure]; nil: it does
}

// The keys of the requests by which a release is told.
const (
	fetchKey           = 1
	txnOffsetCommitKey = 28
)

// releases names, for versions of the fetch request, the first release that has them. Source: the comments of FetchRequest.json.
var releases = []struct {
	fetch   int16
	release string
}{
	{18, "4.1"}, {17, "3.9"}, {16, "3.7"}, {14, "3.5"}, {13, "3.1"}, {12, "2.7"}, {11, "2.3"}, {9, "2.1"}, {8, "2.0"}, {7, "1.1"}, {5, "1.0"}, {4, "0.11"},
}

// Brokers asks every broker of the cluster, all at once, at the address that it gives itself, by number. An error tells that not even the
// list is to be had.
func (c *Client) Brokers(ctx context.Context) ([]BrokerStatus, error) {
	var list []*sarama.Broker
	err := retry(ctx, "list the brokers", func() error {
		r, _, err := c.describe()
		if err == nil {
			list = r.Brokers
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make([]BrokerStatus, len(list))
	var wait sync.WaitGroup
	for i, b := range list {
		wait.Go(func() { all[i] = c.status(ctx, b.ID(), b.Addr()) })
	}
	wait.Wait()
	slices.SortFunc(all, func(a, b BrokerStatus) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

func (c *Client) status(ctx context.Context, id int32, addr string) BrokerStatus {
	s := BrokerStatus{ID: id, Address: addr}
	versions, err := versionsOf(ctx, addr, c.conf)
	if err != nil {
		s.Err = err
		return s
	}
	for _, k := range versions {
		switch k.ApiKey {
		case fetchKey:
			s.Release = release(k.MinVersion, k.MaxVersion)
		case txnOffsetCommitKey:
			s.Fences = k.MaxVersion >= 3
		}
	}
	return s
}

// release names the oldest release that has these versions of the fetch request. 4.0 has the highest of 3.9 and none below 4.
func release(lowest, highest int16) string {
	for _, r := range releases {
		if highest >= r.fetch {
			if lowest >= 4 && r.release == "3.9" {
				return "4.0"
			}
			return r.release
		}
	}
	return ""
}

// versionsOf asks over a connection of its own. An open cannot be interrupted, so a ctx that ends leaves it behind for at most the request
// timeout.
func versionsOf(ctx context.Context, addr string, conf *sarama.Config) ([]sarama.ApiVersionsResponseKey, error) {
	b := sarama.NewBroker(addr)
	if err := b.Open(conf); err != nil {
		return nil, err
	}
	var keys []sarama.ApiVersionsResponseKey
	result := make(chan error, 1)
	go func() {
		_, err := b.Connected()
		if err == nil {
			var r *sarama.ApiVersionsResponse
			if r, err = b.ApiVersions(&sarama.ApiVersionsRequest{}); err == nil {
				keys = r.ApiKeys
			}
		}
		_ = b.Close()
		result <- err
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-result:
		return keys, err
	}
}
