package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition event.Partition
}

// String returns "topic/partition".
func (tp TopicPartition) String() string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }

// Client is a connection to a cluster, from which fetchers, memberships, producers and transactions are made; each of these has
// connections of its own. It is for any goroutine.
type Client struct {
	opts  Options
	conf  *sarama.Config
	meta  sarama.Client // leaders, coordinators, offsets: short requests only
	conns conns         // to the brokers in the options, and to the controller
}

// Dial connects to the first broker that answers and logs in. The error names every broker that was tried, with cause and cure.
func Dial(ctx context.Context, opts Options) (*Client, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	conf, err := opts.config()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, addr := range opts.Brokers {
		_, err := versionsOf(ctx, addr, conf)
		if err == nil {
			failures = nil
			break
		}
		failures = append(failures, fmt.Errorf("broker %s: %w; %s", addr, err, Cure(err)))
	}
	if failures != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", errors.Join(failures...))
	}
	meta, err := sarama.NewClient(opts.Brokers, conf)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return &Client{opts: opts, conf: conf, meta: meta, conns: conns{conf: conf}}, nil
}

// Cure says what to do about an error of a connection.
func Cure(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrGroupAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		return "this login lacks a right; `detector doctor --acls` lists all that it needs"
	case strings.Contains(text, "refused"):
		return "is Kafka running there, and does kafka.brokers name the right port?"
	case strings.Contains(text, "no such host"), strings.Contains(text, "lookup"):
		return "the name does not resolve; correct kafka.brokers"
	case strings.Contains(text, "x509"), strings.Contains(text, "certificate"):
		return "the certificates do not fit; check kafka.tls.ca and kafka.tls.server_name"
	case strings.Contains(text, "SASL"), strings.Contains(text, "password"), errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return "the login was refused; check kafka.sasl"
	case strings.Contains(text, "EOF"), strings.Contains(text, "reset by peer"), strings.Contains(text, "tls"):
		return "the broker hangs up; does its listener want TLS (kafka.tls), or another login (check kafka.sasl)?"
	case strings.Contains(text, "timeout"), errors.Is(err, context.DeadlineExceeded):
		return "nothing answers; is a firewall between, or the address wrong?"
	}
	return "check kafka.brokers, kafka.tls and kafka.sasl"
}

// Close ends the client. What was made from it must be closed before.
func (c *Client) Close() error {
	c.conns.close()
	return c.meta.Close()
}

// Group is the consumer group.
func (c *Client) Group() string { return c.opts.App }

// leader returns the address and the epoch of a partition's leader as last known.
func (c *Client) leader(tp TopicPartition) (addr string, epoch int32, err error) {
	b, epoch, err := c.meta.LeaderAndEpoch(tp.Topic, int32(tp.Partition))
	if err != nil {
		return "", 0, err
	}
	return b.Addr(), epoch, nil
}

// describe asks the first broker that answers about topics, and returns it too. Unlike sarama's client it needs to know nothing before.
func (c *Client) describe(topics ...string) (*sarama.MetadataResponse, *sarama.Broker, error) {
	var failures []error
	for _, addr := range c.opts.Brokers {
		b, err := c.conns.to(addr)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		r, err := b.GetMetadata(sarama.NewMetadataRequest(c.conf.Version, topics))
		if err == nil {
			return r, b, nil
		}
		c.conns.drop(b)
		failures = append(failures, fmt.Errorf("broker %s: %w", addr, err))
	}
	return nil, nil, errors.Join(failures...)
}

// conns are the connections of one owner, so that nobody else's requests wait in them: a sarama broker carries one request at a time.
type conns struct {
	conf *sarama.Config
	mu   sync.Mutex
	open map[string]*sarama.Broker
}

// to returns a connection to addr; it is opened in the background, and a failure shows at the first request.
func (c *conns) to(addr string) (*sarama.Broker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.open[addr]; b != nil {
		return b, nil
	}
	b := sarama.NewBroker(addr)
	if err := b.Open(c.conf); err != nil {
		return nil, err
	}
	if c.open == nil {
		c.open = map[string]*sarama.Broker{}
	}
	c.open[addr] = b
	return b, nil
}

// drop closes b after an error, so that the next request opens a new one.
func (c *conns) drop(b *sarama.Broker) {
	c.mu.Lock()
	if c.open[b.Addr()] == b {
		delete(c.open, b.Addr())
	}
	c.mu.Unlock()
	_ = b.Close() // says only that it was not open
}

func (c *conns) close() {
	c.mu.Lock()
	open := c.open
	c.open = nil
	c.mu.Unlock()
	for _, b := range open {
		_ = b.Close() // says only that it was not open
	}
}
