package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/ingest"
	"insolite/internal/event"
)

// produce puts the numbers [from, to) into partition 0 of a topic.
func produce(t testing.TB, c *Client, topic string, from, to int) {
	t.Helper()
	p := c.NewProducer()
	defer p.Close()
	must(p.Produce(testContext(t), values(topic, from, to)...))(t)
}

// Whatever a broker answers to a fetch, no record is lost or comes twice.
func TestFetchOutlastsErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.KafkaStorageError,
		kerr.OffsetNotAvailable, kerr.TopicAuthorizationFailed, kerr.UnknownServerError, kerr.ReplicaNotAvailable, kerr.CorruptMessage,
	} {
		t.Run(err.Message, func(t *testing.T) {
			t.Parallel()
			cluster := fake(t)
			c := dial(t, cluster.ListenAddrs())
			produce(t, c, "in", 0, 50)
			f := c.NewFetcher()
			defer f.Close()
			fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "in", Err: err, Count: 2})
			feed := f.Add("in", 0, 0)
			ok(t, fault.Wait(testContext(t), 2))
			wantNumbers(t, take(t, feed, 50), 0)
			if feed.Trouble() != nil {
				t.Errorf("records come, and yet there is trouble: %v", feed.Trouble())
			}
		})
	}
}

func TestTroubleIsShown(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	f := c.NewFetcher()
	defer f.Close()
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "in", Err: kerr.TopicAuthorizationFailed, Count: -1})
	feed := f.Add("in", 0, 0)
	until(t, func() bool { return feed.Trouble() != nil })
	if busy, away := feed.Pauses(); busy != 0 || away != 1 {
		t.Errorf("%d and %d pauses, want one because of the trouble", busy, away)
	}
}

// until waits for something observable.
func until(t testing.TB, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

func TestFetchFollowsTheLeader(t *testing.T) {
	t.Parallel()
	cluster := fake(t, kfake.NumBrokers(3))
	c := dial(t, cluster.ListenAddrs())
	f := c.NewFetcher()
	defer f.Close()
	feed := f.Add("in", 0, 0)
	for i := range 9 {
		ok(t, cluster.MoveTopicPartition("in", 0, int32(i%3)))
		produce(t, c, "in", 20*i, 20*i+20)
		wantNumbers(t, take(t, feed, 20), 20*i)
	}
}

// An offset outside of the log ends the feed with all that an operator needs; nothing is skipped.
func TestOutOfRange(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	produce(t, c, "in", 0, 50)
	ok(t, cluster.DeleteRecords("in", 0, 30))
	f := c.NewFetcher()
	defer f.Close()
	for _, from := range []event.Offset{0, 29, 51, 1000} {
		feed := f.Add("in", 0, from)
		if b, open := <-feed.Batches(); open {
			t.Fatalf("from %d: a batch of %d records", from, len(b.Records))
		}
		var e *OutOfRangeError
		if !errors.As(feed.Err(), &e) || *e != (OutOfRangeError{"in", 0, from, 30, 50}) {
			t.Errorf("from %d: %v", from, feed.Err())
		}
	}
	wantNumbers(t, take(t, f.Add("in", 0, 30), 20), 30)
}

// A partition whose batches nobody releases holds at most its credit and one response, and does not stop its neighbour.
func TestCredit(t *testing.T) {
	t.Parallel()
	const credit, size = 64 << 10, 1000
	c := dial(t, fake(t).ListenAddrs(), func(o *Options) { o.CreditBytes, o.FetchBytes, o.Compression = credit, 8<<10, "none" })
	p := c.NewProducer()
	defer p.Close()
	for partition := range event.Partition(2) {
		for range 30 { // many small record batches, so that the fetch size is kept
			var m []Message
			for range 20 {
				m = append(m, Message{Topic: "in", Pinned: true, Partition: partition, Value: bytes.Repeat([]byte{'x'}, size)})
			}
			must(p.Produce(testContext(t), m...))(t)
		}
	}
	f := c.NewFetcher()
	defer f.Close()
	slow, quick := f.Add("in", 0, 0), f.Add("in", 1, 0)
	take(t, quick, 600)
	until(t, func() bool { busy, _ := slow.Pauses(); return busy > 0 })
	if busy, away := quick.Pauses(); away != 0 {
		t.Errorf("the quick one paused %d and %d times", busy, away)
	}
	held := 0
	var batches []*Batch
	for len(slow.Batches()) > 0 {
		b := <-slow.Batches()
		held += b.Bytes
		batches = append(batches, b)
	}
	if held == 0 || held > credit+32*(size+recordOverheadBytes) {
		t.Errorf("%d bytes are handed over, the credit is %d", held, credit)
	}
	got := 0
	for _, b := range batches {
		got += len(b.Records)
		b.Release()
	}
	take(t, slow, 600-got)
}

// A record above the fetch size comes, whichever place its partition has in the request.
func TestRecordAboveFetchSize(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs(), func(o *Options) { o.FetchBytes, o.Compression = 2000, "none" })
	p := c.NewProducer()
	defer p.Close()
	f := c.NewFetcher()
	defer f.Close()
	for partition := range event.Partition(4) {
		for i := range 5 {
			must(p.Produce(testContext(t), Message{Topic: "in", Pinned: true, Partition: partition, Value: bytes.Repeat([]byte{'x'}, 1+i%2*300_000)}))(t)
		}
	}
	for partition := range event.Partition(4) {
		for i, v := range take(t, f.Add("in", partition, 0), 5) {
			if len(v) != 1+i%2*300_000 {
				t.Errorf("record %d has %d bytes", i, len(v))
			}
		}
	}
}

// A record batch from which compaction took every record, which brokers keep for the producer's sequence number, is passed.
func TestEmptyRecordBatchIsPassed(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	produce(t, c, "in", 0, 10)
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if req.Topics[0].Partitions[0].FetchOffset != 0 {
			return nil, nil, false
		}
		empty := make([]byte, 61)
		binary.BigEndian.PutUint32(empty[8:], uint32(len(empty)-12))
		empty[16] = 2
		binary.BigEndian.PutUint32(empty[23:], 4) // the last offset's distance: it stands for the offsets 0 to 4
		binary.BigEndian.PutUint32(empty[17:], crc32.Checksum(empty[21:], crc32.MakeTable(crc32.Castagnoli)))
		return answer(req, 0, empty), nil, true
	})
	f := c.NewFetcher()
	defer f.Close()
	feed := f.Add("in", 0, 0)
	if b := <-feed.Batches(); len(b.Records) != 0 || b.Next != 5 {
		t.Errorf("%d records, next %d; want none, 5", len(b.Records), b.Next)
	}
	wantNumbers(t, take(t, feed, 5), 5)
}

// A partition that cannot be decoded does not stop its neighbours, and comes when it can be again.
func TestCorruptPartitionIsIsolated(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	p := c.NewProducer()
	defer p.Close()
	must(p.Produce(testContext(t), Message{Topic: "in", Pinned: true, Partition: 0, Value: []byte("good")}, Message{Topic: "in", Pinned: true, Partition: 1, Value: []byte("healed")}))(t)
	healed := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		select {
		case <-healed:
			return nil, nil, false
		default:
		}
		for _, topic := range req.Topics {
			for _, part := range topic.Partitions {
				if part.Partition == 1 {
					return corrupt(req), nil, true
				}
			}
		}
		return nil, nil, false
	})
	f := c.NewFetcher()
	defer f.Close()
	bad, good := f.Add("in", 1, 0), f.Add("in", 0, 0)
	if got := take(t, good, 1); got[0] != "good" {
		t.Errorf("read %q", got)
	}
	until(t, func() bool { return bad.Trouble() != nil })
	close(healed)
	if got := take(t, bad, 1); got[0] != "healed" {
		t.Errorf("read %q", got)
	}
}

// corrupt answers a fetch with a record batch whose checksum is wrong.
func corrupt(req *kmsg.FetchRequest) kmsg.Response {
	batch := make([]byte, 61+10)
	binary.BigEndian.PutUint32(batch[8:], uint32(len(batch)-12))
	batch[16] = 2
	return answer(req, 1, batch)
}

// answer answers a fetch with bytes for one partition.
func answer(req *kmsg.FetchRequest, partition int32, batch []byte) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
	part := kmsg.NewFetchResponseTopicPartition()
	part.Partition, part.HighWatermark, part.LastStableOffset, part.RecordBatches = partition, 10, 10, batch
	topic.Partitions = append(topic.Partitions, part)
	resp.Topics = append(resp.Topics, topic)
	return resp
}

// A feed that is closed ends, also while its broker is away; a new one of the same partition takes its place at once.
func TestCloseAndAddAgain(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	c := dial(t, cluster.ListenAddrs())
	produce(t, c, "in", 0, 50)
	f := c.NewFetcher()
	old := f.Add("in", 0, 0)
	again := f.Add("in", 0, 25)
	wantNumbers(t, take(t, again, 25), 25)
	for b := range old.Batches() {
		b.Release()
	}
	missing := f.Add("nowhere", 0, 0)
	until(t, func() bool { return missing.Trouble() != nil })
	missing.Close()
	<-missing.Batches()
	f.Close()
	if _, open := <-again.Batches(); open || again.Err() != nil {
		t.Errorf("after Close: open %v, %v", open, again.Err())
	}
	late := f.Add("in", 0, 0)
	if _, open := <-late.Batches(); open {
		t.Error("a closed fetcher fetches")
	}
}

// A batch's memory is used again without a trace of what it held.
func TestReleaseClears(t *testing.T) {
	t.Parallel()
	f := &Fetcher{routed: make(chan struct{}, 1)}
	feed := &Feed{fetcher: f}
	b := &Batch{feed: feed, Bytes: 7}
	b.Records = append(b.Records, ingest.Record{Value: []byte("v")})
	records := b.Records
	b.Release()
	if records[0].Value != nil || b.Bytes != 0 || len(b.Records) != 0 || feed.credit.Load() != 7 {
		t.Errorf("after release: %+v, %+v", records[0], b)
	}
}
