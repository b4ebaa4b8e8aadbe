// Package replay reads newline-delimited JSON events from files as if they were topics.
//
//	err := replay.Read(files, replay.Options{}, func(file int, b *ingest.Batch) error {
//		return engines[b.Topic].Step(b, &out)
//	})
//
// A file is partition 0 of its topic; the number of a line, from 0, is the record's offset. Lines end with \n or \r\n, the last one need not;
// an empty line is no record. A record from a file has neither key nor timestamp, so every source must declare a time.
//
// One file is read in its own order. Several are merged by event time: the next record is always the one with the earliest time among the
// files' next lines, of equal times the one of the file that was named first. So each file keeps its own order, and what is out of order in a
// file stays so. A line without a readable time comes directly after the line before it.
package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"insolite/ingest"
	"insolite/ingest/decode"
	"insolite/internal/event"
)

// File is one input.
type File struct {
	Name    string // for messages
	Topic   string // whose records it holds
	Sources []*event.Source
	Lines   io.Reader
}

// Options configure Read. The zero Options are right.
type Options struct {
	BatchMax int // records in a batch; 0: 1024. The result does not depend on it
}

const (
	batchMax = 1024
	// lineMax bounds what is kept of a line: one byte more than a record may have, so that a longer one is refused where all records are.
	lineMax = decode.SizeMax + 1
)

// ErrNoTime is returned for a source whose time is the record's own timestamp, which files do not have.
var ErrNoTime = errors.New("its events take their time from the record's own timestamp, which a file does not have; declare its time")

// Read gives the records of the files to handle, batch by batch; all records of a batch are of one file, which is told by its place in files.
// A batch is valid until handle returns. Read ends with the files, or with the first error.
func Read(files []File, o Options, handle func(file int, b *ingest.Batch) error) error {
	if o.BatchMax <= 0 {
		o.BatchMax = batchMax
	}
	m := merge{handle: handle, max: o.BatchMax, run: -1}
	for i := range files {
		r, err := newReader(&files[i], len(files) > 1)
		if err != nil {
			return fmt.Errorf("read %s: %w", files[i].Name, err)
		}
		if err := r.next(); err != nil {
			return fmt.Errorf("read %s: %w", files[i].Name, err)
		}
		m.readers = append(m.readers, r)
	}
	for {
		i := m.first()
		if i < 0 {
			return m.flush()
		}
		if err := m.take(i); err != nil {
			return err
		}
		if err := m.readers[i].next(); err != nil {
			return fmt.Errorf("read %s: %w", files[i].Name, err)
		}
	}
}

// merge collects runs of records of one file.
type merge struct {
	readers []*reader
	handle  func(int, *ingest.Batch) error
	max     int
	run     int // the file of the present batch; -1: none
	batch   ingest.Batch
	bytes   []byte // the values of the batch
}

// first returns the reader whose line comes next; -1 at the end.
func (m *merge) first() int {
	best := -1
	for i, r := range m.readers {
		if !r.done && (best < 0 || r.at < m.readers[best].at) {
			best = i
		}
	}
	return best
}

func (m *merge) take(i int) error {
	if i != m.run || len(m.batch.Records) == m.max {
		if err := m.flush(); err != nil {
			return err
		}
		m.run = i
	}
	r := m.readers[i]
	from := len(m.bytes)
	m.bytes = append(m.bytes, r.line...)
	m.batch.Records = append(m.batch.Records, ingest.Record{Offset: r.offset, Timestamp: event.NoTime, Value: m.bytes[from:len(m.bytes):len(m.bytes)]})
	m.batch.Topic, m.batch.Next = r.file.Topic, r.offset+1
	return nil
}

func (m *merge) flush() error {
	if len(m.batch.Records) == 0 {
		return nil
	}
	err := m.handle(m.run, &m.batch)
	m.batch.Records, m.bytes = m.batch.Records[:0], m.bytes[:0]
	return err
}

// reader is a file and its next record.
type reader struct {
	file    *File
	lines   *bufio.Reader
	decoder *decode.Decoder // nil: times do not matter
	row     event.Row

	line   []byte
	offset event.Offset
	at     event.Time
	done   bool
}

func newReader(f *File, timed bool) (*reader, error) {
	r := &reader{file: f, lines: bufio.NewReaderSize(f.Lines, 64<<10), offset: -1, at: event.NoTime}
	for _, s := range f.Sources {
		if s.Time == event.NoSlot {
			return nil, fmt.Errorf("source %q: %w", s.Name, ErrNoTime)
		}
	}
	if !timed {
		return r, nil
	}
	wanted := make([][]bool, len(f.Sources))
	for i, s := range f.Sources {
		wanted[i] = make([]bool, len(s.Fields)) // the event time is always read
	}
	d, err := decode.New(f.Sources, wanted)
	if err != nil {
		return nil, err
	}
	r.decoder, r.row = d, make(event.Row, d.Width())
	return r, nil
}

// next reads the next line that is not empty.
func (r *reader) next() error {
	for {
		end, err := r.read()
		if err != nil {
			return err
		}
		if len(r.line) > 0 {
			break
		}
		if end {
			r.done = true
			return nil
		}
	}
	if r.decoder != nil {
		r.decoder.Reset()
		if s, bad := r.decoder.Decode(r.line, event.NoTime, r.row); bad == nil && s >= 0 {
			r.at = r.row[r.file.Sources[s].EventTime].Time()
		}
	}
	return nil
}

// read reads one line, without its end; of a line that is too long, the beginning.
func (r *reader) read() (end bool, err error) {
	r.line = r.line[:0]
	r.offset++
	for {
		part, err := r.lines.ReadSlice('\n')
		r.line = append(r.line, part[:min(len(part), lineMax+2-len(r.line))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		}
		if n := len(r.line); n > 0 && r.line[n-1] == '\n' {
			r.line = r.line[:n-1]
		}
		if n := len(r.line); n > 0 && r.line[n-1] == '\r' {
			r.line = r.line[:n-1]
		}
		return err == io.EOF, nil
	}
}
