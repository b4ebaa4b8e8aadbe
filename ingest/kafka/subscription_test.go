package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/internal/event"
)

// A member that comes to read more topics, or fewer, is not interrupted in what stays.
func TestSubscribeKeepsWhatStays(t *testing.T) {
	t.Parallel()
	c := dial(t, quickGroup(t).ListenAddrs(), shortSession)
	testSubscribe(t, c, "in", "out")
}

func testSubscribe(t *testing.T, c *Client, one, two string) {
	b := newBook(t)
	first := must(c.Join([]string{one}, b.run("first")))(t)
	t.Cleanup(func() { _ = first.Stop(testContext(t)) })
	b.wait("first", 4)
	first.Subscribe([]string{two, one, two})
	b.wait("first", 8)
	if _, ends := b.count("first"); ends != 0 {
		t.Errorf("%d claims were interrupted when a topic came: %v", ends, b.ends["first"])
	}
	if got := first.Topics(); !slices.Equal(got, []string{one, two}) {
		t.Errorf("topics %q", got)
	}
	second := must(c.Join([]string{one, two}, b.run("second")))(t) // names each once, the first names one again and again
	b.wait("second", 4)
	b.wait("first", 4)
	ok(t, second.Stop(testContext(t)))
	b.wait("first", 8)
	_, before := b.count("first")
	first.Subscribe([]string{two})
	b.wait("first", 4)
	if _, ends := b.count("first"); ends != before+4 {
		t.Errorf("%d claims were interrupted when a topic went, want 4", ends-before)
	}
	for tp := range b.runs {
		if tp.Topic != two {
			t.Errorf("%v is still run", tp)
		}
	}
	for _, cause := range b.ends["first"] {
		if !errors.Is(cause, ErrRevoked) {
			t.Errorf("cause %v", cause)
		}
	}
}

// More topics than a session has room for need another session.
func TestSubscribeToMany(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range spareTopics + 2 {
		names = append(names, fmt.Sprint("many-", i))
	}
	cluster := fake(t, kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.SeedTopics(1, names...))
	c := dial(t, cluster.ListenAddrs(), shortSession)
	b := newBook(t)
	m := must(c.Join(names[:1], b.run("first")))(t)
	t.Cleanup(func() { _ = m.Stop(testContext(t)) })
	b.wait("first", 1)
	m.Subscribe(names)
	b.wait("first", len(names))
}

// Partitions that are added to a topic come to the group by themselves, and interrupt none.
func TestPartitionsAreAdded(t *testing.T) {
	t.Parallel()
	testAddedPartitions(t, dial(t, quickGroup(t).ListenAddrs(), shortSession, func(o *Options) { o.TopicRefresh = 100 * time.Millisecond }), "in")
}

func testAddedPartitions(t *testing.T, c *Client, topic string) {
	b := newBook(t)
	m := must(c.Join([]string{topic}, b.run("first")))(t)
	t.Cleanup(func() { _ = m.Stop(testContext(t)) })
	b.wait("first", 4)
	addPartitions(t, c, topic, 6)
	b.wait("first", 6)
	if _, ends := b.count("first"); ends != 0 {
		t.Errorf("%d claims were interrupted: %v", ends, b.ends["first"])
	}
}

func addPartitions(t testing.TB, c *Client, topic string, count int32) {
	t.Helper()
	b := must(c.controller(topic))(t)
	r := must(b.CreatePartitions(&sarama.CreatePartitionsRequest{Version: 1, Timeout: time.Second, TopicPartitions: map[string]*sarama.TopicPartition{topic: {Count: count}}}))(t)
	if e := r.TopicPartitionErrors[topic]; e == nil || e.Err != sarama.ErrNoError {
		t.Fatalf("add partitions: %v", e)
	}
}

// A member that comes back with its static id has what it had, and what came to its topics in the meantime.
func TestStaticMemberWithOtherTopics(t *testing.T) {
	t.Parallel()
	testStaticTopics(t, dial(t, quickGroup(t).ListenAddrs(), shortSession, func(o *Options) { o.StaticID = "one" }), "in", "out")
}

func testStaticTopics(t *testing.T, c *Client, one, two string) {
	b := newBook(t)
	first := must(c.Join([]string{one}, b.run("first")))(t)
	b.wait("first", 4)
	ok(t, first.Stop(testContext(t)))
	again := must(dial(t, c.opts.Brokers, func(o *Options) { *o = c.opts }).Join([]string{one, two}, b.run("again")))(t)
	t.Cleanup(func() { _ = again.Stop(testContext(t)) })
	b.wait("again", 8)
	if _, ends := b.count("again"); ends != 0 {
		t.Errorf("%d claims were interrupted: %v", ends, b.ends["again"])
	}
}

// What the group has committed comes in one piece, whatever topics it is of.
func TestCommittedOffsets(t *testing.T) {
	t.Parallel()
	testCommittedOffsets(t, dial(t, quickGroup(t).ListenAddrs(), shortSession))
}

func testCommittedOffsets(t *testing.T, c *Client) {
	ctx := testContext(t)
	if all := must(c.CommittedOffsets(ctx))(t); len(all) != 0 {
		t.Errorf("a group that has committed nothing has %v", all)
	}
	ok(t, c.CommitOffset(ctx, nobody, "in", 3, 10, "ten"))
	ok(t, c.CommitOffset(ctx, nobody, "out", 0, 20, ""))
	all := must(c.CommittedOffsets(ctx))(t)
	if len(all) != 2 || all[TopicPartition{"in", 3}] != (Committed{10, "ten"}) || all[TopicPartition{"out", 0}] != (Committed{20, ""}) {
		t.Errorf("committed %v", all)
	}
}

// Records below an offset go, and those above stay where they are.
func TestDeleteBefore(t *testing.T) {
	t.Parallel()
	testDeleteBefore(t, dial(t, fake(t).ListenAddrs()))
}

func testDeleteBefore(t *testing.T, c *Client) {
	ctx := testContext(t)
	produce(t, c, "in", 0, 50)
	tp := TopicPartition{"in", 0}
	ok(t, c.DeleteBefore(ctx, tp, 30))
	if got := must(c.Earliest(ctx, tp))(t); got != 30 {
		t.Errorf("the log begins at %d, want 30", got)
	}
	if got := must(c.RecordAt(ctx, tp, 30))(t); string(got.Value) != "30" {
		t.Errorf("the record at 30 is %q", got.Value)
	}
	if err := c.DeleteBefore(ctx, tp, 51); err == nil {
		t.Error("records beyond the end are deleted")
	}
	if got := must(c.Earliest(ctx, TopicPartition{"in", event.Partition(1)}))(t); got != 0 {
		t.Errorf("another partition begins at %d", got)
	}
}

// testRealStages: what stages need of a real broker.
func testRealStages(t *testing.T, c *Client) {
	for _, name := range []string{"in", "out"} {
		newTopic(t, c, name, 4, nil)
	}
	newTopic(t, c, "stages-one", 4, nil)
	newTopic(t, c, "stages-two", 4, nil)
	newTopic(t, c, "stages-grows", 4, nil)
	testCommittedOffsets(t, c)
	quick := dial(t, c.opts.Brokers, func(o *Options) {
		o.App, o.SessionTimeout, o.TopicRefresh = "stages-quick", 1500*time.Millisecond, time.Second
	})
	t.Run("topics come and go", func(t *testing.T) { testSubscribe(t, quick, "stages-one", "stages-two") })
	t.Run("partitions come", func(t *testing.T) {
		testAddedPartitions(t, dial(t, c.opts.Brokers, func(o *Options) {
			o.App, o.SessionTimeout, o.TopicRefresh = "stages-grow", 1500*time.Millisecond, time.Second
		}), "stages-grows")
	})
	t.Run("a static member comes back", func(t *testing.T) {
		testStaticTopics(t, dial(t, c.opts.Brokers, func(o *Options) { o.App, o.StaticID = "stages-static", "one" }), "stages-one", "stages-two")
	})
	t.Run("records are deleted", func(t *testing.T) {
		ctx, tp := testContext(t), TopicPartition{"stages-one", 0}
		p := c.NewProducer()
		defer p.Close()
		must(p.Produce(ctx, values("stages-one", 0, 50)...))(t)
		ok(t, c.DeleteBefore(ctx, tp, 30))
		ok(t, c.DeleteBefore(ctx, tp, 20)) // a deletion that came late
		if got := must(c.Earliest(ctx, tp))(t); got != 30 {
			t.Errorf("the log begins at %d, want 30", got)
		}
		if err := c.DeleteBefore(ctx, tp, 51); err == nil {
			t.Error("records beyond the end are deleted")
		}
		newTopic(t, c, "stages-kept", 1, map[string]string{"cleanup.policy": "compact"})
		must(p.Produce(ctx, values("stages-kept", 0, 5)...))(t)
		if err := c.DeleteBefore(ctx, TopicPartition{Topic: "stages-kept"}, 3); !errors.Is(err, ErrForbidden) {
			t.Errorf("a compacted topic: %v", err)
		}
	})
	for codec := range codecs {
		t.Run(codec, func(t *testing.T) { testFrames(t, c, codec) })
	}
}

// testFrames: binary records up to the size of a frame come back as they were, from a transaction and from a plain producer.
func testFrames(t *testing.T, c *Client, codec string) {
	ctx, topic := testContext(t), "frames-"+codec
	newTopic(t, c, topic, 2, nil)
	d := dial(t, c.opts.Brokers, func(o *Options) { o.App, o.Compression = topic, codec })
	random := rand.New(rand.NewPCG(1, 2))
	var sent [][]byte
	for i := range 12 {
		b := make([]byte, 1+random.IntN(1<<(8+i)))
		for j := range b {
			b[j] = byte(random.IntN(1 + i*20))
		}
		sent = append(sent, b)
	}
	tx := d.NewNamedTransaction("frames")
	ok(t, tx.Init(ctx))
	p := d.NewProducer()
	defer p.Close()
	for _, b := range sent {
		ok(t, tx.Send(ctx, Message{Topic: topic, Pinned: true, Partition: 1, Value: b}))
		must(p.Produce(ctx, Message{Topic: topic, Pinned: true, Value: b}))(t)
	}
	ok(t, tx.Commit(ctx))
	ok(t, tx.Close(ctx))
	f := d.NewFetcher()
	defer f.Close()
	for partition := range event.Partition(2) {
		for i, got := range take(t, f.Add(topic, partition, 0), len(sent)) {
			if got != string(sent[i]) {
				t.Errorf("partition %d: record %d of %d bytes came as %d others", partition, i, len(sent[i]), len(got))
			}
		}
	}
}
