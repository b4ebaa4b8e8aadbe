package task

import (
	"bytes"
	"testing"

	"insolite/internal/event"
	"insolite/internal/golden"
)

// What this version wrote once is read, and written the same. The note of a newer version is none: its counts begin anew, which costs a few
// more deaths and nothing else.
func TestGoldenNote(t *testing.T) {
	want := note{writer: 1, at: event.Position{Offset: 2, Step: 3}, lives: 4, care: single, until: 5, mark: span{6, 7, true}, suspect: span{8, 9, false}, deaths: 10}
	b := golden.Same(t, "testdata/note-1.hex", want.append(nil))[0]
	if got, ok := parseNote(b); !ok || got != want {
		t.Errorf("read %+v, %v", got, ok)
	}
	newer := bytes.Clone(b)
	newer[0]++
	for name, other := range map[string][]byte{"newer": newer, "short": b[:len(b)-1], "none": nil} {
		if got, ok := parseNote(other); ok {
			t.Errorf("%s: read %+v", name, got)
		}
	}
}
