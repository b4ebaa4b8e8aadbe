package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"insolite/ingest/decode"
	"insolite/internal/event"
)

// A breaker keeps a bad deployment, of a producer's schema or of ours, from draining a topic into the dead letters. It opens when half of the
// last records, as many as it is set to look at, were refused by decoding: the batch that tells is not committed, and the task waits where it
// stands committed. Other rules close it on trial at once, time does so again and again (half open, as others call it): the next records decide,
// and nothing of them is committed before they have. Window, half and trial are those of the count-based circuit breakers of resilience4j.
// It delays the output and never changes it.
type breaker struct {
	window int // records; 0: it never opens
	seen   [breakerParts]decodings
	part   int // of seen: the present one

	open   bool
	bundle event.Offset // in force when it opened
	until  time.Time    // it is closed on trial then
	pause  time.Duration

	trial bool
	begun time.Time // the trial
	tried decodings
}

// decodings counts records, and those that could not be decoded.
type decodings struct{ records, refused int }

func (r *decodings) most() bool { return 2*r.refused >= r.records && r.refused > 0 }

const (
	breakerParts    = 10 // of the window: so coarsely it slides
	trialRecords    = 100
	trialTime       = 10 * time.Second
	breakerPauseMin = 10 * time.Second
	breakerPauseMax = 5 * time.Minute
)

var errBroken = errors.New("most of the last records can't be decoded")

// add counts what a step gave, and reports whether the breaker opens, now or because a trial has failed.
func (b *breaker) add(r decodings, now time.Time) (opens bool) {
	if b.window == 0 {
		return false
	}
	if b.trial {
		b.tried.records += r.records
		b.tried.refused += r.refused
		return b.judge(now)
	}
	for r.records > 0 {
		room := max(1, b.window/breakerParts) - b.seen[b.part].records
		if room <= 0 {
			b.part = (b.part + 1) % breakerParts
			b.seen[b.part] = decodings{}
			continue
		}
		n := min(room, r.records)
		refused := r.refused * n / r.records // of a batch they are taken to be spread evenly
		b.seen[b.part].records += n
		b.seen[b.part].refused += refused
		r.records -= n
		r.refused -= refused
	}
	var all decodings
	for _, s := range b.seen {
		all.records += s.records
		all.refused += s.refused
	}
	return all.records >= b.window*(breakerParts-1)/breakerParts && all.most()
}

// judge ends a trial that has seen enough, and reports whether the breaker opens again.
func (b *breaker) judge(now time.Time) (opens bool) {
	if !b.trial || b.tried.records == 0 || b.tried.records < trialRecords && now.Sub(b.begun) < trialTime {
		return false
	}
	b.trial = false
	if b.tried.most() {
		return true
	}
	b.pause = 0
	return false
}

// holds reports whether nothing may be committed yet.
func (b *breaker) holds() bool { return b.trial && b.tried.records > 0 }

// openNow makes the task wait.
func (b *breaker) openNow(now time.Time, bundle event.Offset) {
	b.pause = min(max(2*b.pause, breakerPauseMin), breakerPauseMax)
	b.open, b.until, b.bundle, b.trial, b.seen = true, now.Add(b.pause), bundle, false, [breakerParts]decodings{}
}

// wait is how long the task is not to read; 0: it may. Time and other rules close the breaker on trial.
func (b *breaker) wait(now time.Time, bundle event.Offset) time.Duration {
	if !b.open {
		return 0
	}
	if left := b.until.Sub(now); left > 0 && b.bundle == bundle {
		return left
	}
	b.open, b.trial, b.begun, b.tried = false, true, now, decodings{}
	return 0
}

// undecoded counts the records that could not be decoded among the dead letters from one on.
func (t *Task) undecoded(from int) (n int) {
	for i := range t.out.DeadLetters[from:] {
		if t.out.DeadLetters[from+i].Stage == decode.Stage {
			n++
		}
	}
	return n
}

// breaks opens the breaker and ends the life, so that the task stands where it has committed.
func (t *Task) breaks() error {
	last := ""
	if n := len(t.out.DeadLetters); n > 0 {
		last = t.out.DeadLetters[n-1].Message
	}
	t.breaker.openNow(t.o.Now(), t.bundle)
	return fmt.Errorf("%w (the last one: %s): the task waits %s, or for other rules; correct the producer or the source's fields, or let them become dead letters with dead_letters.breaker: 0",
		errBroken, last, t.breaker.pause)
}

// held lets time pass while the breaker is open, and reports whether it is.
func (t *Task) held(ctx context.Context) (bool, error) {
	if t.breaker.judge(t.o.Now()) {
		return true, t.breaks()
	}
	if !t.breaker.open {
		return false, nil
	}
	wait := t.breaker.wait(t.o.Now(), t.bundle)
	if wait <= 0 {
		if err := t.reopen(); err != nil {
			return false, err
		}
		t.log.Info("read on, to see whether records can be decoded")
		t.update(func(s *Status) { s.Broken = nil })
		return false, nil
	}
	t.update(func(s *Status) { s.Broken, s.Progress = errBroken, t.o.Now() })
	return true, t.pause(ctx, min(wait, t.untilCommit(), time.Second))
}

// reopen reads on from where the task stands: what it was given beyond has been left.
func (t *Task) reopen() error {
	t.feed.Close()
	feed, err := t.o.Log.Open(t.lifetime, t.engine.Position().Offset)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	t.feed = feed
	return nil
}
