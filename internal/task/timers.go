package task

import (
	"context"
	"fmt"
	"time"

	"insolite/context/checkpoint"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// Something that waits for an instant is due when the watermark has passed it; or, while the input is silent, a tick. The contexts in which it
// waits are found in the store, by the index of deadlines, when they are not in memory.

const (
	// dueContexts is how many contexts in which something is due are brought into memory at once, at most.
	dueContexts = 1024

	// pauseAfter is after how many timers that are due at once a commit may come, so that its output does not grow without bounds.
	pauseAfter = 1024

	// tickInterval is between two ticks: each is a transaction.
	tickInterval = time.Second
)

// lookUp finds stored contexts in the order in which something in them is due.
func (t *Task) lookUp(k *rules.Keyspace, from engine.Place, before event.Time, each func(deadline event.Time, key, blob []byte) error) (engine.Place, error) {
	id := checkpoint.KeyspaceIDOf(k.Name)
	if t.warm.whole[id] {
		return engine.Place{Deadline: event.Never}, nil
	}
	next, err := t.store.Due(t.lifetime, id, checkpoint.Timer(from), before, dueContexts, func(c checkpoint.Context) error {
		return each(c.Deadline, c.Key, c.Blob)
	})
	return engine.Place(next), err
}

// limit tells the engine where the replay ends, if that is amid timers that are due.
func (t *Task) limit() {
	if x := &t.target; !t.live && x.Firing {
		t.engine.Limit(x.position, x.Fired)
	}
}

// resume goes on behind a step that has ended like this, when so many timers are due at once that the engine has paused. Commits and evictions
// may lie between them, so that neither the transaction nor the memory grows with their number. It returns how many of the dead letters from
// one on tell of records that could not be decoded.
func (t *Task) resume(letters int, stepped error) (refused int, err error) {
	for {
		refused += t.undecoded(letters)
		switch {
		case stepped != nil || !t.engine.Firing():
			return refused, stepped
		case t.asked != nil && t.asked.Err() != nil:
			return refused, errAsked
		}
		if err := t.pauseTimers(t.lifetime); err != nil {
			return refused, err
		}
		letters = len(t.out.DeadLetters)
		stepped = t.engine.Resume(&t.out)
	}
}

// pauseTimers sends what the timers before have given, and commits when it is time.
func (t *Task) pauseTimers(ctx context.Context) error {
	if t.breaker.trial {
		return nil
	}
	if err := t.send(ctx); err != nil {
		return err
	}
	if !t.commitDue() {
		return nil
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	return t.evict(ctx)
}

// tick journals that time passes without records, when something waits that is due by that.
func (t *Task) tick(ctx context.Context) error {
	if !t.live || t.inHistory() || t.breaker.holds() || len(t.pending) > 0 || t.engine.Firing() || t.o.Now().Sub(t.ticked) < tickInterval {
		return nil
	}
	at := t.silentUntil()
	if t.engine.Next() >= at || !t.isIdle(ctx) {
		return nil
	}
	t.ticked = t.o.Now()
	if due, err := t.engine.Waits(at); err != nil || !due {
		return err
	}
	t.did(Work{Kind: Ticked})
	t.log.Debug("tick", "until", string(event.AppendTime(nil, at, 0)), "position", t.engine.Position().String())
	return t.journal(ctx, journal.Entry{Kind: journal.Tick, Time: at})
}

// silentUntil is the instant that event time would have come to, had there been records: it goes on as the clock does since the last one. NoTime:
// that is not known.
func (t *Task) silentUntil() event.Time {
	watermark := t.engine.Watermark()
	now, ok := event.TimeOf(t.o.Now())
	if watermark == event.NoTime || t.last.timestamp == event.NoTime || !ok {
		return event.NoTime
	}
	return watermark.Add(time.Duration(max(0, now-t.last.timestamp)))
}

// applyTick fires what is due by a tick, behind it.
func (t *Task) applyTick(entry *journal.Entry) error {
	t.passed(entry)
	if !t.live {
		if err := t.engine.Tick(entry.Time, nil); err != nil {
			return fmt.Errorf("replay a tick: %w", err)
		}
		return nil
	}
	t.cycle.output = true // rows of timers may wait for the commit
	letters := len(t.out.DeadLetters)
	if _, err := t.resume(letters, t.engine.Tick(entry.Time, &t.out)); err != nil {
		return fmt.Errorf("tick: %w", err)
	}
	return nil
}
