package task

import (
	"context"
	"fmt"
	"slices"
	"time"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// stage reports whether the task's records are frames, which other tasks have sent.
func (t *Task) stage() bool { return t.engine.Plan().Stage != nil }

// follow finds the first record before an offset that names rules above those in force, and activates them when the task stands at it. It
// returns how far the task may step with the rules in force.
func (t *Task) follow(ctx context.Context, b *ingest.Batch, to event.Offset) (cut event.Offset, activated bool, err error) {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Offset < t.engine.Position().Offset || t.excluded[r.Offset] {
			continue
		}
		if r.Offset >= to {
			break
		}
		number, err := engine.FrameBundle(r.Value)
		if err != nil {
			return 0, false, fmt.Errorf("the record at %d: %w", r.Offset, err)
		}
		if number <= t.bundle {
			continue
		}
		if r.Offset > t.engine.Position().Offset {
			return r.Offset, false, nil
		}
		return 0, true, t.followNow(ctx, number)
	}
	return to, false, nil
}

// followNow activates the rules that the next record names. The log says so, so there is no journal entry.
func (t *Task) followNow(ctx context.Context, number event.Offset) error {
	if t.live {
		if err := t.leave(ctx, number); err != nil {
			return err
		}
	}
	return t.activate(ctx, number)
}

// sentWith is the bundle that a stage begins with: that of the first record in its log, when there is one. Newer rules may have no use for it,
// and would lose what it was sent for.
func (t *Task) sentWith(ctx context.Context, newest event.Offset) (event.Offset, error) {
	if t.facts.Earliest >= t.facts.End {
		return newest, nil
	}
	feed, err := t.o.Log.Open(ctx, t.facts.Earliest)
	if err != nil {
		return 0, fmt.Errorf("open the log: %w", err)
	}
	defer feed.Close()
	for {
		b, err := feed.Poll(ctx, time.Second)
		switch {
		case err != nil:
			return 0, fmt.Errorf("read the first record: %w", err)
		case b == nil:
		case len(b.Records) > 0:
			number, err := engine.FrameBundle(b.Records[0].Value)
			if err != nil {
				return 0, fmt.Errorf("the record at %d: %w", b.Records[0].Offset, err)
			}
			if number < newest {
				_, err = t.o.Bundles.Plan(ctx, number) // before anything names it
			}
			return min(number, newest), err
		case b.Next >= t.facts.End:
			return newest, nil
		}
	}
}

// trimInterval is between two deletions of what a stage does not need any more.
const trimInterval = 30 * time.Second

// trimmed is what a stage's task knows of the deletion of its log.
type trimmed struct {
	last   time.Time    // when it was asked for last
	before event.Offset // what is to be deleted next time; -1: nothing
}

// trim deletes what no replay reads again, after a checkpoint: it keeps the record before the checkpoint, to which a recovery compares, and
// lags behind by one deletion, so that a store which loses its last seconds finds its log.
func (t *Task) trim(ctx context.Context) {
	r := &t.trimmed
	if !t.stage() || t.o.Now().Sub(r.last) < trimInterval {
		return
	}
	if r.before > t.facts.Earliest {
		ctx, cancel := context.WithTimeout(ctx, trimGrace)
		defer cancel()
		if err := t.o.Log.Trim(ctx, r.before); err != nil {
			t.log.Warn("records that are not needed any more can't be deleted, and take up room until they are: does the login have the right DELETE on the topic?", "before", r.before, "error", err)
		}
	}
	r.last, r.before = t.o.Now(), t.sweep.meta.Last
}

// trimGrace bounds how long a deletion may hold up the stream.
const trimGrace = 2 * time.Second

// upstreams is what a checkpoint keeps of the tasks that send to this one.
func (t *Task) upstreams() []event.Upstream { return slices.Clone(t.engine.Upstreams()) }
