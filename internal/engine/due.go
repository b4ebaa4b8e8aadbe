package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/event"
	"insolite/rules"
)

// lookahead is how far beyond what is due contexts are asked for, so that a steady stream of timers asks seldom.
const lookahead = time.Second

// Place is a place among the stored contexts of a keyspace in which something waits, which are ordered by deadline, then key.
type Place struct {
	Deadline event.Time // event.Never: behind all of them
	Key      []byte
}

// Due looks up stored contexts by when something in them is due. It calls each for those from a place on with a deadline before an instant, in their
// order and for as many as it likes, at least one; it returns the place behind them, which is that of the next context, whatever its
// deadline. One that is in memory may be told all the same: what is stored of it is older. Key and blob may be reused by the next call.
type Due func(k *rules.Keyspace, from Place, before event.Time, each func(deadline event.Time, key, blob []byte) error) (next Place, err error)

// dueTimers is a rule with something that is due in a context.
type dueTimers struct {
	rule   *rule
	space  *space
	handle store.Handle
	key    []byte
}

// limit is where a replay ends among the timers that are due at a position.
type limit struct {
	at    event.Position
	fired event.Time
}

// wait says that the timers of a rule in the present context are these.
func (e *Engine) wait(r *rule, x *store.Ctx, all []store.Timer) {
	phase := e.phase
	e.phase = phaseState // a panic in here is not of a rule
	for i := range all {
		e.next = min(e.next, all[i].Deadline)
	}
	r.timers.Set(x, all)
	e.phase = phase
}

// timersOf returns the timers of a rule in the present context. They are valid until the context changes, or timers are asked for.
func (e *Engine) timersOf(r *rule) []store.Timer { return e.timersAt(r, &r.stream.ctx) }

func (e *Engine) timersAt(r *rule, x *store.Ctx) []store.Timer {
	e.scratch.timers = r.timers.Append(e.scratch.timers[:0], x)
	return e.scratch.timers
}

// Limit says where a replay is to end: timers that are due at that position fire only when their deadline lies before an instant. Nothing
// else depends on it. The engine is then Firing there, as it was when this was committed.
func (e *Engine) Limit(at event.Position, fired event.Time) { e.limit = limit{at, fired} }

// Firing reports whether timers are due that have not fired, because the step has paused or the replay has come to its limit: go on with Resume.
func (e *Engine) Firing() bool { return e.firing }

// Fired returns the instant before which all that is due has fired: event.Never unless the engine is Firing.
func (e *Engine) Fired() event.Time {
	if e.firing {
		return e.fired
	}
	return event.Never
}

// Next returns an instant before which no deadline lies.
func (e *Engine) Next() event.Time {
	e.part()
	return e.next
}

// Resume goes on behind a pause, with the timers that are due and with the rest of the batch, whose bytes must still be there.
func (e *Engine) Resume(out *Output) error {
	rest := e.rest
	e.rest = ingest.Batch{}
	e.liveInto(out)
	return e.step(&rest)
}

// Tick fires what has a deadline before t, and leaves no other trace: no time passes for events. Without an output it is a replay.
func (e *Engine) Tick(t event.Time, out *Output) error {
	e.liveInto(out)
	if e.replay = out == nil; e.replay {
		e.count = &e.replayed
	}
	e.until = max(e.until, t)
	return e.fire()
}

// Fire fires what is due after RaiseWatermark.
func (e *Engine) Fire(out *Output) error {
	e.liveInto(out)
	return e.passed()
}

// passed fires what time has passed.
func (e *Engine) passed() error {
	if e.watermark <= e.next && !e.firing {
		return nil
	}
	e.until = max(e.until, e.watermark)
	return e.fire()
}

// part notes what was evicted since it was asked last: it is to be looked up when it is due.
func (e *Engine) part() {
	for _, s := range e.timed {
		if p := s.keys.Parted(); e.options.Due != nil && p != event.Never && p <= s.place.Deadline { // of equal deadlines its key may be below
			s.place = Place{Deadline: p, Key: s.place.Key[:0]}
		}
		e.next = min(e.next, s.place.Deadline)
	}
}

// fire fires what has a deadline before e.until, in the order of deadlines, rules and keys, or some of it.
func (e *Engine) fire() error {
	e.part()
	if !e.firing {
		e.firing, e.fired = true, event.NoTime
	}
	text := e.text
	e.text = e.firedText
	defer func() { e.phase, e.recalled, e.firedText, e.text = phaseStart, nil, e.text, text }()
	for n := 0; ; {
		at, err := e.earliest()
		if err != nil {
			return err
		}
		if at >= e.until {
			e.settled(at)
			return nil
		}
		if e.replay && e.position == e.limit.at && at >= e.limit.fired {
			return nil
		}
		if e.options.Pause > 0 && n >= e.options.Pause && !e.replay && !e.history {
			return nil
		}
		n += e.fireAt(at)
		e.fired = at + 1
	}
}

// settled notes that nothing is due any more.
func (e *Engine) settled(next event.Time) {
	e.firing, e.until, e.next = false, event.NoTime, next
	for _, s := range e.timed {
		if s.ahead != event.Never {
			s.place, s.ahead = Place{Deadline: s.ahead, Key: s.place.Key[:0]}, event.Never
		}
		e.next = min(e.next, s.place.Deadline)
	}
}

// earliest returns the least deadline before e.until, when it has brought the contexts that have it into memory; else a later instant.
func (e *Engine) earliest() (event.Time, error) {
	least := event.Never
	for _, s := range e.timed {
		least = min(least, s.keys.Earliest())
	}
	for _, s := range e.timed {
		for s.place.Deadline < e.until && s.place.Deadline <= least {
			if err := e.lookUp(s); err != nil {
				return 0, fmt.Errorf("load contexts of keyspace %s that are due: %w", s.plan.Name, err)
			}
			least = min(least, s.keys.Earliest())
		}
	}
	return least, nil
}

// lookUp brings some contexts into memory in which something is due.
func (e *Engine) lookUp(s *space) error {
	next, err := e.options.Due(s.plan, s.place, e.until.Add(lookahead), func(deadline event.Time, key, blob []byte) error {
		hash := store.Hash(key)
		if _, ok := s.keys.Find(hash, key); ok {
			return nil
		}
		p, err := store.BlobPosition(blob)
		switch {
		case err != nil:
			return err
		case !e.position.Before(p):
			s.due++
			_, err = s.keys.Load(hash, blob)
			return err
		case e.replay: // it may be of rules that are not in force yet, so it is left where it is
			s.ahead = min(s.ahead, deadline)
			return nil
		}
		return e.behind(blob)
	})
	s.place = Place{Deadline: next.Deadline, Key: append(s.place.Key[:0], next.Key...)}
	return err
}

// fireAt fires what is due at an instant, in the order of rules and keys, and returns how many rules of a context that was.
func (e *Engine) fireAt(at event.Time) int {
	all := e.due[:0]
	for _, s := range e.timed {
		for s.keys.Earliest() == at {
			h := s.keys.NextDue()
			x := s.keys.View(h)
			for _, r := range s.timed {
				if r.waits.Deadline(&x) == at {
					all = append(all, dueTimers{r, s, h, x.Key()})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b dueTimers) int {
		return cmp.Or(cmp.Compare(a.rule.Index, b.rule.Index), bytes.Compare(a.key, b.key))
	})
	for i := range all {
		d := &all[i]
		st := d.rule.stream
		st.state, st.ctx = open, d.space.keys.View(d.handle)
		e.fireTimers(d.rule, at)
		st.ctx.Advance(e.position, event.NoTime)
		d.space.keys.Wait(d.handle)
	}
	n := len(all)
	clear(all)
	e.due = all[:0]
	return n
}

// fireTimers takes a rule through its timers that are due in the stream's context.
func (e *Engine) fireTimers(r *rule, at event.Time) {
	defer e.rescueTimer(r)
	e.source, e.at, e.row = r.of, at, e.timerRow[:r.of.plan.Width]
	e.serial++
	e.count.Rules[r.index].Due++
	if r.Absence != nil {
		e.absent(r, at)
	} else {
		e.fireRuns(r, at)
	}
}

// rescueTimer turns a panic of a condition into a count, as rescue does.
func (e *Engine) rescueTimer(r *rule) {
	if e.phase != phaseRules {
		return
	}
	e.phase = phaseState
	p := recover()
	if p == nil {
		return
	}
	e.count.Panics++
	e.count.Rules[r.index].Panics++
	if e.out != nil {
		e.out.Panics = append(e.out.Panics, Panic{Rule: r.Rule, Offset: e.occasion.offset, Message: fmt.Sprint(p)})
	}
}

// recall makes the event that a timer carries the present one, as far as it is known.
func (e *Engine) recall(r *rule, o *store.Origin) {
	e.text = e.text[:0]
	e.bring(r, o.Row)
	e.occasion = occasion{partition: e.options.Partition, offset: o.Seen, timer: true, after: e.position.Offset - 1, state: firing}
	if e.stage != nil {
		e.occasion.partition, e.occasion.offset = unpacked(o.Seen)
		e.occasion.after = math.MaxInt64
	}
	e.occasion.at = event.TimeValue(e.at, e.row[r.Source.EventTime].OffsetSeconds())
}
