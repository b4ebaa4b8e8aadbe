package frame

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
	"unsafe"

	"insolite/internal/event"
)

// Reader gives the rows of one frame after the other.
type Reader struct {
	Header Header
	Layout *Layout // the same one for frames with the same layout, as long as it is remembered

	// The present row, until the next call of Next.
	Source  int // in Layout
	Offset  event.Offset
	Ordinal uint32
	At      event.Time
	Values  []event.Value // one for each of the source's fields

	rest   []byte
	err    error
	known  map[string]*Layout // by their bytes
	topics map[string]string
}

// knownMax is how many layouts and topics a reader remembers: there is one for each upstream topic, and new ones come with new rules.
const knownMax = 64

// Reset begins a frame: it reads the head. Texts of the frame's rows are views into b.
func (r *Reader) Reset(b []byte) error {
	r.rest, r.err = b, nil
	r.begin()
	r.head()
	r.Layout = r.layout()
	r.Offset, r.At = r.Header.From, 0
	return r.err
}

// begin reads what comes before the topic.
func (r *Reader) begin() {
	r.Header = Header{}
	if len(r.rest) < 2 {
		r.fail("it has %d bytes", len(r.rest))
		return
	}
	if v := r.rest[0]; v != version {
		r.err, r.rest = fmt.Errorf("frame of version %d: %w", v, ErrNewer), nil
		return
	}
	flags := r.rest[1]
	r.rest = r.rest[2:]
	r.Header.History, r.Header.Idle = flags&flagHistory != 0, flags&flagIdle != 0
	r.Header.Bundle = event.Offset(r.signed())
}

func (r *Reader) head() {
	h := &r.Header
	h.Topic = r.topic(r.text())
	partition, of := r.signed(), r.signed()
	if partition < 0 || partition >= of || of > math.MaxInt32 {
		r.fail("partition %d of %d", partition, of)
	}
	h.Partition, h.Of = event.Partition(partition), int32(of)
	h.From, h.Next.Offset = event.Offset(r.signed()), event.Offset(r.signed())
	ordinal := r.unsigned()
	if h.Next.Step = uint32(ordinal); ordinal > math.MaxUint32 {
		r.fail("ordinal %d", ordinal)
	}
	h.Watermark = event.Time(r.uint64())
	if h.Next.Offset < h.From {
		r.fail("offsets from %d to %d", h.From, h.Next.Offset)
	}
}

// topic returns a name without copying it each time.
func (r *Reader) topic(b []byte) string {
	name, ok := r.topics[string(b)]
	if !ok {
		if r.topics == nil || len(r.topics) == knownMax {
			r.topics = map[string]string{}
		}
		name = string(b)
		r.topics[name] = name
	}
	return name
}

// layout returns the frame's layout.
func (r *Reader) layout() *Layout {
	b := r.text()
	if l := r.known[string(b)]; l != nil || r.err != nil {
		return l
	}
	rows := r.rest
	r.rest = b
	l := r.parseLayout()
	if len(r.rest) > 0 {
		r.fail("%d bytes behind the layout", len(r.rest))
	}
	if r.err != nil {
		return nil
	}
	r.rest = rows
	if r.known == nil || len(r.known) == knownMax {
		r.known = map[string]*Layout{}
	}
	r.known[string(b)] = &l
	return &l
}

func (r *Reader) parseLayout() (l Layout) {
	for range r.count(sourcesMax) {
		s := Source{Name: string(r.text())}
		for range r.count(fieldsMax) {
			f := Field{Name: string(r.text()), Kind: event.Kind(r.byte())}
			if f.Kind == event.KindMissing || f.Kind > event.KindDuration {
				r.fail("a field of kind %d", f.Kind)
			}
			s.Fields = append(s.Fields, f)
		}
		if r.err != nil {
			return nil
		}
		l = append(l, s)
	}
	return l
}

// Next moves to the next row. It returns false at the end, or when the bytes are not right; Err tells which.
func (r *Reader) Next() bool {
	if len(r.rest) == 0 || r.err != nil {
		return false
	}
	source := r.unsigned()
	layout := *r.Layout
	if source >= uint64(len(layout)) {
		r.fail("a row of source %d of %d", source, len(layout))
		return false
	}
	r.Source = int(source)
	offset := r.Offset + event.Offset(r.unsigned())
	ordinal := r.unsigned()
	if at := (event.Position{Offset: offset, Step: uint32(ordinal)}); offset < r.Offset || ordinal > math.MaxUint32 || r.Header.Next.Before(at) {
		r.fail("a row at offset %d, ordinal %d, outside of %d to %v", offset, ordinal, r.Header.From, r.Header.Next)
	}
	r.Offset, r.Ordinal = offset, uint32(ordinal)
	r.At += event.Time(r.signed())
	r.values(layout[source].Fields)
	return r.err == nil
}

// values reads the present row's values.
func (r *Reader) values(fields []Field) {
	r.Values = r.Values[:0]
	bits := r.bytes((len(fields) + 7) / 8)
	for i := range fields {
		if r.err != nil {
			return
		}
		if bits[i/8]&(1<<(i%8)) == 0 {
			r.Values = append(r.Values, event.Value{})
			continue
		}
		r.Values = append(r.Values, r.value(fields[i].Kind))
	}
}

func (r *Reader) value(k event.Kind) event.Value {
	switch k {
	case event.KindString:
		b := r.text()
		return event.StringValue(unsafe.String(unsafe.SliceData(b), len(b)))
	case event.KindNumber:
		return event.NumberValue(math.Float64frombits(r.uint64()))
	case event.KindInt:
		return event.IntValue(r.signed())
	case event.KindBool:
		b := r.byte()
		if b > 1 {
			r.fail("a bool of %d", b)
		}
		return event.BoolValue(b == 1)
	case event.KindDuration:
		return event.DurationValue(time.Duration(r.signed()))
	case event.KindTime:
		at := r.At + event.Time(r.signed())
		offset := r.signed()
		if offset < -24*3600 || offset > 24*3600 {
			r.fail("a time %d seconds from UTC", offset)
		}
		return event.TimeValue(at, int(offset))
	}
	addr, ok := netip.AddrFromSlice(r.bytes(int(r.byte())))
	if !ok {
		r.fail("an address that is none")
	}
	return event.IPValue(addr)
}

// Err returns why Next ended before the frame did; nil: it did not.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	r.rest = nil
}

func (r *Reader) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *Reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *Reader) count(most uint64) int {
	n := r.unsigned()
	if n > most {
		r.fail("%d of what there are at most %d of", n, most)
		return 0
	}
	return int(n)
}

// bytes takes n bytes; after an error it returns zeros, so that callers need not look at each step.
func (r *Reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.fail("%d bytes are missing", n-len(r.rest))
		return make([]byte, min(n, 256))
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *Reader) byte() byte { return r.bytes(1)[0] }

func (r *Reader) uint64() uint64 { return binary.BigEndian.Uint64(r.bytes(8)) }

func (r *Reader) text() []byte {
	n := r.unsigned()
	if n > uint64(len(r.rest)) {
		r.fail("a text of %d bytes is cut off", n)
		return nil
	}
	return r.bytes(int(n))
}
