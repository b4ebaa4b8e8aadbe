package kafka

import (
	"time"
	"unsafe"

	"github.com/IBM/sarama"

	"insolite/ingest"
	"insolite/internal/event"
)

// Message is a record to be produced. Key, Value and Headers must not change until they are sent: by Commit, or when Produce returns.
type Message struct {
	Topic     string
	Pinned    bool            // Partition says where it goes; else its key decides, as Java's producers do; without a key, its value
	Partition event.Partition // when Pinned
	Key       []byte          // nil: none
	Value     []byte          // nil: a tombstone
	Headers   []ingest.Header
	Timestamp event.Time // zero: now
}

// messageOverheadBytes is what a record takes at most beside key, value and headers: length, attributes, deltas, counts.
const messageOverheadBytes = 40

func (m *Message) bytes() int {
	n := len(m.Key) + len(m.Value) + messageOverheadBytes
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value) + 10
	}
	return n
}

// partition says where a message goes in a topic of so many partitions.
func (m *Message) partition(partitions int) event.Partition {
	switch {
	case m.Pinned:
		return m.Partition
	case m.Key == nil:
		return PartitionOf(m.Value, partitions)
	}
	return PartitionOf(m.Key, partitions)
}

// pending gathers the messages for one partition until they are sent as one record batch.
type pending struct {
	messages []Message // copies: the caller's slice is the caller's
	order    []int     // which message of the round each of them is
	bytes    int
}

// recordBatch builds the record batch; who produces it is filled in by the writer.
func (p *pending) recordBatch(codec sarama.CompressionCodec, now time.Time) *sarama.RecordBatch {
	at := func(m *Message) time.Time {
		if m.Timestamp == 0 {
			return now
		}
		return m.Timestamp.Std()
	}
	first := at(&p.messages[0])
	rb := &sarama.RecordBatch{
		Version: 2, Codec: codec, CompressionLevel: sarama.CompressionLevelDefault, LastOffsetDelta: int32(len(p.messages) - 1),
		FirstTimestamp: first, MaxTimestamp: first, Records: make([]*sarama.Record, len(p.messages)),
	}
	records := make([]sarama.Record, len(p.messages))
	count := 0
	for i := range p.messages {
		count += len(p.messages[i].Headers)
	}
	headers, places := make([]sarama.RecordHeader, 0, count), make([]*sarama.RecordHeader, 0, count)
	for i := range p.messages {
		r, m := &records[i], &p.messages[i]
		r.OffsetDelta, r.Key, r.Value = int64(i), m.Key, m.Value
		t := at(m)
		if t.After(rb.MaxTimestamp) {
			rb.MaxTimestamp = t
		}
		r.TimestampDelta = t.Truncate(time.Millisecond).Sub(first.Truncate(time.Millisecond))
		from := len(places)
		for _, h := range m.Headers {
			headers = append(headers, sarama.RecordHeader{Key: unsafe.Slice(unsafe.StringData(h.Key), len(h.Key)), Value: h.Value}) // it is only read
			places = append(places, &headers[len(headers)-1])
		}
		r.Headers = places[from:len(places):len(places)]
		rb.Records[i] = r
	}
	return rb
}
