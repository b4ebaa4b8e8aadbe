package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"insolite/internal/event"
)

// randomTimers makes up to TimersMax timers.
func randomTimers(r *rand.Rand) []Timer {
	var all []Timer
	for range r.IntN(TimersMax + 1) {
		c := Timer{Deadline: event.Time(r.IntN(50)), Since: event.Time(r.IntN(9)), Last: event.Time(r.IntN(99)), End: event.Never, Fired: r.IntN(2) == 0,
			Alert: [16]byte{byte(r.IntN(3))}, Carried: Origin{event.Offset(r.IntN(9)), []byte{}}, Newest: Origin{event.Offset(r.IntN(9)), []byte{}}}
		if r.IntN(4) == 0 {
			c.Deadline = event.Never
		}
		c.Carried.Row, c.Newest.Row = append(c.Carried.Row, make([]byte, r.IntN(30))...), append(c.Newest.Row, make([]byte, r.IntN(9))...)
		for i := range c.Carried.Row {
			c.Carried.Row[i] = byte(r.IntN(256))
		}
		all = append(all, c)
	}
	return all
}

func least(all []Timer) event.Time {
	d := event.Never
	for _, c := range all {
		d = min(d, c.Deadline)
	}
	return d
}

// TestDeadlines changes, evicts, loads and drops contexts with timers of two rules, beside a map of what each has, and lets them come due.
func TestDeadlines(t *testing.T) {
	l := newTestLayout(t, Specs{Dedupe: []DedupeSpec{{For: time.Second}}, Timers: []TimersSpec{{Identity: 1}, {Identity: 2}}})
	k := New(l, Options{})
	r := rand.New(rand.NewPCG(1, 1))
	model, stored := map[string][2][]Timer{}, map[string][]byte{}
	handle := func(key string) Handle {
		h, ok := k.Find(Hash([]byte(key)), []byte(key))
		if !ok {
			t.Fatalf("%s has no context", key)
		}
		return h
	}
	done, parted := 0, event.Never
	for range 30_000 {
		key := fmt.Sprintf("key-%d", r.IntN(200))
		_, inMemory := k.Find(Hash([]byte(key)), []byte(key))
		switch blob := stored[key]; {
		case r.IntN(3) == 0 && k.Earliest() != event.Never: // the next one fires: all that is due then is gone
			at := event.Never
			for key, m := range model {
				if stored[key] == nil {
					at = min(at, least(m[0]), least(m[1]))
				}
			}
			if got := k.Earliest(); got != at {
				t.Fatalf("earliest %d, want %d", got, at)
			}
			h := k.NextDue()
			x := k.View(h)
			m := model[string(x.Key())]
			if at != min(least(m[0]), least(m[1])) {
				t.Fatalf("%s is due at %d, want %d", x.Key(), min(least(m[0]), least(m[1])), at)
			}
			for i := range m {
				m[i] = slices.DeleteFunc(m[i], func(c Timer) bool { return c.Deadline == at })
				l.Timers(i).Set(&x, m[i])
			}
			k.Wait(h)
			model[string(x.Key())] = m
			done++
		case blob != nil:
			if _, err := k.Load(Hash([]byte(key)), blob); err != nil {
				t.Fatal(err)
			}
			delete(stored, key)
		case inMemory && r.IntN(4) == 0:
			h := handle(key)
			stored[key] = k.Blob(nil, h)
			parted = min(parted, k.Deadline(h))
			k.Evict(h)
			if r.IntN(5) == 0 {
				if got := k.Parted(); got != parted {
					t.Fatalf("parted %d, want %d", got, parted)
				}
				parted = event.Never
			}
		default:
			if !inMemory {
				k.Create(Hash([]byte(key)), []byte(key))
			}
			x, i := k.View(handle(key)), r.IntN(2)
			m := model[key]
			m[i] = randomTimers(r)
			l.Timers(i).Set(&x, m[i])
			l.Timers(i).SetMark(&x, event.Time(len(m[i])))
			model[key] = m
		}
		if _, ok := k.Find(Hash([]byte(key)), []byte(key)); ok {
			x := k.View(handle(key))
			for i, want := range model[key] {
				if got := l.Timers(i).Append(nil, &x); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("%s, part %d: %+v, want %+v", key, i, got, want)
				}
			}
		}
	}
	if done < 1000 {
		t.Errorf("%d came due", done)
	}
	if n := len(k.due.heap); n > slackMin+2*k.due.places+1 {
		t.Errorf("%d places for %d contexts", n, k.due.places)
	}
}

// A context is kept while something waits, and as long as what is remembered may matter.
func TestTimersKeepTheirContext(t *testing.T) {
	for _, c := range []struct {
		timer Timer
		at    event.Time
		kept  bool
	}{
		{Timer{Deadline: 50}, 1000, true},
		{Timer{Deadline: event.Never, Last: 50}, 60, true},
		{Timer{Deadline: event.Never, Last: 50}, 61, false},
	} {
		l := newTestLayout(t, Specs{Timers: []TimersSpec{{Quiet: 10}}})
		k := New(l, Options{})
		x := k.View(k.Create(Hash([]byte("k")), []byte("k")))
		x.Advance(event.Position{Offset: 1}, 0)
		l.Timers(0).Set(&x, []Timer{c.timer})
		k.Expire(c.at, 10, nil)
		if kept := k.Len() == 1; kept != c.kept {
			t.Errorf("%+v at %d: kept %v", c.timer, c.at, kept)
		}
	}
}

// Timers keep through a change of layout, by their identity; those of a rule that is gone are dropped.
func TestTimersAreConverted(t *testing.T) {
	old, x := oneKey(t, Specs{Timers: []TimersSpec{{Identity: 1}, {Identity: 2}}})
	want := []Timer{{Deadline: 7, Alert: [16]byte{1}, Carried: Origin{3, []byte("carried")}, Newest: Origin{4, []byte("newest")}}}
	old.Timers(0).Set(x, []Timer{{Deadline: 5, End: event.Never}})
	old.Timers(1).Set(x, want)
	old.Timers(1).SetMark(x, 9)
	blob := x.keys.Blob(nil, x.Handle())
	l := newTestLayout(t, Specs{Timers: []TimersSpec{{Identity: 3}, {Identity: 2}}})
	k := New(l, Options{})
	if err := k.RememberLayout(old.Describe()); err != nil {
		t.Fatal(err)
	}
	h, err := k.Load(1, blob)
	if err != nil {
		t.Fatal(err)
	}
	y := k.View(h)
	if got := l.Timers(1).Append(nil, &y); !reflect.DeepEqual(got, want) || l.Timers(1).Mark(&y) != 9 {
		t.Errorf("%+v, mark %d", got, l.Timers(1).Mark(&y))
	}
	if got := l.Timers(0).Append(nil, &y); len(got) != 0 || l.Timers(0).Mark(&y) != event.NoTime {
		t.Errorf("a new part has %+v, mark %d", got, l.Timers(0).Mark(&y))
	}
	if k.Deadline(h) != 7 || k.Earliest() != 7 {
		t.Errorf("due at %d, the keyspace says %d", k.Deadline(h), k.Earliest())
	}
	if again := k.Blob(nil, h); !bytes.Contains(again, []byte("carried")) {
		t.Error("the row is gone")
	}
}

// A context is found by the deadline that it was stored with: one whose deadline is another under a new layout has to be stored anew.
func TestAnotherDeadlineMakesDirty(t *testing.T) {
	for _, c := range []struct {
		gone, kept []Timer
		dirty      bool
	}{
		{[]Timer{{Deadline: 5}}, []Timer{{Deadline: 7}}, true},
		{[]Timer{{Deadline: 9}}, []Timer{{Deadline: 7}}, false},
		{[]Timer{{Deadline: 5}}, nil, true},
		{nil, []Timer{{Deadline: 7}}, false},
		{nil, nil, false},
	} {
		old, x := oneKey(t, Specs{Timers: []TimersSpec{{Identity: 1}, {Identity: 2}}})
		old.Timers(0).Set(x, c.gone)
		old.Timers(1).Set(x, c.kept)
		k := New(newTestLayout(t, Specs{Timers: []TimersSpec{{Identity: 2}, {Identity: 3}}}), Options{})
		if err := k.RememberLayout(old.Describe()); err != nil {
			t.Fatal(err)
		}
		h, err := k.Load(1, x.keys.Blob(nil, x.Handle()))
		if err != nil {
			t.Fatal(err)
		}
		if k.Deadline(h) != least(c.kept) || k.IsDirty(h) != c.dirty {
			t.Errorf("%+v goes, %+v stays: due at %d, dirty: %v", c.gone, c.kept, k.Deadline(h), k.IsDirty(h))
		}
	}
}

// An empty context with a position is loaded like any other, and leaves nothing behind in the keyspace that has made it.
func TestEmpty(t *testing.T) {
	k := New(newTestLayout(t, Specs{Timers: []TimersSpec{{Identity: 1}}}), Options{})
	at := event.Position{Offset: 7, Step: 2}
	blob := k.Empty([]byte("before"), []byte("k"), at)[6:]
	if k.Len() != 0 || k.DirtyLen() != 0 {
		t.Errorf("%d contexts, %d of them dirty", k.Len(), k.DirtyLen())
	}
	h, err := k.Load(Hash([]byte("k")), blob)
	if err != nil {
		t.Fatal(err)
	}
	x := k.View(h)
	if string(x.Key()) != "k" || x.Position() != at || x.Newest() != event.NoTime || k.IsDirty(h) || k.Deadline(h) != event.Never {
		t.Errorf("key %q at %s, newest %d", x.Key(), x.Position(), x.Newest())
	}
}
