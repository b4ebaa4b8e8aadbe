package event

import (
	"slices"
	"time"
)

// Slot is an index into a [Row].
type Slot int32

// NoSlot is the slot of what is not in the row.
const NoSlot Slot = -1

// Row is one event: first the declared fields of its source in their order, then the features that rules read.
type Row []Value

// Field is one declared field. Its slot is its index in [Source.Fields].
type Field struct {
	Name     string
	Kind     Kind
	Unit     time.Duration // of a KindTime that is written as a number: one second, milli-, micro- or nanosecond; 0: RFC 3339 text
	Path     []string      // object keys from the record's root to the value
	Optional bool          // a missing value is unknown instead of an error
}

// Match picks the records of one source out of a topic with several kinds of event. A record without the field matches no source.
type Match struct {
	Path   []string // where the record names its type
	Equals string
}

// Same reports whether m and o pick the same records; nil picks every record.
func (m *Match) Same(o *Match) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.Equals == o.Equals && slices.Equal(m.Path, o.Path)
}

// Dedupe says how a producer's retry is recognised.
type Dedupe struct {
	ID  Slot
	For time.Duration
}

// Source is a named, typed input: a topic, or the records in it that Match.
type Source struct {
	Name      string
	Topic     string
	Format    string // json
	Match     *Match // nil: every record of the topic
	Key       []Slot // the fields by which producers key the records; none: any order
	Time      Slot   // the field with the event time; NoSlot: the record's own timestamp, in the slot named event_time
	Lateness  time.Duration
	MaxAhead  time.Duration
	Dedupe    *Dedupe
	Start     string // latest, earliest or an instant in RFC 3339
	WarmUp    time.Duration
	Fields    []Field
	EventTime Slot // the slot that holds the event time, whether it is a declared field or the record's timestamp
}

// FieldSlot returns the slot of the field with that name, or NoSlot.
func (s *Source) FieldSlot(name string) Slot {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return Slot(i)
		}
	}
	return NoSlot
}
