package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
)

// oneKey returns the context of one key of a layout.
func oneKey(t *testing.T, s Specs) (*Layout, *Ctx) {
	t.Helper()
	l := newTestLayout(t, s)
	k := New(l, Options{})
	x := k.View(k.Create(1, []byte("k")))
	return l, &x
}

// TestDedupe compares with a list of the last 64 ids.
func TestDedupe(t *testing.T) {
	const within = 10 * time.Second
	for _, variety := range []int{20, 70, 200} {
		l, x := oneKey(t, Specs{Dedupe: []DedupeSpec{{For: within}}})
		type kept struct {
			id uint64
			at event.Time
		}
		var list []kept
		r := rand.New(rand.NewPCG(uint64(variety), 1))
		duplicates := 0
		for i := range 5000 {
			id, at := uint64(r.IntN(variety)), event.Time(i)*200e6-event.Time(r.Int64N(5e9))
			want := slices.ContainsFunc(list, func(k kept) bool { return k.id == id && max(k.at-at, at-k.at) < event.Time(within) })
			if got := l.Dedupe(0).Absorb(x, id, at); got != want {
				t.Fatalf("event %d: duplicate %v, want %v", i, got, want)
			}
			if want {
				duplicates++
			} else {
				list = append(list, kept{id, at})
				list = list[max(0, len(list)-64):]
			}
		}
		if duplicates < 50 {
			t.Errorf("%d duplicates", duplicates)
		}
	}
}

// TestSuppress compares with a list of the 64 by values used last.
func TestSuppress(t *testing.T) {
	day := window.Window{Kind: window.Calendar, Unit: window.Day}
	for _, spec := range []SuppressSpec{{For: 3 * time.Hour}, {Calendar: &day}} {
		for _, variety := range []int{1, 40, 90} {
			t.Run(fmt.Sprint(spec.For, variety), func(t *testing.T) { testSuppress(t, spec, variety) })
		}
	}
}

type modelCoolDown struct {
	by      uint64
	last    event.Time
	buckets []event.Time
	held    int
}

func (c *modelCoolDown) cools(spec SuppressSpec, at event.Time) bool {
	if spec.Calendar == nil {
		return c.last != event.NoTime && at < c.last.Add(spec.For)
	}
	b, _ := spec.Calendar.Bucket(at)
	return slices.Contains(c.buckets, b)
}

func testSuppress(t *testing.T, spec SuppressSpec, variety int) {
	l, x := oneKey(t, Specs{Suppress: []SuppressSpec{spec}})
	var list []*modelCoolDown
	r := rand.New(rand.NewPCG(uint64(variety), 1))
	emitted, heldBack := 0, 0
	for i := range 6000 {
		by, at := uint64(r.IntN(variety)), event.Time(i)*60e9-event.Time(r.Int64N(7200e9))
		j := slices.IndexFunc(list, func(c *modelCoolDown) bool { return c.by == by })
		c := &modelCoolDown{by: by, last: event.NoTime}
		if j >= 0 {
			c = list[j]
			list = slices.Delete(list, j, j+1)
		}
		list = append(list, c)
		list = list[max(0, len(list)-64):]
		emit := !c.cools(spec, at)
		held := c.held
		if emit {
			c.last, c.held = max(c.last, at), 0
			if spec.Calendar != nil {
				b, _ := spec.Calendar.Bucket(at)
				c.buckets = append(c.buckets, b)
				c.buckets = c.buckets[max(0, len(c.buckets)-8):]
			}
			emitted++
		} else {
			c.held++
			held = c.held
			heldBack++
		}
		if gotEmit, gotHeld := l.Suppress(0).Emit(x, by, at); gotEmit != emit || gotHeld != held {
			t.Fatalf("alert %d: emit %v, held %d; want %v, %d", i, gotEmit, gotHeld, emit, held)
		}
		want := c.last.Add(spec.For)
		if spec.Calendar != nil {
			_, want = spec.Calendar.Bucket(at)
		}
		if until := l.Suppress(0).Until(x, by, at); !emit && until != want {
			t.Fatalf("alert %d is held back until %v, want %v", i, until.Std(), want.Std())
		}
	}
	if emitted < 4 || heldBack < 20 {
		t.Errorf("%d emitted, %d held back", emitted, heldBack)
	}
}

func TestEvidence(t *testing.T) {
	for _, n := range []int{1, 4, 64} {
		l, x := oneKey(t, Specs{Evidence: []EvidenceSpec{{N: n, Within: 20 * time.Second}}})
		var list []Seen
		for i := range 300 {
			at := event.Time(i) * 1e9
			l.Evidence(0).Add(x, event.Offset(i), at)
			list = append(list, Seen{event.Offset(i), at})
			for _, within := range []int{20, 5} {
				want := list[max(0, len(list)-min(n, within)):]
				if got := l.Evidence(0).Append(nil, x, at, time.Duration(within)*time.Second); !slices.Equal(got, want) {
					t.Fatalf("%d of event %d within %d s: %v, want %v", n, i, within, got, want)
				}
			}
		}
	}
}

func TestLayoutErrors(t *testing.T) {
	day := window.Window{Kind: window.Calendar, Unit: window.Day}
	count := window.Spec{Identity: 1, Family: window.Count, Window: day}
	for name, s := range map[string]Specs{
		"equal identities":      {Cells: []window.Spec{count, count}},
		"a cell without window": {Cells: []window.Spec{{Family: window.Count}}},
		"no evidence":           {Evidence: []EvidenceSpec{{N: 0}}},
		"too much evidence":     {Evidence: []EvidenceSpec{{N: MaxEvidence + 1}}},
		"no cool-down":          {Suppress: []SuppressSpec{{}}},
		"two cool-downs":        {Suppress: []SuppressSpec{{For: 1, Calendar: &day}}},
	} {
		if _, err := NewLayout(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
