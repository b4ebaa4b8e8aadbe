package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/ingest"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// What is said of Kafka holds for a real one. The parts share one broker; the last one kills it.
func TestRealBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker takes seconds; run without -short")
	}
	cluster := kafkatest.Start(t, 1)
	t.Run("every record once, in order, as sarama's consumer has it", func(t *testing.T) { testDifferential(t, cluster) })
	for name, f := range map[string]func(*testing.T, *Client){
		"transactions": testRealTransactions, "zombies": testRealZombies, "large records": testRealLargeRecords, "rebalance": testRealRebalance,
		"topics": testRealTopics,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, cluster.Bootstrap(), func(o *Options) { o.App = strings.ReplaceAll(name, " ", "-") })
			f(t, c)
		})
	}
	t.Run("exactly once through kills", func(t *testing.T) { testKills(t, cluster) })
}

func newTopic(t testing.TB, c *Client, name string, partitions int, config map[string]string) {
	t.Helper()
	must(c.EnsureTopic(testContext(t), TopicSpec{Name: name, Partitions: partitions, Config: config}))(t)
}

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

// testRealTransactions: fencing, stable offsets, and control records at the end.
func testRealTransactions(t *testing.T, c *Client) {
	ctx := testContext(t)
	newTopic(t, c, "in", 4, nil)
	newTopic(t, c, "out", 4, nil)
	old := initiated(t, c)
	fillTxn(t, old, 0, 10)
	ok(t, old.Commit(ctx))
	wantCommitted(t, c, 10)
	fillTxn(t, old, 100, 110)
	ok(t, old.flush(ctx))
	ok(t, old.sendOffsets(ctx))
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if next, _, _, err := c.CommittedOffset(short, "in", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("offset %d, %v while a transaction is open; want a wait", next, err)
	}
	young := initiated(t, c)
	if err := old.Commit(ctx); !errors.Is(err, ErrFenced) {
		t.Errorf("the predecessor's commit: %v", err)
	}
	wantCommitted(t, c, 10)
	fillTxn(t, young, 10, 20)
	ok(t, young.Commit(ctx))
	wantCommitted(t, c, 20)
	f := c.NewFetcher()
	defer f.Close()
	end := must(c.HighWatermark(ctx, TopicPartition{"out", 0}))(t)
	if got := drain(t, f.Add("out", 0, 0), end); len(got) != 20 {
		t.Errorf("%d records", len(got))
	}
	feed := f.Add("out", 0, end-1) // nothing but the control record is left
	if b := <-feed.Batches(); b.Next != end || len(b.Records) != 0 {
		t.Errorf("next %d with %d records, want %d with none", b.Next, len(b.Records), end)
	}
}

// testRealZombies: what an older generation commits is refused, in a transaction and outside.
func testRealZombies(t *testing.T, c *Client) {
	ctx := testContext(t)
	newTopic(t, c, "in", 4, nil)
	newTopic(t, c, "out", 4, nil)
	generations := make(chan Generation, 4)
	join(t, c, func(ctx context.Context, claim *Claim) {
		generations <- claim.Generation()
		<-ctx.Done()
	})
	gen := <-generations
	ok(t, c.Heartbeat(ctx, gen))
	ok(t, c.CommitOffset(ctx, gen, "in", 0, 7, "m"))
	zombie := gen
	zombie.ID--
	if err := c.Heartbeat(ctx, zombie); !errors.Is(err, ErrZombie) {
		t.Errorf("heartbeat: %v", err)
	}
	if err := c.CommitOffset(ctx, zombie, "in", 0, 9, ""); !errors.Is(err, ErrZombie) {
		t.Errorf("commit: %v", err)
	}
	tx := initiated(t, c)
	before := must(c.LastStable(ctx, TopicPartition{"out", 1}))(t)
	ok(t, tx.Send(ctx, Message{Topic: "out", Pinned: true, Partition: 1, Value: []byte("zombie")}))
	ok(t, tx.SendOffsets(zombie, 9, ""))
	if err := tx.Commit(ctx); !errors.Is(err, ErrZombie) {
		t.Errorf("transaction: %v", err)
	}
	ok(t, tx.Init(ctx))
	for r := range c.ReadAll(ctx, TopicPartition{"out", 1}, before, must(c.HighWatermark(ctx, TopicPartition{"out", 1}))(t)) {
		t.Errorf("a zombie's record: %s", r.Value)
	}
	if next, metadata, found, err := c.CommittedOffset(ctx, "in", 0); next != 7 || metadata != "m" || !found || err != nil {
		t.Errorf("committed %d %q %v %v", next, metadata, found, err)
	}
}

func testRealLargeRecords(t *testing.T, c *Client) {
	newTopic(t, c, "large", 4, map[string]string{"max.message.bytes": "20000000"})
	small := dial(t, c.opts.Brokers, func(o *Options) { o.App, o.FetchBytes, o.Compression = "large", 10_000, "none" })
	ctx := testContext(t)
	p := small.NewProducer()
	defer p.Close()
	for partition := range event.Partition(4) {
		for i := range 4 {
			must(p.Produce(ctx, Message{Topic: "large", Pinned: true, Partition: partition, Value: bytes.Repeat([]byte{'x'}, 10+i%2*9_000_000)}))(t)
		}
	}
	f := small.NewFetcher()
	defer f.Close()
	var feeds []*Feed
	for partition := range event.Partition(4) {
		feeds = append(feeds, f.Add("large", partition, 0))
	}
	for _, feed := range feeds {
		for i, v := range take(t, feed, 4) {
			if len(v) != 10+i%2*9_000_000 {
				t.Errorf("record %d has %d bytes", i, len(v))
			}
		}
	}
}

func testRealRebalance(t *testing.T, c *Client) {
	newTopic(t, c, "in", 4, nil)
	quick := dial(t, c.opts.Brokers, shortSession, func(o *Options) { o.App = "rebalance"; o.SessionTimeout = 1500 * time.Millisecond })
	b := newBook(t)
	join(t, quick, b.run("first"))
	b.wait("first", 4)
	second := join(t, quick, b.run("second"))
	b.wait("second", 2)
	if runs, ends := b.count("first"); runs != 2 || ends != 2 {
		t.Errorf("the first runs %d and was interrupted in %d; want 2 and 2", runs, ends)
	}
	ok(t, second.Stop(testContext(t)))
	b.wait("first", 4)
}

func testRealTopics(t *testing.T, c *Client) {
	ctx := testContext(t)
	newTopic(t, c, "app.journal", 3, map[string]string{"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"})
	got := must(c.DescribeTopic(ctx, "app.journal"))(t)
	if got.Partitions != 3 || !got.Compacted || !got.LogAppendTime || got.MaxMessageBytes == 0 || got.ID == strings.Repeat("0", 32) {
		t.Errorf("described %+v", got)
	}
	if _, err := c.DescribeTopic(ctx, "nowhere"); !errors.Is(err, ErrNotFound) {
		t.Errorf("described nowhere: %v", err)
	}
	before := time.Now().Add(-time.Minute)
	p := c.NewProducer()
	defer p.Close()
	at := must(p.Produce(ctx, Message{Topic: "app.journal", Pinned: true, Key: []byte("k"), Value: []byte("v"), Timestamp: 1}))(t)
	r := must(c.RecordAt(ctx, TopicPartition{"app.journal", 0}, at[0]))(t)
	if r.Timestamp.Std().Before(before) {
		t.Errorf("with LogAppendTime the record is at %v", r.Timestamp.Std())
	}
	earlier, _ := event.TimeOf(before)
	if first := must(c.OffsetForTime(ctx, TopicPartition{"app.journal", 0}, earlier))(t); first != 0 {
		t.Errorf("offset for a minute ago %d", first)
	}
}

// testKills copies a topic while the broker is killed and restarted: each record must be in the copy once.
func testKills(t *testing.T, cluster *kafkatest.Cluster) {
	const count = 3000
	c := dial(t, cluster.Bootstrap(), func(o *Options) {
		o.App, o.FetchBytes = "kills", 500
		o.RequestTimeout, o.TransactionTimeout = time.Second, 2*time.Second // less than a restart takes: each kill ends a transaction
	})
	newTopic(t, c, "source", 1, nil)
	newTopic(t, c, "copy", 1, nil)
	p := c.NewProducer()
	defer p.Close()
	for i := 0; i < count; i += 20 { // small record batches: every fetch brings one, every one is a transaction
		must(p.Produce(testContext(t), values("source", i, i+20)...))(t)
	}
	progress, doubts := make(chan event.Offset, count), make(chan error, 1000)
	cp := &copier{client: c, fetcher: c.NewFetcher(), from: "source", to: "copy",
		copied: func(_ TopicPartition, next event.Offset) { progress <- next },
		doubts: func(err error) { doubts <- err },
	}
	defer cp.fetcher.Close()
	var runs atomic.Int32
	m := must(c.Join([]string{"source"}, func(ctx context.Context, claim *Claim) {
		runs.Add(1)
		cp.run(ctx, claim)
	}))(t)
	wait := func(next event.Offset) {
		t.Helper()
		deadline := time.After(testTimeout)
		for at := event.Offset(0); at < next; {
			select {
			case at = <-progress:
			case <-deadline:
				for len(doubts) > 0 {
					t.Log(<-doubts)
				}
				buf := make([]byte, 1<<20)
				t.Log(string(buf[:runtime.Stack(buf, true)]))
				t.Fatalf("stuck at %d; membership: %v", at, m.Trouble())
			}
		}
	}
	for kill := range event.Offset(2) {
		wait(200 * (kill + 1))
		cluster.Kill(1)
		cluster.Restart(1)
	}
	wait(count)
	ok(t, m.Stop(testContext(t)))
	wantCopies(t, c, "copy", 1, count)
	if len(doubts) == 0 {
		t.Error("no kill led to a recovery, so nothing was shown")
	}
	for len(doubts) > 0 {
		t.Log(<-doubts)
	}
	if runs.Load() != 1 {
		t.Errorf("the claim ran %d times: a restart of its coordinator interrupted it", runs.Load())
	}
}
