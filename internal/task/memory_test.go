package task

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// memory is a checkpoint store that can be put back to an earlier state, as one does that lost its tail.
type memory struct {
	tokens  uint64
	state   memoryState
	history []memoryState

	torn     bool  // its meta is damaged
	newer    error // of its meta
	full     bool  // it has no room
	mutation string
	present  *Task // the instance that was made last
	scans    int
	dues     int // contexts that were found by what is due
}

type memoryState struct {
	epoch    checkpoint.Epoch
	writes   uint64
	meta     *checkpoint.Meta
	contexts map[string]checkpoint.Item
	timers   map[memoryTimer]bool
	layouts  map[uint64][]byte
	note     []byte
}

// memoryTimer is an entry of the index of deadlines.
type memoryTimer struct {
	keyspace checkpoint.KeyspaceID
	deadline event.Time
	key      string
}

func (s memoryState) clone() memoryState {
	s.contexts, s.timers, s.layouts = maps.Clone(s.contexts), maps.Clone(s.timers), maps.Clone(s.layouts)
	return s
}

func newMemory() *memory {
	return &memory{state: memoryState{contexts: map[string]checkpoint.Item{}, timers: map[memoryTimer]bool{}, layouts: map[uint64][]byte{}}}
}

func (m *memory) Close() error { return nil }

func (m *memory) keep() {
	m.history = append(m.history, m.state.clone())
	if len(m.history) > 4 {
		m.history = m.history[1:]
	}
}

func (m *memory) Open(context.Context, checkpoint.TaskID) (checkpoint.Task, error) {
	if m.full {
		return nil, checkpoint.ErrFull
	}
	m.keep()
	m.tokens++
	m.state.epoch = checkpoint.Epoch{Counter: m.state.epoch.Counter + 1, Token: m.tokens}
	m.state.writes++
	return &memoryTask{m: m, epoch: m.state.epoch, writes: m.state.writes}, nil
}

type memoryTask struct {
	m      *memory
	epoch  checkpoint.Epoch
	writes uint64
}

func (t *memoryTask) check() error {
	switch {
	case t.m.mutation == "no write number":
		return nil
	case t.m.state.epoch != t.epoch:
		return checkpoint.ErrFenced
	case t.m.state.writes != t.writes:
		return checkpoint.ErrDoubt
	}
	return nil
}

func (t *memoryTask) change() error {
	if err := t.check(); err != nil {
		return err
	}
	if t.m.full {
		return checkpoint.ErrFull
	}
	t.m.keep()
	t.m.state.writes++
	t.writes = t.m.state.writes
	return nil
}

func (t *memoryTask) Epoch() checkpoint.Epoch { return t.epoch }

func (t *memoryTask) Meta(context.Context) (*checkpoint.Meta, error) {
	if t.m.newer != nil {
		return nil, t.m.newer
	}
	if t.m.torn {
		return nil, &checkpoint.TornError{What: "meta", Err: errors.New("the checksum does not match")}
	}
	if t.m.state.meta == nil {
		return nil, t.check()
	}
	meta, err := checkpoint.ParseMeta(t.m.state.meta.Append(nil))
	return meta, errors.Join(err, t.check())
}

func (t *memoryTask) AddLayout(_ context.Context, id uint64, description []byte) error {
	if err := t.change(); err != nil {
		return err
	}
	t.m.state.layouts[id] = slices.Clone(description)
	return nil
}

func (t *memoryTask) Layouts(context.Context) (map[uint64][]byte, error) {
	return maps.Clone(t.m.state.layouts), t.check()
}

func (t *memoryTask) Write(_ context.Context, chunk []checkpoint.Item) error {
	if err := t.change(); err != nil {
		return err
	}
	for _, i := range chunk {
		k := fmt.Sprint(i.Keyspace, string(i.Key))
		if old, ok := t.m.state.contexts[k]; ok && i.Position.Before(old.Position) {
			continue
		} else if ok {
			delete(t.m.state.timers, memoryTimer{old.Keyspace, old.Deadline, string(old.Key)})
		}
		if deadline, ok := i.Pending(); ok && t.m.mutation != "no index" {
			t.m.state.timers[memoryTimer{i.Keyspace, deadline, string(i.Key)}] = true
		}
		i.Key, i.Blob = slices.Clone(i.Key), slices.Clone(i.Blob)
		t.m.state.contexts[k] = i
	}
	return nil
}

func (t *memoryTask) Flip(_ context.Context, meta *checkpoint.Meta) error {
	if err := t.change(); err != nil {
		return err
	}
	m := *meta
	if t.m.mutation == "closure broken" {
		m.Last = -1 // a record is read as another one before and after a crash, which the recovery notices otherwise
	}
	maps.DeleteFunc(t.m.state.contexts, func(_ string, i checkpoint.Item) bool { return len(i.Blob) == 0 && !m.Y.Before(i.Position) })
	now := t.m.present
	if now.engine == nil {
		t.m.state.meta = &m
		return nil
	}
	switch t.m.mutation {
	case "position of the flip":
		m.Y = now.committed
	case "upstreams of the flip":
		m.Upstreams = now.upstreams()
	case "watermark of the flip":
		m.Watermark = now.engine.Watermark()
	}
	t.m.state.meta = &m
	return nil
}

func (t *memoryTask) Load(_ context.Context, keyspace checkpoint.KeyspaceID, keys [][]byte, into func(int, checkpoint.Context) error) error {
	if err := t.check(); err != nil {
		return err
	}
	for i, key := range keys {
		if c, ok := t.m.state.contexts[fmt.Sprint(keyspace, string(key))]; ok {
			if err := into(i, checkpoint.Context{Key: key, Position: c.Position, Blob: c.Blob}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *memoryTask) Scan(context.Context, checkpoint.KeyspaceID, func(checkpoint.Context) error) error {
	return errors.New("a task does not scan")
}

// ScanFrom gives one or two contexts at a time.
func (t *memoryTask) ScanFrom(_ context.Context, keyspace checkpoint.KeyspaceID, from checkpoint.Cursor, each func(checkpoint.Context) error) (checkpoint.Cursor, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	prefix := fmt.Sprint(keyspace)
	left := 1 + t.m.scans%2
	t.m.scans++
	for _, k := range slices.Sorted(maps.Keys(t.m.state.contexts)) {
		c := t.m.state.contexts[k]
		if c.Keyspace != keyspace || k < prefix+string(from) {
			continue
		}
		if left == 0 {
			return checkpoint.Cursor(c.Key), nil
		}
		left--
		if err := each(checkpoint.Context{Key: c.Key, Position: c.Position, Blob: c.Blob}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// Due gives one or two contexts at a time.
func (t *memoryTask) Due(_ context.Context, keyspace checkpoint.KeyspaceID, from checkpoint.Timer, before event.Time, max int, each func(checkpoint.Context) error) (checkpoint.Timer, error) {
	if err := t.check(); err != nil {
		return checkpoint.Timer{}, err
	}
	var index []checkpoint.Timer
	for k := range t.m.state.timers {
		if k.keyspace == keyspace {
			index = append(index, checkpoint.Timer{Deadline: k.deadline, Key: []byte(k.key)})
		}
	}
	slices.SortFunc(index, checkpoint.Timer.Compare)
	left := min(max, 1+t.m.scans%2)
	t.m.scans++
	for _, at := range index {
		if at.Compare(from) < 0 {
			continue
		}
		if left == 0 || at.Deadline >= before {
			return at, nil
		}
		c, ok := t.m.state.contexts[fmt.Sprint(keyspace, string(at.Key))]
		if deadline, pending := c.Pending(); !ok || !pending || deadline != at.Deadline {
			return checkpoint.Timer{}, fmt.Errorf("a stale entry of %q at %d", at.Key, at.Deadline)
		}
		if t.m.mutation == "cold timers are not looked up" {
			continue
		}
		t.m.dues++
		left--
		if err := each(checkpoint.Context{Key: at.Key, Position: c.Position, Deadline: c.Deadline, Blob: c.Blob}); err != nil {
			return checkpoint.Timer{}, err
		}
	}
	return checkpoint.Timer{Deadline: event.Never}, nil
}

func (t *memoryTask) Note(context.Context) ([]byte, error) { return t.m.state.note, t.check() }

func (t *memoryTask) SetNote(_ context.Context, note []byte) error {
	if err := t.change(); err != nil {
		return err
	}
	t.m.state.note = slices.Clone(note)
	return nil
}

func (t *memoryTask) Drop(context.Context) error { return errors.New("a task does not drop") }
