package rules

import (
	"time"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules/lookup"
)

// Test is a sequence of events, and the alerts that the rule has to answer with.
type Test struct {
	Name     string
	Position diag.Position
	Lookups  *lookup.Set // stand for the configured ones of the same names; nil: none
	Steps    []Step
	Expect   []Expect // all alerts, in their order; none: silence
}

// Step is one event, or time that passes without one.
//
// A test writes the fields that matter. What it leaves out is missing if it is optional; a required field that the rule does not read gets
// a placeholder, of its own in each event for the id of dedupe, so that the record is one of its source.
type Step struct {
	Position diag.Position
	Event    int           // the number of the event in the test, from 1; 0: time passes
	Advance  time.Duration // how much time passes; 0 for an event
	Source   *event.Source // of the event
	At       event.Time    // of the event, or to which time has passed
	Offset   int           // seconds east of UTC in which At was written
	Row      event.Row     // a value for each declared field; what is missing is missing
	JSON     []byte        // the same event as the value of a record: the fields at their paths, and what match wants
}

// Expect is an alert, of which only what is said has to hold.
type Expect struct {
	Position diag.Position
	Event    int           // the number of the triggering event, from 1; 0: not said
	At       event.Time    // event.NoTime: not said
	Key      []event.Value // in the order of Rule.GroupBy; nil: not said
	Context  []ExpectValue
	Summary  *string // nil: not said
	State    string  // "firing" or "resolved"; empty: not said
}

// ExpectValue is what a feature has to be.
type ExpectValue struct {
	Name  string      // the feature, or feature.field
	Slot  event.Slot  // in the row
	Value event.Value // missing: the feature has to be unknown
}
