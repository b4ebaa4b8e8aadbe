package store

import (
	"time"

	"insolite/internal/event"
)

// TimersMax is how many timers of a rule and key wait at most. Another one needs that time stands still while events go on: deadlines that
// have passed fire as soon as the watermark is behind them.
const TimersMax = 4

// TimersSpec describes what waits for one rule.
type TimersSpec struct {
	Identity uint64
	Quiet    time.Duration // how long behind its Last a timer without a deadline is kept
}

// Timer is something that waits in a context, in the terms of its rule. Rows are views.
type Timer struct {
	Deadline event.Time // when it is due; event.Never: it only remembers
	Since    event.Time // of the event that began it
	Last     event.Time // of the newest event that upheld it
	End      event.Time // from when on it does not hold any more; event.Never: it does
	Fired    bool       // an alert was due before
	Alert    [16]byte   // what joins alerts of it; zero: none was emitted
	Carried  Origin     // of the event that an alert carries, which is of CarriedAt
	Newest   Origin     // of the newest event that upheld it, when that is another one and wanted

	CarriedAt event.Time
}

// Origin is an event that is remembered: where it stands, and what a rule needs of it.
type Origin struct {
	Seen event.Offset // as in [Seen]
	Row  []byte       // empty: none
}

// A part's head is the number of timers u32, 4 bytes unused, the least deadline i64, the mark i64. Its tail has the timers, each of fixed
// size and then its rows, padded together.
const (
	timersHead = 24
	timerFixed = 88
)

// TimerBytes estimates what a rule that waits takes of a key: one timer waits, and carries a few fields.
const TimerBytes = 4 + timersHead + timerFixed + 64

// waiting is a part in which something may be due.
type waiting interface {
	Deadline(x *Ctx) event.Time // the least one; event.Never: nothing waits
}

// Timers is what waits in a context for one rule, in the order in which it began.
type Timers struct {
	spec    TimersSpec
	slot    slot
	dropped uint64
	bytes   []byte
}

// Mark returns the instant that SetMark has set; event.NoTime: none.
func (t *Timers) Mark(x *Ctx) event.Time {
	return event.Time(le.Uint64(t.slot.head(x)[16:]) ^ noTime)
}

// SetMark keeps an instant beside the timers.
func (t *Timers) SetMark(x *Ctx, at event.Time) {
	le.PutUint64(t.slot.head(x)[16:], uint64(at)^noTime)
}

// Drop counts a timer that found no room.
func (t *Timers) Drop() { t.dropped++ }

// Append appends the timers to dst. Their rows are valid until the context changes.
func (t *Timers) Append(dst []Timer, x *Ctx) []Timer {
	b := t.slot.tail(x)
	for range le.Uint32(t.slot.head(x)) {
		c := Timer{Deadline: event.Time(le.Uint64(b)), Since: event.Time(le.Uint64(b[8:])), Last: event.Time(le.Uint64(b[16:])), End: event.Time(le.Uint64(b[24:])),
			Alert: [16]byte(b[48:64]), Fired: b[64] != 0}
		c.CarriedAt = event.Time(le.Uint64(b[80:]))
		c.Carried.Seen, c.Newest.Seen = event.Offset(le.Uint64(b[32:])), event.Offset(le.Uint64(b[40:]))
		n, m := int(le.Uint32(b[68:])), int(le.Uint32(b[72:]))
		c.Carried.Row, c.Newest.Row = b[timerFixed:timerFixed+n:timerFixed+n], b[timerFixed+n:timerFixed+n+m:timerFixed+n+m]
		dst = append(dst, c)
		b = b[timerFixed+round8(n+m):]
	}
	return dst
}

// Set makes the timers those, at most TimersMax; rows may be views of the context.
func (t *Timers) Set(x *Ctx, all []Timer) {
	b, least := t.bytes[:0], event.Never
	for i := range all {
		c := &all[i]
		least = min(least, c.Deadline)
		for _, v := range [...]uint64{uint64(c.Deadline), uint64(c.Since), uint64(c.Last), uint64(c.End), uint64(c.Carried.Seen), uint64(c.Newest.Seen)} {
			b = le.AppendUint64(b, v)
		}
		b = append(b, c.Alert[:]...)
		fired := uint32(0)
		if c.Fired {
			fired = 1
		}
		b = le.AppendUint32(b, fired)
		b = le.AppendUint32(b, uint32(len(c.Carried.Row)))
		b = le.AppendUint32(b, uint32(len(c.Newest.Row)))
		b = le.AppendUint64(le.AppendUint32(b, 0), uint64(c.CarriedAt))
		b = append(append(b, c.Carried.Row...), c.Newest.Row...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
	}
	t.bytes = b
	if len(b) > len(t.slot.tail(x)) {
		t.slot.grow(x, len(b))
	}
	tail := t.slot.tail(x)
	clear(tail[copy(tail, b):])
	head := t.slot.head(x)
	le.PutUint32(head, uint32(len(all)))
	le.PutUint64(head[8:], uint64(least))
	x.keys.Wait(x.handle)
}

// Deadline returns the least deadline of the timers; event.Never: none waits.
func (t *Timers) Deadline(x *Ctx) event.Time {
	return timersDeadline(t.slot.head(x))
}

func timersDeadline(head []byte) event.Time {
	if le.Uint32(head) == 0 {
		return event.Never
	}
	return event.Time(le.Uint64(head[8:]))
}

// pins keeps a context in which something waits, or is remembered for a while.
func (t *Timers) pins(x *Ctx, watermark event.Time) bool {
	b := t.slot.tail(x)
	for range le.Uint32(t.slot.head(x)) {
		if event.Time(le.Uint64(b)) != event.Never || event.Time(le.Uint64(b[16:])).Add(t.spec.Quiet) >= watermark {
			return true
		}
		b = b[timerFixed+round8(int(le.Uint32(b[68:])+le.Uint32(b[72:]))):]
	}
	return false
}
