package redis

import (
	"bytes"
	"cmp"
	"context"
	"errors"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// Due asks the index which contexts are due, and then for these: nobody but the owner changes either.
func (t *task) Due(ctx context.Context, keyspace checkpoint.KeyspaceID, from checkpoint.Timer, before event.Time, max int, each func(c checkpoint.Context) error) (checkpoint.Timer, error) {
	d := due{task: t, keyspace: keyspace, each: each}
	next, err := d.run(ctx, from, before, min(max, checkpoint.ChunkItemsMax))
	return next, t.wrap("read due contexts of", err)
}

// due is one call of Due.
type due struct {
	task     *task
	keyspace checkpoint.KeyspaceID
	each     func(c checkpoint.Context) error
	size     int   // of what was read
	stale    []any // entries that name no context
}

func (d *due) run(ctx context.Context, from checkpoint.Timer, before event.Time, max int) (next checkpoint.Timer, err error) {
	t := d.task
	first, end := timerEntry(from), checkpoint.AppendDeadline(nil, before)
	if bytes.Compare(end, first) < 0 {
		end = first
	}
	reply, err := t.read(ctx, dueScript, []string{t.indexKey(d.keyspace)}, first, end, max)
	if err != nil {
		return next, err
	}
	next.Deadline = event.Never
	all := append(list(reply, 1), list(reply, 2)...)
	timers := make([]checkpoint.Timer, len(all))
	for i := range all {
		var ok bool
		if timers[i], ok = parseTimer(text(all, i)); !ok {
			return next, t.torn("index of deadlines", errors.New("malformed"))
		}
	}
	rest := timers[:len(list(reply, 1))]
	for len(rest) > 0 && d.size <= replyBytesMax {
		n, err := d.some(ctx, rest)
		if err != nil {
			return next, err
		}
		rest, timers = rest[n:], timers[n:]
	}
	if len(timers) > 0 {
		next = timers[0]
	}
	if len(d.stale) > 0 {
		_, err = t.change(ctx, staleScript, []string{t.indexKey(d.keyspace)}, d.stale...)
	}
	return next, err
}

// some calls back with the contexts of the first entries, as many as one answer holds, and returns their number.
func (d *due) some(ctx context.Context, timers []checkpoint.Timer) (n int, err error) {
	t := d.task
	buckets, args := make([]string, 0, len(timers)), append(make([]any, 0, 1+2*len(timers)), replyBytesMax)
	for i := range timers {
		buckets = append(buckets, t.bucketKey(d.keyspace, bucketOf(timers[i].Key)))
		args = append(args, 1, timers[i].Key)
	}
	reply, err := t.read(ctx, loadScript, buckets, args...)
	for n = 0; err == nil && n+1 < len(reply); n++ {
		err = cmp.Or(ctx.Err(), d.give(timers[n], list(reply, n+1)))
	}
	return n, err
}

// give calls back with the context of an entry.
func (d *due) give(at checkpoint.Timer, value []any) error {
	c := checkpoint.Context{Deadline: event.Never}
	if v := text(value, 0); v != "" {
		var err error
		if c, err = d.task.parse(d.keyspace, at.Key, v); err != nil {
			return err
		}
	}
	if c.Deadline != at.Deadline {
		d.stale = append(d.stale, timerEntry(at))
		return nil
	}
	d.size += len(c.Key) + len(c.Blob)
	return d.each(c)
}
