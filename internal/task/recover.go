package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"insolite/context/checkpoint"
	"insolite/internal/crash"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// Ways out of refusals.
const (
	anew           = "take another `app` to start anew"
	rebuild        = "to go on outside the promise of exactly-once, delete the state and set state.on_missing: rebuild"
	restoreOffsets = "restore the consumer group's offsets (are they kept long enough: offsets.retention.minutes?)"
)

// committed is what Kafka knows of a task: X with its metadata.
type committed struct {
	found    bool
	position event.Position
	journal.Commit
}

// recover is the one way to a task that works: at the start, after a rebalance, after any doubt.
func (t *Task) recover(ctx context.Context) error {
	if err := t.o.Group.Owner(ctx); err != nil {
		return fmt.Errorf("check the ownership: %w", err)
	}
	crash.At(crash.OwnerConfirmed)
	store, err := t.o.Store.Open(ctx, t.id)
	if err != nil {
		return fmt.Errorf("open the checkpoint: %w", err)
	}
	t.store = store
	crash.At(crash.EpochRaised)
	if err := t.o.Producer.Init(ctx); err != nil {
		return fmt.Errorf("take over the producer: %w", err)
	}
	crash.At(crash.ProducerTaken)
	x, err := t.readCommitted(ctx)
	if err != nil {
		return err
	}
	crash.At(crash.OffsetRead)
	meta, err := store.Meta(ctx)
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	crash.At(crash.CheckpointRead)
	if t.facts, err = t.o.Log.Facts(ctx); err != nil {
		return fmt.Errorf("look at the log: %w", err)
	}
	if x.found { // the lag is told even of a task that is refused below
		t.update(func(s *Status) { s.Committed, s.End = x.position, t.facts.End })
	}
	if t.facts.Compacted {
		return t.refuse("set cleanup.policy=delete for the topic, or read from one that is not compacted", "the topic is compacted, so records vanish from what a replay reads")
	}
	if meta != nil && t.otherTopic(meta) { // before its offsets are looked at: deleting a topic deletes the committed ones, sooner or later
		return t.refuse(anew, "the topic was created anew since the checkpoint")
	}
	entries, err := t.o.Group.Journal(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	crash.At(crash.JournalRead)
	if !x.found {
		if x, entries, err = t.first(ctx, meta, entries); err != nil {
			return err
		}
	}
	y, err := t.from(ctx, &x, meta, entries)
	if err != nil {
		return err
	}
	if err := t.restore(ctx, y, entries); err != nil {
		return err
	}
	crash.At(crash.Restored)
	if err := t.lookBack(ctx, x, y.Y); err != nil {
		return err
	}
	if meta != nil {
		t.sweep.flipped = meta.Y
	}
	if err := t.replay(ctx, x, y); err != nil {
		return err
	}
	return t.advance(t.lifetime, nil) // entries at X come before anything else is written
}

func (t *Task) readCommitted(ctx context.Context) (committed, error) {
	next, text, found, err := t.o.Group.Committed(ctx)
	if err != nil {
		return committed{}, fmt.Errorf("read the committed offset: %w", err)
	}
	if !found {
		return committed{}, nil
	}
	c, err := journal.ParseCommit(text)
	switch {
	case errors.Is(err, journal.ErrNewer):
		return committed{}, err
	case err != nil:
		return committed{}, t.refuse(anew+"; if another program or a reset of offsets uses this consumer group, keep it away", "the committed offset %d carries %q: %v", next, text, err)
	}
	return committed{found: true, position: event.Position{Offset: next, Step: c.Step}, Commit: c}, nil
}

// first begins a task that has never run: where it starts is committed together with its first journal entry.
func (t *Task) first(ctx context.Context, meta *checkpoint.Meta, entries []journal.Entry) (committed, []journal.Entry, error) {
	if meta != nil {
		return committed{}, nil, t.refuse(restoreOffsets+", or "+anew, "a checkpoint at %v exists, but no committed offset", meta.Y)
	}
	if len(entries) > 0 {
		return committed{}, nil, t.refuse(restoreOffsets+", or "+anew, "the journal has %d entries, but there is no committed offset", len(entries))
	}
	first := journal.Entry{Number: 1, Kind: journal.First, Bundle: t.o.Bundles.Newest(), Of: t.facts.Partitions}
	plan, err := t.o.Bundles.Plan(ctx, first.Bundle)
	if err != nil {
		return committed{}, nil, fmt.Errorf("load the rules of bundle %d: %w", first.Bundle, err) // before anything names it
	}
	start := t.o.Start
	if plan.Stage != nil {
		start = Start{From: FromEarliest} // what was sent to it is for it
		if first.Bundle, err = t.sentWith(ctx, first.Bundle); err != nil {
			return committed{}, nil, err
		}
	}
	if first.At.Offset, first.From, err = t.start(ctx, start); err != nil {
		return committed{}, nil, fmt.Errorf("find where to start: %w", err)
	}
	if first.At.Offset > t.facts.End {
		return committed{}, nil, fmt.Errorf("find where to start: offset %d lies beyond the transaction of another program that is open at %d", first.At.Offset, t.facts.End)
	}
	crash.At(crash.FirstDecided)
	if err := t.o.Producer.Send(ctx, []Message{t.entryMessage(&first)}); err != nil {
		return committed{}, nil, fmt.Errorf("write the first journal entry: %w", err)
	}
	crash.At(crash.FirstSent)
	commit := journal.Commit{Bundle: first.Bundle, Journal: 1, Watermark: event.NoTime, Engine: t.o.Engine}
	if err := t.produce(ctx, first.From, &commit); err != nil {
		return committed{}, nil, fmt.Errorf("commit the start: %w", err)
	}
	crash.At(crash.FirstCommitted)
	t.log.Info("first start", "offset", first.At.Offset, "context_from", first.From, "bundle", first.Bundle)
	return committed{found: true, position: event.Position{Offset: first.From}, Commit: commit}, []journal.Entry{first}, nil
}

// start returns where the output of a new task begins, and where its contexts do.
func (t *Task) start(ctx context.Context, s Start) (x, y event.Offset, err error) {
	var from event.Time
	switch s.From {
	case FromEarliest:
		return t.facts.Earliest, t.facts.Earliest, nil
	case FromTime:
		from = s.At
		if x, err = t.o.Log.OffsetAt(ctx, from); err != nil {
			return 0, 0, err
		}
	default:
		x = t.facts.End
		from, _ = event.TimeOf(t.o.Now())
	}
	if s.WarmUp <= 0 {
		return x, x, nil
	}
	y, err = t.o.Log.OffsetAt(ctx, from.Add(-s.WarmUp))
	return x, min(max(y, t.facts.Earliest), x), err
}

// from decides where the replay begins, or refuses.
func (t *Task) from(ctx context.Context, x *committed, meta *checkpoint.Meta, entries []journal.Entry) (*checkpoint.Meta, error) {
	if x.position.Offset > t.facts.End {
		return nil, t.refuse("if the topic was created anew or lost its end, "+anew, "the committed offset %v is beyond the end %d of the log", x.position, t.facts.End)
	}
	if meta == nil {
		y, err := t.fromNothing(ctx, x, entries)
		if err != nil {
			return nil, err
		}
		meta = y
	} else if err := t.agree(x, meta); err != nil {
		return nil, err
	}
	if err := t.complete(x, meta, entries); err != nil {
		return nil, err
	}
	return meta, nil
}

// fromNothing is the beginning without a checkpoint: the first start's, when there never was one.
func (t *Task) fromNothing(ctx context.Context, x *committed, entries []journal.Entry) (*checkpoint.Meta, error) {
	var first *journal.Entry
	if len(entries) > 0 && entries[0].Kind == journal.First {
		first = &entries[0]
	}
	y := &checkpoint.Meta{Last: -1, Watermark: event.NoTime, Engine: t.o.Engine, Partitions: t.facts.Partitions, TopicID: t.facts.TopicID}
	switch {
	case !x.Swept && first != nil && first.From >= t.facts.Earliest:
		y.Y, y.Bundle, y.Journal = event.Position{Offset: first.From}, first.Bundle, first.Number
		return y, t.sameEngine(x, y.Y)
	case !t.o.Rebuild && !x.Swept && first != nil:
		return nil, t.refuse("lengthen the topic's retention; to go on outside the promise of exactly-once, set state.on_missing: rebuild",
			"the log begins at %d, behind the first start's %d: what lies between is gone, and there is no checkpoint yet", t.facts.Earliest, first.From)
	case !t.o.Rebuild:
		return nil, t.refuse("restore the store (one in a folder belongs to one instance: if another instance ran this task, start that one again); to go on outside the promise of exactly-once, set state.on_missing: rebuild",
			"it has committed up to %v, but its checkpoint is missing", x.position)
	}
	plan, err := t.o.Bundles.Plan(ctx, x.Bundle)
	if err != nil {
		return nil, fmt.Errorf("load the rules: %w", err)
	}
	y.Y.Offset = t.facts.Earliest
	if reach := retention(plan); reach >= 0 {
		now, _ := event.TimeOf(t.o.Now())
		if y.Y.Offset, err = t.o.Log.OffsetAt(ctx, now.Add(-reach)); err != nil {
			return nil, fmt.Errorf("find where to rebuild from: %w", err)
		}
	}
	if x.position.Offset < t.facts.Earliest {
		t.log.Warn("records were deleted before they were read: they raise no alerts", "from", x.position.String(), "to", t.facts.Earliest)
		x.position = event.Position{Offset: t.facts.Earliest}
	}
	y.Y.Offset = min(max(y.Y.Offset, t.facts.Earliest), x.position.Offset)
	y.Bundle, y.Journal = x.Bundle, x.Journal
	x.position.Step, x.Watermark, x.Firing = 0, event.NoTime, false // what is rebuilt applies no entries, and need not come to the same watermark
	t.log.Warn("the checkpoint is missing: rebuild it from the log, outside the promise of exactly-once", "from", y.Y.String(), "to", x.position.String())
	return y, nil
}

// retention is the longest time that the plan looks back; -1: forever.
func retention(plan *rules.Plan) time.Duration {
	longest := time.Duration(0)
	for _, k := range plan.Keyspaces {
		if k.Retention < 0 {
			return -1
		}
		longest = max(longest, k.Retention)
	}
	return longest + plan.Lateness
}

// otherTopic reports whether the checkpoint is of another topic of the same name.
func (t *Task) otherTopic(meta *checkpoint.Meta) bool {
	return meta.TopicID != t.facts.TopicID && meta.TopicID != [16]byte{} && t.facts.TopicID != [16]byte{}
}

// agree checks that checkpoint, commit and log are of one task and one log.
func (t *Task) agree(x *committed, meta *checkpoint.Meta) error {
	y := meta.Y
	switch {
	case x.position.Before(y):
		return t.refuse(restoreOffsets+" or the store that belongs to them, or "+anew,
			"the checkpoint at %v is ahead of the committed offset %v", y, x.position)
	case meta.Partitions != t.facts.Partitions:
		return t.refuse(anew+": keys have moved between partitions, so their histories are torn", "the topic has %d partitions, at the checkpoint it had %d", t.facts.Partitions, meta.Partitions)
	case y.Offset < t.facts.Earliest:
		return t.refuse("lengthen the topic's retention; "+rebuild,
			"the log begins at %d, behind the checkpoint at %v: what lies between is gone", t.facts.Earliest, y)
	}
	return t.sameEngine(x, y)
}

// complete checks that the journal has every entry from the checkpoint to the commit.
func (t *Task) complete(x *committed, meta *checkpoint.Meta, entries []journal.Entry) error {
	want := meta.Journal + 1
	for i := range entries {
		if entries[i].Number < want {
			continue
		}
		if entries[i].Number != want {
			break
		}
		want++
	}
	if want <= x.Journal {
		return t.refuse("restore the journal topic; "+rebuild, "journal entry %d is missing; the task has written %d", want, x.Journal)
	}
	return nil
}

// restore makes the engine as of the checkpoint.
func (t *Task) restore(ctx context.Context, y *checkpoint.Meta, entries []journal.Entry) error {
	plan, err := t.o.Bundles.Plan(ctx, y.Bundle)
	if err != nil {
		return fmt.Errorf("load the rules of bundle %d: %w", y.Bundle, err)
	}
	e, err := engine.New(plan, engine.Options{Partition: t.o.Partition, Since: y.Since, Load: t.load, Due: t.lookUp, Pause: t.pauseAfter, Bundle: y.Bundle, Partitions: t.facts.Partitions, Targets: t.o.Bundles.Targets, FrameBytes: t.frameBytes})
	if err != nil {
		return err
	}
	layouts, err := t.store.Layouts(ctx)
	if err != nil {
		return fmt.Errorf("read the checkpoint's layouts: %w", err)
	}
	t.layouts = map[uint64]bool{}
	for id, description := range layouts {
		if err := e.RememberLayout(description); err != nil {
			return fmt.Errorf("read a layout of the checkpoint: %w", err)
		}
		t.layouts[id] = true
	}
	e.Restore(y.Y, y.Watermark)
	if len(y.Upstreams) > 0 {
		e.RestoreUpstreams(y.Upstreams)
	}
	t.engine, t.bundle, t.applied = e, y.Bundle, y.Journal
	t.newWarm(len(layouts) == 0) // the first context is written after its layout
	t.last = last{y.Last, y.Fingerprint, event.NoTime}
	t.begins = 0
	if len(entries) > 0 && entries[0].Kind == journal.First {
		t.begins = entries[0].At.Offset
	}
	t.pending, t.excluded, t.written = nil, map[event.Offset]bool{}, 0
	for _, entry := range entries {
		t.written = max(t.written, entry.Number)
		if entry.Number > y.Journal {
			t.pending = append(t.pending, entry)
		} else if entry.Kind == journal.Exclude && entry.Excluded >= y.Y.Offset {
			t.excluded[entry.Excluded] = true
		}
	}
	return nil
}

// replay steps what lies between the checkpoint and the commit, without output. The batch that reaches the commit goes on live.
func (t *Task) replay(ctx context.Context, x committed, y *checkpoint.Meta) error {
	t.committed, t.swept, t.target = x.position, x.Swept, x
	t.firing = x.Firing
	t.limit()
	t.lag = lag{event.NoTime, event.NoTime, event.NoTime}
	t.trimmed = trimmed{t.o.Now(), y.Last}
	from := y.Y.Offset
	if y.Last >= t.facts.Earliest {
		from = y.Last // to compare it
	}
	feed, err := t.o.Log.Open(ctx, from)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	t.feed = feed
	t.update(func(s *Status) {
		s.Phase, s.Position, s.Committed, s.Swept, s.End, s.Bundle, s.Journal, s.Progress = Replaying, y.Y, x.position, y.Y, t.facts.End, y.Bundle, y.Journal, t.o.Now()
	})
	t.log.Info("replay", "from", y.Y.String(), "to", x.position.String(), "bundle", y.Bundle)
	if err := t.reached(); err != nil {
		return err
	}
	if err := t.compare(ctx, y); err != nil {
		return err
	}
	for !t.live && ctx.Err() == nil {
		if err := t.poll(ctx, time.Second); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		crash.At(crash.Replaying)
	}
	if t.live {
		return nil // also when it has been asked to stop since: the work ends in order
	}
	return ctx.Err()
}

// compare checks that the last record stepped before the checkpoint is still the same, and steps what came with it.
func (t *Task) compare(ctx context.Context, y *checkpoint.Meta) error {
	if y.Last < t.facts.Earliest {
		return nil // trimmed: that the topic is the same has been checked
	}
	for {
		b, err := t.feed.Poll(ctx, time.Second)
		if err != nil {
			return fmt.Errorf("read the record at %d: %w", y.Last, err)
		}
		if b == nil {
			continue
		}
		if len(b.Records) == 0 && b.Next <= y.Last {
			continue
		}
		if len(b.Records) == 0 || b.Records[0].Offset != y.Last || fingerprint(&b.Records[0]) != y.Fingerprint {
			return t.refuse(anew, "the record at %d, the last one before the checkpoint, is another one now: the log is not the one that was read", y.Last)
		}
		t.last.timestamp = b.Records[0].Timestamp
		if err := t.advance(t.lifetime, b); err != nil {
			return err
		}
		return t.send(t.lifetime)
	}
}

// reached ends the replay when the task stands at the commit: what it came to must be what was committed.
func (t *Task) reached() error {
	x := &t.target
	if t.live || t.engine.Position().Before(x.position) {
		return nil
	}
	if t.bundle != x.Bundle {
		return t.refuse("restore the journal topic; "+rebuild, "the replay ends with bundle %d, but %d was in force", t.bundle, x.Bundle)
	}
	if w := t.engine.Watermark(); x.Watermark != event.NoTime && w != x.Watermark {
		return t.refuse(rebuild,
			"the replay ends with the watermark %d, but it was %d: the log or the rules are not what they were", w, x.Watermark)
	}
	t.live, t.lag.oldest = true, event.NoTime
	crash.At(crash.Live)
	took := t.o.Now().Sub(t.began)
	t.cycle.last = t.o.Now()
	t.sweep.last = t.o.Now()
	t.routes.moved = t.o.Now()
	phase := Live
	if t.inHistory() {
		phase = Replaying
	}
	t.update(func(s *Status) { s.Phase, s.Err, s.Progress = phase, nil, t.o.Now() })
	t.did(Work{Kind: Recovered, Took: took})
	t.log.Info("live", "position", t.engine.Position().String(), "bundle", t.bundle, "took", took.Round(time.Millisecond).String())
	return nil
}
