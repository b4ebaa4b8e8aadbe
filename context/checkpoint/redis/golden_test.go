package redis

import (
	"maps"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"insolite/context/checkpoint"
	"insolite/internal/golden"
	"insolite/internal/redistest"
)

// What this version has stored once is read, and stored the same. The file has keys, fields and values in turn; a field that is the key
// itself tells of a member of a sorted set. The token of an owner is random, so it is replaced.
func TestGoldenStore(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	task := mustOpen(t, s, id)
	must(t, task.AddLayout(t.Context(), 7, []byte("layout")))
	must(t, task.SetNote(t.Context(), []byte("note")))
	must(t, task.Write(t.Context(), []checkpoint.Item{at("ann", 1, "A"), at("gone", 5, "")}))
	must(t, task.Flip(t.Context(), upTo(2)))
	kept := golden.Same(t, "testdata/store-1.hex", dump(t, s)...)

	server.CLI("FLUSHALL")
	for i := 0; i < len(kept); i += 3 {
		key, field, value := string(kept[i]), string(kept[i+1]), string(kept[i+2])
		if field == key {
			must(t, s.client.ZAdd(t.Context(), key, redis.Z{Member: value}).Err())
		} else {
			must(t, s.client.HSet(t.Context(), key, field, value).Err())
		}
	}
	task = mustOpen(t, s, id)
	layouts, err := task.Layouts(t.Context())
	if must(t, err); string(layouts[7]) != "layout" {
		t.Errorf("layouts: %v", layouts)
	}
	note, err := task.Note(t.Context())
	if must(t, err); string(note) != "note" {
		t.Errorf("note: %q", note)
	}
	meta, err := task.Meta(t.Context())
	if must(t, err); meta.Y != upTo(2).Y || meta.Epoch.Counter != 1 || task.Epoch().Counter != 2 {
		t.Errorf("meta %+v, then epoch %d", meta, task.Epoch().Counter)
	}
	must(t, task.Flip(t.Context(), upTo(6))) // the expired context is forgotten
	contains(t, task, "ann 1 A")
}

// dump is all that is stored, with another token.
func dump(t *testing.T, s *Store) (lines [][]byte) {
	t.Helper()
	keys, err := s.client.Keys(t.Context(), "*").Result()
	must(t, err)
	for _, key := range slices.Sorted(slices.Values(keys)) {
		if key == keyPrefix(id)+"expired" {
			members, err := s.client.ZRange(t.Context(), key, 0, -1).Result()
			must(t, err)
			for _, m := range members {
				lines = append(lines, []byte(key), []byte(key), []byte(m))
			}
			continue
		}
		fields, err := s.client.HGetAll(t.Context(), key).Result()
		must(t, err)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			value := []byte(fields[field])
			switch field {
			case "token":
				value = []byte("9")
			case "meta":
				m, err := checkpoint.ParseMeta(value)
				must(t, err)
				m.Epoch.Token = 9
				value = m.Append(nil)
			}
			lines = append(lines, []byte(key), []byte(field), value)
		}
	}
	return lines
}
