package ruletest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// checker holds what a rule answered against what a test expects.
type checker struct {
	rule     *rules.Rule
	test     *rules.Test
	raised   []raised
	problems []diag.Problem
}

func (c *checker) errorf(at diag.Position, format string, args ...any) {
	c.problems = append(c.problems, diag.Problem{Position: at, Message: fmt.Sprintf(format, args...), Length: 1})
}

// raisedAlert is an alert with the step behind which it was raised.
type raisedAlert struct {
	*engine.Alert
	by *raised
}

// event is the number of the event that the alert carries.
func (a *raisedAlert) event() int { return int(a.Offset) + 1 }

// check pairs alerts and expectations in their order; an expectation that names its event is paired with an alert of that event only.
func (c *checker) check() []diag.Problem {
	var alerts []raisedAlert
	for i := range c.raised {
		r := &c.raised[i]
		if r.x != nil && r.x.Message != "" {
			c.errorf(r.step.Position, "event %d is none of its source: %s", r.step.Event, r.x.Message)
		}
		for k := range r.alerts {
			alerts = append(alerts, raisedAlert{&r.alerts[k], r})
		}
	}
	for i := range c.test.Expect {
		want := &c.test.Expect[i]
		for len(alerts) > 0 && passes(want, alerts) {
			c.unexpected(&alerts[0])
			alerts = alerts[1:]
		}
		if len(alerts) == 0 || want.Event != 0 && want.Event != alerts[0].event() {
			c.missing(i, want)
			continue
		}
		c.compare(i, want, &alerts[0])
		alerts = alerts[1:]
	}
	for i := range alerts {
		c.unexpected(&alerts[i])
	}
	return c.problems
}

// passes reports whether an expectation is for a later one of the alerts than the first.
func passes(want *rules.Expect, alerts []raisedAlert) bool {
	if want.Event == 0 || want.Event == alerts[0].event() {
		return false
	}
	return !alerts[0].Timer && want.Event > alerts[0].event() || slices.ContainsFunc(alerts, func(a raisedAlert) bool { return a.event() == want.Event })
}

// unexpected tells of an alert that no expectation is for.
func (c *checker) unexpected(a *raisedAlert) {
	if a.Timer {
		c.errorf(a.by.step.Position, "the time that has come here raises an alert that is not expected: %s at %s for event %d, %q, because of %s",
			a.Origin.State, a.At.Text(), a.event(), c.summary(a), c.rule.Trigger())
		return
	}
	c.errorf(a.by.step.Position, "event %d raises an alert that is not expected: %q, because %s", a.event(), c.summary(a), cause(a.by.rule))
}

// cause tells what made a rule fire.
func cause(x *engine.RuleExplanation) string {
	if x.Condition == nil {
		return x.Trigger
	}
	return strings.TrimPrefix(x.Trigger+", and "+leaves(x.Condition), ", and ")
}

// missing tells of an alert that did not come.
func (c *checker) missing(i int, want *rules.Expect) {
	if want.Event == 0 {
		c.errorf(want.Position, "alert %d: expected, but there is none%s", i+1, c.last())
		return
	}
	k := slices.IndexFunc(c.raised, func(r raised) bool { return r.step.Event == want.Event })
	c.errorf(want.Position, "alert %d: expected at event %d, but there is none: %s", i+1, want.Event, c.reason(&c.raised[k]))
}

// last tells why the last event raised nothing: where an alert is missing, that one is looked at first.
func (c *checker) last() string {
	for i := len(c.raised) - 1; i >= 0; i-- {
		switch r := &c.raised[i]; {
		case len(r.alerts) > 0:
			return ""
		case r.step.Event != 0:
			return fmt.Sprintf("; of event %d, the last one, %s", r.step.Event, c.reason(r))
		}
	}
	return ""
}

// compare tells how an alert differs from its expectation.
func (c *checker) compare(i int, want *rules.Expect, got *raisedAlert) {
	differs := func(what string, wanted, was any) {
		c.errorf(want.Position, "alert %d, at event %d: expected %s %v, got %v", i+1, got.event(), what, wanted, was)
	}
	if want.At != event.NoTime && want.At != got.At.Time() {
		w := event.TimeValue(want.At, got.At.OffsetSeconds())
		differs("at", w.Text(), got.At.Text())
	}
	for k := range want.Key {
		slot := c.rule.GroupBy[k]
		if is := &got.Row[slot]; !want.Key[k].Equal(is) {
			differs("key "+c.rule.Source.Fields[slot].Name, want.Key[k].Text(), is.Text())
		}
	}
	for k := range want.Context {
		w := &want.Context[k]
		if is := &got.Row[w.Slot]; !same(&w.Value, is) {
			differs(w.Name, shown(&w.Value), shown(is))
		}
	}
	if want.Summary != nil {
		if is := c.summary(got); is != *want.Summary {
			differs("summary", fmt.Sprintf("%q", *want.Summary), fmt.Sprintf("%q", is))
		}
	}
	if want.State != "" && want.State != got.Origin.State {
		differs("state", want.State, got.Origin.State)
	}
}

func (c *checker) summary(a *raisedAlert) string {
	return string(c.rule.Alert.Summary.Append(nil, a.Row))
}

// closeEnough is the relative error that a written number may have: people copy the figures of messages, not 17 digits.
const closeEnough = 1e-9

func same(want, got *event.Value) bool {
	if want.Kind == event.KindNumber && got.Kind == event.KindNumber {
		w, g := want.Float(), got.Float()
		return math.Abs(w-g) <= closeEnough*max(math.Abs(w), math.Abs(g))
	}
	return want.Equal(got)
}

// shown is a value for people; unlike in a summary, a missing one is said to be unknown.
func shown(v *event.Value) string {
	if !v.Known() {
		return "unknown"
	}
	if v.Kind == event.KindString {
		return fmt.Sprintf("%q", v.S)
	}
	return v.Text()
}
