package bench

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/bench/reference"
	"insolite/ingest/kafka"
	"insolite/internal/event"
)

var (
	rateFlag  = flag.Int("rate", 2000, "payments a second of the latency test")
	pacedFlag = flag.Duration("paced", 8*time.Second, "how long the latency test produces for each contender")
)

// The contenders of the latency test.
const (
	echo       = "bare sarama echo"
	atLeast    = "insolite, at_least_once"
	exactly    = "insolite, exactly_once"
	asStreams  = "insolite, exactly_once, commit_interval 100ms"
	exactlyTwo = "insolite, exactly_once, two keys"
)

// commitInterval is that of the contenders of the latency test that have one; Kafka Streams documents streamsInterval as its default with
// exactly_once_v2.
const (
	commitInterval  = 20 * time.Millisecond
	streamsInterval = 100 * time.Millisecond
)

var delayContenders = []contender{
	{echo, "consumer group; one message in 200 goes out by an asynchronous producer as it comes", 2, true, runEcho},
	{atLeast, "`delivery: at_least_once`", 2, true, runService},
	{exactly, "`delivery: exactly_once`, commit_interval 20ms", 2, true, runService},
	{asStreams, "the same with the interval that Kafka Streams documents as its default for exactly once", 2, true, runService},
	{exactlyTwo, "exactly once every 20ms, half of the rules through a repartition topic: two commits", 2, true, runService},
}

// From a payment's being produced to its alert's being readable takes what is printed, for everyone at the same pace.
func TestLatency(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and a paced producer; run without -short")
	}
	cluster, client := startCluster(t)
	var b strings.Builder
	fmt.Fprintf(&b, "%d payments a second for %s each, the first fifth not counted.\n\n| contender | alerts | p50 ms | p99 ms | p99 against the echo |\n|---|---|---|---|---|\n", *rateFlag, *pacedFlag)
	var floor time.Duration
	for i := range delayContenders {
		c := &delayContenders[i]
		delays := delay(t, client, cluster.Bootstrap(), c, fmt.Sprint("delay", i))
		if len(delays) == 0 {
			t.Errorf("%s: no alert was read", c.name)
			continue
		}
		p50, p99 := delays[len(delays)/2], delays[len(delays)*99/100]
		if c.name == echo {
			floor = p99
		}
		fmt.Fprintf(&b, "| %s: %s | %d | %.1f | %.1f | %.2f |\n", c.name, c.about, len(delays), p50.Seconds()*1e3, p99.Seconds()*1e3, float64(p99)/float64(floor))
	}
	t.Log("\n" + b.String())
}

// delay runs one contender on a topic of its own beside a paced producer, and returns how long each alert took, sorted.
func delay(t *testing.T, client *kafka.Client, brokers []string, c *contender, run string) []time.Duration {
	t.Helper()
	o := contest{Brokers: brokers, Run: "bench-" + run, Topic: "payments-" + run, Alerts: "alerts-" + run, CommitInterval: commitInterval,
		Events: int64(float64(*rateFlag) * pacedFlag.Seconds()), TwoKeys: c.name == exactlyTwo, AtLeastOnce: c.name == atLeast}
	if c.name == asStreams {
		o.CommitInterval = streamsInterval
	}
	for _, topic := range []string{o.Topic, o.Alerts} {
		if _, err := client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: topic, Partitions: partitions}); err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan arrival, 1<<16)
	reader := listen(t, brokers, o.Alerts, read)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.start(t, o)
	}()
	produced := pace(t, client, &o)
	<-ended
	time.Sleep(500 * time.Millisecond) // the last alerts are readable, and on their way
	reader()
	close(read)
	var delays []time.Duration
	for a := range read {
		at := kafka.TopicPartition{Topic: o.Topic, Partition: a.partition}
		if from, ok := produced[at][a.offset]; ok {
			delays = append(delays, a.at.Sub(from))
		}
	}
	slices.Sort(delays)
	return delays
}

// pace produces the payments at the test's rate, and returns when each was, but for the first fifth.
func pace(t *testing.T, client *kafka.Client, o *contest) map[kafka.TopicPartition]map[event.Offset]time.Time {
	t.Helper()
	producer := client.NewProducer()
	defer producer.Close()
	g := reference.New(reference.Options{Seed: 1, Keys: *keysFlag})
	produced := map[kafka.TopicPartition]map[event.Offset]time.Time{}
	for p := range event.Partition(partitions) {
		produced[kafka.TopicPartition{Topic: o.Topic, Partition: p}] = map[event.Offset]time.Time{}
	}
	begin := time.Now()
	for sent := int64(0); sent < o.Events; {
		due := min(o.Events, int64(time.Since(begin).Seconds()*float64(*rateFlag)))
		if due == sent {
			time.Sleep(time.Millisecond)
			continue
		}
		var messages []kafka.Message
		for range due - sent {
			r := g.Next()
			messages = append(messages, kafka.Message{Topic: o.Topic, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)})
		}
		at := time.Now()
		offsets, err := producer.Produce(t.Context(), messages...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			if sent+int64(i) >= int64(warmShare*float64(o.Events)) {
				produced[kafka.TopicPartition{Topic: o.Topic, Partition: kafka.PartitionOf(messages[i].Key, partitions)}][offsets[i]] = at
			}
		}
		sent = due
	}
	return produced
}

// arrival is an alert that could be read.
type arrival struct {
	partition event.Partition // of the payment
	offset    event.Offset
	at        time.Time
}

// listen reads what is committed of the alerts topic as it comes, until what it returns is called.
func listen(t *testing.T, brokers []string, topic string, to chan<- arrival) (stop func()) {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, partitions)
	var claims []sarama.PartitionConsumer
	for p := range int32(partitions) {
		claim, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		for tries := 0; err != nil && tries < 50; tries++ { // the topic is new: not every broker knows it yet
			time.Sleep(100 * time.Millisecond)
			claim, err = consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		}
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, claim)
		go func() {
			for m := range claim.Messages() {
				at := time.Now()
				var a alertRecord
				if err := json.Unmarshal(m.Value, &a); err != nil {
					t.Errorf("an alert: %v", err)
				}
				to <- arrival{event.Partition(a.Position.Partition), event.Offset(a.Position.Offset), at}
			}
			done <- struct{}{}
		}()
	}
	return func() {
		for _, claim := range claims {
			claim.AsyncClose()
		}
		for range claims {
			<-done
		}
		if err := consumer.Close(); err != nil {
			t.Error(err)
		}
	}
}

// echoes is a consumer group that does nothing but send some of its messages on.
type echoes struct {
	producer sarama.AsyncProducer
	alerts   string
	left     atomic.Int64
	last     chan struct{}
}

func (*echoes) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*echoes) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (e *echoes) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		if m.Offset%200 == 0 {
			var a alertRecord
			a.Rule.ID, a.Position.Partition, a.Position.Offset, a.Event = "echo", m.Partition, m.Offset, m.Value
			value, err := json.Marshal(&a)
			if err != nil {
				return err
			}
			e.producer.Input() <- &sarama.ProducerMessage{Topic: e.alerts, Key: sarama.ByteEncoder(m.Key), Value: sarama.ByteEncoder(value)}
		}
		s.MarkMessage(m, "")
		if e.left.Add(-1) == 0 {
			close(e.last)
		}
	}
	return nil
}

// runEcho consumes the topic until it has seen all events.
func runEcho(ctx context.Context, o contest) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config := tuned()
	config.Consumer.Fetch.Default = sarama.NewConfig().Consumer.Fetch.Default
	config.Producer.Return.Errors = false
	producer, err := sarama.NewAsyncProducer(o.Brokers, config)
	if err != nil {
		return result{}, err
	}
	e := &echoes{producer: producer, alerts: o.Alerts, last: make(chan struct{})}
	e.left.Store(o.Events)
	group, err := sarama.NewConsumerGroup(o.Brokers, o.Run, config)
	if err != nil {
		return result{}, err
	}
	consumed := make(chan error, 1)
	go func() { consumed <- group.Consume(ctx, []string{o.Topic}, e) }()
	select {
	case <-e.last:
	case <-ctx.Done():
		return result{}, ctx.Err()
	case err := <-consumed:
		return result{}, fmt.Errorf("the group ended early: %w", err)
	}
	cancel()
	return result{Events: o.Events}, errors.Join(<-consumed, producer.Close(), group.Close())
}
