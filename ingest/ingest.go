// Package ingest says what a reader gives a task: records in batches, in the order of their log.
//
// Readers live below it: kafka reads topics, replay reads files. Decoders turn records into rows. A batch and all it refers to belong to
// the reader; they are valid until the handler returns.
package ingest

import "insolite/internal/event"

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is one record of a partition, as it came.
type Record struct {
	Offset    event.Offset
	Timestamp event.Time // the record's own timestamp: set by its producer or by the broker
	Key       []byte     // nil: none
	Value     []byte     // nil: a tombstone
	Headers   []Header
}

// Batch is a run of records of one partition in the order of their offsets. Offsets may have gaps: control records, aborted
// transactions, compaction.
type Batch struct {
	Topic     string
	Partition event.Partition
	Records   []Record
	Next      event.Offset // the offset to read next: beyond the last record and beyond the gap behind it
}
