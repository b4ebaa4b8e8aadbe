package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"insolite/internal/event"
)

// What is told of a key is what its next event would find, as of the watermark or of its newest event.
func TestLook(t *testing.T) {
	e := newEngine(t, plan(t), Options{})
	var offset event.Offset
	pays := func(minutes float64, customer, more string) {
		step(t, e, pay(offset, minutes, customer, more))
		offset++
	}
	ann := event.StringValue("ann")
	key := event.AppendKeyPart(nil, &ann)
	look := func() *Look {
		t.Helper()
		context := e.Context("customer", key)
		l, err := e.Look("customer", context)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(context, e.Context("customer", key)) {
			t.Error("looking changes the context")
		}
		return l
	}
	pays(0, "ann", `,"amount":10`)
	l := look()
	if n, usual := l.Rules[0].Features[0], l.Rules[1].Features[0]; n.Value.Int() != 1 || usual.Value.Known() || usual.Samples != 1 || l.At != start || l.Newest != start || l.Watermark != start.Add(-time.Minute) {
		t.Errorf("after one payment: %+v", l)
	}
	for i := range 4 {
		pays(float64(i+1), "ann", `,"amount":20`)
	}
	pays(4.5, "bob", "")
	l = look()
	minutes := func(n float64) event.Time { return start.Add(time.Duration(n * float64(time.Minute))) }
	n, usual := l.Rules[0].Features[0], l.Rules[1].Features[0]
	if n.Value.Int() != 5 || n.To != minutes(4) || usual.Value.Float() != 18 || usual.Samples != 5 || l.Position.Offset != 5 {
		t.Errorf("after five: %+v", l)
	}
	if c := l.Rules[0].CoolDowns; len(c) != 1 || c[0].Until != minutes(12) || c[0].Held != 2 {
		t.Errorf("the third alerted, two were held back: %+v", c)
	}
	if seen := l.Rules[0].Evidence; len(seen) != 4 || seen[0].Offset != 1 || seen[3].Offset != 4 || len(l.Rules[1].Evidence) != 0 {
		t.Errorf("evidence: %+v", seen)
	}
	pays(63.5, "bob", "") // so that the watermark is at 62.5: ann's first two payments are out of the window by then, a pane a minute
	l = look()
	if n := l.Rules[0].Features[0]; n.Value.Int() != 3 || n.From != minutes(2) || l.At != minutes(62.5) || l.Newest != minutes(4) || l.Rules[0].CoolDowns[0].Until != event.NoTime {
		t.Errorf("an hour later: %+v", l)
	}

	less, err := e.Switch(lone(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if e, err = less.Switch(plan(t), 2); err != nil {
		t.Fatal(err)
	}
	if l = look(); l.Rules[0].Begun[0] != (event.Position{}) || l.Rules[1].Begun[0].Offset != offset {
		t.Errorf("features began at %v and %v, want the beginning and %d", l.Rules[0].Begun, l.Rules[1].Begun, offset)
	}

	if e.Context("customer", append(key, 0)) != nil || e.Context("nothing", key) != nil {
		t.Error("there is a context where there is none")
	}
	if _, err := e.Look("customer", []byte("no context")); err == nil || !strings.Contains(err.Error(), "malformed context") {
		t.Errorf("no context: %v", err)
	}
	if _, err := e.Look("nothing", e.Context("customer", key)); err == nil || !strings.Contains(err.Error(), "there is no keyspace nothing") {
		t.Errorf("no keyspace: %v", err)
	}
}
