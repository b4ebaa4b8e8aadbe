package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/internal/event"
)

// recordBatch makes a record batch of so many records from an offset.
func recordBatch(producer, first int64, count int, change func(*sarama.RecordBatch)) *sarama.Records {
	rb := &sarama.RecordBatch{Version: 2, FirstOffset: first, LastOffsetDelta: int32(count - 1), ProducerID: producer, IsTransactional: producer >= 0,
		FirstTimestamp: time.UnixMilli(1000), MaxTimestamp: time.UnixMilli(9000)}
	for i := range count {
		rb.Records = append(rb.Records, &sarama.Record{OffsetDelta: int64(i), TimestampDelta: time.Duration(i) * time.Millisecond, Value: []byte("v")})
	}
	if change != nil {
		change(rb)
	}
	return &sarama.Records{RecordBatch: rb}
}

// marker makes a control record: 0 aborts, 1 commits.
func marker(producer, offset int64, kind byte) *sarama.Records {
	return recordBatch(producer, offset, 1, func(rb *sarama.RecordBatch) { rb.Control, rb.Records[0].Key = true, []byte{0, 0, 0, kind} })
}

func TestFillTakesWhatIsCommitted(t *testing.T) {
	const a, b, none = 1, 2, -1
	aborts := func(pairs ...int64) (out []*sarama.AbortedTransaction) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, &sarama.AbortedTransaction{ProducerID: pairs[i], FirstOffset: pairs[i+1]})
		}
		return out
	}
	for name, check := range map[string]struct {
		from    event.Offset
		sets    []*sarama.Records
		aborted []*sarama.AbortedTransaction
		want    string // offsets
		next    event.Offset
	}{
		"plain":                           {0, []*sarama.Records{recordBatch(none, 0, 3, nil)}, nil, "0 1 2", 3},
		"from the middle":                 {1, []*sarama.Records{recordBatch(none, 0, 3, nil)}, nil, "1 2", 3},
		"before the middle":               {5, []*sarama.Records{recordBatch(none, 0, 3, nil), recordBatch(none, 3, 4, nil)}, nil, "5 6", 7},
		"committed":                       {0, []*sarama.Records{recordBatch(a, 0, 2, nil), marker(a, 2, 1)}, nil, "0 1", 3},
		"aborted":                         {0, []*sarama.Records{recordBatch(a, 0, 2, nil), marker(a, 2, 0)}, aborts(a, 0), "", 3},
		"aborted, then committed":         {0, []*sarama.Records{recordBatch(a, 0, 2, nil), marker(a, 2, 0), recordBatch(a, 3, 2, nil), marker(a, 5, 1)}, aborts(a, 0), "3 4", 6},
		"committed, then aborted":         {0, []*sarama.Records{recordBatch(a, 0, 2, nil), marker(a, 2, 1), recordBatch(a, 3, 2, nil), marker(a, 5, 0)}, aborts(a, 3), "0 1", 6},
		"twice aborted":                   {0, []*sarama.Records{recordBatch(a, 0, 1, nil), marker(a, 1, 0), recordBatch(a, 2, 1, nil), marker(a, 3, 0), recordBatch(a, 4, 1, nil), marker(a, 5, 1)}, aborts(a, 2, a, 0), "4", 6},
		"interleaved":                     {0, []*sarama.Records{recordBatch(a, 0, 1, nil), recordBatch(b, 1, 1, nil), recordBatch(none, 2, 1, nil), marker(a, 3, 0), recordBatch(b, 4, 1, nil), marker(b, 5, 1)}, aborts(a, 0), "1 2 4", 6},
		"aborted before what was fetched": {4, []*sarama.Records{recordBatch(a, 4, 2, nil), marker(a, 6, 0)}, aborts(a, 0), "", 7},
		"plain of an aborting producer":   {0, []*sarama.Records{recordBatch(a, 0, 1, func(rb *sarama.RecordBatch) { rb.IsTransactional = false })}, aborts(a, 0), "0", 1},
		"cut off":                         {0, []*sarama.Records{recordBatch(none, 0, 1, nil), recordBatch(none, 1, 9, func(rb *sarama.RecordBatch) { rb.PartialTrailingRecord, rb.Records = true, nil })}, nil, "0", 1},
		"compacted":                       {0, []*sarama.Records{recordBatch(none, 0, 2, func(rb *sarama.RecordBatch) { rb.LastOffsetDelta = 9 })}, nil, "0 1", 10},
	} {
		batch := &Batch{}
		batch.Next = check.from
		ok(t, fill(batch, &sarama.FetchResponseBlock{RecordsSet: check.sets, AbortedTransactions: check.aborted}))
		var got []string
		for _, r := range batch.Records {
			got = append(got, fmt.Sprint(r.Offset))
		}
		if strings.Join(got, " ") != check.want || batch.Next != check.next {
			t.Errorf("%s: records %v, next %d; want %s, %d", name, got, batch.Next, check.want, check.next)
		}
	}
}

func TestTimestamps(t *testing.T) {
	for name, check := range map[string]struct {
		change func(*sarama.RecordBatch)
		want   event.Time
	}{
		"of the producer": {nil, 1_001_000_000},
		"of the broker":   {func(rb *sarama.RecordBatch) { rb.LogAppendTime = true }, 9_000_000_000},
		"none":            {func(rb *sarama.RecordBatch) { rb.FirstTimestamp = time.Time{} }, event.NoTime},
		"the far future":  {func(rb *sarama.RecordBatch) { rb.FirstTimestamp = time.UnixMilli(1 << 60) }, event.NoTime},
	} {
		batch := &Batch{}
		ok(t, fill(batch, &sarama.FetchResponseBlock{RecordsSet: []*sarama.Records{recordBatch(-1, 0, 2, check.change)}}))
		if got := batch.Records[1].Timestamp; got != check.want {
			t.Errorf("%s: %d, want %d", name, got, check.want)
		}
	}
}

func TestOldFormatIsRefused(t *testing.T) {
	if err := fill(&Batch{}, &sarama.FetchResponseBlock{RecordsSet: []*sarama.Records{{MsgSet: &sarama.MessageSet{}}}}); err == nil {
		t.Error("no error")
	}
}

// A batch that is used again costs no allocation, with headers too.
func TestFillAllocatesNothing(t *testing.T) {
	block := &sarama.FetchResponseBlock{RecordsSet: []*sarama.Records{recordBatch(-1, 0, 1000, func(rb *sarama.RecordBatch) {
		for _, r := range rb.Records {
			r.Headers = []*sarama.RecordHeader{{Key: []byte("k"), Value: []byte("v")}}
		}
	})}}
	batch := &Batch{}
	allocs := testing.AllocsPerRun(10, func() {
		batch.Next, batch.Records, batch.headers = 0, batch.Records[:0], batch.headers[:0]
		if err := fill(batch, block); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 || len(batch.Records) != 1000 {
		t.Errorf("%g allocations for %d records", allocs, len(batch.Records))
	}
}
