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

// check pairs alerts and expectations in their order; an expectation that names its event is paired with the alert of that event only.
func (c *checker) check() []diag.Problem {
	var alerts []*raised
	for i := range c.raised {
		r := &c.raised[i]
		if r.x != nil && r.x.Message != "" {
			c.errorf(r.step.Position, "event %d is none of its source: %s", r.step.Event, r.x.Message)
		}
		if r.fired() {
			alerts = append(alerts, r)
		}
	}
	for i := range c.test.Expect {
		want := &c.test.Expect[i]
		for len(alerts) > 0 && want.Event > alerts[0].step.Event {
			c.unexpected(alerts[0])
			alerts = alerts[1:]
		}
		if len(alerts) == 0 || want.Event != 0 && want.Event < alerts[0].step.Event {
			c.missing(i, want)
			continue
		}
		c.compare(i, want, alerts[0])
		alerts = alerts[1:]
	}
	for _, a := range alerts {
		c.unexpected(a)
	}
	return c.problems
}

// unexpected tells of an alert that no expectation is for.
func (c *checker) unexpected(a *raised) {
	c.errorf(a.step.Position, "event %d raises an alert that is not expected: %q, because %s", a.step.Event, c.summary(a), cause(a.rule))
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
	if len(c.raised) == 0 || c.raised[len(c.raised)-1].fired() {
		return ""
	}
	r := &c.raised[len(c.raised)-1]
	return fmt.Sprintf("; of event %d, the last one, %s", r.step.Event, c.reason(r))
}

// compare tells how an alert differs from its expectation.
func (c *checker) compare(i int, want *rules.Expect, got *raised) {
	differs := func(what string, wanted, was any) {
		c.errorf(want.Position, "alert %d, at event %d: expected %s %v, got %v", i+1, got.step.Event, what, wanted, was)
	}
	if want.At != event.NoTime && want.At != got.x.At.Time() {
		w := event.TimeValue(want.At, got.x.At.OffsetSeconds())
		differs("at", w.Text(), got.x.At.Text())
	}
	for k := range want.Key {
		if is := &got.rule.Key[k]; !want.Key[k].Equal(&is.Value) {
			differs("key "+is.Name, want.Key[k].Text(), is.Value.Text())
		}
	}
	for k := range want.Context {
		w := &want.Context[k]
		if is := &got.rule.Row[w.Slot]; !same(&w.Value, is) {
			differs(w.Name, shown(&w.Value), shown(is))
		}
	}
	if want.Summary != nil {
		if is := c.summary(got); is != *want.Summary {
			differs("summary", fmt.Sprintf("%q", *want.Summary), fmt.Sprintf("%q", is))
		}
	}
	if want.State != "" && want.State != "firing" {
		differs("state", want.State, "firing")
	}
}

func (c *checker) summary(r *raised) string {
	return string(c.rule.Alert.Summary.Append(nil, r.rule.Row))
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
