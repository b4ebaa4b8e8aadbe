package kafka

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// BenchmarkFetch compares what a record costs this process through the fetcher with an empty claim loop of sarama's, over the same records
// of a real broker. Look at the ratio of cpu-ns/record only.
func BenchmarkFetch(b *testing.B) {
	const partitions, perPartition = 4, 250_000
	cluster := kafkatest.Start(b, 1)
	for _, codec := range []string{"none", "lz4"} {
		c := dial(b, cluster.Bootstrap(), func(o *Options) { o.App, o.Compression = "bench-"+codec, codec })
		topic := "bench-" + codec
		newTopic(b, c, topic, partitions, nil)
		fillBench(b, c, topic, partitions, perPartition)
		b.Run("fetcher/"+codec, func(b *testing.B) {
			measure(b, partitions*perPartition, func() { fetchAll(b, c, topic, partitions, perPartition) })
		})
		b.Run("claims/"+codec, func(b *testing.B) {
			measure(b, partitions*perPartition, func() { claimAll(b, cluster.Bootstrap(), topic, partitions*perPartition) })
		})
	}
}

func fillBench(b testing.TB, c *Client, topic string, partitions, count int) {
	p := c.NewProducer()
	defer p.Close()
	for partition := range partitions {
		for from := 0; from < count; from += 2500 {
			var m []Message
			for i := range 2500 {
				value := fmt.Appendf(nil, `{"at":"2026-10-15T20:00:00Z","payment_id":"p-%d","customer_id":"c-%d","amount":%d.5,"pad":"%s"}`, from+i, i*7919%1000, i, bytes.Repeat([]byte{'x'}, 150))
				m = append(m, Message{Topic: topic, Pinned: true, Partition: event.Partition(partition), Key: fmt.Append(nil, "c-", i), Value: value})
			}
			must(p.Produce(context.Background(), m...))(b)
		}
	}
}

func cpuTime(b testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func measure(b *testing.B, records int, pass func()) {
	pass() // connections, caches
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime(b)
	for b.Loop() {
		pass()
	}
	n := float64(b.N) * float64(records)
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(cpuTime(b)-began)/n, "cpu-ns/record")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/record")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "B/record")
	b.ReportMetric(0, "ns/op")
}

func fetchAll(b testing.TB, c *Client, topic string, partitions, count int) {
	f := c.NewFetcher()
	defer f.Close()
	done := make(chan int)
	for p := range event.Partition(partitions) {
		feed := f.Add(topic, p, 0)
		go func() {
			bytes := 0
			for n := 0; n < count; {
				batch := <-feed.Batches()
				for i := range batch.Records {
					bytes += len(batch.Records[i].Value)
				}
				n += len(batch.Records)
				batch.Release()
			}
			done <- bytes
		}()
	}
	for range partitions {
		<-done
	}
}

type counter struct {
	left atomic.Int64
	done context.CancelFunc
}

func (*counter) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*counter) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c *counter) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		s.MarkMessage(m, "")
		if c.left.Add(-1) == 0 {
			c.done()
		}
	}
	return nil
}

func claimAll(b testing.TB, brokers []string, topic string, count int) {
	conf := sarama.NewConfig()
	conf.Version, conf.Consumer.Offsets.Initial, conf.Consumer.Offsets.AutoCommit.Enable = sarama.MaxVersion, sarama.OffsetOldest, false
	conf.ChannelBufferSize, conf.Consumer.Fetch.Default = 4096, 1<<20
	group := must(sarama.NewConsumerGroup(brokers, fmt.Sprint("g", time.Now().UnixNano()), conf))(b)
	ctx, cancel := context.WithCancel(context.Background())
	h := &counter{done: cancel}
	h.left.Store(int64(count))
	if err := group.Consume(ctx, []string{topic}, h); err != nil {
		b.Fatal(err)
	}
	_ = group.Close()
}

// BenchmarkCommit is one transaction of ten records in two topics with an offset, on a real broker.
func BenchmarkCommit(b *testing.B) {
	c := dial(b, kafkatest.Start(b, 1).Bootstrap())
	newTopic(b, c, "in", 4, nil)
	newTopic(b, c, "out", 4, nil)
	tx := c.NewTransaction("in", 0)
	ctx := context.Background()
	ok(b, tx.Init(ctx))
	next := 0
	for b.Loop() {
		ok(b, tx.Send(ctx, values("out", next, next+5)...))
		ok(b, tx.Send(ctx, values("in", next, next+5)...))
		next += 10
		ok(b, tx.SendOffsets(nobody, event.Offset(next), "metadata"))
		ok(b, tx.Commit(ctx))
	}
}
