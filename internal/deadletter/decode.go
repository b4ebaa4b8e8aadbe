package deadletter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"insolite/ingest"
	"insolite/internal/event"
)

// Cut is what a dead letter lacks of its record. The zero Cut: nothing.
type Cut struct {
	KeyBytes, ValueBytes, Headers int
}

// ErrNoLetter is returned for a record that is no dead letter.
var ErrNoLetter = errors.New("the record does not say where it came from, so it is no dead letter")

// ErrNewer is returned for a dead letter that a newer version of the program has written.
var ErrNewer = errors.New("written by a newer version of the program; run that version")

// Decode reads what Encode wrote, from a record of the dead-letters topic. The letter's record is the original one: its offset, timestamp,
// key, value and own headers, as far as cut does not say that something is missing. It is a view of r.
func Decode(r ingest.Record) (l Letter, cut Cut, err error) {
	l = Letter{Byte: -1, Record: ingest.Record{Offset: -1, Timestamp: event.NoTime, Key: r.Key, Value: r.Value}}
	partition := -1
	number := func(h ingest.Header) int {
		n, problem := strconv.ParseInt(string(h.Value), 10, 64)
		if problem != nil || n < 0 || int64(int(n)) != n {
			err = errors.Join(err, fmt.Errorf("header %s of a dead letter is %q, no number", h.Key, h.Value))
		}
		return int(n)
	}
	for _, h := range r.Headers {
		switch h.Key {
		case HeaderSchema:
			if n := number(h); n > Schema {
				return l, cut, fmt.Errorf("dead letter of schema %d, this version reads %d: %w", n, Schema, ErrNewer)
			}
		case HeaderStage:
			l.Stage = string(h.Value)
		case HeaderReason:
			l.Reason = string(h.Value)
		case HeaderSource:
			l.Source = string(h.Value)
		case HeaderField:
			l.Field = string(h.Value)
		case HeaderByte:
			l.Byte = number(h)
		case HeaderMessage:
			l.Message = string(h.Value)
		case HeaderApp:
			l.App = string(h.Value)
		case HeaderTopic:
			l.Topic = string(h.Value)
		case HeaderPartition:
			partition = number(h)
		case HeaderOffset:
			l.Record.Offset = event.Offset(number(h))
		case HeaderTimestamp:
			t, problem := time.Parse(time.RFC3339Nano, string(h.Value))
			l.Record.Timestamp, _ = event.TimeOf(t) // it was one
			err = errors.Join(err, problem)
		case HeaderKeyCut:
			cut.KeyBytes = number(h)
		case HeaderValueCut:
			cut.ValueBytes = number(h)
		case HeaderHeadersDropped:
			cut.Headers = number(h)
		default:
			if !strings.HasPrefix(h.Key, Prefix) { // else it has more to say, which changes nothing of this
				l.Record.Headers = append(l.Record.Headers, h)
			}
		}
	}
	l.Partition = event.Partition(partition)
	if l.Topic == "" || partition < 0 || l.Record.Offset < 0 {
		err = errors.Join(ErrNoLetter, err)
	}
	return l, cut, err
}
