// Package deadletter is the record of the dead-letters topic: a record that is no event, or not one that can be trusted, as it came, and
// in further headers what was wrong with it.
//
// [Letter] says all of it and [Letter.Encode] gives the record to produce, which [Decode] reads. It is a function of the letter, so a replay repeats the same
// bytes, and it never exceeds [BytesMax], so that no record of the input can be too large to be put aside. docs/dead-letters.md tells
// operators what they see. [Letter.Redriven] is the way back, and a [Mark] says that it was taken.
//
// The package does no I/O; all of it may be used concurrently.
package deadletter

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"insolite/ingest"
	"insolite/internal/event"
)

// Letter is a record with what was wrong.
type Letter struct {
	App       string
	Topic     string
	Partition event.Partition
	Record    ingest.Record // as it came

	Stage   string // where it was refused: decode, step, journal
	Reason  string // a stable word
	Source  string // the source's name; empty when the record did not get so far
	Field   string // the declared field; empty when the fault is not in one
	Byte    int    // of the value, where the fault is; -1: not in a byte
	Message string // place, cause and cure
}

// Message is what is to be produced.
type Message struct {
	Key, Value []byte
	Headers    []ingest.Header
}

// Limits, in bytes. Brokers accept records of 1,048,588 bytes by default.
const (
	BytesMax        = 960 << 10        // key, value and headers, the lengths that Kafka writes before each included
	BatchBytesMax   = BytesMax + 1<<10 // of a batch with one such record: what a topic of ours has to take at least
	keyBytesMax     = 64 << 10
	headersBytesMax = 64 << 10 // of the record's own headers; beyond it they are left out
	textBytesMax    = 2 << 10  // of a header that we add

	// lengthsMax is what Kafka writes around a key, a value, or a header's key and value.
	lengthsMax = 10
)

// Schema is the version of the headers. A letter that names none is of version 1.
const Schema = 1

// Prefix begins the names of the headers that say what was wrong.
const Prefix = "__insolite.errors."

// The headers. Those of what is not known are left out.
const (
	HeaderSchema         = Prefix + "schema" // the version of all this
	HeaderStage          = Prefix + "stage"
	HeaderReason         = Prefix + "reason"
	HeaderSource         = Prefix + "source"
	HeaderField          = Prefix + "field"
	HeaderByte           = Prefix + "byte"
	HeaderMessage        = Prefix + "message"
	HeaderApp            = Prefix + "app"
	HeaderTopic          = Prefix + "topic"
	HeaderPartition      = Prefix + "partition"
	HeaderOffset         = Prefix + "offset"
	HeaderTimestamp      = Prefix + "timestamp"       // of the record, RFC 3339
	HeaderKeyCut         = Prefix + "key_bytes_cut"   // so many bytes at the end of the key were left out
	HeaderValueCut       = Prefix + "value_bytes_cut" // so many bytes at the end of the value were left out
	HeaderHeadersDropped = Prefix + "headers_dropped" // so many headers of the record were left out
)

// Encode returns the record to produce. It is a copy: nothing of the letter is needed afterwards.
func (l *Letter) Encode() Message {
	b := builder{left: BytesMax}
	key, value := l.Record.Key, l.Record.Value
	own, dropped := l.ownHeaders()
	for _, h := range own {
		b.add(h.Key, h.Value)
	}
	b.number(HeaderSchema, Schema)
	b.text(HeaderStage, l.Stage)
	b.text(HeaderReason, l.Reason)
	b.text(HeaderSource, l.Source)
	b.text(HeaderField, l.Field)
	if l.Byte >= 0 {
		b.number(HeaderByte, int64(l.Byte))
	}
	b.text(HeaderMessage, l.Message)
	b.text(HeaderApp, l.App)
	b.text(HeaderTopic, l.Topic)
	b.number(HeaderPartition, int64(l.Partition))
	b.number(HeaderOffset, int64(l.Record.Offset))
	if l.Record.Timestamp != event.NoTime {
		b.text(HeaderTimestamp, string(event.AppendTime(nil, l.Record.Timestamp, 0)))
	}
	if dropped > 0 {
		b.number(HeaderHeadersDropped, int64(dropped))
	}
	if cut := len(key) - keyBytesMax; cut > 0 {
		b.number(HeaderKeyCut, int64(cut))
		key = key[:keyBytesMax]
	}
	room := b.left - len(key) - 2*lengthsMax
	if len(value) > room {
		room -= len(HeaderValueCut) + 20 + lengthsMax
		b.number(HeaderValueCut, int64(len(value)-room))
		value = value[:room]
	}
	return Message{Key: clone(key), Value: clone(value), Headers: b.headers}
}

// ownHeaders returns the record's headers, or none when they are too large, and how many were left out. What an earlier dead letter had
// said is replaced: a record that was sent again carries it.
func (l *Letter) ownHeaders() (own []ingest.Header, dropped int) {
	size := 0
	for _, h := range l.Record.Headers {
		if strings.HasPrefix(h.Key, Prefix) {
			continue
		}
		own = append(own, h)
		size += len(h.Key) + len(h.Value) + lengthsMax
	}
	if size > headersBytesMax {
		return nil, len(own)
	}
	return own, 0
}

// builder gathers headers and counts what is left of BytesMax.
type builder struct {
	headers []ingest.Header
	left    int
}

func (b *builder) add(name string, value []byte) {
	b.headers = append(b.headers, ingest.Header{Key: name, Value: clone(value)})
	b.left -= len(name) + len(value) + lengthsMax
}

func (b *builder) text(name, text string) {
	if text != "" {
		b.add(name, []byte(cut(text)))
	}
}

func (b *builder) number(name string, n int64) { b.add(name, strconv.AppendInt(nil, n, 10)) }

// cut shortens a text to textBytesMax, not within a character.
func cut(s string) string {
	if len(s) <= textBytesMax {
		return s
	}
	n := textBytesMax - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// clone copies, and keeps nil apart from empty.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}
