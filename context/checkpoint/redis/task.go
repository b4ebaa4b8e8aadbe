package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

const formatVersion = "1"

// task is a handle.
type task struct {
	s      *Store
	id     checkpoint.TaskID
	prefix string
	epoch  checkpoint.Epoch
	meta   string         // as the handle knows it
	y      event.Position // of the meta
	write  uint64         // number of the last write
	calls  uint64         // number of the last write that was tried: a number is never used twice
	doubt  error          // the outcome of a write is not known

	order []place
	bytes []byte
}

// Open makes the caller the owner of a task.
func (s *Store) Open(ctx context.Context, id checkpoint.TaskID) (checkpoint.Task, error) {
	t := &task{s: s, id: id, prefix: keyPrefix(id), y: checkpoint.NoPosition}
	if err := t.open(ctx); err != nil {
		return nil, fmt.Errorf("open checkpoint of %s: %w", id, err)
	}
	return t, nil
}

func (t *task) open(ctx context.Context) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if err := t.s.checkTask(ctx, t.headKey()); err != nil {
		return err
	}
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	t.epoch.Token = binary.LittleEndian.Uint64(b[:])
	reply, err := openScript.Run(ctx, t.s.client, []string{t.headKey()}, t.token(), formatVersion).Slice()
	if err != nil {
		return t.s.told(err)
	}
	if text(reply, 0) == "newer" {
		return fmt.Errorf("%w: format %s, this one reads up to %s; start the newer version, or delete the task's keys and start with state.on_missing: rebuild",
			checkpoint.ErrNewer, text(reply, 1), formatVersion)
	}
	head := fields(reply, 1)
	counter, err1 := strconv.ParseUint(head["counter"], 10, 64)
	write, err2 := strconv.ParseUint(head["write"], 10, 64)
	if err := cmp.Or(err1, err2); err != nil {
		return t.torn("epoch", err)
	}
	t.epoch.Counter, t.write, t.calls = counter, write, write
	t.know(head["meta"])
	return nil
}

// know takes a meta as the stored one. A damaged one is told by whoever reads it.
func (t *task) know(meta string) {
	t.meta, t.y = meta, checkpoint.NoPosition
	if m, err := checkpoint.ParseMeta([]byte(meta)); err == nil {
		t.y = m.Y
	}
}

func (t *task) headKey() string    { return t.prefix + "head" }
func (t *task) expiredKey() string { return t.prefix + "expired" }
func (t *task) token() string      { return strconv.FormatUint(t.epoch.Token, 10) }

func (t *task) torn(what string, err error) error {
	return &checkpoint.TornError{Task: t.id, What: what, Err: err}
}

func (t *task) usable(ctx context.Context) error {
	if t.s.closed.Load() {
		return checkpoint.ErrClosed
	}
	return cmp.Or(ctx.Err(), t.doubt)
}

// read runs a script that changes nothing.
func (t *task) read(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	return t.run(ctx, script, "", keys, args)
}

// change runs a script as a write with a number of its own. The script does nothing when that is the stored number: it has run already. It
// runs only when the stored one is that of this handle's last write. So whatever the network repeats or delays is done once, or not at all.
func (t *task) change(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	t.calls++
	reply, err := t.run(ctx, script, strconv.FormatUint(t.calls, 10), keys, args)
	if err == nil && text(reply, 0) == "ok" {
		t.write = t.calls
	}
	return reply, err
}

func (t *task) run(ctx context.Context, script *redis.Script, number string, keys []string, args []any) ([]any, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	all := make([]any, 0, 4+len(args))
	all = append(all, strconv.FormatUint(t.epoch.Counter, 10), t.token(), strconv.FormatUint(t.write, 10), number)
	reply, err := script.Run(ctx, t.s.client, append([]string{t.headKey()}, keys...), append(all, args...)...).Slice()
	if err != nil {
		if number != "" && !refused(err) {
			t.doubt = fmt.Errorf("%w: the outcome of a write is not known: %w", checkpoint.ErrDoubt, t.s.told(err))
			return nil, t.doubt
		}
		return nil, t.s.told(err)
	}
	switch text(reply, 0) {
	case "fence":
		return nil, t.fenced(text(reply, 1), text(reply, 2), text(reply, 3))
	case "meta":
		return nil, fmt.Errorf("%w: the stored meta is not the one with Y %s", checkpoint.ErrDoubt, t.y)
	}
	return reply, nil
}

// fenced says why the stored fence is not the handle's.
func (t *task) fenced(counter, token, write string) error {
	stored, err := strconv.ParseUint(counter, 10, 64)
	switch {
	case counter == "":
		return fmt.Errorf("%w: it does not know the task", checkpoint.ErrDoubt)
	case err != nil:
		return t.torn("epoch", err)
	case stored < t.epoch.Counter:
		return fmt.Errorf("%w: its epoch is %d, this owner's %d: it went back", checkpoint.ErrDoubt, stored, t.epoch.Counter)
	case stored > t.epoch.Counter || token != t.token():
		return checkpoint.ErrFenced
	}
	return fmt.Errorf("%w: its last write has number %s, this owner's %d", checkpoint.ErrDoubt, write, t.write)
}

// wrap gives an error its operation.
func (t *task) wrap(op string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, t.id, err)
	}
	return nil
}

func text(reply []any, i int) string {
	if i >= len(reply) {
		return ""
	}
	s, _ := reply[i].(string)
	return s
}

func list(reply []any, i int) []any {
	if i >= len(reply) {
		return nil
	}
	l, _ := reply[i].([]any)
	return l
}

// fields returns a reply's list of names and values.
func fields(reply []any, i int) map[string]string {
	l := list(reply, i)
	m := make(map[string]string, len(l)/2)
	for i := 0; i+1 < len(l); i += 2 {
		m[text(l, i)] = text(l, i+1)
	}
	return m
}

// Epoch returns the handle's epoch.
func (t *task) Epoch() checkpoint.Epoch { return t.epoch }

func (t *task) head(ctx context.Context) (map[string]string, error) {
	reply, err := t.read(ctx, headScript, nil)
	return fields(reply, 1), err
}

// Meta returns the stored meta.
func (t *task) Meta(ctx context.Context) (*checkpoint.Meta, error) {
	head, err := t.head(ctx)
	if err != nil {
		return nil, t.wrap("read checkpoint of", err)
	}
	if head["meta"] == "" {
		return nil, nil
	}
	m, err := checkpoint.ParseMeta([]byte(head["meta"]))
	if err != nil && !errors.Is(err, checkpoint.ErrNewer) {
		err = t.torn("meta", err)
	}
	return m, t.wrap("read checkpoint of", err)
}
