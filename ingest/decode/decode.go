package decode

import (
	"errors"
	"fmt"
	"time"

	"insolite/internal/event"
)

const (
	// SizeMax bounds the bytes of a record's value: Kafka's own default for the largest record.
	SizeMax = 1 << 20
	// DepthMax bounds the objects and arrays inside each other, the root included: far beyond real events, and the scanner's stack stays small.
	DepthMax = 64
	// arenaChunk is what the arena of unescaped strings starts with: a batch rarely needs more.
	arenaChunk = 4 << 10
	// arenaMax bounds what the arena keeps from batch to batch.
	arenaMax = 1 << 20
)

// field is a declared field with all that is worked out once.
type field struct {
	decl   event.Field
	slot   event.Slot
	node   int32 // its path
	unit   int   // power of ten of nanoseconds of a time with a unit
	wanted bool
}

// plan is a source with all that is worked out once.
type plan struct {
	source   *event.Source
	fields   []field // without the field that holds the record's timestamp
	match    int32   // the node of Match.Path, -1 without Match
	looks    int32   // the node that the topic's matches look at, -1 without any
	stamp    event.Slot
	byNode   []int32 // index in fields, -1: none
	optional []int32 // indexes of wanted optional fields
	required int32   // how many fields are
	shapes   *graph  // nil: this source is never speculated on
}

// Stats counts the records since New by the way that they took. They are for measurements; results don't depend on it.
type Stats struct {
	Fast    uint64 // fitted what was learnt
	Generic uint64 // went to the strict scanner
}

// Decoder decodes the records of one topic. It is for one goroutine at a time.
type Decoder struct {
	scanner
	plans  []plan // one a source, and one for records of no source
	width  int
	arena  []byte
	last   int      // the plan of the last record: the next one's guess
	marks  []uint32 // by node: the walk that saw it
	mark   uint32   // the current walk
	dates  dates
	unread event.Value // where values that no one wants are written to
	rest   int         // the plan of records that no match takes
	budget budget
	stats  Stats
	spec   bool // speculate at all: all matches look at one field
}

// New returns a decoder for records of one topic. sources are all sources of the topic. wanted says, per source and field, whether to fill
// its slot; the others are validated only and their slots left as they are. nil, or a nil entry, wants all. The slot with the event
// time is always filled.
func New(sources []*event.Source, wanted [][]bool) (*Decoder, error) {
	if len(sources) == 0 {
		return nil, errors.New("decode: no source")
	}
	if wanted != nil && len(wanted) != len(sources) {
		return nil, fmt.Errorf("decode: wanted is for %d sources, not %d", len(wanted), len(sources))
	}
	var paths [][]string
	for i, s := range sources {
		if err := checkSource(s, sources[:i]); err != nil {
			return nil, fmt.Errorf("decode source %q: %w", s.Name, err)
		}
		if wanted != nil && wanted[i] != nil && len(wanted[i]) != len(s.Fields) {
			return nil, fmt.Errorf("decode source %q: wanted is for %d fields, not %d", s.Name, len(wanted[i]), len(s.Fields))
		}
		if s.Match != nil {
			paths = append(paths, s.Match.Path)
		}
		for j := range s.Fields {
			if !isStamp(s, j) {
				paths = append(paths, s.Fields[j].Path)
			}
		}
	}
	d := &Decoder{scanner: scanner{paths: newPathTree(paths)}}
	d.values = make([]found, len(d.paths.nodes))
	d.marks = make([]uint32, len(d.paths.nodes))
	for i, s := range sources {
		var w []bool
		if wanted != nil {
			w = wanted[i]
		}
		d.plans = append(d.plans, newPlan(s, w, d.paths))
		d.width = max(d.width, len(s.Fields))
	}
	d.plans = append(d.plans, newPlan(&event.Source{Time: 0, EventTime: event.NoSlot}, nil, d.paths))
	d.budget = newBudget()
	d.rest, d.spec = len(sources), true
	match := int32(-1)
	for i := range sources {
		switch m := d.plans[i].match; {
		case m < 0:
			d.rest = i
		case match >= 0 && m != match:
			d.spec = false
		default:
			match = m
		}
	}
	for i := range d.plans {
		d.plans[i].looks = match
	}
	return d, nil
}

// isStamp reports whether field j holds the record's timestamp instead of something in the JSON.
func isStamp(s *event.Source, j int) bool {
	return s.Time == event.NoSlot && event.Slot(j) == s.EventTime
}

// checkSource refuses what a decoder can't tell apart or read.
func checkSource(s *event.Source, before []*event.Source) error {
	if int(s.EventTime) < 0 || int(s.EventTime) >= len(s.Fields) {
		return fmt.Errorf("the event time's slot %d is none of its %d fields", s.EventTime, len(s.Fields))
	}
	if s.Fields[s.EventTime].Kind != event.KindTime || s.Fields[s.EventTime].Optional {
		return fmt.Errorf("field %q holds the event time; it must be a required time", s.Fields[s.EventTime].Name)
	}
	for j := range s.Fields {
		f := &s.Fields[j]
		if f.Kind < event.KindString || f.Kind > event.KindIP {
			return fmt.Errorf("field %q: no field can be a %v", f.Name, f.Kind)
		}
		if _, ok := unitPower(f.Unit); !ok {
			return fmt.Errorf("field %q: the unit %v is none of 1s, 1ms, 1µs, 1ns", f.Name, f.Unit)
		}
		if len(f.Path) == 0 && !isStamp(s, j) {
			return fmt.Errorf("field %q has no path", f.Name)
		}
	}
	if s.Match != nil && len(s.Match.Path) == 0 {
		return errors.New("its match has no field")
	}
	for _, o := range before {
		if o.Topic != s.Topic {
			return fmt.Errorf("its topic is %q and not %q, as of source %q; a decoder serves one topic", s.Topic, o.Topic, o.Name)
		}
		if s.Match.Same(o.Match) {
			return fmt.Errorf("it takes the same records as source %q; give each a match of its own", o.Name)
		}
	}
	return nil
}

// unitPower returns the power of ten of nanoseconds that a unit is.
func unitPower(unit time.Duration) (power int, ok bool) {
	switch unit {
	case 0, time.Nanosecond:
		return 0, true
	case time.Microsecond:
		return 3, true
	case time.Millisecond:
		return 6, true
	case time.Second:
		return 9, true
	}
	return 0, false
}

func newPlan(s *event.Source, wanted []bool, paths *pathTree) plan {
	p := plan{source: s, match: -1, stamp: event.NoSlot, byNode: make([]int32, len(paths.nodes)), shapes: newGraph()}
	for i := range p.byNode {
		p.byNode[i] = -1
	}
	if s.Match != nil {
		p.match = paths.id(s.Match.Path)
	}
	if s.Time == event.NoSlot {
		p.stamp = s.EventTime
	}
	for j := range s.Fields {
		if isStamp(s, j) {
			continue
		}
		f := field{decl: s.Fields[j], slot: event.Slot(j), node: paths.id(s.Fields[j].Path)}
		f.unit, _ = unitPower(f.decl.Unit)
		f.wanted = wanted == nil || wanted[j] || f.slot == s.EventTime
		if p.byNode[f.node] >= 0 {
			p.shapes = nil // two fields at one path: rare, left to the strict scanner
		}
		p.byNode[f.node] = int32(len(p.fields))
		if !f.decl.Optional {
			p.required++
		} else if f.wanted {
			p.optional = append(p.optional, int32(len(p.fields)))
		}
		p.fields = append(p.fields, f)
	}
	return p
}

// Width returns how many values a row needs: the number of fields of the widest source.
func (d *Decoder) Width() int { return d.width }

// Stats returns how many records went which way.
func (d *Decoder) Stats() Stats { return d.stats }

// Reset begins a batch: strings of earlier rows that had escapes are no longer valid.
func (d *Decoder) Reset() {
	if cap(d.arena) > arenaMax {
		d.arena = nil
	}
	d.arena = d.arena[:0]
}

// Decode decodes one record's value into row, which must have Width values at least. timestamp is the record's own. It returns the index of
// the record's source among those of New; -1 and no error for a record that no source matches. After an error row is undefined, and source
// is the one that the record would have been of, if it got so far.
func (d *Decoder) Decode(value []byte, timestamp event.Time, row event.Row) (source int, err *Error) {
	if d.spec && len(value) <= SizeMax {
		if s := d.fast(value, row); s >= 0 {
			d.stats.Fast++
			d.last = s
			return d.done(s, timestamp, row), nil
		}
	}
	d.stats.Generic++
	source, err = d.generic(value, row)
	if err != nil {
		return source, err
	}
	if source < 0 {
		source = len(d.plans) - 1
	}
	if d.spec {
		d.last = source
		if !d.repeated && d.budget.take() {
			d.learn(value, source)
		}
	}
	return d.done(source, timestamp, row), nil
}

// done fills in what does not come from the JSON and returns the source's index, -1 for the plan of no source.
func (d *Decoder) done(plan int, timestamp event.Time, row event.Row) int {
	if stamp := d.plans[plan].stamp; stamp >= 0 {
		row[stamp] = event.TimeValue(timestamp, 0)
	}
	if plan == len(d.plans)-1 {
		return -1
	}
	return plan
}

// generic decodes a record the strict way. It alone refuses records.
func (d *Decoder) generic(value []byte, row event.Row) (source int, err *Error) {
	if len(value) > SizeMax {
		cause := fmt.Sprintf("the value has %d bytes, more than %d", len(value), SizeMax)
		return -1, recordError(ReasonTooLarge, 0, cause, "have the producer send smaller events, with a reference to the rest")
	}
	root, ok := d.record(value)
	if !ok {
		return -1, d.syntaxError()
	}
	if root != tokenObject {
		v := d.values[0]
		return -1, recordError(ReasonNotAnObject, int(v.start), "want an object, got "+written(value, v, ""), "have the producer send one JSON object a record")
	}
	source = d.pick(value)
	if source < 0 {
		return -1, nil
	}
	p := &d.plans[source]
	for i := range p.fields {
		f := &p.fields[i]
		var unwanted event.Value
		dst := &unwanted
		if f.wanted {
			dst = &row[f.slot]
		}
		v := d.values[f.node]
		if v.token == tokenAbsent || v.token == tokenNull {
			if !f.decl.Optional {
				return source, missingError(p, f, v)
			}
			*dst = event.Value{}
			continue
		}
		if reason := d.convert(f, value, v, dst); reason != "" {
			return source, conversionError(p, f, value, v, reason)
		}
	}
	return source, nil
}

// pick returns the source of the scanned record, -1 for none.
func (d *Decoder) pick(b []byte) int {
	rest := -1
	for i := range d.plans[:len(d.plans)-1] {
		p := &d.plans[i]
		if p.match < 0 {
			rest = i
			continue
		}
		v := d.values[p.match]
		if v.token.isText() && string(d.meant(b[v.start:v.end], v.token)) == p.source.Match.Equals {
			return i
		}
	}
	return rest
}

// missingError tells that a required field is absent or null.
func missingError(p *plan, f *field, v found) *Error {
	cause := "a required field is absent"
	if v.token == tokenNull {
		cause = "a required field is null"
	}
	return fieldError(p, f, ReasonMissingField, int(v.start), cause, "send it, or declare it optional")
}
