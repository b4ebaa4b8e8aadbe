package engine

import (
	"insolite/internal/event"
	"insolite/rules"
)

// Counts says what became of the records since New; replayed ones are not among them.
type Counts struct {
	Records    uint64    // all; at a stage, frames
	Tombstones uint64    // records without a value
	Unmatched  uint64    // records of no source
	Malformed  uint64    // records that could not be decoded: dead letters
	Panics     uint64    // evaluations that were given up because a condition panicked
	Fast       uint64    // went the decoder's fast way, replayed ones included
	Generic    uint64    // went to the decoder's strict scanner, replayed ones included
	Refused    []Refused // dead letters by reason, in the order in which the first came
	Sources    []SourceCounts
	Rules      []RuleCounts

	RowsSent     uint64 // to stages
	RowsRepeated uint64 // of a stage: that had been seen before

	seen  []uint64 // events by gate
	gates []int    // of Rules
}

// Refused counts the dead letters of one reason.
type Refused struct {
	Stage, Reason string
	N             uint64
}

// Refuse counts a dead letter. The reasons are few.
func (c *Counts) Refuse(stage, reason string) {
	for i := range c.Refused {
		if r := &c.Refused[i]; r.Reason == reason && r.Stage == stage {
			r.N++
			return
		}
	}
	c.Refused = append(c.Refused, Refused{stage, reason, 1})
}

// SourceCounts says what became of a source's events.
type SourceCounts struct {
	Source     *event.Source
	Events     uint64 // decoded
	TooFar     uint64 // too far ahead of their records' timestamps: dead letters
	Late       uint64 // below the watermark; at a stage, of a partition that was not waited for because it was idle
	Duplicates uint64 // refused by a keyspace, summed over keyspaces
	Unsent     uint64 // to a stage, because a field of its key was missing, summed over stages
	WrongKey   uint64 // whose record's key is not the text of the declared key field
}

// RuleCounts says what became of the events that a rule saw.
type RuleCounts struct {
	Rule             *rules.Rule
	NoKey            uint64   // a field of group_by was missing: not evaluated
	Evaluated        uint64   // its `where` let pass
	InsufficientData uint64   // the condition was unknown, of a feature
	MissingField     uint64   // the condition was unknown, of a field
	Excepted         []uint64 // silenced, by exception
	Suppressed       uint64   // held back
	Alerts           uint64   // firing ones
	Panics           uint64
	Armed            uint64 // what began to wait
	Due              uint64 // what came due
	Resolved         uint64 // alerts that tell of it
}

// settle makes of the events at the gates those of each rule: with a thousand rules, counting each for each event would cost more than
// evaluating them.
func (c *Counts) settle() {
	for i := range c.Rules {
		c.Rules[i].Evaluated = c.seen[c.gates[i]]
	}
}

func newCounts(plan *rules.Plan, all []*rules.Rule, gates []int, seen int) Counts {
	c := Counts{seen: make([]uint64, seen), gates: gates}
	for _, s := range plan.Sources {
		c.Sources = append(c.Sources, SourceCounts{Source: s.Source})
	}
	for _, r := range all {
		c.Rules = append(c.Rules, RuleCounts{Rule: r, Excepted: make([]uint64, len(r.Exceptions))})
	}
	return c
}
