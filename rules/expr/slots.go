package expr

import (
	"slices"

	"insolite/internal/event"
)

// Slots returns the slots that the template's expressions read, ascending.
func (t *Template) Slots() []event.Slot {
	var slots []event.Slot
	for i := range t.parts {
		if e := t.parts[i].expr; e != nil {
			slots = append(slots, e.slots...)
		}
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}
