package kafka

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/IBM/sarama"

	"insolite/ingest"
	"insolite/internal/event"
)

// recordOverheadBytes is what a record costs in memory beside its key and value: sarama's struct and ours.
const recordOverheadBytes = 240

// fill puts the committed records of a fetched block at and above b.Next into b, and moves b.Next over everything that the block held.
// It allocates nothing per record, but what headers need once.
func fill(b *Batch, block *sarama.FetchResponseBlock) error {
	var aborted map[int64]bool // producers with an aborted transaction that begins at or before the current batch
	pending := block.AbortedTransactions
	records := 0
	for _, set := range block.RecordsSet {
		if set.RecordBatch != nil {
			records += len(set.RecordBatch.Records)
		}
	}
	b.Records = slices.Grow(b.Records, records)
	for _, set := range block.RecordsSet {
		rb := set.RecordBatch
		if rb == nil {
			return fmt.Errorf("records in a format older than Kafka 0.11 are not supported; copy the topic with a current producer")
		}
		if rb.PartialTrailingRecord {
			break
		}
		last := event.Offset(rb.LastOffset())
		aborted, pending = begun(aborted, pending, int64(last))
		switch {
		case rb.Control:
			if isAbort(rb) {
				delete(aborted, rb.ProducerID)
			}
		case rb.IsTransactional && aborted[rb.ProducerID]:
		default:
			b.add(rb)
		}
		b.Next = max(b.Next, last+1)
	}
	if len(block.RecordsSet) == 0 && !block.Partial {
		b.Next = max(b.Next, beyondEmpty(block))
	}
	return nil
}

// begun moves the aborted transactions that begin at or before an offset from pending to aborted. Brokers list them by their first offset,
// but that is written nowhere: the whole list is looked at.
func begun(aborted map[int64]bool, pending []*sarama.AbortedTransaction, last int64) (map[int64]bool, []*sarama.AbortedTransaction) {
	rest := pending[:0]
	for _, t := range pending {
		if t.FirstOffset > last {
			rest = append(rest, t)
			continue
		}
		if aborted == nil {
			aborted = map[int64]bool{}
		}
		aborted[t.ProducerID] = true
	}
	return aborted, rest
}

// isAbort reads a control record's key: version, type, each 16 bits; type 0 is abort, 1 commit.
func isAbort(rb *sarama.RecordBatch) bool {
	if len(rb.Records) == 0 || len(rb.Records[0].Key) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(rb.Records[0].Key[2:]) == 0
}

// beyondEmpty returns the offset beyond record batches from which compaction has taken every record, and 0 without them. sarama leaves
// such batches out of the block and keeps the offset to itself, so that without this look a feed would ask for them for ever.
func beyondEmpty(block *sarama.FetchResponseBlock) event.Offset {
	next := reflect.ValueOf(block).Elem().FieldByName("recordsNextOffset")
	if !next.IsValid() || next.IsNil() {
		return 0
	}
	return event.Offset(next.Elem().Int())
}

// add appends the records of one record batch at and above b.Next.
func (b *Batch) add(rb *sarama.RecordBatch) {
	first, appended := millis(rb.FirstTimestamp.IsZero(), rb.FirstTimestamp.UnixMilli()), millis(rb.MaxTimestamp.IsZero(), rb.MaxTimestamp.UnixMilli())
	for _, r := range rb.Records {
		offset := event.Offset(rb.FirstOffset + r.OffsetDelta)
		if offset < b.Next {
			continue
		}
		at := appended
		if !rb.LogAppendTime {
			at = first
			if first != event.NoTime {
				at = first.Add(r.TimestampDelta)
			}
		}
		rec := ingest.Record{Offset: offset, Timestamp: at, Key: r.Key, Value: r.Value}
		if len(r.Headers) > 0 {
			rec.Headers = b.addHeaders(r.Headers)
		}
		b.Bytes += len(r.Key) + len(r.Value) + recordOverheadBytes
		b.Records = append(b.Records, rec)
	}
}

// millis is a timestamp of the protocol's; a record that has none is at NoTime.
func millis(none bool, ms int64) event.Time {
	const limit = int64(1<<63-1) / 1_000_000
	if none || ms > limit || ms < -limit {
		return event.NoTime
	}
	return event.Time(ms * 1_000_000)
}

func (b *Batch) addHeaders(headers []*sarama.RecordHeader) []ingest.Header {
	from := len(b.headers)
	for _, h := range headers {
		b.headers = append(b.headers, ingest.Header{Key: unsafe.String(unsafe.SliceData(h.Key), len(h.Key)), Value: h.Value})
		b.Bytes += len(h.Key) + len(h.Value)
	}
	return b.headers[from:len(b.headers):len(b.headers)]
}
