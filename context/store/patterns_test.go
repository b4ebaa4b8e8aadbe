package store

import (
	"bytes"
	"testing"
	"time"

	"insolite/internal/event"
	"insolite/internal/golden"
)

// patternSpecs is a layout with the parts of triggers. It stays as it is.
func patternSpecs() Specs {
	step := func(times int, captures ...event.Slot) SequenceStep { return SequenceStep{times, captures} }
	return Specs{
		Values: []NewValueSpec{{Identity: 1, History: time.Hour}},
		Sequence: []SequenceSpec{
			{Identity: 1, Within: time.Hour, Keep: 4, Steps: []SequenceStep{step(2, 0, 1), step(3, 2, 3), step(1)}},
			{Identity: 2, Within: time.Hour, Keep: 4, Unordered: true, Steps: []SequenceStep{step(2, 1), step(9)}},
		},
	}
}

// What this version wrote once of the parts of triggers is read byte for byte, and written the same.
func TestGoldenPatterns(t *testing.T) {
	k := New(newTestLayout(t, patternSpecs()), Options{})
	key := []byte("k")
	h := k.Create(Hash(key), key)
	for i := range event.Offset(9) {
		x := k.View(h)
		at := event.Time(1e18) + event.Time(i)*60e9
		k.layout.NewValue(0).Show(&x, Hash([]byte{byte(i % 4)}), at, event.NoTime)
		row := event.Row{event.StringValue("text"), event.IntValue(int64(i)), event.TimeValue(at, 3600), {}}
		for q := range 2 {
			k.layout.Sequence(q).Step(&x, &Fit{At: at, Offset: i, Row: row, Steps: 1 + 2*uint16(i&1)})
		}
		x.Advance(event.Position{Offset: i + 1}, at)
	}
	kept := golden.Same(t, "testdata/patterns-1.hex", k.layout.Describe(), k.Blob(nil, h))
	fresh := New(newTestLayout(t, patternSpecs()), Options{})
	if err := fresh.RememberLayout(kept[0]); err != nil {
		t.Fatal(err)
	}
	loaded, err := fresh.Load(Hash(key), kept[1])
	if err != nil || !bytes.Equal(fresh.Blob(nil, loaded), kept[1]) {
		t.Fatalf("loaded as another: %v", err)
	}
	x := fresh.View(loaded)
	if n, _ := fresh.layout.NewValue(0).Values(&x, 1e18); n != 4 {
		t.Errorf("%d values", n)
	}
	if open := fresh.layout.Sequence(0).Open(nil, &x, 1e18+540e9); len(open) < 2 || open[0].Step != 2 {
		t.Errorf("open are %+v", open)
	}
}
