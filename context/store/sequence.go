package store

import (
	"errors"
	"time"
	"unsafe"

	"insolite/internal/event"
)

// Limits of sequences.
const (
	MatchesMax      = 8   // open matches of a rule and key
	SequenceSteps   = 8   // steps, so that of more open matches than that two stand at the same step
	SequenceTimes   = 100 // events of one step; 16 bytes each
	CaptureBytesMax = 256 // of a captured text; a longer one is unknown, counted
)

// SequenceSpec describes the search for a sequence of events.
type SequenceSpec struct {
	Identity  uint64
	Within    time.Duration // from the first event to the last
	Unordered bool          // the steps may come in any order
	Steps     []SequenceStep
	Keep      int // events before the last whose positions are kept
}

// SequenceStep is one step.
type SequenceStep struct {
	Times    int          // so many events
	Captures []event.Slot // what is kept of the event that completes it, in its row
}

// Fit is an event as a sequence sees it.
type Fit struct {
	At     event.Time
	Offset event.Offset // what is kept of its position
	Row    event.Row
	Steps  uint16 // bit i: it fits step i
	Bars   uint16 // bit i: it is forbidden while a match waits for step i
}

// Match is a sequence that was found.
type Match struct {
	Hits   []Hit         // the last events before the one that completed it, in their order
	Values []event.Value // captured, by step; a string is a view
}

// Hit is an event of a match.
type Hit struct {
	Step int
	Seen
}

// Sequence searches for a sequence of events of a key.
//
// In order: the last events that fit the first step are kept in a ring; an event that makes it full opens a match, which waits for the next
// step. Unordered: each step has a ring, and there is a match when all are full.
type Sequence struct {
	spec    SequenceSpec
	slot    slot
	rings   []int // how many hits each keeps
	total   int   // events of a match
	dropped uint64
	texts   uint64 // captured texts that were too long
	buf     []byte // a record that is being made
	match   Match
}

// The head is the number of records u16, the bytes of the tail in use u32 at 4, and from 8 on the hits of each ring u16. The tail is the rings'
// hits (offset i64, time i64), the first first, and the records, the oldest first.
const (
	sequenceHead = 8
	hitBytes     = ringEntry
)

// A record is its size u16, the step that it waits for u8, its hits u8, the hits of that step so far u16, and, at 8, the earliest time, the
// latest one of the steps before that step, and the latest; then hits, captured values, and padding. Of an unordered sequence it holds
// what step captured, and nothing of the rest.
const recordHead = 32

// SequenceBytes estimates the bytes of a key that has one open match with so many events, and nothing captured.
func SequenceBytes(events int) int { return 4 + 16 + recordHead + events*hitBytes }

func newSequence(s SequenceSpec) (*Sequence, part, error) {
	q := &Sequence{spec: s}
	if len(s.Steps) < 1 || len(s.Steps) > SequenceSteps {
		return nil, part{}, errors.New("want 1 to 8 steps")
	}
	for i, step := range s.Steps {
		if step.Times < 1 || step.Times > SequenceTimes {
			return nil, part{}, errors.New("a step has 1 to 100 events")
		}
		q.total += step.Times
		switch {
		case s.Unordered:
			q.rings = append(q.rings, step.Times)
		case i == 0 && step.Times > 1:
			q.rings = append(q.rings, step.Times-1)
		}
	}
	return q, part{kind: partSequence, identity: s.Identity, head: round8(sequenceHead + 2*len(q.rings)), retention: s.Within}, nil
}

// Step takes an event that fits some step, or is forbidden somewhere. It returns the match that the event completes, valid until the next Step,
// or nil; after a match the search starts anew.
func (q *Sequence) Step(x *Ctx, f *Fit) *Match {
	found := false
	if q.spec.Unordered {
		found = q.gather(x, f)
	} else {
		found = q.advance(x, f) || q.first(x, f)
	}
	if !found {
		return nil
	}
	clear(q.slot.head(x))
	return &q.match
}

// advance lets the event end matches, or take them further. It reports whether one, the oldest, is complete.
func (q *Sequence) advance(x *Ctx, f *Fit) bool {
	at := q.records(x)
	for n := q.count(x); n > 0; n-- {
		r := q.record(x, at)
		bit, waits := uint16(1)<<r.step(), f.At >= r.end()
		if waits && f.Bars&bit != 0 {
			q.splice(x, at, r, nil)
			q.setCount(x, q.count(x)-1)
			continue
		}
		if waits && f.Steps&bit != 0 && f.At <= r.start().Add(q.spec.Within) {
			if q.hit(r, f) {
				return true
			}
			q.splice(x, at, r, q.buf)
			r = q.buf
		}
		at += len(r)
	}
	return false
}

// hit makes of a record, in q.buf, the one with the event. It reports whether that completes the match, which is in q.match then.
func (q *Sequence) hit(r record, f *Fit) (complete bool) {
	step, count := r.step(), r.countOf()+1
	done := count == q.spec.Steps[step].Times
	if done && step == len(q.spec.Steps)-1 {
		b := append(q.buf[:0], r.captured()...)
		q.found(r.hits(), q.capture(b, f, step))
		return true
	}
	top, end := max(r.top(), f.At), r.end()
	b := append(q.buf[:0], r[:recordHead]...)
	b = q.appendHits(b, r.hits(), f)
	b = append(b, r.captured()...)
	if done {
		b = q.capture(b, f, step)
		step, count, end = step+1, 0, top
	}
	q.buf = record(b).finish(step, min(len(r.hits())/hitBytes+1, q.spec.Keep), count, r.start(), end, top)
	return false
}

// first lets the event fit the first step. It reports whether there is a match, because that is the only one.
func (q *Sequence) first(x *Ctx, f *Fit) bool {
	if f.Steps&1 == 0 {
		return false
	}
	low, high, full := f.At, f.At, true
	var before []byte
	if len(q.rings) > 0 {
		before = q.ring(x, 0)
		full = len(before) == q.rings[0]*hitBytes
		low, high = span(before, low, high)
	}
	if full && high <= low.Add(q.spec.Within) {
		if len(q.spec.Steps) == 1 {
			q.found(before, q.capture(q.buf[:0], f, 0))
			return true
		}
		b := append(q.buf[:0], make([]byte, recordHead)...)
		b = q.appendHits(b, before, f)
		b = q.capture(b, f, 0)
		q.buf = record(b).finish(1, min(len(before)/hitBytes+1, q.spec.Keep), 0, low, high, high)
		q.open(x, f.At)
	}
	if len(q.rings) > 0 {
		q.push(x, 0, f)
	}
	return false
}

// span widens low and high by the times of hits.
func span(hits []byte, low, high event.Time) (event.Time, event.Time) {
	for ; len(hits) > 0; hits = hits[hitBytes:] {
		at := event.Time(le.Uint64(hits[8:]))
		low, high = min(low, at), max(high, at)
	}
	return low, high
}

// appendHits appends the last hits that are kept, the event's behind those before it.
func (q *Sequence) appendHits(b, before []byte, f *Fit) []byte {
	if q.spec.Keep == 0 {
		return b
	}
	b = append(b, before[max(0, len(before)-(q.spec.Keep-1)*hitBytes):]...)
	return le.AppendUint64(le.AppendUint64(b, uint64(f.Offset)), uint64(f.At))
}

// open puts the record in q.buf behind the others. Of nine, one gives way: one that is too old for the event, else the oldest with which a later
// one has caught up, else the oldest.
func (q *Sequence) open(x *Ctx, at event.Time) {
	if q.count(x) == MatchesMax {
		var r [MatchesMax + 1]record
		place := q.records(x)
		for i := range MatchesMax {
			r[i] = q.record(x, place)
			place += len(r[i])
		}
		r[MatchesMax] = q.buf
		loser, counted := q.loser(&r, at)
		if counted {
			q.dropped++
		}
		place = q.records(x)
		for i := range loser {
			place += len(r[i])
		}
		q.splice(x, place, r[loser], nil)
		q.setCount(x, MatchesMax-1)
	}
	q.splice(x, q.used(x), nil, q.buf)
	q.setCount(x, q.count(x)+1)
}

// loser chooses which of nine matches gives way to the others, and tells whether that is counted.
func (q *Sequence) loser(r *[MatchesMax + 1]record, at event.Time) (i int, counted bool) {
	for i := range MatchesMax {
		if r[i].start().Add(q.spec.Within) < at {
			return i, false
		}
	}
	for i := range MatchesMax {
		for _, later := range r[i+1:] {
			if later.progress() >= r[i].progress() {
				return i, true
			}
		}
	}
	return 0, true
}

// gather lets the event fit a step of an unordered sequence: the first one that it fits. It reports whether all have their events.
func (q *Sequence) gather(x *Ctx, f *Fit) bool {
	if f.Steps == 0 {
		return false
	}
	step := 0
	for f.Steps>>step&1 == 0 {
		step++
	}
	q.push(x, step, f)
	q.keep(x, step, f)
	low, high := f.At, f.At
	for i, most := range q.rings {
		hits := q.ring(x, i)
		if len(hits) < most*hitBytes {
			return false
		}
		low, high = span(hits, low, high)
	}
	if high > low.Add(q.spec.Within) {
		return false
	}
	b := q.buf[:0]
	for i := range q.spec.Steps {
		if at := q.kept(x, i); at >= 0 {
			b = append(b, q.record(x, at).captured()...)
		}
	}
	q.buf = b
	q.values()
	q.match.Hits = q.match.Hits[:0]
	for i := range q.rings {
		hits := q.ring(x, i)
		if i == step {
			hits = hits[:len(hits)-hitBytes]
		}
		for ; len(hits) > 0; hits = hits[hitBytes:] {
			q.enter(i, hits)
		}
	}
	hits := q.match.Hits
	q.match.Hits = hits[max(0, len(hits)-q.spec.Keep):]
	return true
}

// enter adds a hit to the match, by (time, step, log order).
func (q *Sequence) enter(step int, b []byte) {
	h := Hit{step, Seen{event.Offset(le.Uint64(b)), event.Time(le.Uint64(b[8:]))}}
	all := append(q.match.Hits, h)
	i := len(all) - 1
	for ; i > 0 && all[i-1].At > h.At; i-- {
		all[i] = all[i-1]
	}
	all[i] = h
	q.match.Hits = all
}

// keep keeps what a step of an unordered sequence captures of the event.
func (q *Sequence) keep(x *Ctx, step int, f *Fit) {
	if len(q.spec.Steps[step].Captures) == 0 {
		return
	}
	b := append(q.buf[:0], make([]byte, recordHead)...)
	q.buf = record(q.capture(b, f, step)).finish(step, 0, 0, 0, 0, 0)
	if at := q.kept(x, step); at >= 0 {
		q.splice(x, at, q.record(x, at), q.buf)
		return
	}
	q.splice(x, q.used(x), nil, q.buf)
	q.setCount(x, q.count(x)+1)
}

// kept returns where the record of a step is; -1: it has none.
func (q *Sequence) kept(x *Ctx, step int) int {
	at := q.records(x)
	for range q.count(x) {
		r := q.record(x, at)
		if r.step() == step {
			return at
		}
		at += len(r)
	}
	return -1
}

// found makes the match of hits in the order of the steps, and of captured values, which become q.buf.
func (q *Sequence) found(hits, captured []byte) {
	q.buf = captured
	q.values()
	q.match.Hits = q.match.Hits[:0]
	hits = hits[max(0, len(hits)-q.spec.Keep*hitBytes):]
	place, step := q.total-1-len(hits)/hitBytes, 0 // among the match's events
	for ; len(hits) > 0; hits = hits[hitBytes:] {
		for place >= q.spec.Steps[step].Times {
			place -= q.spec.Steps[step].Times
			step++
		}
		place++
		q.match.Hits = append(q.match.Hits, Hit{step, Seen{event.Offset(le.Uint64(hits)), event.Time(le.Uint64(hits[8:]))}})
	}
}

// capture appends what a step captures of the event.
func (q *Sequence) capture(b []byte, f *Fit, step int) []byte {
	for _, slot := range q.spec.Steps[step].Captures {
		v := &f.Row[slot]
		if v.Kind == event.KindString && len(v.S) > CaptureBytesMax {
			q.texts++
			v = &event.Value{}
		}
		b = append(b, byte(v.Kind))
		switch v.Kind {
		case event.KindMissing:
		case event.KindString:
			b = append(le.AppendUint16(b, uint16(len(v.S))), v.S...)
		case event.KindTime, event.KindIP:
			b = le.AppendUint64(le.AppendUint64(b, v.N), v.M)
		default:
			b = le.AppendUint64(b, v.N)
		}
	}
	return b
}

// values reads the captured values of all steps from q.buf into the match; strings are views.
func (q *Sequence) values() {
	b := q.buf
	q.match.Values = q.match.Values[:0]
	for i := range q.spec.Steps {
		for range q.spec.Steps[i].Captures {
			v := event.Value{Kind: event.Kind(b[0])}
			n := 1
			switch v.Kind {
			case event.KindMissing:
			case event.KindString:
				n = 3 + int(le.Uint16(b[1:]))
				if n > 3 {
					v.S = unsafe.String(&b[3], n-3)
				}
			case event.KindTime, event.KindIP:
				v.N, v.M, n = le.Uint64(b[1:]), le.Uint64(b[9:]), 17
			default:
				v.N, n = le.Uint64(b[1:]), 9
			}
			q.match.Values = append(q.match.Values, v)
			b = b[n:]
		}
	}
}
