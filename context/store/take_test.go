package store

import (
	"bytes"
	"testing"

	"insolite/context/window"
)

// What a keyspace takes over is what it would load, under the same handles, as dirty as it was; of the same parts it is the same to the bit. Both go on.
func TestTake(t *testing.T) {
	old := testSpecs(true)
	next := Specs{Dedupe: old.Dedupe, Suppress: []SuppressSpec{old.Suppress[1]}, Evidence: old.Evidence}
	for _, i := range []int{9, 0, 5, 2, 7} {
		next.Cells = append(next.Cells, old.Cells[i])
	}
	next.Cells = append(next.Cells, window.Spec{Identity: 7, Family: window.Count, Window: window.Window{Kind: window.Forever}})
	log := testLog(3, 50, 2000)
	for _, specs := range []Specs{old, next} {
		a := New(newTestLayout(t, old), Options{})
		loaded, taken := New(newTestLayout(t, specs), Options{}), New(newTestLayout(t, specs), Options{})
		if err := loaded.RememberLayout(a.layout.Describe()); err != nil {
			t.Fatal(err)
		}
		for i := range log[:1500] {
			step(a, &log[i], nil)
		}
		gone := Handle(3)
		a.MarkClean(gone)
		a.Evict(gone)
		a.MarkClean(5)
		keys, dirty := a.Len(), a.DirtyLen()
		for h := range a.All {
			x := a.View(h)
			if _, err := loaded.Load(Hash(x.Key()), a.Blob(nil, h)); err != nil {
				t.Fatal(err)
			}
		}
		taken.Take(a)
		if taken.Len() != keys || taken.DirtyLen() != dirty || taken.IsDirty(5) || !taken.IsDirty(6) {
			t.Errorf("%d keys, %d of them dirty; want %d, %d", taken.Len(), taken.DirtyLen(), keys, dirty)
		}
		if taken.Bytes() < loaded.Bytes()/2 {
			t.Errorf("%d bytes are told, loaded there are %d", taken.Bytes(), loaded.Bytes())
		}
		same := func() {
			t.Helper()
			for h := range taken.All {
				x := taken.View(h)
				g, ok := loaded.Find(Hash(x.Key()), x.Key())
				if !ok || !bytes.Equal(taken.Blob(nil, h), loaded.Blob(nil, g)) {
					t.Fatalf("the context of %q is another", x.Key())
				}
			}
		}
		same()
		if specs.Cells[0].Identity != old.Cells[0].Identity {
			continue // step is of the old ones
		}
		for i := range log[1500:] {
			step(taken, &log[1500+i], nil)
			step(loaded, &log[1500+i], nil)
		}
		same()
	}
}
