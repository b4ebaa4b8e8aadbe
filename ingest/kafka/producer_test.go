package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/ingest"
)

// Messages go where Java's producers put them, and large sends are cut into record batches that a topic takes.
func TestPlacesAndSizes(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs(), func(o *Options) { o.BatchBytes = 10_000; o.Compression = "none" })
	ctx := testContext(t)
	tx := initiated(t, c)
	ok(t, tx.Send(ctx, Message{Topic: "out", Key: []byte("foobar"), Value: []byte("v"), Timestamp: 1_700_000_000_123_000_000,
		Headers: []ingest.Header{{Key: "h", Value: []byte("1")}}}))
	ok(t, tx.Send(ctx, Message{Topic: "out", Pinned: true, Partition: 3, Key: []byte("foobar"), Value: []byte("pinned")}))
	ok(t, tx.Commit(ctx))
	r := must(c.RecordAt(ctx, TopicPartition{"out", PartitionOf([]byte("foobar"), 4)}, 0))(t)
	if string(r.Value) != "v" || r.Timestamp != 1_700_000_000_123_000_000 || len(r.Headers) != 1 || r.Headers[0].Key != "h" {
		t.Errorf("read %+v", r)
	}
	if r := must(c.RecordAt(ctx, TopicPartition{"out", 3}, 0))(t); string(r.Value) != "pinned" {
		t.Errorf("read %+v", r)
	}
	for range 20 {
		ok(t, tx.Send(ctx, Message{Topic: "in", Pinned: true, Value: make([]byte, 4000)}))
	}
	ok(t, tx.Commit(ctx))
	if end := must(c.HighWatermark(ctx, TopicPartition{"in", 0}))(t); end != 21 {
		t.Errorf("20 records and a control record end at %d", end)
	}
}

// A topic that can't be looked up is an error of the send.
func TestNoPlaceWithoutPartitions(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
	defer cancel()
	p := c.NewProducer()
	defer p.Close()
	if _, err := p.Produce(ctx, Message{Topic: "nowhere", Key: []byte("foobar")}); err == nil {
		t.Error("a message for a topic that is not there was taken")
	}
}

// The caller's slice of messages may be used again before they are sent.
func TestSendKeepsNoMessages(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	ctx := testContext(t)
	tx := initiated(t, c)
	buffer := make([]Message, 1)
	for i := range 3 {
		buffer[0] = values("out", i, i+1)[0]
		ok(t, tx.Send(ctx, buffer...))
	}
	ok(t, tx.SendOffsets(nobody, 3, ""))
	ok(t, tx.Commit(ctx))
	wantCommitted(t, c, 3)
}

// A topic that is not there, or cannot be asked about in time, is an error.
func TestTopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p := c.NewProducer()
	defer p.Close()
	if _, err := p.Produce(ctx, Message{Topic: "elsewhere", Key: []byte("k")}); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want that the topic is not there", err)
	}
	tx := initiated(t, c)
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := tx.Send(ctx, Message{Topic: "elsewhere", Key: []byte("k")}); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want that the topic is not there", err)
	}
}

// A producer stores each message once, also when a broker stores it and says that it did not, or says nothing.
func TestProducerStoresOnce(t *testing.T) {
	t.Parallel()
	var cut cutter
	cluster := fake(t, kfake.ListenFn(cut.listen))
	c := dial(t, cluster.ListenAddrs())
	ctx := testContext(t)
	p := c.NewProducer()
	defer p.Close()
	must(p.Produce(ctx, values("out", 0, 3)...))(t)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend})
	must(p.Produce(ctx, values("out", 3, 6)...))(t)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.DropControl()
		cut.armed.Store(true)
		return nil, nil, false
	})
	must(p.Produce(ctx, values("out", 6, 9)...))(t)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.UnknownServerError})
	if _, err := p.Produce(ctx, values("out", 9, 12)...); err == nil {
		t.Fatal("no error")
	}
	must(p.Produce(ctx, values("out", 9, 12)...))(t)
	got, _ := committed(t, c)
	if len(got) != 12 {
		t.Fatalf("%d records", len(got))
	}
	wantNumbers(t, got, 0)
}

func TestTooLargeIsTold(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	ok(t, cluster.CreateTopic("narrow", 1, map[string]string{"max.message.bytes": "1000"}))
	c := dial(t, cluster.ListenAddrs(), func(o *Options) { o.Compression = "none" })
	p := c.NewProducer()
	defer p.Close()
	_, err := p.Produce(testContext(t), Message{Topic: "narrow", Value: make([]byte, 2000)})
	var e *TooLargeError
	if !errors.As(err, &e) || e.Topic != "narrow" || e.Bytes < 2000 {
		t.Errorf("error %v", err)
	}
}
