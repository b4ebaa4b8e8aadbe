package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"

	"insolite/bench/reference"
)

// claims is a consumer group of sarama's whose every claim has a worker; without one it only marks its messages.
type claims struct {
	start    func() (worker, error) // nil: no workers
	producer sarama.AsyncProducer
	alerts   string // topic
	meter    *meter
	fail     context.CancelCauseFunc
}

// tuned is sarama's configuration for all claim loops: fewer, larger fetches and deeper channels than by default, or each would wait.
func tuned() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.ChannelBufferSize = 4096
	c.Consumer.Fetch.Default = 1 << 20
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Compression = sarama.CompressionLZ4
	c.Producer.Return.Errors = true
	return c
}

// runClaims consumes the whole topic.
func runClaims(ctx context.Context, o contest, start func() (worker, error)) (result, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	c := &claims{start: start, alerts: o.Alerts, meter: newMeter(o.Events), fail: fail}
	var producing sync.WaitGroup
	if start != nil {
		var err error
		if c.producer, err = sarama.NewAsyncProducer(o.Brokers, tuned()); err != nil {
			return result{}, err
		}
		producing.Go(func() {
			for e := range c.producer.Errors() {
				fail(e.Err)
			}
		})
	}
	group, err := sarama.NewConsumerGroup(o.Brokers, o.Run, tuned())
	if err != nil {
		return result{}, err
	}
	consumed := make(chan error, 1)
	go func() { consumed <- group.Consume(ctx, []string{reference.Topic}, c) }()
	select {
	case <-c.meter.last:
	case <-ctx.Done():
		return result{}, context.Cause(ctx)
	case err := <-consumed:
		return result{}, fmt.Errorf("the group ended early: %w", err)
	}
	if start != nil {
		c.producer.AsyncClose()
		producing.Wait()
	}
	r := c.meter.result()
	if err := context.Cause(ctx); err != nil {
		return result{}, err
	}
	fail(nil)
	return r, errors.Join(<-consumed, group.Close())
}

func (*claims) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*claims) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c *claims) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	step := func(*sarama.ConsumerMessage) error { return nil }
	if c.start != nil {
		w, err := c.start()
		if err != nil {
			c.fail(err)
			return err
		}
		step = func(m *sarama.ConsumerMessage) error { return w.step(m, func(rule int) { c.alert(m, rule) }) }
	}
	var end, n int64 // of the log, which does not grow; messages not yet told
	for m := range claim.Messages() {
		if err := step(m); err != nil {
			c.fail(fmt.Errorf("offset %d of partition %d: %w", m.Offset, m.Partition, err))
			return err
		}
		s.MarkMessage(m, "")
		if end == 0 {
			end = claim.HighWaterMarkOffset()
		}
		if n++; n == 256 || m.Offset+1 == end {
			c.meter.add(n)
			n = 0
		}
	}
	return nil
}

// alertRecord is what all contenders' alerts have in common.
type alertRecord struct {
	Rule struct {
		ID string `json:"id"`
	} `json:"rule"`
	Position struct {
		Partition int32 `json:"partition"`
		Offset    int64 `json:"offset"`
	} `json:"position"`
	Event json.RawMessage `json:"event"`
}

func (c *claims) alert(m *sarama.ConsumerMessage, rule int) {
	var a alertRecord
	a.Rule.ID, a.Position.Partition, a.Position.Offset, a.Event = jobRules[rule].id, m.Partition, m.Offset, m.Value
	value, err := json.Marshal(&a)
	if err != nil {
		c.fail(err)
		return
	}
	c.producer.Input() <- &sarama.ProducerMessage{Topic: c.alerts, Key: sarama.ByteEncoder(m.Key), Value: sarama.ByteEncoder(value)}
}
