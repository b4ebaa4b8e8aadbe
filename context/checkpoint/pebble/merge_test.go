package pebble

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// However pebble has cut the writes of a key into tables, and whichever it has merged, the same write wins: that of the latest position.
func TestTheLatestPositionWinsInEveryTable(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 4))
		s, err := Open(Options{Dir: "data", fs: vfs.NewMem(), memTable: 256 << 10})
		must(t, err)
		task := mustOpen(t, s, id)
		want := map[string]checkpoint.Item{}
		for n := range 400 {
			it := at(fmt.Sprint(r.IntN(6)), r.IntN(300), fmt.Sprintf("write %d", n))
			it.Position.Step = uint32(r.IntN(2))
			must(t, task.Write(t.Context(), []checkpoint.Item{it}))
			if old, ok := want[string(it.Key)]; !ok || !it.Position.Before(old.Position) {
				want[string(it.Key)] = it
			}
			switch r.IntN(20) {
			case 0:
				must(t, s.db.Flush())
			case 1:
				must(t, s.db.Compact(t.Context(), []byte{'C'}, []byte{'D'}, false))
			case 2:
				y := event.Position{Offset: event.Offset(n) / 4}
				must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: y}))
				expireBehind(t, task, want, y)
			}
		}
		got := 0
		must(t, task.Scan(t.Context(), 1, func(c checkpoint.Context) error {
			got++
			if it := want[string(c.Key)]; it.Position != c.Position || string(it.Blob) != string(c.Blob) {
				t.Errorf("seed %d: key %s is %q at %s, want %q at %s", seed, c.Key, c.Blob, c.Position, it.Blob, it.Position)
			}
			return nil
		}))
		if got != len(want) {
			t.Errorf("seed %d: %d contexts, want %d", seed, got, len(want))
		}
		must(t, s.Close())
	}
}

// expireBehind lets one key expire and be forgotten, so that a removal lies among the writes.
func expireBehind(t *testing.T, task checkpoint.Task, want map[string]checkpoint.Item, y event.Position) {
	t.Helper()
	gone := at("0", int(y.Offset), "")
	must(t, task.Write(t.Context(), []checkpoint.Item{gone}))
	must(t, task.Flip(t.Context(), &checkpoint.Meta{Y: y}))
	if old, ok := want["0"]; ok && !gone.Position.Before(old.Position) {
		delete(want, "0")
	}
}

// pebble folds from the newest write to older ones, and the other way round when it goes backwards: both give the same.
func TestMergeBothWays(t *testing.T) {
	merge := newMerger().Merge
	fold := func(first []byte, rest [][]byte, step func(pebble.ValueMerger, []byte) error) string {
		m, err := merge(nil, first)
		must(t, err)
		for _, v := range rest {
			must(t, step(m, v))
		}
		v, closer, err := m.Finish(true)
		must(t, err)
		defer closer.Close()
		return string(v)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 500 {
		var writes [][]byte
		want := []byte("short") // loses against everything
		writes = append(writes, want)
		for n := range 1 + r.IntN(5) {
			it := at("k", r.IntN(3), fmt.Sprint(n))
			v := checkpoint.AppendValue(nil, &it)
			if !it.Position.Before(checkpoint.ValuePosition(want)) {
				want = v
			}
			writes = append(writes, v)
		}
		up := fold(writes[0], writes[1:], pebble.ValueMerger.MergeNewer)
		slices.Reverse(writes)
		down := fold(writes[0], writes[1:], pebble.ValueMerger.MergeOlder)
		if up != string(want) || down != string(want) {
			t.Fatalf("upwards %x, downwards %x, want %x", up, down, want)
		}
	}
}
