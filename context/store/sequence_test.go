package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
)

// pursued is a key's sequence that is told events one a second, in words: each fits the steps whose numbers it names, and is forbidden before a
// step that stands behind a !.
type pursued struct {
	q    *Sequence
	keys *Keyspace
	h    Handle
	n    event.Offset
}

func pursue(t *testing.T, s SequenceSpec) *pursued {
	t.Helper()
	l := newTestLayout(t, Specs{Sequence: []SequenceSpec{s}})
	k := New(l, Options{})
	return &pursued{q: l.Sequence(0), keys: k, h: k.Create(Hash([]byte("k")), []byte("k"))}
}

// at tells of an event, and returns the offsets of the match that it completes; empty: none.
func (p *pursued) at(second float64, words string) string {
	x := p.keys.View(p.h)
	f := Fit{At: event.Time(second * 1e9), Offset: p.n, Row: event.Row{event.IntValue(int64(p.n)), event.StringValue(fmt.Sprint("event ", p.n))}}
	p.n++
	for i, c := range words {
		switch {
		case c == '!':
		case i > 0 && words[i-1] == '!':
			f.Bars |= 1 << (c - '0')
		default:
			f.Steps |= 1 << (c - '0')
		}
	}
	m := p.q.Step(&x, &f)
	if m == nil {
		return ""
	}
	var parts []string
	for _, h := range m.Hits {
		parts = append(parts, fmt.Sprintf("%d:%d", h.Step, h.Offset))
	}
	for i := range m.Values {
		parts = append(parts, m.Values[i].Text())
	}
	return strings.Join(append(parts, "!"), " ")
}

func ordered(within time.Duration, times ...int) SequenceSpec {
	s := SequenceSpec{Identity: 1, Within: within, Keep: 16}
	for _, n := range times {
		s.Steps = append(s.Steps, SequenceStep{Times: n})
	}
	return s
}

// story tells events as "second words", and compares what is found at each: "" is nothing.
func (p *pursued) story(t *testing.T, what string, events ...string) {
	t.Helper()
	for i := 0; i < len(events); i += 2 {
		var at float64
		var words string
		if _, err := fmt.Sscan(events[i], &at, &words); err != nil {
			t.Fatal(err)
		}
		if got := p.at(at, words); got != events[i+1] {
			t.Errorf("%s: event %d, %s: got %q, want %q", what, i/2, events[i], got, events[i+1])
		}
	}
}

func TestSequence(t *testing.T) {
	p := pursue(t, ordered(10*time.Second, 1, 1))
	p.story(t, "within is inclusive", "0 0", "", "10 1", "0:0 !", "20 0", "", "30.001 1", "", "30.002 0", "", "31 1", "0:4 !", "31 1", "")
	p = pursue(t, ordered(10*time.Second, 1, 1))
	p.story(t, "not before the step before", "5 0", "", "4.999 1", "", "5 1", "0:0 !")
	p = pursue(t, ordered(10*time.Second, 1, 1))
	p.story(t, "an event is one step", "0 01", "", "1 01", "0:0 !", "2 1", "")
	p = pursue(t, ordered(10*time.Second, 3, 1))
	p.story(t, "the last three count", "0 0", "", "9 0", "", "9.5 0", "", "11 1", "", "11 0", "", "12 1", "0:1 0:2 0:4 !", "13 1", "")
	p = pursue(t, ordered(10*time.Second, 1, 2))
	p.story(t, "two of the second", "0 0", "", "3 1", "", "1 1", "0:0 1:1 !")
	p = pursue(t, ordered(10*time.Second, 3))
	p.story(t, "one step", "0 0", "", "1 0", "", "2 0", "0:0 0:1 !", "3 0", "", "4 0", "", "5 0", "0:3 0:4 !")
	p = pursue(t, ordered(10*time.Second, 1, 1, 1))
	p.story(t, "what is forbidden ends it", "0 0", "", "1 !1", "", "2 1", "", "3 0", "", "4 1", "", "5 !1", "", "6 2", "0:3 1:4 !")
	p.story(t, "unless it lies before", "13 0", "", "12 !1", "", "14 1", "", "15 2", "0:7 1:9 !")
	p.story(t, "and before it is a step", "23 0", "", "24 1!1", "", "25 2", "")
}

func TestSequenceUnordered(t *testing.T) {
	s := ordered(10*time.Second, 1, 2)
	s.Unordered = true
	s.Steps[0].Captures, s.Steps[1].Captures = []event.Slot{1}, []event.Slot{0, 1}
	p := pursue(t, s)
	p.story(t, "any order", "5 1", "", "6 0", "", "15 1", "1:0 0:1 event 1 2 event 2 !", "15 1", "", "15 1", "", "15 01", "1:3 1:4 event 5 4 event 4 !")
	p = pursue(t, s)
	p.story(t, "within is inclusive", "0 1", "", "10.001 0", "", "10 1", "", "9 1", "1:2 0:1 event 1 3 event 3 !")
}

// TestSequenceGivesWay fills the eight places.
func TestSequenceGivesWay(t *testing.T) {
	p := pursue(t, ordered(time.Hour, 1, 1, 1))
	p.at(0, "0")
	p.at(1, "1")
	for i := range 30 {
		p.at(2+float64(i), "0")
	}
	p.story(t, "the one that has come further stays", "40 2", "0:0 1:1 !")
	if got := p.keys.Stats().Matches; got != 23 {
		t.Errorf("%d gave way, want 23: 31 were open of 8", got)
	}
	p = pursue(t, ordered(time.Hour, 1, 20))
	for i := range 9 { // each has fewer events than the one before
		p.at(float64(2*i), "0")
		p.at(float64(2*i+1), "1")
	}
	if got := len(p.q.Open(nil, ptr(p.keys.View(p.h)), 20e9)); got != 8 {
		t.Errorf("%d are open", got)
	}
	for i := range 11 {
		if got := p.at(float64(20+i), "1"); got != "" {
			t.Errorf("event %d: the oldest of nine has not given way: %s", i, got)
		}
	}
	if got := p.at(50, "1"); !strings.HasSuffix(got, "!") {
		t.Error("the second has 20 events now")
	}
	p = pursue(t, ordered(5*time.Second, 1, 1))
	for i := range 100 {
		p.at(float64(i), "0")
	}
	if got := p.keys.Stats().Matches; got != 0 {
		t.Errorf("%d gave way that were too old", got)
	}
}

func ptr[T any](v T) *T { return &v }

// TestSequenceSurvives takes an open match through a blob, and through a layout with other parts.
func TestSequenceSurvives(t *testing.T) {
	s := ordered(time.Hour, 3, 1, 1)
	s.Steps[1].Captures = []event.Slot{1, 0}
	p := pursue(t, s)
	for _, w := range []string{"0", "0", "0", "1", "0"} {
		p.at(float64(p.n), w)
	}
	other := newTestLayout(t, Specs{Sequence: []SequenceSpec{{Identity: 2, Within: time.Minute, Steps: s.Steps}, s}, Evidence: []EvidenceSpec{{Identity: 1, N: 2, Within: time.Hour}}})
	k := New(other, Options{})
	if err := k.RememberLayout(p.keys.Layout().Describe()); err != nil {
		t.Fatal(err)
	}
	h, err := k.Load(Hash([]byte("k")), p.keys.Blob(nil, p.h))
	if err != nil {
		t.Fatal(err)
	}
	p.q, p.keys, p.h = other.Sequence(1), k, h
	if got, want := p.at(7, "2"), "0:0 0:1 0:2 1:3 event 3 3 !"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSequenceText keeps 256 bytes, and counts what is longer.
func TestSequenceText(t *testing.T) {
	s := ordered(time.Hour, 1, 1)
	s.Steps[0].Captures = []event.Slot{0}
	p := pursue(t, s)
	for _, n := range []int{0, CaptureBytesMax, CaptureBytesMax + 1} {
		x := p.keys.View(p.h)
		p.q.Step(&x, &Fit{Row: event.Row{event.StringValue(strings.Repeat("x", n))}, Steps: 1})
		m := p.q.Step(&x, &Fit{Row: event.Row{{}}, Steps: 2})
		if v := m.Values[0]; v.Known() != (n <= CaptureBytesMax) || v.Known() && len(v.S) != n {
			t.Errorf("of %d bytes, %d are kept", n, len(v.S))
		}
	}
	if got := p.keys.Stats().Text; got != 1 {
		t.Errorf("%d texts are counted", got)
	}
}

func TestSequenceExpires(t *testing.T) {
	p := pursue(t, ordered(10*time.Second, 1, 1))
	p.at(100, "0")
	x := p.keys.View(p.h)
	x.Advance(event.Position{Offset: 1}, 100e9)
	if p.keys.Expire(110e9, 10, nil); p.keys.Len() != 1 {
		t.Error("an event at the end of within would complete the match")
	}
	if p.keys.Expire(110e9+1, 10, nil); p.keys.Len() != 0 {
		t.Error("nothing completes it any more")
	}
}

// spraying is five failures, and a success that is named.
func spraying() SequenceSpec {
	s := ordered(10*time.Minute, 5, 1)
	s.Steps[1].Captures = []event.Slot{0}
	return s
}

func TestSequenceAllocates(t *testing.T) {
	p := pursue(t, spraying())
	x := p.keys.View(p.h)
	f := Fit{Row: event.Row{event.StringValue("ann")}}
	step := func() {
		f.At += 1e9
		f.Offset++
		f.Steps = 1
		if f.Offset%50 == 0 {
			f.Steps = 2
		}
		p.q.Step(&x, &f)
	}
	for range 200 {
		step()
	}
	if got := testing.AllocsPerRun(500, step); got != 0 {
		t.Errorf("%v allocations an event", got)
	}
}

func BenchmarkSequence(b *testing.B) {
	l, err := NewLayout(Specs{Sequence: []SequenceSpec{spraying()}})
	if err != nil {
		b.Fatal(err)
	}
	k := New(l, Options{})
	x := k.View(k.Create(1, []byte("k")))
	f := Fit{Row: event.Row{event.StringValue("ann")}}
	b.ReportAllocs()
	for i := range b.N {
		f.At, f.Offset, f.Steps = event.Time(i)*1e9, event.Offset(i), 1
		if i%50 == 49 {
			f.Steps = 2
		}
		l.Sequence(0).Step(&x, &f)
	}
}
