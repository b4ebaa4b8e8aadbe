package engine

import (
	"insolite/alerts"
	"insolite/ingest"
	"insolite/internal/event"
	"insolite/rules"
)

// Output is what steps give. Its bytes are valid until the next Reset; batches may be stepped into one Output one after the other.
type Output struct {
	Alerts      []Alert
	DeadLetters []DeadLetter
	Panics      []Panic
	Frames      []Frame // for stages; see Engine.Cut and Engine.Mark

	arena []byte
}

// Reset makes the output empty and keeps its memory.
func (o *Output) Reset() {
	clear(o.DeadLetters) // they hold records
	o.Alerts, o.DeadLetters, o.Panics, o.Frames, o.arena = o.Alerts[:0], o.DeadLetters[:0], o.Panics[:0], o.Frames[:0], o.arena[:0]
}

// Bytes returns how much the alerts and the frames take.
func (o *Output) Bytes() int { return len(o.arena) }

// Alert is one record for the alerts topic, or, of a rule in shadow mode, for the shadow topic.
type Alert struct {
	Rule   *rules.Rule
	Offset event.Offset // of the record that raised it, or that the timer carries
	At     event.Value  // its event time, with its offset from UTC: the header ce_time
	Origin alerts.Origin
	Key    []byte       // the record's key: that of the entity
	Value  []byte       // the record's value
	Timer  bool         // it was due: no event raised it
	Row    event.Row    // with Options.Rows: what the rule knew; a copy
	After  event.Offset // of the record behind which it stands: its own, or the one with which the time came; at a stage the latter is unknown, and the largest
}

// DeadLetter is a record that is no event, or not one that can be trusted.
type DeadLetter struct {
	Record ingest.Record // as it came: a view of the batch

	Stage   string // where it was refused: "decode" or "step"
	Reason  string // a stable word
	Source  string // the source's name; empty when the record did not get so far
	Field   string // the declared field; empty when the fault is not in one
	Byte    int    // of the value, where the fault is; -1: not in a byte
	Message string // place, cause and cure
}

// Frame is one record for one partition of the topic of a stage.
type Frame struct {
	Topic     string
	Partition event.Partition
	Rows      int
	Value     []byte
}

// StageStep and ReasonMaxAhead are of an event that lies too far ahead of its record's timestamp.
const (
	StageStep      = "step"
	ReasonMaxAhead = "max_ahead"
)

// Panic tells that a rule was off for a record.
type Panic struct {
	Rule    *rules.Rule // nil: a condition shared by several rules and features (`where`)
	Offset  event.Offset
	Message string
}
