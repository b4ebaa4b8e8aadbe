package rules

import (
	"slices"
	"strings"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
)

// historyMin keeps the panes of a memory of values at a second at least, so that a value's pane is told from any other within half a year.
const historyMin = time.Minute

// NewValue is the trigger of a rule that tells of values which its key has not shown within History.
type NewValue struct {
	Identity uint64        // of the rule's id and of what is remembered
	Fields   []event.Slot  // the value: what they have together; an event without one of them shows none
	History  time.Duration // how long a value is remembered, in panes as a sliding window of that length
	Learning time.Duration // how long a key is watched before it is told of
}

// newValue reads new_value.
func (d *draft) newValue() {
	m := d.m.Map("new_value", "new_value")
	if m == nil {
		return
	}
	const example = "new_value: {fields: [device_id], history: 90d, learning: 14d}"
	v := &NewValue{}
	n := m.Required("fields", example)
	if n != nil && n.Kind == yamldoc.Seq && len(n.Items) == 0 {
		n.Errorf("fields is empty; name what is to be new, as in fields: [device_id]")
	}
	items := n.Strings()
	if len(items) > groupMax {
		items[groupMax].Errorf("a value has at most %d fields; name fewer", groupMax)
	}
	for _, item := range items {
		if d.view == nil {
			break
		}
		switch slot := d.keyField(item, "new_value", "a value"); {
		case slot == event.NoSlot:
		case slices.Contains(v.Fields, slot):
			item.Errorf("%q is in fields twice; remove one", item.Text)
		case slices.Contains(d.GroupBy, slot):
			item.Errorf("%q is part of the key, so it is never new; remove it", item.Text)
		default:
			v.Fields = append(v.Fields, slot)
		}
	}
	history, learning := m.Required("history", example), m.Required("learning", example)
	if v.History, _ = history.Duration(); v.History > 0 && v.History < historyMin {
		history.Errorf("a value is remembered for a minute at least; write history: 1m")
	}
	v.Learning, _ = learning.Duration()
	m.Done()
	d.NewValue = v
	if d.view != nil {
		d.NewValue.Identity = hash("new_value", d.ID, d.Source.Name, d.keyspace, canonical(d.Where), fieldTexts(d.Source, v.Fields), v.History.String()).short()
	}
}

// window is what the panes of the history are cut as.
func (v *NewValue) window() window.Window {
	return window.Window{Kind: window.Sliding, Length: v.History}
}

// text says what is told, for people.
func (v *NewValue) text(s *event.Source) string {
	names := make([]string, len(v.Fields))
	for i, slot := range v.Fields {
		names[i] = s.Fields[slot].Name
	}
	return "new " + strings.Join(names, ", ") + " within " + window.DurationText(v.History)
}
