package kafka

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// What is said of Kafka holds for a real one. The parts share one broker.
func TestRealBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker takes seconds; run without -short")
	}
	cluster := kafkatest.Start(t, 1)
	t.Run("every record once, in order, as sarama's consumer has it", func(t *testing.T) { testDifferential(t, cluster) })
	for name, f := range map[string]func(*testing.T, *Client){
		"transactions": testRealTransactions, "zombies": testRealZombies, "large records": testRealLargeRecords, "rebalance": testRealRebalance,
		"topics": testRealTopics, "stages": testRealStages,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, cluster.Bootstrap(), func(o *Options) { o.App = strings.ReplaceAll(name, " ", "-") })
			f(t, c)
		})
	}
}

func newTopic(t testing.TB, c *Client, name string, partitions int, config map[string]string) {
	t.Helper()
	must(c.EnsureTopic(testContext(t), TopicSpec{Name: name, Partitions: partitions, Config: config}))(t)
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

// A topic is copied while each broker of three is killed and restarted in turn: each record must be in the copy once.
//
// One broker alone does not do: Kafka 4.3 that is killed between a commit and its markers drops them while it starts, as "likely deleted"
// partitions, and leaves transactions open for ever.
func TestExactlyOnceThroughKills(t *testing.T) {
	if testing.Short() {
		t.Skip("real brokers take seconds; run without -short")
	}
	const count = 6000
	cluster := kafkatest.Start(t, 3)
	c := dial(t, cluster.Bootstrap(), func(o *Options) { o.App, o.FetchBytes, o.RequestTimeout = "kills", 500, 3*time.Second })
	newTopic(t, c, "source", 1, nil)
	newTopic(t, c, "copy", 1, nil)
	p := c.NewProducer()
	defer p.Close()
	for i := 0; i < count; i += 20 { // small record batches: every fetch brings one, every one is a transaction
		must(p.Produce(testContext(t), values("source", i, i+20)...))(t)
	}
	progress, doubts := make(chan event.Offset), make(chan error, 1000) // the copier is a transaction ahead of the test, no more
	cp := &copier{client: c, fetcher: c.NewFetcher(), from: "source", to: "copy",
		copied: func(_ TopicPartition, next event.Offset) { progress <- next },
		doubts: func(err error) { doubts <- err },
	}
	defer cp.fetcher.Close()
	m := must(c.Join([]string{"source"}, cp.run))(t)
	wait := func(next event.Offset) {
		t.Helper()
		deadline := time.After(2 * testTimeout)
		for at := event.Offset(0); at < next; {
			select {
			case at = <-progress:
			case <-deadline:
				for len(doubts) > 0 {
					t.Log(<-doubts)
				}
				t.Fatalf("stuck at %d; membership: %v", at, m.Trouble())
			}
		}
	}
	for node := 1; node <= 3; node++ {
		wait(event.Offset(500 * node))
		cluster.Kill(node)
		wait(event.Offset(500*node + 200)) // two brokers are enough
		cluster.Restart(node)
	}
	wait(count)
	ok(t, m.Stop(testContext(t)))
	wantCopies(t, c, "copy", 1, count)
	t.Logf("%d recoveries", len(doubts))
	for len(doubts) > 0 {
		t.Log(<-doubts)
	}
}
