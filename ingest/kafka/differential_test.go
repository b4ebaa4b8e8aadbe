package kafka

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/ingest"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// testDifferential fills a topic by Java's producers and by ours, with every compression, some of it aborted, and compares what the fetcher
// gives with what sarama's consumer gives.
func testDifferential(t *testing.T, cluster *kafkatest.Cluster) {
	const partitions = 5
	c := dial(t, cluster.Bootstrap(), func(o *Options) { o.App = "differential"; o.FetchBytes = 20_000; o.CreditBytes = 100_000 })
	newTopic(t, c, "mix", partitions, nil)
	f := c.NewFetcher()
	defer f.Close()
	var feeds []*Feed
	for p := range event.Partition(partitions) { // they read while the producers write
		feeds = append(feeds, f.Add("mix", p, 0))
	}
	var group sync.WaitGroup
	for codec := range codecs {
		group.Go(func() {
			mixOurs(t, dial(t, cluster.Bootstrap(), func(o *Options) { o.App, o.Compression = "mix-"+codec, codec }))
		})
	}
	total, err := strconv.Atoi(strings.TrimSpace(cluster.Java("testdata/Mix.java", cluster.Bootstrap()[0], "mix")))
	group.Wait()
	if err != nil || t.Failed() {
		t.Fatal(err)
	}
	var ends []event.Offset
	for _, feed := range feeds {
		ends = append(ends, must(c.HighWatermark(testContext(t), feed.TopicPartition))(t))
	}
	want := saramaView(t, cluster.Bootstrap(), "mix", partitions, c)
	count := 0
	for p, feed := range feeds {
		got := drain(t, feed, ends[p])
		if len(got) != len(want[p]) {
			t.Fatalf("partition %d: %d records, want %d", p, len(got), len(want[p]))
		}
		count += len(got)
		for i := range got {
			if got[i] != want[p][i] {
				t.Fatalf("partition %d, record %d:\n%s\nwant\n%s", p, i, got[i], want[p][i])
			}
			if key := strings.Fields(got[i])[2]; strings.Contains(got[i], " java ") && PartitionOf([]byte(key), partitions) != event.Partition(p) {
				t.Fatalf("Java puts key %s into partition %d, we into %d", key, p, PartitionOf([]byte(key), partitions))
			}
			if strings.Contains(got[i], "aborted") {
				t.Fatalf("an aborted record: %s", got[i])
			}
		}
	}
	if wantCount := total*2/3 + len(codecs)*200; count != wantCount {
		t.Errorf("%d records, want %d", count, wantCount)
	}
}

// mixOurs produces 200 records that stand and 100 that are aborted.
func mixOurs(t testing.TB, c *Client) {
	ctx := testContext(t)
	p := c.NewProducer()
	defer p.Close()
	tx := c.NewTransaction("in", 0)
	if err := tx.Init(ctx); err != nil {
		t.Error(err)
		return
	}
	for round := range 10 {
		var plain, inTxn []Message
		who := "committed"
		if round%2 == 1 {
			who = "aborted"
		}
		for i := range 20 {
			key := fmt.Append(nil, "key-", round*20+i)
			m := Message{Topic: "mix", Key: key, Headers: []ingest.Header{{Key: "round", Value: fmt.Append(nil, round)}}}
			m.Value = fmt.Append(nil, "plain ours ", i, strings.Repeat("y", 50*i))
			if round < 5 {
				plain = append(plain, m)
			}
			m.Value = fmt.Append(nil, who, " ours ", i)
			inTxn = append(inTxn, m)
		}
		err := errors.Join(tx.Send(ctx, inTxn[:10]...), tx.flush(ctx))
		_, err2 := p.Produce(ctx, plain...)
		err = errors.Join(err, err2, tx.Send(ctx, inTxn[10:]...), tx.flush(ctx))
		if round%2 == 1 {
			err = errors.Join(err, tx.Abort(ctx))
		} else {
			err = errors.Join(err, tx.Commit(ctx))
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
	if err := tx.Close(ctx); err != nil {
		t.Error(err)
	}
}

// text is everything that a record has.
func text(offset, at int64, key, value []byte, headers string) string {
	return fmt.Sprintf("%d %d %s %s %s", offset, at, key, value, headers)
}

// drain reads a feed up to an offset, over control records too.
func drain(t testing.TB, f *Feed, end event.Offset) []string {
	t.Helper()
	var out []string
	deadline := time.After(testTimeout)
	for next := event.Offset(0); next < end; {
		select {
		case b, open := <-f.Batches():
			if !open {
				t.Fatal(f.Err())
			}
			for _, r := range b.Records {
				if r.Offset >= end {
					break
				}
				headers := ""
				for _, h := range r.Headers {
					headers += fmt.Sprintf("%s=%s,%v ", h.Key, h.Value, h.Value == nil)
				}
				out = append(out, text(int64(r.Offset), int64(r.Timestamp)/1e6, r.Key, r.Value, headers))
			}
			next = b.Next
			b.Release()
		case <-deadline:
			t.Fatalf("stuck before %d: %v", end, f.Trouble())
		}
	}
	return out
}

func saramaView(t testing.TB, brokers []string, topic string, partitions int, c *Client) [][]string {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version, conf.Consumer.IsolationLevel = sarama.V2_8_0_0, sarama.ReadCommitted
	consumer := must(sarama.NewConsumer(brokers, conf))(t)
	defer func() { _ = consumer.Close() }()
	out := make([][]string, partitions)
	for p := range int32(partitions) {
		// A last record shows where the end is, whatever control records are before it; it is taken off again.
		mark := must(c.NewProducer().Produce(testContext(t), Message{Topic: topic, Pinned: true, Partition: event.Partition(p), Value: []byte("mark")}))(t)
		part := must(consumer.ConsumePartition(topic, p, 0))(t)
		for m := range part.Messages() {
			if m.Offset == int64(mark[0]) {
				break
			}
			headers := ""
			for _, h := range m.Headers {
				headers += fmt.Sprintf("%s=%s,%v ", h.Key, h.Value, h.Value == nil)
			}
			out[p] = append(out[p], text(m.Offset, m.Timestamp.UnixMilli(), m.Key, m.Value, headers))
		}
		_ = part.Close()
	}
	return out
}
