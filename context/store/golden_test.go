package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/internal/golden"
)

// goldenSpecs is a layout with every family and every kind of window. It stays as it is: what is new gets a file of its own.
func goldenSpecs() Specs {
	number, text := []event.Kind{event.KindNumber}, []event.Kind{event.KindString}
	sliding := window.Window{Kind: window.Sliding, Length: time.Hour}
	exact := window.Window{Kind: window.Exact, Length: 20 * time.Minute}
	day := window.Window{Kind: window.Calendar, Unit: window.Day}
	session := window.Window{Kind: window.Session, Length: 5 * time.Minute}
	cells := []window.Spec{
		{Family: window.Sum, Window: sliding, Kinds: number},
		{Family: window.Distinct, Window: sliding, Kinds: text},
		{Family: window.Recent, Window: sliding, Kinds: []event.Kind{event.KindNumber, event.KindString}},
		{Family: window.Spread, Window: exact, Kinds: number},
		{Family: window.Count, Window: day},
		{Family: window.Extremes, Window: session, Kinds: number},
		{Family: window.Distinct, Window: exact, Kinds: text, Exact: true},
		{Family: window.Bins, Window: sliding, Kinds: number},
		{Family: window.Sum, Window: window.Window{Kind: window.Events, N: 20}, Kinds: number},
		{Family: window.Distinct, Window: window.Window{Kind: window.Forever}, Kinds: text},
	}
	for i := range cells {
		cells[i].Identity = uint64(100 + i)
	}
	return Specs{
		Cells:    cells,
		Dedupe:   []DedupeSpec{{Identity: 1, For: 10 * time.Minute}},
		Suppress: []SuppressSpec{{Identity: 1, For: 30 * time.Minute}, {Identity: 2, Calendar: &day}},
		Evidence: []EvidenceSpec{{Identity: 1, N: 4, Within: time.Hour}},
	}
}

// What this version wrote once is read byte for byte, and written the same.
func TestGoldenContexts(t *testing.T) {
	k := New(newTestLayout(t, goldenSpecs()), Options{})
	log := testLog(11, 3, 300)
	for i := range log {
		step(k, &log[i], nil)
	}
	now := [][]byte{k.layout.Describe()}
	for h := range Handle(3) {
		now = append(now, k.Blob(nil, h))
	}
	kept := golden.Same(t, "testdata/contexts-1.hex", now...)
	fresh := New(newTestLayout(t, goldenSpecs()), Options{})
	if err := fresh.RememberLayout(kept[0]); err != nil {
		t.Fatal(err)
	}
	for i, blob := range kept[1:] {
		key, err := BlobKey(blob)
		if err != nil {
			t.Fatal(err)
		}
		h, err := fresh.Load(Hash(key), blob)
		if err != nil || !bytes.Equal(fresh.Blob(nil, h), blob) {
			t.Errorf("context %d: loaded as another: %v", i, err)
		}
	}
}

// Formats of later versions are told as such.
func TestNewerFormats(t *testing.T) {
	k := New(newTestLayout(t, goldenSpecs()), Options{})
	log := testLog(1, 1, 3)
	for i := range log {
		step(k, &log[i], nil)
	}
	desc, blob := k.layout.Describe(), k.Blob(nil, 0)
	desc[0]++
	blob[0]++
	_, keyErr := BlobKey(blob)
	_, positionErr := BlobPosition(blob)
	_, loadErr := New(k.layout, Options{}).Load(Hash([]byte("k")), blob)
	for what, err := range map[string]error{"layout": k.RememberLayout(desc), "key": keyErr, "position": positionErr, "load": loadErr} {
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "this one reads 1") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
