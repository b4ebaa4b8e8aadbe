package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"insolite/internal/event"
)

// shownValues is the definition: every value with the last pane in which it was shown, in the order in which they became new.
type shownValues struct {
	step    int64
	hashes  []uint64
	panes   []int64
	since   event.Time
	gaveWay uint64
}

func (s *shownValues) show(hash uint64, at event.Time) bool {
	pane := int64(at) / s.step // no test is before 1970
	if !slices.ContainsFunc(s.panes, func(p int64) bool { return p >= pane-60 }) {
		s.since = at
	}
	if i := slices.Index(s.hashes, hash); i >= 0 {
		if s.panes[i] >= pane-60 {
			s.panes[i] = max(s.panes[i], pane)
			return false
		}
		s.hashes, s.panes = slices.Delete(s.hashes, i, i+1), slices.Delete(s.panes, i, i+1)
	}
	if len(s.hashes) == 64 {
		i := slices.Index(s.panes, slices.Min(s.panes))
		if s.panes[i] >= pane-60 {
			s.gaveWay++
		}
		s.hashes, s.panes = slices.Delete(s.hashes, i, i+1), slices.Delete(s.panes, i, i+1)
	}
	s.hashes, s.panes = append(s.hashes, hash), append(s.panes, pane)
	return true
}

// TestNewValue compares with the definition, through disorder, silences, evictions and forgetting.
func TestNewValue(t *testing.T) {
	const history = time.Hour
	for _, variety := range []int{3, 50, 70, 400} {
		l := newTestLayout(t, Specs{Values: []NewValueSpec{{Identity: 1, History: history}}})
		k := New(l, Options{})
		key := []byte("k")
		h := k.Create(Hash(key), key)
		want := shownValues{step: int64(time.Minute)}
		r := rand.New(rand.NewPCG(uint64(variety), 7))
		now, high, news := event.Time(1e18), event.NoTime, 0
		for i := range 6000 {
			now += event.Time(r.Int64N(40e9))
			if r.IntN(300) == 0 {
				now += event.Time(r.Int64N(int64(4 * history)))
			}
			at := now - event.Time(r.Int64N(int64(30*time.Minute)))
			if high = max(high, at); at < high.Add(-30*time.Minute) {
				continue // late
			}
			hash := Hash([]byte{byte(r.IntN(variety)), byte(variety)})
			x := k.View(h)
			isNew, since := l.NewValue(0).Show(&x, hash, at, high.Add(-30*time.Minute))
			if wanted := want.show(hash, at); isNew != wanted || since != want.since {
				t.Fatalf("of %d, event %d: new %v since %d, want %v since %d", variety, i, isNew, since, wanted, want.since)
			}
			if isNew {
				news++
			}
			if r.IntN(10) == 0 {
				blob := k.Blob(nil, h)
				k.Evict(h)
				var err error
				if h, err = k.Load(Hash(key), blob); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := k.Stats().Values; got != want.gaveWay || got > 0 != (variety > 64) {
			t.Errorf("of %d, %d gave way, want %d", variety, got, want.gaveWay)
		}
		if news < variety {
			t.Errorf("of %d, %d were new", variety, news)
		}
	}
}

// TestNewValueBytes holds the promise of 16 bytes and 8 a value.
func TestNewValueBytes(t *testing.T) {
	l, x := oneKey(t, Specs{Values: []NewValueSpec{{Identity: 1, History: 24 * time.Hour}}})
	v := l.NewValue(0)
	for n := 1; n <= 70; n++ {
		v.Show(x, Hash(fmt.Append(nil, n)), event.Time(n), event.NoTime)
		if got, most := len(v.slot.head(x))+len(v.slot.tail(x)), 16+8*min(n, ValuesMax); got > most {
			t.Errorf("%d values take %d bytes, at most %d are promised", n, got, most)
		}
	}
	if n, _ := v.Values(x, 0); n != ValuesMax {
		t.Errorf("%d values are kept", n)
	}
}

// TestNewValueFar moves the base both ways.
func TestNewValueFar(t *testing.T) {
	l, x := oneKey(t, Specs{Values: []NewValueSpec{{Identity: 1, History: time.Minute}}})
	v, year := l.NewValue(0), event.Time(366*24*time.Hour)
	for i, c := range []struct {
		hash  uint64
		at    event.Time
		fresh bool
	}{
		{1 << 40, 0, true}, {1 << 40, year, true}, {1 << 40, year, false}, {2 << 40, 10 * year, true}, {1 << 40, year, false}, {1 << 40, 10 * year, true},
		{2 << 40, -year, false}, {3 << 40, -year, true}, {3 << 40, 10 * year, true},
	} {
		if got, _ := v.Show(x, c.hash, c.at, event.NoTime); got != c.fresh {
			t.Errorf("%d: new %v", i, got)
		}
	}
}

func TestNewValueAllocates(t *testing.T) {
	l, x := oneKey(t, Specs{Values: []NewValueSpec{{Identity: 1, History: 24 * time.Hour}}})
	v := l.NewValue(0)
	for i := range 100 {
		v.Show(x, Hash([]byte{byte(i)}), event.Time(i), event.NoTime)
	}
	n := byte(0)
	if got := testing.AllocsPerRun(200, func() { n++; v.Show(x, Hash([]byte{n}), event.Time(n), event.NoTime) }); got != 0 {
		t.Errorf("%v allocations an event", got)
	}
}

func BenchmarkNewValue(b *testing.B) {
	for _, variety := range []int{4, 60} {
		b.Run(fmt.Sprint(variety), func(b *testing.B) {
			l, err := NewLayout(Specs{Values: []NewValueSpec{{Identity: 1, History: 24 * time.Hour}}})
			if err != nil {
				b.Fatal(err)
			}
			k := New(l, Options{})
			x := k.View(k.Create(1, []byte("k")))
			hashes := make([]uint64, variety)
			for i := range hashes {
				hashes[i] = Hash([]byte{byte(i)})
			}
			b.ReportAllocs()
			for i := range b.N {
				l.NewValue(0).Show(&x, hashes[i%variety], event.Time(i)*1e9, event.NoTime)
			}
		})
	}
}
