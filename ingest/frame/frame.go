// Package frame is the form in which events travel to tasks that see them by another key: typed rows of many events in one record, so that
// nothing is parsed twice.
//
// A frame is written by one task for one partition of a repartition topic. It says where its rows come from, how far its task had read when
// it was written and how far its time had come, and which fields its rows have. A [Writer] gathers the rows of one step, a [Reader] gives
// them back; both reuse their memory, and neither is for concurrent use.
//
//	w := frame.NewWriter(layout, 900<<10)
//	w.Begin(frame.Header{Topic: "payments", Partition: 3, From: 100, …})
//	for each event {
//		if !w.Add(source, offset, 0, at, values) { …send w.End(event.Position{Offset: offset}, watermark, false), Begin anew, Add again… }
//	}
//	record := w.End(next, watermark, false)
//
//	var r frame.Reader
//	err := r.Reset(record)
//	for r.Next() { r.Source, r.Offset, r.Ordinal, r.At, r.Values }
//	err = r.Err()
//
// A frame describes its own layout: each source that it may have rows of, by name, with the names and kinds of its fields. A reader finds the
// fields that it wants by name; one that is not there is unknown. The texts of a frame's rows are views into its bytes.
//
// # Form
//
// Numbers are varints of encoding/binary, signed ones in zigzag; texts are their length and their bytes.
//
//	version u8, flags u8 (1: history, 2: idle)
//	bundle signed, topic text, partition, of, from, next (each signed), next's ordinal, watermark i64
//	the layout's length in bytes, then sources: their number; each: name, number of fields; each: name, kind u8
//	rows: source, offset since the row before (the first: since from), ordinal, time since the row before (signed; the first: i64),
//	      a bit for each field that has a value, then the values: text; number f64; int signed; bool u8; time since the row's own and offset from
//	      UTC in seconds (both signed); ip u8 4 or 16 and so many bytes
package frame

import (
	"errors"

	"insolite/internal/event"
)

// Header says what a frame is of.
type Header struct {
	Topic     string // of the task that wrote it
	Partition event.Partition
	Of        int32          // how many partitions that topic has
	From      event.Offset   // the first offset that it covers
	Next      event.Position // behind the last row that it covers: an offset, and the ordinal of a row of it
	Watermark event.Time     // of the task when it had read all of these; event.NoTime: none
	Bundle    event.Offset   // number of the rules in force
	History   bool           // rows are to be absorbed, never alerted
	Idle      bool           // nothing will come for a while: do not wait for this task
}

// PeekBundle returns the bundle that a frame names.
func PeekBundle(b []byte) (event.Offset, error) {
	r := Reader{rest: b}
	r.begin()
	return r.Header.Bundle, r.err
}

// Layout says which fields the rows of a frame have.
type Layout []Source

// Source is one source of a layout.
type Source struct {
	Name   string
	Fields []Field
}

// Field is one field of a source.
type Field struct {
	Name string
	Kind event.Kind
}

const version = 1

const (
	flagHistory = 1 << iota
	flagIdle
)

// Limits that a reader holds a frame to.
const (
	sourcesMax = 1 << 10
	fieldsMax  = 1 << 10 // of one source
)

var (
	// ErrNewer is returned for a frame that a newer version of the program has written.
	ErrNewer = errors.New("the frame was written by a newer version of the program; upgrade the instances that read before those that write")

	// ErrMalformed is returned for bytes that are no frame.
	ErrMalformed = errors.New("malformed frame")
)
