package window

import (
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/event"
)

// A state by value reads what one of panes reads: for few values and many, events out of order, panes that leave, silence, and while the state
// turns into panes and back.
func TestValues(t *testing.T) {
	spec := Spec{Family: Distinct, Window: Window{Kind: Sliding, Length: time.Minute}, Kinds: []event.Kind{event.KindInt}}
	var byValue, estimated, turns, back int
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, ref := newState(t, spec), newState(t, spec)
		ref.cell.byValue = false
		at, watermark := event.Time(0), event.NoTime
		lateness := []int64{0, 1e9, 2e9, 8e9}[seed%4]
		was := true
		for i := range 8000 {
			switch n := r.IntN(1000); {
			case n < 4:
				at += event.Time(r.Int64N(200e9)) // silence
			case n < 900:
				at += event.Time(r.Int64N([]int64{20e6, 300e6, 3e9}[seed%3]))
			}
			when := max(watermark, at-event.Time(r.Int64N(1+lateness*int64(r.IntN(5)/4))))
			v := []event.Value{event.IntValue(r.Int64N([]int64{3, 16, 40, 40, 3, 16, 40, 400}[i/200%8]))}
			if r.IntN(5) > 0 {
				s.addExactly(t, r, when, v, watermark)
				ref.add(when, v, watermark)
			}
			var got, want [1]event.Value
			a, b := s.cell.Read(s.head, s.tail, Query{Agg: AggDistinct}, when, got[:]), ref.cell.Read(ref.head, ref.tail, Query{Agg: AggDistinct}, when, want[:])
			if got != want || a != b {
				t.Fatalf("seed %d, event %d: %v of %+v, want %v of %+v", seed, i, got[0].Int(), a, want[0].Int(), b)
			}
			is := flags(s.head)&valuesForm != 0
			switch {
			case is && got[0].Int() > distinctMax:
				estimated++
			case was && !is:
				turns++
			case is && !was:
				back++
			}
			if is {
				byValue++
			}
			was = is
			watermark = max(watermark, at-event.Time(lateness))
		}
	}
	if byValue < 15_000 || estimated < 10_000 || turns < 20 || back < 20 {
		t.Errorf("%d reads of a state by value, %d of them estimated; it turned %d times into panes and %d times back", byValue, estimated, turns, back)
	}
}
