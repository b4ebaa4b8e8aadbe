package task

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"insolite/context/store"
	"insolite/ingest"
	"insolite/internal/crash"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// work steps what comes, and commits and sweeps when it is time, until something ends it. The end of the context is noticed between
// batches only, so that nothing is left half done: then the work is stopped in order.
func (t *Task) work(ctx context.Context) error {
	attending := t.attend(ctx)
	for {
		if t.commitDue() {
			if err := t.boundary(t.lifetime); err != nil {
				return err
			}
		}
		if err := t.mark(t.lifetime); err != nil {
			return err
		}
		if err := t.tick(t.lifetime); err != nil && !errors.Is(err, errAsked) {
			return err
		}
		if ctx.Err() != nil {
			return t.stop(t.lifetime)
		}
		t.show()
		if held, err := t.held(ctx); err != nil {
			return err
		} else if held {
			continue
		}
		wait := t.untilCommit()
		if t.sends() {
			wait = min(wait, t.untilMark())
		}
		if t.warming() {
			wait = 0 // a stream that is idle leaves time for it
		}
		if pause := t.ahead(); pause > 0 {
			if err := t.pause(ctx, min(pause, wait)); err != nil {
				return err
			}
			continue
		}
		if err := t.poll(attending, wait); err != nil && !errors.Is(err, errAsked) {
			return err
		}
		if attending.Err() != nil {
			attending = t.attend(ctx)
		}
	}
}

// poll takes the task through the next batch, if one comes in time, and hands its output to the producer while the batch is there.
func (t *Task) poll(ctx context.Context, wait time.Duration) error {
	b, err := t.feed.Poll(ctx, wait)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("read the log: %w", err)
	}
	if err := t.advance(t.lifetime, b); err != nil {
		return err
	}
	switch {
	case t.breaker.holds(): // it is sent when the trial is over
	case t.o.Eager && t.live:
		err = t.sendRows(t.lifetime)
	default:
		err = t.send(t.lifetime)
	}
	if err != nil {
		return err
	}
	if b == nil && t.live && ctx.Err() == nil {
		if err := t.warmOn(t.lifetime); err != nil {
			return err
		}
	}
	t.observe()
	return nil
}

// boundary commits, and does what may be done between commits only: write contexts, activate rules.
func (t *Task) boundary(ctx context.Context) error {
	if newest := t.o.Bundles.Newest(); !t.stage() && !t.engine.Firing() && newest > t.bundle && len(t.pending) == 0 && t.usable(ctx, newest) {
		if err := t.journal(ctx, journal.Entry{Kind: journal.Bundle, Bundle: newest}); err != nil {
			return err
		}
	} else if err := t.commit(ctx); err != nil {
		return err
	}
	return t.sweepOn(ctx)
}

// unusable is a bundle that could not be loaded, and when it is tried again.
type unusable struct {
	bundle event.Offset
	until  time.Time
}

// Bounds of loading a bundle: how long the stream is held up for it, and how long a bundle that could not be loaded is left alone.
const (
	loadGrace = 5 * time.Second
	loadPause = 30 * time.Second
)

// usable reports whether a bundle can be loaded. One that can't must not get into the journal, which would stop the task for good.
func (t *Task) usable(ctx context.Context, number event.Offset) bool {
	u := &t.unusable
	if u.bundle == number && t.o.Now().Before(u.until) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, loadGrace)
	defer cancel()
	if _, err := t.o.Bundles.Plan(ctx, number); err != nil {
		t.log.Error("the newest rules can't be used: correct and publish them; those in force stay", "bundle", number, "in_force", t.bundle, "error", err)
		*u = unusable{number, t.o.Now().Add(loadPause)}
		return false
	}
	return true
}

// advance takes the task through a batch, and through the journal entries that stand in it. Without a batch it applies what is due.
func (t *Task) advance(ctx context.Context, b *ingest.Batch) error {
	for {
		if err := t.reached(); err != nil {
			return err
		}
		if t.live && t.engine.Firing() { // the replay has ended amid timers that are due
			if _, err := t.resume(len(t.out.DeadLetters), nil); err != nil {
				return err
			}
		}
		if done, err := t.applyNext(ctx); err != nil {
			return err
		} else if done {
			continue
		}
		if err := t.tellEngine(ctx); err != nil {
			return err
		}
		if at := t.engine.Position(); !t.live && at.Offset == t.target.position.Offset {
			return t.refuse("restore the journal topic; "+rebuild, "the replay stands at %v, but %v was committed: a journal entry is missing", at, t.target.position)
		}
		if b == nil || t.live && t.breaker.open {
			return nil // what lies beyond is read again when the breaker closes
		}
		cut := t.cut(b.Next)
		if cut <= t.engine.Position().Offset {
			return nil // all of it is below: it was read to compare its first record only
		}
		if t.stage() {
			var activated bool
			var err error
			if cut, activated, err = t.follow(ctx, b, cut); err != nil {
				return err
			} else if activated {
				continue
			}
		}
		if err := t.step(b, cut); err != nil {
			return err
		}
		if cut == b.Next && !t.due() {
			return t.reached()
		}
	}
}

// due reports whether the next journal entry stands at the task's position.
func (t *Task) due() bool { return len(t.pending) > 0 && !t.engine.Position().Before(t.pending[0].At) }

// cut is how far the task may step in one go: to the next journal entry, to the end of the replay, and to where the output begins.
func (t *Task) cut(next event.Offset) event.Offset {
	at := t.engine.Position().Offset
	if len(t.pending) > 0 && t.pending[0].At.Offset > at {
		next = min(next, t.pending[0].At.Offset)
	}
	if !t.live && t.target.position.Offset > at {
		next = min(next, t.target.position.Offset)
	}
	if t.inHistory() {
		next = min(next, t.begins)
	}
	return next
}

// step steps the records of a batch from the task's position to an offset.
func (t *Task) step(b *ingest.Batch, to event.Offset) error {
	records := b.Records
	for len(records) > 0 && records[0].Offset < t.engine.Position().Offset {
		records = records[1:]
	}
	n := len(records)
	for n > 0 && records[n-1].Offset >= to {
		n--
	}
	records = records[:n]
	switch {
	case !t.careful():
		return t.pass(b, records, to)
	case !t.live:
		return t.replayCarefully(b, records, to)
	}
	return t.stepCarefully(b, records, to)
}

// pass takes records, from the task's position to an offset, through the engine, but for those that the journal excludes.
func (t *Task) pass(b *ingest.Batch, records []ingest.Record, to event.Offset) error {
	for i := range records {
		if t.excluded[records[i].Offset] {
			return t.stepAround(b, records, i, to)
		}
	}
	return t.run(&ingest.Batch{Topic: b.Topic, Partition: b.Partition, Records: records, Next: to})
}

// stepAround steps the records before the excluded one at i, passes it over, and goes on.
func (t *Task) stepAround(b *ingest.Batch, records []ingest.Record, i int, to event.Offset) error {
	skipped, letter := &records[i], t.live && !t.inHistory()
	if err := t.run(&ingest.Batch{Topic: b.Topic, Partition: b.Partition, Records: records[:i], Next: skipped.Offset + 1}); err != nil {
		return err
	}
	delete(t.excluded, skipped.Offset)
	if letter {
		t.out.DeadLetters = append(t.out.DeadLetters, excludedLetter(skipped))
		t.engine.Counts().Refuse(stageJournal, reasonExcluded)
	}
	return t.pass(b, records[i+1:], to)
}

// run takes records through the engine.
func (t *Task) run(b *ingest.Batch) error {
	if t.killer != nil {
		for i := range b.Records {
			t.killer(b.Records[i].Value)
		}
	}
	var err error
	switch {
	case !t.live:
		err = t.engine.Replay(b)
	case t.inHistory():
		err = t.history(b)
	default:
		letters, refused := len(t.out.DeadLetters), 0
		refused, err = t.resume(letters, t.engine.Step(b, &t.out))
		if err == nil && t.breaker.add(decodings{len(b.Records), refused}, t.o.Now()) {
			return t.breaks()
		}
	}
	if err != nil {
		return fmt.Errorf("step: %w", err)
	}
	if n := len(b.Records); n > 0 {
		if t.live {
			t.routes.moved = t.o.Now()
			t.cycle.output = t.cycle.output || t.sends() // rows may wait for the commit
		}
		t.last = last{b.Records[n-1].Offset, fingerprint(&b.Records[n-1]), b.Records[n-1].Timestamp}
		t.lag.stepped(b.Records)
	}
	return nil
}

// fingerprint tells one record from another.
func fingerprint(r *ingest.Record) uint64 {
	b := make([]byte, 0, 24+len(r.Key)+len(r.Value))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Timestamp))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(r.Key)))
	b = append(append(b, r.Key...), r.Value...)
	return max(store.Hash(b), 1)
}

// applyNext applies the next journal entry when the task stands at its place.
func (t *Task) applyNext(ctx context.Context) (bool, error) {
	if !t.due() {
		return false, nil
	}
	entry := t.pending[0]
	position := t.engine.Position()
	if entry.At.Before(position) {
		return false, t.refuse("restore the journal topic", "journal entry %d stands at %v, but the task is at %v already", entry.Number, entry.At, position)
	}
	t.pending = t.pending[1:]
	if entry.Kind == journal.Tick {
		return true, t.applyTick(&entry)
	}
	switch entry.Kind {
	case journal.Bundle:
		if err := t.activate(ctx, entry.Bundle); err != nil {
			return false, err
		}
	case journal.Exclude:
		t.excluded[entry.Excluded] = true
	case journal.Engine: // whether this one may replay it was decided by the commit
	default:
		return false, t.refuse("restore the journal topic", "journal entry %d begins the task anew", entry.Number)
	}
	t.passed(&entry)
	return true, nil
}

// passed notes that the task stands behind a journal entry.
func (t *Task) passed(entry *journal.Entry) {
	position := t.engine.Position()
	position.Step++
	t.engine.Restore(position, t.engine.Watermark())
	t.applied = entry.Number
}

// activate puts another bundle in force.
func (t *Task) activate(ctx context.Context, number event.Offset) error {
	plan, err := t.o.Bundles.Plan(ctx, number)
	if err != nil {
		return fmt.Errorf("load the rules of bundle %d: %w", number, err)
	}
	next, err := t.engine.Switch(plan, number)
	if err != nil {
		return fmt.Errorf("activate bundle %d: %w", number, err)
	}
	t.left()
	t.log.Info("rules activated", "bundle", number, "before", t.bundle, "position", t.engine.Position().String())
	t.engine, t.bundle = next, number
	t.limit()
	t.rewarm()
	crash.At(crash.Activated)
	t.sweep.restart()
	return nil
}

// journal commits with a new entry at the position, and applies it when that has succeeded.
func (t *Task) journal(ctx context.Context, entry journal.Entry) error {
	entry.Number, entry.At = t.written+1, t.engine.Position()
	if entry.Kind == journal.Bundle {
		if err := t.leave(ctx, entry.Bundle); err != nil {
			return err
		}
	}
	crash.At(crash.BeforeJournal)
	if err := t.o.Producer.Send(ctx, []Message{t.entryMessage(&entry)}); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	crash.At(crash.JournalSent)
	t.written = entry.Number
	t.cycle.output = true
	if err := t.commit(ctx); err != nil {
		return err
	}
	crash.At(crash.EntryCommitted)
	t.pending = append(t.pending, entry)
	_, err := t.applyNext(ctx)
	return err
}

func (t *Task) entryMessage(e *journal.Entry) Message {
	return Message{Topic: t.o.JournalTopic, Key: journal.Key(t.name, e.Number), Value: e.Append(nil)}
}

// send hands the output since the last call to the producer.
func (t *Task) send(ctx context.Context) error {
	var messages []Message
	for i := range t.out.Alerts[t.sent:] {
		a := &t.out.Alerts[t.sent+i]
		topic := t.o.AlertsTopic
		if a.Rule.Mode == rules.Shadow {
			topic = t.o.ShadowTopic
		}
		messages = append(messages, Message{Topic: topic, Key: a.Key, Value: a.Value, Headers: t.alertHeaders(a)})
	}
	for i := range t.out.DeadLetters[t.sentDead:] {
		messages = append(messages, t.deadLetter(&t.out.DeadLetters[t.sentDead+i]))
	}
	messages = t.frames(messages)
	t.tellPanics()
	t.sent, t.sentDead = len(t.out.Alerts), len(t.out.DeadLetters)
	if len(messages) == 0 {
		return nil
	}
	t.cycle.output = true
	if err := t.o.Producer.Send(ctx, messages); err != nil {
		t.did(Work{Kind: Committed, Err: err})
		return fmt.Errorf("send alerts: %w", err)
	}
	crash.At(crash.AlertsSent)
	return nil
}

// commitDue reports whether it is time to commit.
func (t *Task) commitDue() bool {
	if t.breaker.holds() {
		return false
	}
	if t.crowded() {
		return true
	}
	if t.cycle.output && (len(t.out.Alerts) >= outputAlertsMax || t.out.Bytes() >= outputBytesMax) {
		return true
	}
	return t.untilCommit() <= 0
}

// untilCommit is how long the next commit can wait.
func (t *Task) untilCommit() time.Duration {
	interval := idleCommit
	if t.cycle.output || t.sweep.active || t.warming() {
		interval = min(interval, t.o.CommitInterval)
	}
	return interval - t.o.Now().Sub(t.cycle.last)
}

// commit makes what was sent visible, together with the position. Nothing is written when nothing has moved.
func (t *Task) commit(ctx context.Context) error {
	position := t.engine.Position()
	t.cycle.last = t.o.Now()
	if position == t.committed && !t.cycle.output && t.firing == t.engine.Firing() {
		return nil
	}
	if err := t.sendRows(ctx); err != nil {
		return err
	}
	c := journal.Commit{Step: position.Step, Bundle: t.bundle, Journal: t.written, Watermark: t.engine.Watermark(), Engine: t.o.Engine, Swept: t.swept}
	if c.Firing = t.engine.Firing(); c.Firing {
		c.Fired = t.engine.Fired()
	}
	if err := t.produce(ctx, position.Offset, &c); err != nil {
		return fmt.Errorf("commit %v: %w", position, err)
	}
	crash.At(crash.Committed)
	t.lag.oldest = event.NoTime
	t.committed, t.firing = position, c.Firing
	t.cycle.output = false
	t.out.Reset()
	t.sent, t.sentDead, t.sentFrames = 0, 0, 0
	return nil
}

// produce ends the transaction with a commit.
func (t *Task) produce(ctx context.Context, next event.Offset, c *journal.Commit) error {
	crash.At(crash.BeforeCommit)
	began := t.o.Now()
	err := t.o.Producer.Commit(ctx, next, c.Text())
	took := t.o.Now().Sub(began)
	t.did(Work{Kind: Committed, Err: err, Took: took})
	if err == nil {
		t.log.Debug("committed", "offset", next, "alerts", len(t.out.Alerts), "dead_letters", len(t.out.DeadLetters), "took", took.String())
	}
	return err
}

// stopGrace bounds how long a task goes on once it is asked to stop, and sweepGrace the sweep within.
const (
	stopGrace  = 5 * time.Second
	sweepGrace = time.Second
)

// stop ends the work in order: commit, sweep for a moment, leave the rest to whoever comes next.
func (t *Task) stop(ctx context.Context) error {
	crash.At(crash.StopBegun)
	if t.breaker.holds() {
		return nil // whoever comes next reads them again, and decides
	}
	if err := t.commit(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	crash.At(crash.StopCommitted)
	t.farewell(ctx)
	deadline := t.o.Now().Add(sweepGrace)
	if err := t.sweepAll(ctx, deadline); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	crash.At(crash.StopSwept)
	t.update(func(s *Status) { s.Committed = t.committed })
	return nil
}
