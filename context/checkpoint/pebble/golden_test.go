package pebble

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
	"insolite/internal/golden"
)

// What this version has stored once is read, and stored the same. The file has keys and values in turn; the token of an owner is random, so
// it is replaced.
func TestGoldenStore(t *testing.T) {
	s := open(t, vfs.NewMem())
	fill(t, mustOpen(t, s, id))
	kept := golden.Same(t, "testdata/store-1.hex", dump(t, s)...)

	disk := vfs.NewMem()
	db, err := pebble.Open("data", &pebble.Options{FS: disk, Merger: newMerger(), Logger: logger{&Store{opts: Options{Log: t.Logf}}}})
	must(t, err)
	for i := 0; i < len(kept); i += 2 {
		must(t, db.Set(kept[i], kept[i+1], nil))
	}
	must(t, db.Close())
	filled(t, mustOpen(t, open(t, disk), id))
}

// fill stores one of everything.
func fill(t *testing.T, task checkpoint.Task) {
	t.Helper()
	must(t, task.AddLayout(t.Context(), 7, []byte("layout")))
	must(t, task.SetNote(t.Context(), []byte("note")))
	must(t, task.Write(t.Context(), []checkpoint.Item{at("ann", 1, "A context that is long enough to be compressed, compressed, compressed."), at("gone", 5, "")}))
	must(t, task.Flip(t.Context(), upTo(2)))
}

// filled sees that it is there.
func filled(t *testing.T, task checkpoint.Task) {
	t.Helper()
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
	var got string
	must(t, task.Load(t.Context(), 1, [][]byte{[]byte("ann")}, func(_ int, c checkpoint.Context) error { got = c.Position.String() + " " + string(c.Blob); return nil }))
	if got != "1 A context that is long enough to be compressed, compressed, compressed." {
		t.Errorf("context %q", got)
	}
	must(t, task.Flip(t.Context(), upTo(6)))
	if n := count(t, task); n != 1 {
		t.Errorf("%d contexts are left: the list of expired ones is not read", n)
	}
}

// dump is all that is stored, with another token.
func dump(t *testing.T, s *Store) (lines [][]byte) {
	t.Helper()
	must(t, s.each(nil, nil, func(key, value []byte) error {
		v := append([]byte{}, value...)
		switch key[0] {
		case 'E':
			f, ok := parseFence(value)
			if !ok {
				t.Error("the fence is damaged")
			}
			f.epoch.Token = 9
			v = f.append(nil)
		case 'M':
			m, err := checkpoint.ParseMeta(value)
			must(t, err)
			m.Epoch.Token = 9
			v = m.Append(nil)
		}
		lines = append(lines, append([]byte{}, key...), v)
		return nil
	}))
	return lines
}
