package store

import (
	"testing"

	"insolite/internal/event"
)

// Cold yields each context once a round, and only when it was not used since the round before.
func TestColdIsAClock(t *testing.T) {
	l, err := NewLayout(Specs{})
	if err != nil {
		t.Fatal(err)
	}
	k := New(l, Options{})
	use := func(names ...string) {
		for _, n := range names {
			key := []byte(n)
			h, ok := k.Find(Hash(key), key)
			if !ok {
				h = k.Create(Hash(key), key)
			}
			x := k.View(h)
			x.Advance(event.Position{Offset: 1}, 1)
		}
	}
	cold := func(max int) (names string) {
		k.Cold(max, func(h Handle) bool {
			x := k.View(h)
			names += string(x.Key())
			return true
		})
		return names
	}
	use("a", "b", "c")
	for i, want := range []string{"", "abc"} {
		if got := cold(100); got != want {
			t.Errorf("round %d: %q, want %q", i, got, want)
		}
	}
	use("b")
	if got := cold(2) + cold(2); got != "aca" {
		t.Errorf("after b was used: %q, want aca", got)
	}
}
