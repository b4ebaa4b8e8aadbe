package oracle

import (
	"strings"
	"time"
)

// Job is all that decides what is found in a log: one source or two, and the rules over them. With two, a line names its source in the field type.
type Job struct {
	Source Source
	Other  *Source // nil: there is one source
	Rules  []Rule
}

// Source describes the events. The event time is the field named at.
type Source struct {
	Name     string
	Topic    string
	Key      []string // the fields by which the records are keyed; none: every rule runs behind a stage
	Lateness time.Duration
	Dedupe   *Dedupe // nil: no event is a duplicate
	Fields   []Field
}

// Dedupe names the field with the event's id, and how far apart in event time two events with one id are two events.
type Dedupe struct {
	ID  string
	For time.Duration
}

// Field is one declared field.
type Field struct {
	Name     string
	Kind     Kind
	Optional bool
}

// Rule is one rule with a condition, or another trigger.
type Rule struct {
	ID         string
	Severity   string // empty: medium
	Source     string // empty: Job.Source
	Where      *Expr  // nil: every event
	GroupBy    []string
	Features   []Feature
	NewValue   *NewValue // nil: another trigger
	Sequence   *Sequence // nil: another trigger
	Absence    *Absence  // nil: the condition is the trigger
	Condition  *Expr     // nil: none, beside an absence
	For        time.Duration
	Keep       time.Duration // keep_firing_for
	Exceptions []Exception
	Suppress   *Suppress // nil: every finding is emitted
}

// Feature is one named value of a rule's context.
type Feature struct {
	Name           string
	By             []string // empty: the rule's key
	Source         string   // whose events are samples; empty: the rule's
	Agg            string   // count sum avg stddev min max distinct_count first last delta time_since percentile
	P              int      // of percentile, in thousandths
	Field          string   // empty: none
	Fields         []string // of first and last, instead of Field
	Where          *Expr    // nil: every event
	Window         Window
	ExcludeCurrent bool
	Exact          bool // distinct_count and percentile, where the window is not sliding: as of an exact window, over rows
	MinSamples     int
	Baseline       *Baseline // nil: an aggregate
}

// Window says which samples count for an event.
type Window struct {
	Kind string        // sliding exact calendar session events forever
	Span time.Duration // of sliding and exact: the length; of session: the gap
	Unit string        // of calendar: minute hour day week month
	Zone string        // of calendar: empty is UTC
	N    int           // of events
}

// Exception silences a rule where it holds.
type Exception struct {
	Name  string
	Where *Expr
}

// Suppress holds back what follows an emitted finding of the same rule, key and By: for the time For, or for the rest of a calendar bucket.
type Suppress struct {
	By   []string
	For  time.Duration
	Unit string // not empty: calendar instead of For
	Zone string
}

// members returns the fields that make an event a sample when one of them is present.
func (f *Feature) members() []string {
	if len(f.Fields) > 0 {
		return f.Fields
	}
	if f.Field != "" {
		return []string{f.Field}
	}
	return nil
}

// of returns the source of that name.
func (j *Job) of(name string) *Source {
	if j.Other != nil && name == j.Other.Name {
		return j.Other
	}
	return &j.Source
}

// sourceOf returns the source of a line.
func (j *Job) sourceOf(line string) *Source {
	if j.Other != nil && strings.HasPrefix(line, `{"type":"`+j.Other.Name+`"`) {
		return j.Other
	}
	return &j.Source
}

// TopicOf returns the topic to which a line belongs.
func (j *Job) TopicOf(line string) string { return j.sourceOf(line).Topic }

// samplesOf returns the source whose events are the feature's samples.
func (j *Job) samplesOf(r *Rule, f *Feature) *Source {
	if f.Source != "" {
		return j.of(f.Source)
	}
	return j.of(r.Source)
}

// kindOf returns the kind of the declared field.
func (s *Source) kindOf(name string) Kind {
	for _, f := range s.Fields {
		if f.Name == name {
			return f.Kind
		}
	}
	return Missing
}
