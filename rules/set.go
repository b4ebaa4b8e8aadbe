package rules

import (
	"strconv"
	"time"

	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// Set is all rules, checked and compiled: whoever has one need not check again. It is immutable and safe for concurrent use.
type Set struct {
	Rules   []*Rule         // all rules, disabled ones too: files by path, then the order in the file. Rule.Index is the place in it
	Sources []*event.Source // as given
	Plans   []*Plan         // one for each topic that an enabled (live or shadow) rule reads, by topic, and then one for each stage, by hop and topic
	Version string          // hash of the rules' ids, versions and modes, in hex

	byID map[string]*Rule
}

// Rule returns the rule with that id, or nil.
func (s *Set) Rule(id string) *Rule { return s.byID[id] }

// Plan returns the plan of a topic, or nil when no enabled rule reads it.
func (s *Set) Plan(topic string) *Plan {
	for _, p := range s.Plans {
		if p.Topic == topic {
			return p
		}
	}
	return nil
}

// Rule is one detection.
type Rule struct {
	Index              int // in Set.Rules
	ID                 string
	Title, Description string
	Tags, References   []string
	Severity           Severity
	Mode               Mode
	Position           diag.Position // of the id
	Version            string        // hash of what it detects, not of its wording, tags, severity, mode and tests; 32 hex digits
	Source             *event.Source
	Where              *expr.Expr    // over the declared fields; nil: every event
	GroupBy            []event.Slot  // in the rule's own order, as alerts show the key; never empty
	Features           []*Feature    // in the rule's own order, as alerts show the context
	NewValue           *NewValue     // nil: another trigger
	Sequence           *Sequence     // nil: another trigger
	Absence            *Absence      // nil: another trigger
	Condition          *expr.Expr    // over the whole row; never nil: with another trigger it filters what that finds, and may be "true"
	Exceptions         []Exception   // in the rule's own order: the first that is true silences
	For                time.Duration // how long the condition must hold; 0: not at all
	KeepFiring         time.Duration // how long an alert stays open after the condition held last; 0: it is not closed
	Suppress           *Suppress     // nil: every finding is an alert
	Alert              Alert
	Tests              []Test

	// Where it runs. Plan, Keyspace and Stream are nil when the rule is disabled.
	Plan          *Plan // of its source's topic, or of a stage
	Keyspace      *Keyspace
	Stream        *Stream
	WhereIndex    int // of Where in Stream.Wheres; -1: every event
	EvidenceIndex int // in Stream.Evidence; -1: no event beside the triggering one is kept

	Level int // 0: on events; 1: on the alerts of rules on events; and so on

	sees sight

	TimersIdentity uint64   // of what waits, in this version of the rule
	Carried        []Column // of a rule that waits: the declared fields that an alert needs of the event that it carries

	EvidenceWithin time.Duration // how long before an alert the events that it names may lie; 0: any time
}

// Enabled reports whether the rule is evaluated: it is live or shadow.
func (r *Rule) Enabled() bool { return r.Mode != Disabled }

// Trigger says what makes the rule tell, for people: its condition, and what comes before it.
func (r *Rule) Trigger() string {
	text := ""
	if r.NewValue != nil {
		text = r.NewValue.text(r.Source)
	}
	if r.Absence != nil {
		text = r.Absence.says()
	}
	if r.Sequence != nil {
		text = r.Sequence.Text()
	}
	switch {
	case text == "":
		return r.Condition.Text() + r.lasting()
	case r.Always():
		return text
	}
	return text + ", and " + r.Condition.Text()
}

// Always reports whether the rule has no condition beside its trigger: Condition is always true.
func (r *Rule) Always() bool {
	return (r.NewValue != nil || r.Absence != nil || r.Sequence != nil) && r.Condition.Text() == "true"
}

// Severity says how grave what a rule finds is.
type Severity uint8

// The severities.
const (
	Info Severity = iota
	Low
	Medium // the default
	High
	Critical
)

var severityNames = [...]string{"info", "low", "medium", "high", "critical"}

// String returns the severity as users write it.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "severity(" + strconv.Itoa(int(s)) + ")"
}

// Mode says what becomes of a rule's findings.
type Mode uint8

// The modes.
const (
	Live     Mode = iota // alerts; the default
	Shadow               // evaluated and counted, written to the shadow topic, never to sinks
	Disabled             // not evaluated
)

var modeNames = [...]string{"live", "shadow", "disabled"}

// String returns the mode as users write it.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "mode(" + strconv.Itoa(int(m)) + ")"
}

// Exception silences its rule where Where is true; over the whole row.
type Exception struct {
	Name  string // unique in the rule
	Where *expr.Expr
}

// Suppress holds back what follows an alert of the same rule, key and By values: for the time For, or for the rest of a bucket of Calendar.
type Suppress struct {
	Identity uint64         // of the rule's id, so that cool-downs survive a new version of the rule
	For      time.Duration  // exactly one of For
	Calendar *window.Window // and Calendar is set
	By       []event.Slot   // declared fields; empty: the key alone
}

// Alert is what an alert says.
type Alert struct {
	Summary     *expr.Template  // never nil
	Description *expr.Template  // nil: none
	Runbook     *expr.Template  // nil: none
	Labels      []NamedTemplate // in the order of the file
	Links       []NamedTemplate // in the order of the file
	Evidence    int             // how many contributing events an alert names by position: 0 to EvidenceMax
}

// NamedTemplate is one label or link.
type NamedTemplate struct {
	Name string
	Text *expr.Template
}

// EvidenceMax and EvidenceDefault bound how many contributing events an alert names; each costs 16 bytes a key.
const (
	EvidenceMax     = 16
	EvidenceDefault = 4
)
