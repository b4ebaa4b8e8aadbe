package rules

import (
	"time"

	"insolite/context/window"
	"insolite/internal/yamldoc"
)

// readWindow reads a feature's window; its kind is 0 when it is wrong.
func readWindow(n *yamldoc.Node) window.Window {
	if n == nil {
		return window.Window{}
	}
	if n.Kind != yamldoc.Mapping {
		if n.Kind == yamldoc.String && n.Text == "forever" {
			return window.Window{Kind: window.Forever}
		}
		if d, ok := n.Duration(); ok {
			return window.Window{Kind: window.Sliding, Length: d}
		}
		return window.Window{}
	}
	m := n.Map("a window")
	defer m.Done()
	session, events, cal := m.Get("session"), m.Get("events"), m.Get("calendar")
	switch {
	case session != nil && events == nil && cal == nil:
		if d, ok := session.Duration(); ok {
			return window.Window{Kind: window.Session, Length: d}
		}
	case events != nil && session == nil && cal == nil:
		if v, ok := events.Int(1, window.MaxEvents); ok {
			return window.Window{Kind: window.Events, N: int(v)}
		}
	case cal != nil && session == nil && events == nil:
		return calendar(m)
	case cal == nil && session == nil && events == nil:
		if len(n.Pairs) == 0 || m.Get("timezone") != nil {
			n.Errorf("a window is a duration, forever, {calendar: day}, {session: 30m} or {events: 50}; write one of these")
		}
	default:
		m.Get("timezone")
		n.Errorf("a window is one of calendar, session and events; keep one")
	}
	return window.Window{}
}

// calendar reads {calendar: day, timezone: Europe/Paris}; the kind is 0 when it is wrong.
func calendar(m *yamldoc.Map) window.Window {
	unit, ok := window.ParseUnit(m.OneOf("calendar", "", "minute", "hour", "day", "week", "month"))
	if m.Get("calendar") == nil {
		m.Required("calendar", "{calendar: day}")
	}
	zone, known := timezone(m.Get("timezone"))
	if !ok || !known {
		return window.Window{}
	}
	return window.Window{Kind: window.Calendar, Unit: unit, Zone: zone}
}

// timezone reads a zone; nil is UTC.
func timezone(n *yamldoc.Node) (*time.Location, bool) {
	if n == nil {
		return nil, true
	}
	name, ok := n.Str()
	if !ok || name == "UTC" {
		return nil, ok
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		n.Errorf("%q is not a known time zone; write it like Europe/Paris or UTC", name)
		return nil, false
	}
	return zone, true
}
