package store

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"insolite/context/baseline"
	"insolite/context/window"
	"insolite/internal/event"
)

func baselines(seasons ...baseline.Season) (specs []BaselineSpec) {
	for _, season := range seasons {
		specs = append(specs, BaselineSpec{Identity: uint64(season) + 7, Spec: baseline.Spec{Season: season, History: season.History()}})
	}
	return specs
}

// Beside a cell whose tail grows, through eviction and through other layouts, a baseline holds what a model by itself does.
func TestBaselineIsThatOfTheModel(t *testing.T) {
	cells := []window.Spec{{Identity: 1, Family: window.Sum, Window: window.Window{Kind: window.Sliding, Length: time.Hour}, Kinds: []event.Kind{event.KindNumber}}}
	l := newTestLayout(t, Specs{Cells: cells, Baselines: baselines(baseline.None, baseline.HourOfWeek)})
	other := newTestLayout(t, Specs{Baselines: baselines(baseline.HourOfDay, baseline.HourOfWeek), Dedupe: []DedupeSpec{{For: time.Minute}}})
	m, err := baseline.New(baselines(baseline.HourOfWeek)[0].Spec)
	if err != nil {
		t.Fatal(err)
	}
	alone := make([]byte, m.Size())
	k := New(l, Options{})
	h := k.Create(Hash([]byte("k")), []byte("k"))
	r := rand.New(rand.NewPCG(1, 1))
	for i := range event.Time(3000) {
		at, v := i*event.Time(11*time.Minute), event.NumberValue(10+r.NormFloat64())
		x := k.View(h)
		b := k.Layout().Baseline(1)
		got, want := b.Read(&x, baseline.Query{}, at, v.Float()), m.Read(alone, baseline.Query{}, at, v.Float())
		if got.Samples != want.Samples || math.Float64bits(got.Score) != math.Float64bits(want.Score) {
			t.Fatalf("event %d: %+v, want %+v", i, got, want)
		}
		b.Absorb(&x, at, v.Float())
		m.Absorb(alone, at, v.Float())
		k.Layout().Baseline(0).Absorb(&x, at, v.Float())
		if k.Layout() == l {
			l.Cell(0).Add(&x, at, []event.Value{v}, at)
		}
		x.Advance(event.Position{Offset: event.Offset(i)}, at)
		if i%500 == 499 { // to the other layout, and back
			to := l
			if k.Layout() == l {
				to = other
			}
			next := New(to, Options{})
			if err := next.RememberLayout(k.Layout().Describe()); err != nil {
				t.Fatal(err)
			}
			if h, err = next.Load(Hash([]byte("k")), k.Blob(nil, h)); err != nil {
				t.Fatal(err)
			}
			k = next
		}
	}
	x := k.View(h)
	if tail := k.Layout().baselines[1].slot.tail(&x); !bytes.Equal(tail, alone) {
		t.Errorf("%d bytes, want those of the model, %d", len(tail), len(alone))
	}
}

// A context whose baselines are past equals an empty one, and not before.
func TestBaselineExpires(t *testing.T) {
	spec := BaselineSpec{Spec: baseline.Spec{History: time.Hour}}
	l := newTestLayout(t, Specs{Baselines: []BaselineSpec{spec}})
	k := New(l, Options{})
	x := k.View(k.Create(Hash([]byte("k")), []byte("k")))
	at := event.Time(1e9)
	for range 30 {
		l.Baseline(0).Absorb(&x, at, 1)
		x.Advance(event.Position{Offset: 1}, at)
	}
	edge := at.Add(time.Hour)
	if r := l.Baseline(0).Read(&x, baseline.Query{}, edge, 1); r.Samples != 30 {
		t.Errorf("%+v at the end of the history", r)
	}
	if r := l.Baseline(0).Read(&x, baseline.Query{}, edge+1, 1); r.Samples != 0 {
		t.Errorf("%+v behind it", r)
	}
	if k.Expire(edge, 10, nil); k.Len() != 1 {
		t.Error("expired too soon")
	}
	if k.Expire(edge+1, 10, nil); k.Len() != 0 {
		t.Error("did not expire")
	}
}

func TestBaselineBytes(t *testing.T) {
	bare := newTestLayout(t, Specs{Dedupe: []DedupeSpec{{For: time.Minute}}})
	l := newTestLayout(t, Specs{Dedupe: []DedupeSpec{{For: time.Minute}}, Baselines: baselines(baseline.HourOfWeek)})
	if got := l.BaselineBytes(0); got > 1024+4 {
		t.Errorf("%d bytes a key, want 1 KiB and its place at most", got)
	}
	if got := l.BytesPerKey(1) - bare.BytesPerKey(1); got < 1024 || got > 1024+256 {
		t.Errorf("%d bytes more a key, in blocks of a size class", got)
	}
	if _, err := NewLayout(Specs{Baselines: []BaselineSpec{{}}}); err == nil {
		t.Error("a spec without a history is taken")
	}
}
