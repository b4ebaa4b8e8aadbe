package expr

import (
	"strings"

	"insolite/internal/event"
	"insolite/rules/lookup"
)

// Ref is what a name stands for: a slot of the row, a group of names, or both.
type Ref struct {
	Slot     event.Slot
	Kind     event.Kind     // KindMissing: a group, which has Members only
	Optional bool           // the value may be missing; where it may not, has and ?? are linted
	Members  map[string]Ref // the names after the dot
	Time     *Ref           // of a group: when it was, the event time that speed_kmh reads; nil: not in the row
}

// Scope holds the names that an expression may use.
type Scope struct {
	Source    string // the source's name, for messages
	TimeField string // the name of its event-time field, for messages
	Names     map[string]Ref
	Lookups   *lookup.Set // what list and lookup may name; nil: nothing
}

// NewScope returns a scope with the fields of the source: by their names, and as the members of event. The caller may add names, such as
// those of features, to Names.
func NewScope(source *event.Source, lookups *lookup.Set) *Scope {
	slots := make([]event.Slot, len(source.Fields))
	for i := range slots {
		slots[i] = event.Slot(i)
	}
	fields := group(source, slots, slots, false)
	s := &Scope{Source: source.Name, Names: map[string]Ref{"event": fields}, Lookups: lookups}
	for name, ref := range fields.Members {
		s.Names[name] = ref
	}
	if source.EventTime != event.NoSlot {
		s.TimeField = source.Fields[source.EventTime].Name
	}
	return s
}

// Group returns a group with some fields of the source as its members, whose values are in other slots of the row: slots[i] holds
// fields[i]. A field name with dots is a group in the group. Its time is the source's event-time field, if that is among the fields. Any
// of its members may be missing.
func Group(source *event.Source, fields, slots []event.Slot) Ref {
	return group(source, fields, slots, true)
}

func group(source *event.Source, fields, slots []event.Slot, optional bool) Ref {
	g := Ref{Members: map[string]Ref{}}
	for i, f := range fields {
		if f == source.EventTime {
			g.Time = &Ref{Slot: slots[i], Kind: event.KindTime, Optional: optional}
		}
	}
	for i, f := range fields {
		field := &source.Fields[f]
		g.add(strings.Split(field.Name, "."), Ref{Slot: slots[i], Kind: field.Kind, Optional: optional || field.Optional})
	}
	return g
}

// add puts a field below its path of names; inner groups have the time of the outer one.
func (r *Ref) add(path []string, field Ref) {
	inner := r.Members[path[0]]
	if len(path) == 1 {
		field.Members, field.Time = inner.Members, inner.Time
		r.Members[path[0]] = field
		return
	}
	if inner.Members == nil {
		inner.Members, inner.Time = map[string]Ref{}, r.Time
	}
	inner.add(path[1:], field)
	r.Members[path[0]] = inner
}
