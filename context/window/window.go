package window

import (
	"math"
	"strconv"
	"time"

	"insolite/internal/event"
)

// Kind is the kind of a [Window].
type Kind uint8

// The kinds of windows.
const (
	Sliding  Kind = iota + 1 // the panes ⌊t/s⌋-60 to ⌊t/s⌋, whole, s the 60th part of Length
	Exact                    // the rows in (t-Length, t]
	Calendar                 // the bucket of the calendar that holds t
	Session                  // the session that holds t; samples at most Length apart belong together
	Events                   // the last N samples in the order of the log
	Forever                  // everything
)

// Unit is the length of a calendar's buckets.
type Unit uint8

// The units of calendars. Weeks start on Monday.
const (
	Minute Unit = iota + 1
	Hour
	Day
	Week
	Month
)

var unitNames = [...]string{Minute: "minute", Hour: "hour", Day: "day", Week: "week", Month: "month"}

// String returns the unit's name as users write it.
func (u Unit) String() string {
	if u >= Minute && u <= Month {
		return unitNames[u]
	}
	return "unit(" + strconv.Itoa(int(u)) + ")"
}

// ParseUnit returns the unit of that name.
func ParseUnit(name string) (Unit, bool) {
	for u := Minute; u <= Month; u++ {
		if unitNames[u] == name {
			return u, true
		}
	}
	return 0, false
}

const (
	// MaxEvents is the largest N of an Events window: a row takes up to 24 bytes, so a key's window is 24 kB at most.
	MaxEvents = 1000
	// MaxRows is how many rows an exact window keeps for a key; the oldest gives way, see [Drops].
	MaxRows = 1024
	// span is how many panes a sliding window has beside the one that holds t.
	span = 60
)

// Window says which samples of a key count for an event at t. It is a comparable value; two windows that are equal hold the same samples.
type Window struct {
	Kind   Kind
	Length time.Duration  // Sliding, Exact: how far back it reaches. Session: the longest gap within a session
	Unit   Unit           // Calendar
	Zone   *time.Location // Calendar; nil: UTC
	N      int            // Events: 1 to MaxEvents
}

// String describes the window as alerts show it: "30d", "24h exact", "calendar day Europe/Paris", "session 30m", "50 events", "forever".
func (w Window) String() string {
	switch w.Kind {
	case Sliding:
		return DurationText(w.Length)
	case Exact:
		return DurationText(w.Length) + " exact"
	case Calendar:
		return "calendar " + w.Unit.String() + " " + w.zone().String()
	case Session:
		return "session " + DurationText(w.Length)
	case Events:
		return strconv.Itoa(w.N) + " events"
	case Forever:
		return "forever"
	}
	return "window(" + strconv.Itoa(int(w.Kind)) + ")"
}

// DurationText writes d as rules write durations, with days and without units that are zero: "30d", "1h30m", "1d12h".
func DurationText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b []byte
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	for _, u := range [...]struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := d / u.length; n != 0 {
			b = append(strconv.AppendInt(b, int64(n), 10), u.name...)
			d -= n * u.length
		}
	}
	if d != 0 {
		b = append(b, d.String()...) // below a minute Go writes one unit
	}
	return string(b)
}

// Step returns the length of a Sliding window's panes: its 60th part, rounded up to whole milliseconds. It is 0 for other windows.
func (w Window) Step() time.Duration {
	if w.Kind != Sliding {
		return 0
	}
	const part = span * time.Millisecond
	return (w.Length + part - 1) / part * time.Millisecond
}

// Retention returns how long after its time a sample may still be read by an event that is not late, at most; false: for ever.
func (w Window) Retention() (time.Duration, bool) {
	switch w.Kind {
	case Sliding:
		return (span + 1) * w.Step(), true
	case Exact, Session:
		return w.Length, true
	case Calendar:
		// The longest bucket: clocks are set back by up to a day (when a zone crosses the date line).
		longest := [...]time.Duration{Minute: time.Minute, Hour: 2 * time.Hour, Day: 49 * time.Hour, Week: 193 * time.Hour, Month: 32 * 24 * time.Hour}
		return longest[w.Unit], true
	}
	return 0, false
}

// Bounds returns the edges of the window of an event at t. From is the start of a Sliding window's oldest pane or of a Calendar's bucket,
// t-Length (not in the window) of an Exact one, and NoTime for the others, whose edges only [Cell.Read] knows. To is t: what a key has
// absorbed by then ends with t unless the log is out of order, in which case a whole pane counts nevertheless.
func (w Window) Bounds(t event.Time) (from, to event.Time) {
	switch w.Kind {
	case Sliding:
		s := int64(w.Step())
		return event.Time((floorDiv(int64(t), s) - span) * s), t
	case Exact:
		return t.Add(-w.Length), t
	case Calendar:
		start, _ := w.Bucket(t)
		return start, t
	}
	return event.NoTime, t
}

// Bucket returns the calendar's bucket [start, end) that holds t. It asks the time zone's tables, which is slow; a [Cell] keeps the last.
func (w Window) Bucket(t event.Time) (start, end event.Time) {
	local := t.Std().In(w.zone())
	if w.Unit == Minute || w.Unit == Hour {
		length := time.Minute
		into := time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
		if w.Unit == Hour {
			length = time.Hour
			into += time.Duration(local.Minute()) * time.Minute
		}
		start = t.Add(-into)
		return within(local, start, start.Add(length))
	}
	y, m, d := local.Date()
	days, months := 1, 0
	switch w.Unit {
	case Week:
		d -= (int(local.Weekday()) + 6) % 7
		days = 7
	case Month:
		d, days, months = 1, 0, 1
	}
	return midnight(y, m, d, local.Location()), midnight(y, m+time.Month(months), d+days, local.Location())
}

// within cuts [start, end) to the time for which the zone's offset at an instant holds: where clocks change by half an hour, an hour is cut.
func within(at time.Time, start, end event.Time) (event.Time, event.Time) {
	from, to := at.ZoneBounds()
	if f, ok := event.TimeOf(from); ok && !from.IsZero() {
		start = max(start, f)
	}
	if t, ok := event.TimeOf(to); ok && !to.IsZero() {
		end = min(end, t)
	}
	return start, end
}

// midnight returns the first instant of a date in a zone. Where the clock jumps over midnight or shows it twice, time.Date may return an
// instant on the day before or the second of the two.
func midnight(y int, m time.Month, d int, zone *time.Location) event.Time {
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	s := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if s.Day() != noon.Day() {
		into := time.Duration(s.Hour())*time.Hour + time.Duration(s.Minute())*time.Minute + time.Duration(s.Second())*time.Second
		s = s.Add(24*time.Hour - into)
	} else if before := s.Add(-time.Hour); before.Day() == s.Day() {
		s = before
	}
	at, ok := event.TimeOf(s)
	switch {
	case ok:
		return at
	case s.Year() < 1970:
		return event.NoTime
	}
	return math.MaxInt64
}

func (w Window) zone() *time.Location {
	if w.Zone == nil {
		return time.UTC
	}
	return w.Zone
}

// floorDiv is a/b rounded towards minus infinity; b is positive.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
