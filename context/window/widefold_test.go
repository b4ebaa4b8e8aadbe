package window

import (
	"math/rand/v2"
	"testing"
	"time"

	"insolite/internal/event"
)

// A run that keeps its fold reads what a run without one reads: for busy keys and quiet times, events out of order, panes that leave, tails
// that grow by more or less than the fold, and whatever lies in the bytes that are added.
func TestWideFold(t *testing.T) {
	spec := Spec{Family: Distinct, Window: Window{Kind: Sliding, Length: time.Minute}, Kinds: []event.Kind{event.KindInt}}
	var kept, merged, plain uint64
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, ref := newState(t, spec), newState(t, spec)
		s.cell.byValue, ref.cell.byValue = false, false
		at, watermark := event.Time(0), event.NoTime
		if seed%2 == 0 {
			at = -30e9 // panes around zero
		}
		for i := range 20_000 {
			switch n := r.IntN(3000); {
			case n == 0:
				at += event.Time(r.Int64N(200e9)) // silence
			case n < 2900:
				at += event.Time(r.Int64N(20e6))
			}
			when := at - event.Time(r.Int64N(1+10e9*int64(r.IntN(5)/4)))
			if when < watermark {
				continue
			}
			v := []event.Value{event.IntValue(r.Int64N(1 + 100*int64(1+i/4000)))}
			s.addExactly(t, r, when, v, watermark)
			if r.IntN(200) == 0 && len(s.tail) < 1<<16 { // as when a context of another layout is converted
				s.tail = append(s.tail, make([]byte, 8*(1+r.IntN(60)))...)
			}
			ref.add(when, v, watermark)
			if r.IntN(4) > 0 {
				var got, want [1]event.Value
				was := s.cell.Folded
				a := s.cell.Read(s.head, s.tail, Query{Agg: AggDistinct}, when, got[:])
				if flags(s.head)&foldValid != 0 && s.cell.Folded-was == 1 {
					kept++
				}
				merged += s.cell.Folded - was
				was = ref.cell.Folded
				setFlags(ref.head, 0)
				b := ref.cell.Read(ref.head, ref.tail, Query{Agg: AggDistinct}, when, want[:])
				plain += ref.cell.Folded - was
				if got != want || a != b {
					t.Fatalf("seed %d, event %d: %v of %+v, want %v of %+v", seed, i, got[0].Int(), a, want[0].Int(), b)
				}
			}
			watermark = max(watermark, at-10e9)
		}
	}
	if kept < 10_000 || merged*4 > plain {
		t.Errorf("%d reads used the fold; %d panes merged instead of %d", kept, merged, plain)
	}
}

// addExactly is add with tails that grow by just what is needed or more.
func (s *state) addExactly(tb testing.TB, r *rand.Rand, at event.Time, values []event.Value, watermark event.Time) {
	for range 10 {
		need := s.cell.Add(s.head, s.tail, at, values, watermark)
		if need == 0 {
			return
		}
		need += r.IntN(4) * 8 * r.IntN(40)
		s.tail = append(s.tail, make([]byte, need-len(s.tail))...)
	}
	tb.Fatal("the tail is never long enough")
}
