package redis

import (
	"context"
	"errors"
	"fmt"

	"insolite/context/checkpoint"
	"insolite/internal/crash"
)

// forgetMax is how many expired contexts one script forgets.
const forgetMax = 1000

// Flip sets the meta, and forgets the contexts that had expired when the new Y was reached.
func (t *task) Flip(ctx context.Context, meta *checkpoint.Meta) error {
	return t.wrap("flip checkpoint of", t.flip(ctx, meta))
}

func (t *task) flip(ctx context.Context, meta *checkpoint.Meta) error {
	if meta.Y.Before(t.y) {
		if _, err := t.head(ctx); err != nil { // an owner that is none is told that
			return err
		}
		return fmt.Errorf("the new Y %s is before the stored one, %s", meta.Y, t.y)
	}
	if _, err := checkpoint.ParseMeta([]byte(t.meta)); t.meta != "" && err != nil {
		return t.torn("meta", err)
	}
	m := *meta
	m.Previous, m.Epoch = t.y, t.epoch
	next, end := string(m.Append(nil)), expiredEnd(m.Y)
	reply, err := t.change(ctx, flipScript, []string{t.expiredKey()}, t.meta, next, end, forgetMax)
	if err != nil {
		return err
	}
	t.know(next)
	crash.At(crash.MetaWritten)
	for entries := list(reply, 1); len(entries) > 0; entries = list(reply, 1) {
		if reply, err = t.forget(ctx, entries, end); err != nil {
			return err
		}
	}
	return nil
}

// forget removes entries and their contexts. What a crash leaves over is found by the next Flip.
func (t *task) forget(ctx context.Context, entries []any, end []byte) ([]any, error) {
	keys, args := []string{t.expiredKey()}, []any{end, forgetMax}
	for i := range entries {
		entry := text(entries, i)
		it, ok := parseExpired(entry)
		if !ok {
			return nil, t.torn("list of expired contexts", errors.New("malformed"))
		}
		keys = append(keys, t.bucketKey(it.Keyspace, bucketOf(it.Key)))
		args = append(args, it.Key, checkpoint.AppendValue(nil, &it), entry)
	}
	return t.change(ctx, forgetScript, keys, args...)
}

// AddLayout keeps a layout's description.
func (t *task) AddLayout(ctx context.Context, id uint64, description []byte) error {
	_, err := t.change(ctx, layoutScript, nil, fieldOf(layoutField, id), sum(description))
	return t.wrap("write layout of", err)
}

// Layouts returns every description.
func (t *task) Layouts(ctx context.Context) (map[uint64][]byte, error) {
	head, err := t.head(ctx)
	if err != nil {
		return nil, t.wrap("read layouts of", err)
	}
	all := map[uint64][]byte{}
	for field, value := range head {
		id, ok := parseField(layoutField, field)
		if !ok {
			continue
		}
		if all[id], ok = unsum([]byte(value)); !ok {
			return nil, t.wrap("read layouts of", t.torn("layout", errors.New("malformed")))
		}
	}
	return all, nil
}

// Note returns the owner's note.
func (t *task) Note(ctx context.Context) ([]byte, error) {
	head, err := t.head(ctx)
	if err != nil || head["note"] == "" {
		return nil, t.wrap("read note of", err)
	}
	note, ok := unsum([]byte(head["note"]))
	if !ok {
		return nil, t.wrap("read note of", t.torn("note", errors.New("malformed")))
	}
	return note, nil
}

// SetNote sets the owner's note.
func (t *task) SetNote(ctx context.Context, note []byte) error {
	var value []byte
	if len(note) > 0 {
		value = sum(note)
	}
	_, err := t.change(ctx, noteScript, nil, value)
	return t.wrap("write note of", err)
}

// Drop forgets everything but the epoch: first what names the contexts, then they, keyspace by keyspace.
func (t *task) Drop(ctx context.Context) error {
	return t.wrap("drop checkpoint of", t.drop(ctx))
}

func (t *task) drop(ctx context.Context) error {
	head, err := t.head(ctx)
	if err != nil {
		return err
	}
	gone := []any{"meta", "note"}
	for field := range head {
		if _, ok := parseField(layoutField, field); ok {
			gone = append(gone, field)
		}
	}
	if _, err := t.change(ctx, dropScript, []string{t.expiredKey()}, gone...); err != nil {
		return err
	}
	t.know("")
	for field := range head {
		keyspace, ok := parseField(keyspaceField, field)
		if !ok {
			continue
		}
		if _, err := t.change(ctx, dropScript, append(t.allBuckets(checkpoint.KeyspaceID(keyspace)), t.indexKey(checkpoint.KeyspaceID(keyspace))), field); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) allBuckets(keyspace checkpoint.KeyspaceID) []string {
	keys := make([]string, bucketCount)
	for i := range keys {
		keys[i] = t.bucketKey(keyspace, uint16(i))
	}
	return keys
}
