package task

import (
	"context"
	"errors"
	"fmt"

	"insolite/context/checkpoint"
	"insolite/ingest"
	"insolite/internal/event"
	"insolite/internal/journal"
)

// A record may end the process: by a bug that no recover catches, by the memory that it needs. Every instance that steps it would die, and
// take its other tasks along. So each recovery leaves a [note] in the store, from which the next one learns that the process has died and
// nothing was committed since. The second recovery of that kind commits after few records, so that X comes close to the one that kills; the
// third steps one record at a time, and marks each in the store before. Only a mark that a recovery finds counts as a death of the record:
// not a stop, not a doubt, not another member. After three deaths the journal excludes the record, and it becomes a dead letter.
//
// A record that was stepped and committed before, and kills in a replay, can't be excluded: contexts would lack what alerts were raised
// from. Marks find it too, of whole batches first and then of ever smaller pieces, and the task refuses, so that the process and its other
// tasks live on.

// errAsked ends careful stepping because the task is asked to stop.
var errAsked = errors.New("asked to stop")

// lookBack reads what the life before has left, and leaves the note of this one. The replay will be from y to x.
func (t *Task) lookBack(ctx context.Context, x committed, y event.Position) error {
	b, err := t.store.Note(ctx)
	if err != nil {
		return fmt.Errorf("read the note: %w", err)
	}
	was, ok := parseNote(b)
	if !ok {
		was = note{at: checkpoint.NoPosition}
	}
	n := was.found(t.writer, x.position, t.facts.End)
	if n.suspect.replay && n.suspect.to <= y.Offset {
		n.suspect, n.deaths = span{}, 0
	}
	var refusal error
	if n.suspect.replay && n.deaths >= deathsMax {
		refusal = t.refuse("run the version that ran before, give the process more memory, or correct the program, and start again; outside the promise of exactly-once, take another `app`",
			"the process has died %d times while it replayed the record %d, which was stepped and committed before and so can't be excluded", n.deaths, n.suspect.from)
		n.suspect, n.deaths, n.lives = span{}, 0, 0 // the next start tries again
	}
	if n != was {
		if err := t.leaveNote(ctx, n); err != nil {
			return err
		}
	}
	t.tellCare(n)
	if n.care != usual {
		t.log.Warn("the process has died here: step carefully", "lives", n.lives, "from", x.position.String(), "until", n.until,
			"one_at_a_time", n.care == single, "suspect", n.suspect.from, "deaths", n.deaths)
	}
	return refusal
}

func (t *Task) leaveNote(ctx context.Context, n note) error {
	if err := t.store.SetNote(ctx, n.append(nil)); err != nil {
		return fmt.Errorf("write the note: %w", err)
	}
	t.tellCare(n)
	return nil
}

// tellCare takes over a note, and shows how carefully the task steps.
func (t *Task) tellCare(n note) {
	if t.note = n; n.care == usual {
		n.until = 0
	}
	t.update(func(s *Status) { s.Careful = n.until })
}

// farewell notes that the process has not died where the last recovery began. It is no harm if it fails: the next life counts one more.
func (t *Task) farewell(ctx context.Context) {
	n := t.note
	if n.lives == 0 || n.at != t.committed {
		return // what has moved tells as much
	}
	n.lives = 0
	if err := t.leaveNote(ctx, n); err != nil {
		t.log.Debug("not told that the process has not died", "error", err)
	}
}

// careful reports whether what comes next is to be stepped carefully.
func (t *Task) careful() bool {
	if !t.live {
		return t.note.lives >= livesSingle
	}
	return t.note.care != usual
}

// replayCarefully replays records up to an offset in pieces that are marked.
func (t *Task) replayCarefully(b *ingest.Batch, records []ingest.Record, to event.Offset) error {
	for at := t.engine.Position().Offset; at < to; at = t.engine.Position().Offset {
		end, n := t.note.piece(at, to), 0
		for n < len(records) && records[n].Offset < end {
			n++
		}
		if err := t.marked(t.lifetime, span{at, end, true}, func() error { return t.pass(b, records[:n], end) }); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// stepCarefully steps records up to an offset in small pieces, which are committed, or one by one.
func (t *Task) stepCarefully(b *ingest.Batch, records []ingest.Record, to event.Offset) error {
	for len(records) > 0 && t.careful() {
		if t.asked != nil && t.asked.Err() != nil {
			return errAsked
		}
		n, end := shortStep, to
		if t.note.care == single {
			n = 1
		}
		if n < len(records) {
			end = records[n].Offset
		} else {
			n = len(records)
		}
		if err := t.stepPiece(t.lifetime, b, records[:n], end); err != nil {
			return err
		}
		if t.note.care == short || t.engine.Position().Offset >= t.note.until || t.commitDue() {
			if err := t.commit(t.lifetime); err != nil {
				return err
			}
		}
		if t.committed.Offset >= t.note.until {
			t.log.Info("stepped beyond where the process has died", "position", t.committed.String())
			if err := t.leaveNote(t.lifetime, note{writer: t.writer, at: t.committed}); err != nil {
				return err
			}
		}
		records = records[n:]
	}
	if t.engine.Position().Offset >= to {
		return nil
	}
	return t.pass(b, records, to)
}

// stepPiece steps one piece: a single record is marked, or excluded when the process has died of it too often.
func (t *Task) stepPiece(ctx context.Context, b *ingest.Batch, records []ingest.Record, to event.Offset) error {
	if t.note.care != single {
		return t.pass(b, records, to)
	}
	at := records[0].Offset
	if t.note.suspect.from == at && t.note.deaths >= deathsMax && !t.note.suspect.replay && !t.excluded[at] {
		t.log.Error("the process has died of a record again and again: it is excluded and becomes a dead letter; look at it, correct the rule or the program, and redrive it",
			"offset", at, "deaths", t.note.deaths)
		if err := t.journal(ctx, journal.Entry{Kind: journal.Exclude, Excluded: at}); err != nil {
			return err
		}
	}
	if t.excluded[at] {
		return t.pass(b, records, to)
	}
	return t.marked(ctx, span{at, at + 1, false}, func() error { return t.pass(b, records, to) })
}

// marked steps something while the store says so, and while no other task of the process does the same: a death has one cause.
func (t *Task) marked(ctx context.Context, what span, step func() error) error {
	if t.o.Turn != nil {
		select {
		case t.o.Turn <- struct{}{}:
			defer func() { <-t.o.Turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n := t.note
	n.mark = what
	if err := t.leaveNote(ctx, n); err != nil {
		return err
	}
	err := step()
	n.mark = span{}
	return errors.Join(err, t.leaveNote(ctx, n))
}
