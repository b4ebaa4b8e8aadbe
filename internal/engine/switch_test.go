package engine

import (
	"slices"
	"testing"

	"insolite/context/store"
	"insolite/internal/event"
	"insolite/rules"
)

// lone is the plan without the rule "high" and the cell that only it reads.
func lone(t testing.TB) *rules.Plan {
	p := plan(t)
	k := p.Keyspaces[0]
	st := k.Streams[0]
	k.Cells, st.Cells, k.Reads, st.Before = k.Cells[:1], []int{0}, k.Reads[:1], nil
	k.Reads[0].Index = 0
	st.Rules, k.Rules, p.Sources[0].Rules = st.Rules[:1], k.Rules[:1], p.Sources[0].Rules[:1]
	return p
}

// cold keeps contexts outside of engines, by key.
type cold map[string][]byte

func (c cold) load(_ *rules.Keyspace, keys, blobs [][]byte) error {
	for i, k := range keys {
		blobs[i] = c[string(k)]
	}
	return nil
}

// evict moves every context out of memory.
func (c cold) evict(e *Engine) {
	for _, k := range e.Keyspaces() {
		for _, h := range slices.Collect(k.Contexts.All) {
			x := k.Contexts.View(h)
			c[string(x.Key())] = k.Contexts.Blob(nil, h)
			k.Contexts.Evict(h)
		}
	}
}

// A feature that was removed and comes back starts empty, whether its key was in memory or not; what stayed goes on.
func TestSwitchKeepsWhatStays(t *testing.T) {
	for _, evicted := range []bool{false, true} {
		contexts := cold{}
		e := newEngine(t, plan(t), Options{Load: contexts.load})
		switchTo := func(p *rules.Plan) {
			if evicted {
				contexts.evict(e)
			}
			next, err := e.Switch(p, 1)
			if err != nil {
				t.Fatal(err)
			}
			e = next
		}
		step(t, e, pay(0, 0, "ann", `,"amount":10`), pay(1, 1, "ann", `,"amount":10`))
		switchTo(lone(t))
		if evicted {
			step(t, e, pay(2, 2, "bob", `,"amount":10`)) // ann's context stays as the first rules left it
		} else {
			step(t, e, pay(2, 2, "ann", `,"amount":10`))
		}
		switchTo(plan(t))
		if got := e.Position(); got != (event.Position{Offset: 3}) {
			t.Fatalf("position %v", got)
		}
		out := step(t, e, pay(3, 3, "ann", `,"amount":100`), pay(4, 4, "ann", `,"amount":10`))
		want := "" // two samples before the switch are void, so high has too few
		if evicted {
			want = "third@3"
		}
		if got := told(out); got != want {
			t.Errorf("evicted %v: alerts %q, want %q", evicted, got, want)
		}
		if n := e.Counts().Rules[1].InsufficientData; n != 2 {
			t.Errorf("evicted %v: high had too little data for %d events, want 2", evicted, n)
		}
		if got := told(step(t, e, pay(5, 5, "ann", `,"amount":500`))); got != "high@5" {
			t.Errorf("evicted %v: then alerts %q", evicted, got)
		}
	}
}

// What was dirty before is dirty afterwards, so that the next sweep writes it.
func TestSwitchKeepsDirtiness(t *testing.T) {
	e := newEngine(t, plan(t), Options{})
	step(t, e, pay(0, 0, "ann", ``), pay(1, 1, "bob", ``))
	k := e.Keyspaces()[0].Contexts
	h, _ := k.Find(store.Hash(event.AppendKeyPart(nil, &[]event.Value{event.StringValue("ann")}[0])), event.AppendKeyPart(nil, &[]event.Value{event.StringValue("ann")}[0]))
	k.MarkClean(h)
	next, err := e.Switch(lone(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	dirty := 0
	for range next.Keyspaces()[0].Contexts.Dirty {
		dirty++
	}
	if n := next.Keyspaces()[0].Contexts.Len(); n != 2 || dirty != 1 {
		t.Errorf("%d contexts, %d dirty; want 2, 1", n, dirty)
	}
}

// In a replay a context that holds all records of a sub-batch is not brought in: it may be of rules that come later.
func TestReplayLeavesContextsAheadAlone(t *testing.T) {
	contexts := cold{}
	e := newEngine(t, plan(t), Options{Load: contexts.load})
	records := []struct{ minutes float64 }{{0}, {1}, {2}, {3}}
	for i := range records[:2] {
		step(t, e, pay(event.Offset(i), records[i].minutes, "ann", `,"amount":10`))
	}
	next, err := e.Switch(lone(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	step(t, next, pay(2, 2, "ann", `,"amount":10`))
	contexts.evict(next)
	again := newEngine(t, plan(t), Options{Load: contexts.load})
	for i := range records[:2] {
		if err := again.Replay(batch(pay(event.Offset(i), records[i].minutes, "ann", `,"amount":10`))); err != nil {
			t.Fatal(err)
		}
	}
	if n := again.Keyspaces()[0].Contexts.Len(); n != 0 {
		t.Fatalf("%d contexts came in, want 0", n)
	}
	if again, err = again.Switch(lone(t), 1); err != nil {
		t.Fatal(err)
	}
	if err := again.Replay(batch(pay(2, 2, "ann", `,"amount":10`))); err != nil {
		t.Fatal(err)
	}
	out := step(t, again, pay(3, 20, "ann", `,"amount":10`))
	if got, want := told(out), "third@3"; got != want { // the alert at 2 was emitted by the first life, 18 minutes earlier
		t.Errorf("alerts %q, want %q", got, want)
	}
}
