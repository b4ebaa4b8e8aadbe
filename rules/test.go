package rules

import (
	"time"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// Test is a story that a rule is told, and the alerts that it is to answer with.
type Test struct {
	Name     string
	Position diag.Position
	Lookups  []TestLookup // stand for the configured ones of the same names
	Steps    []Step
	Expect   []Expect // all alerts, in their order; none: silence
}

// TestLookup is a list or a table that stands in the test itself.
type TestLookup struct {
	Name     string
	Position diag.Position
	Values   []string   // of a list
	Columns  []string   // of a table: the names, the key first
	Rows     [][]string // of a table: the values, in the order of Columns
}

// Step is one event, or time that passes without one.
type Step struct {
	Position diag.Position
	Event    int           // the number of the event in the test, from 1; 0: time passes
	Advance  time.Duration // how much time passes; 0 for an event
	Source   *event.Source // of the event
	At       event.Time    // of the event, or to which time has passed
	Offset   int           // seconds east of UTC in which At was written
	Row      event.Row     // a value for each declared field; what is missing is missing
	JSON     []byte        // the event as the value of a record of its source, with the fields at their paths and what match wants
}

// Expect is an alert, of which only what is said has to hold.
type Expect struct {
	Position diag.Position
	Event    int           // the number of the triggering event, from 1; 0: not said
	At       event.Time    // event.NoTime: not said
	Key      []event.Value // in the order of Rule.GroupBy; nil: not said
	Context  []ExpectValue
	Summary  *string // nil: not said
	State    string  // "firing"; empty: not said
}

// ExpectValue is what a feature has to be.
type ExpectValue struct {
	Name  string      // the feature, or feature.field
	Slot  event.Slot  // in the row
	Value event.Value // missing: the feature has to be unknown
}
