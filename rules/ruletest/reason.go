package ruletest

import (
	"fmt"
	"strings"

	"insolite/alerts"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// reason tells why an event raised no alert.
func (c *checker) reason(r *raised) string {
	switch {
	case r.x == nil || r.rule == nil && r.x.Source != c.rule.Source:
		return fmt.Sprintf("the event is of %s, the rule reads %s", r.step.Source.Name, c.rule.Source.Name)
	case r.x.Admission == engine.Late:
		w := event.TimeValue(r.x.Watermark, r.x.At.OffsetSeconds())
		return fmt.Sprintf("the event is late, its time %s lies before the watermark %s", r.x.At.Text(), w.Text())
	case r.rule == nil:
		return "the event is " + r.x.Admission.String()
	}
	x := r.rule
	if waits := c.waits(r); waits != "" {
		return waits
	}
	switch x.Outcome {
	case engine.NotEvaluated:
		return fmt.Sprintf("where does not hold: %s, as %s", c.rule.Where.Text(), leaves(x.Where))
	case engine.NoKey:
		return "a field of group_by is missing: " + missing(x.Key)
	case engine.Duplicate:
		return "the event is a duplicate, its id was seen before"
	case engine.NotFired, engine.InsufficientData, engine.MissingField:
		if x.Condition == nil {
			return x.Trigger
		}
	}
	switch x.Outcome {
	case engine.NotFired:
		return fmt.Sprintf("the condition is false: %s, as %s", c.rule.Condition.Text(), leaves(x.Condition))
	case engine.InsufficientData, engine.MissingField:
		return fmt.Sprintf("the condition is unknown: %s, as %s%s", c.rule.Condition.Text(), leaves(x.Condition), c.scarce(x.Features))
	case engine.Excepted:
		return fmt.Sprintf("the exception %q holds", x.Exception)
	case engine.Suppressed:
		until := event.TimeValue(x.Until, r.x.At.OffsetSeconds())
		return "it is suppressed until " + until.Text()
	}
	return "its outcome is " + x.Outcome.String()
}

// waits tells what waits behind an event, and how far time has come.
func (c *checker) waits(r *raised) string {
	if len(r.rule.Waits) == 0 || r.rule.Outcome != engine.Waits && r.rule.Outcome != engine.Open {
		return ""
	}
	w := r.rule.Waits[len(r.rule.Waits)-1]
	at := func(t event.Time) string {
		v := event.TimeValue(t, r.x.At.OffsetSeconds())
		return v.Text()
	}
	switch {
	case w.Open && w.Deadline == event.Never:
		return "the alert since " + at(w.Since) + " is open until the condition does not hold"
	case w.Open:
		return "the alert since " + at(w.Since) + " is open until " + at(w.Deadline)
	}
	now := c.raised[len(c.raised)-1].now
	if w.Deadline < now {
		return "it waited until " + at(w.Deadline) + ", and what came until then ended that"
	}
	return fmt.Sprintf("it waits until %s, and fires when the watermark, which lags by lateness, is behind that; it comes to %s in this test: let more time pass with advance",
		at(w.Deadline), at(now))
}

func missing(key []alerts.Named) string {
	var names []string
	for i := range key {
		if !key[i].Value.Known() {
			names = append(names, key[i].Name)
		}
	}
	return strings.Join(names, ", ")
}

// scarce names the features that have fewer samples than they ask for.
func (c *checker) scarce(features []alerts.Feature) string {
	s := ""
	for i, f := range c.rule.Features {
		if have, least := features[i].Samples, f.Read.MinSamples; have < least {
			s += fmt.Sprintf("; %s has %d of %d samples", f.Name, have, least)
		}
	}
	return s
}

// leaves tells the values that an expression is made of, each once: "amount = 30, usual = 15".
func leaves(n *expr.Node) string {
	var parts []string
	seen := map[string]bool{}
	var walk func(n *expr.Node)
	walk = func(n *expr.Node) {
		if len(n.Nodes) == 0 && !seen[n.Text] {
			seen[n.Text] = true
			parts = append(parts, n.Text+" = "+shown(&n.Value))
		}
		for i := range n.Nodes {
			walk(&n.Nodes[i])
		}
	}
	walk(n)
	return strings.Join(parts, ", ")
}
