package window

import (
	"fmt"
	"math"
	"testing"
	"time"

	"insolite/internal/event"
)

func TestWindowText(t *testing.T) {
	day := 24 * time.Hour
	for want, w := range map[string]Window{
		"30d":                       {Kind: Sliding, Length: 30 * day},
		"1d exact":                  {Kind: Exact, Length: day},
		"calendar day Europe/Paris": {Kind: Calendar, Unit: Day, Zone: paris},
		"calendar week UTC":         {Kind: Calendar, Unit: Week},
		"session 1h30m":             {Kind: Session, Length: 90 * time.Minute},
		"50 events":                 {Kind: Events, N: 50},
		"forever":                   {Kind: Forever},
	} {
		if got := w.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 90 * time.Second: "1m30s", 36 * time.Hour: "1d12h", 1500 * time.Millisecond: "1.5s", -time.Hour: "-1h"} {
		if got := DurationText(d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestStepIsRoundedUpToMilliseconds(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		time.Hour: time.Minute, 24 * time.Hour: 24 * time.Minute, time.Second: 17 * time.Millisecond,
		time.Nanosecond: time.Millisecond, 60*time.Millisecond + 1: 2 * time.Millisecond,
	} {
		if got := (Window{Kind: Sliding, Length: length}).Step(); got != want {
			t.Errorf("step of %v is %v, want %v", length, got, want)
		}
	}
}

// TestNamesReadBack says that what is printed is what is written in rules.
func TestNamesReadBack(t *testing.T) {
	for a := AggCount; a <= AggPercentile; a++ {
		if b, ok := ParseAgg(a.String()); !ok || a != b {
			t.Errorf("%s is read as %s, %v", a, b, ok)
		}
	}
	for u := Minute; u <= Month; u++ {
		if v, ok := ParseUnit(u.String()); !ok || u != v {
			t.Errorf("%s is read as %s, %v", u, v, ok)
		}
	}
	if _, ok := ParseAgg("median"); ok {
		t.Error("median is an aggregate")
	}
}

// TestBuckets walks through the hours around every change of a clock: buckets hold their instants and touch each other.
func TestBuckets(t *testing.T) {
	step := 37 * time.Minute
	if testing.Short() {
		step *= 7 // every day, and in two years every hour of the days
	}
	for _, name := range []string{"UTC", "Europe/Paris", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for u := Minute; u <= Month; u++ {
			w := Window{Kind: Calendar, Unit: u, Zone: zone}
			for day := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2019; day = day.Add(step) {
				at, _ := event.TimeOf(day)
				checkBucket(t, w, at)
			}
		}
	}
}

func checkBucket(t *testing.T, w Window, at event.Time) {
	t.Helper()
	from, to := w.Bucket(at)
	if from > at || at >= to {
		t.Fatalf("%s: bucket [%v, %v) of %v", w, from.Std(), to.Std(), at.Std())
	}
	retention, _ := w.Retention()
	if d := time.Duration(to - from); d > retention {
		t.Fatalf("%s: a bucket of %v from %v, more than %v", w, d, from.Std().In(w.zone()), retention)
	}
	if f, e := w.Bucket(to - 1); f != from || e != to {
		t.Fatalf("%s: the end of [%v, %v) is in [%v, %v)", w, from.Std(), to.Std(), f.Std(), e.Std())
	}
	if f, _ := w.Bucket(to); f != to {
		t.Fatalf("%s: behind [%v, %v) comes %v", w, from.Std(), to.Std(), f.Std())
	}
	local := from.Std().In(w.zone())
	if w.Unit == Week && local.Weekday() != time.Monday || w.Unit == Month && local.Day() != 1 {
		t.Fatalf("%s: a bucket starts at %v", w, local)
	}
}

func TestBounds(t *testing.T) {
	at, _ := event.TimeOf(time.Date(2026, 10, 15, 20, 0, 30, 0, paris))
	for _, c := range []struct {
		w    Window
		from string
	}{
		{Window{Kind: Calendar, Unit: Day, Zone: paris}, "2026-10-14T22:00:00Z"},
		{Window{Kind: Sliding, Length: time.Hour}, "2026-10-15T17:00:00Z"},
		{Window{Kind: Exact, Length: time.Hour}, "2026-10-15T17:00:30Z"},
	} {
		from, to := c.w.Bounds(at)
		if got := from.Std().Format(time.RFC3339); got != c.from || to != at {
			t.Errorf("%s: from %s to %v, want %s", c.w, got, to.Std(), c.from)
		}
		s := newState(t, Spec{Family: Count, Window: c.w})
		s.add(at, nil, event.NoTime)
		var v [1]event.Value
		if read := s.cell.Read(s.head, s.tail, Query{Agg: AggCount}, at, v[:]); read != (Reading{1, from, to}) {
			t.Errorf("%s: reading %v, want %v to %v", c.w, read, from, to)
		}
	}
	if from, _ := (Window{Kind: Forever}).Bounds(at); from != event.NoTime {
		t.Errorf("forever starts at %v", from)
	}
}

func TestCheckRefuses(t *testing.T) {
	hour := Window{Kind: Sliding, Length: time.Hour}
	for _, s := range []Spec{
		{Window: hour},
		{Family: Count},
		{Family: Count, Window: Window{Kind: Sliding}},
		{Family: Count, Window: Window{Kind: Calendar}},
		{Family: Count, Window: Window{Kind: Events, N: MaxEvents + 1}},
		{Family: Sum, Window: hour},
		{Family: Sum, Window: hour, Kinds: []event.Kind{event.KindString}},
		{Family: Distinct, Window: hour, Kinds: []event.Kind{event.KindNumber}},
		{Family: Recent, Window: hour, Kinds: make([]event.Kind, maxFields+1)},
	} {
		if _, err := NewCell(s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

// TestFloorDiv says that panes before 1970 are as long as those after.
func TestFloorDiv(t *testing.T) {
	for _, c := range [][3]int64{{7, 3, 2}, {-1, 3, -1}, {-3, 3, -1}, {-4, 3, -2}, {0, 3, 0}, {math.MinInt64, 10, math.MinInt64/10 - 1}} {
		if got := floorDiv(c[0], c[1]); got != c[2] {
			t.Errorf("%d over %d is %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

// TestRecentText keeps strings of all lengths, and reads those beyond the limit as unknown.
func TestRecentText(t *testing.T) {
	s := newState(t, Spec{Family: Recent, Kinds: []event.Kind{event.KindString, event.KindInt}, Window: Window{Kind: Forever}})
	long := make([]byte, textMax+1)
	var v [2]event.Value
	for i, n := range []int{0, 1, textMax, textMax + 1, 5} {
		text := event.StringValue(string(long[:n]))
		s.add(event.Time(i), []event.Value{text, event.IntValue(int64(i))}, event.NoTime)
		s.cell.Read(s.head, s.tail, Query{Agg: AggLast}, event.Time(i), v[:])
		if want := fmt.Sprint(n <= textMax, v[1].Int()); fmt.Sprint(v[0].Equal(&text), i) != want {
			t.Errorf("%d bytes are read as %d", n, len(v[0].S))
		}
	}
	if s.cell.Drops.Text != 1 {
		t.Errorf("%d texts counted as too long", s.cell.Drops.Text)
	}
}
