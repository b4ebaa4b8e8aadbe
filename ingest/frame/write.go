package frame

import (
	"encoding/binary"
	"math"

	"insolite/internal/event"
)

// Writer gathers rows into frames. Use NewWriter.
type Writer struct {
	layout []byte // as it is written
	max    int

	header Header
	rows   []byte
	out    []byte
	offset event.Offset
	at     event.Time
	n      int
}

// headBytesMax is what a frame's head takes at most beside topic and layout.
const headBytesMax = 2 + 10*binary.MaxVarintLen64

// NewWriter returns a writer of frames with rows of a layout, of at most so many bytes each.
func NewWriter(l Layout, bytesMax int) *Writer {
	w := &Writer{max: bytesMax}
	w.layout = binary.AppendUvarint(w.layout, uint64(len(l)))
	for _, s := range l {
		w.layout = appendText(w.layout, s.Name)
		w.layout = binary.AppendUvarint(w.layout, uint64(len(s.Fields)))
		for _, f := range s.Fields {
			w.layout = append(appendText(w.layout, f.Name), byte(f.Kind))
		}
	}
	return w
}

// Begin starts a frame. Next, Watermark and Idle of the header are given at its end.
func (w *Writer) Begin(h Header) {
	w.header, w.rows, w.offset, w.at, w.n = h, w.rows[:0], h.From, 0, 0
}

// Len returns the number of rows since Begin.
func (w *Writer) Len() int { return w.n }

// Add adds an event of a source of the layout: where it came from, its ordinal among what one step gave at that offset, its time and the
// values of the layout's fields, of the declared kinds or missing. It adds nothing and returns false when the frame would get too large; a
// frame takes one row whatever its size.
func (w *Writer) Add(source int, offset event.Offset, ordinal uint32, at event.Time, values []event.Value) bool {
	before := len(w.rows)
	b := binary.AppendUvarint(w.rows, uint64(source))
	b = binary.AppendUvarint(b, uint64(offset-w.offset))
	b = binary.AppendUvarint(b, uint64(ordinal))
	b = binary.AppendVarint(b, int64(at-w.at))
	bits := len(b)
	for range (len(values) + 7) / 8 {
		b = append(b, 0)
	}
	for i := range values {
		if v := &values[i]; v.Known() {
			b[bits+i/8] |= 1 << (i % 8)
			b = appendValue(b, v, at)
		}
	}
	w.rows = b
	if w.n > 0 && headBytesMax+len(w.header.Topic)+len(w.layout)+len(b) > w.max {
		w.rows = b[:before]
		return false
	}
	w.offset, w.at = offset, at
	w.n++
	return true
}

// Clear throws the rows away: the frame has been sent.
func (w *Writer) Clear() { w.rows, w.n = w.rows[:0], 0 }

// End returns the frame's bytes, which are valid until the next End: it covers the rows up to next, and its task's time had come to the
// watermark. An idle task has nothing to send for a while.
func (w *Writer) End(next event.Position, watermark event.Time, idle bool) []byte {
	h := &w.header
	var flags byte
	if h.History {
		flags |= flagHistory
	}
	if idle {
		flags |= flagIdle
	}
	b := append(w.out[:0], version, flags)
	b = binary.AppendVarint(b, int64(h.Bundle))
	b = appendText(b, h.Topic)
	b = binary.AppendVarint(b, int64(h.Partition))
	b = binary.AppendVarint(b, int64(h.Of))
	b = binary.AppendVarint(b, int64(h.From))
	b = binary.AppendVarint(b, int64(next.Offset))
	b = binary.AppendUvarint(b, uint64(next.Step))
	b = binary.BigEndian.AppendUint64(b, uint64(watermark))
	b = binary.AppendUvarint(b, uint64(len(w.layout)))
	b = append(b, w.layout...)
	w.out = append(b, w.rows...)
	return w.out
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v *event.Value, at event.Time) []byte {
	switch v.Kind {
	case event.KindString:
		return appendText(b, v.S)
	case event.KindNumber:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float()))
	case event.KindInt:
		return binary.AppendVarint(b, v.Int())
	case event.KindBool:
		return append(b, byte(v.N))
	case event.KindDuration:
		return binary.AppendVarint(b, int64(v.Duration()))
	case event.KindTime:
		b = binary.AppendVarint(b, int64(v.Time()-at))
		return binary.AppendVarint(b, int64(v.OffsetSeconds()))
	}
	addr := v.Addr().AsSlice()
	return append(append(b, byte(len(addr))), addr...)
}
