package rules

import (
	"slices"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// Absence is the trigger of a rule that fires when something does not follow its event in time.
type Absence struct {
	Of       *event.Source // an event of it ends the wait
	Where    *expr.Expr    // over the declared fields of Of: those that do; nil: every event
	Within   time.Duration // of the rule's event, the end included
	CancelOn *event.Source // every event of it ends the wait, too; nil: none
	First    bool          // the first event begins the wait; else each later one begins it anew
}

// Cancel is a rule whose waits the events of a stream end.
type Cancel struct {
	Rule  *Rule
	Where int // in Stream.Wheres; -1: every event
}

// Timed reports whether the rule waits: something of it may be due without an event.
func (r *Rule) Timed() bool { return r.Absence != nil || r.For > 0 || r.KeepFiring > 0 }

const absenceExample = "absence: {of: order.placed, within: 30m}"

// timers reads what makes a rule wait.
func (d *draft) timers() {
	d.absence()
	if d.Absence != nil && d.NewValue != nil {
		d.m.Key("absence").Errorf("a rule has one trigger, and this one has new_value; keep one")
	}
	if d.Absence != nil && d.Sequence != nil {
		d.m.Key("absence").Errorf("a rule has one trigger, and this one has a sequence; keep one")
	}
	for _, name := range []string{"for", "keep_firing_for"} {
		v := d.m.Duration(name, 0)
		switch {
		case !d.m.Has(name):
		case d.Absence != nil, d.NewValue != nil, d.Sequence != nil:
			d.m.Key(name).Errorf("%s is about a condition that goes on holding, and the rule tells of something else; remove it", name)
		case name == "for":
			d.For = v
		default:
			d.KeepFiring = v
		}
	}
}

func (d *draft) absence() {
	m := d.m.Map("absence", "absence")
	if m == nil {
		return
	}
	a := &Absence{}
	d.Absence = a
	var from *view
	if a.Of = d.awaited(m.Required("of", absenceExample)); a.Of != nil {
		from = d.loader.viewOf(a.Of)
	}
	a.Where = d.where(m, from)
	if n := m.Required("within", absenceExample); n != nil {
		a.Within, _ = n.Duration()
	}
	n := m.Get("cancel_on")
	a.CancelOn = d.awaited(n)
	switch {
	case a.CancelOn == nil:
	case a.CancelOn == a.Of:
		n.Errorf("events of %s end the wait already; name another source, or remove it", n.Text)
	case a.CancelOn == d.Source:
		n.Errorf("events of %s begin the wait, so they cannot cancel it; name another source, or remove it", n.Text)
	}
	a.First = m.OneOf("arm", "last", "last", "first") == "first"
	m.Done()
}

// awaited reads a source whose events have the rule's key; nil: none.
func (d *draft) awaited(n *yamldoc.Node) *event.Source {
	name, ok := n.Str()
	if !ok || n == nil {
		return nil
	}
	s := d.loader.sourceNamed(name)
	if s == nil {
		n.Errorf("unknown source %q%s", name, yamldoc.Hint(name, d.loader.sourceNames()))
		return nil
	}
	if d.view != nil {
		d.meets(n, s, d.keyNames(), "the rule")
	}
	return s
}

// meets checks that a source has the fields of a key as the rule's source has them.
func (d *draft) meets(n *yamldoc.Node, s *event.Source, key []string, what string) (met bool) {
	met = true
	for _, field := range key {
		f := &d.Source.Fields[d.Source.FieldSlot(field)]
		other := s.FieldSlot(f.Name)
		met = met && other != event.NoSlot && s.Fields[other].Kind == f.Kind
		switch {
		case other == event.NoSlot:
			n.Errorf("source %s has no field %q, by which %s is grouped; declare it there, or group by fields that both have", s.Name, f.Name, what)
		case s.Fields[other].Kind != f.Kind:
			n.Errorf("%q is a %s in %s and a %s in %s, so that their keys never meet; declare it the same in both", f.Name, f.Kind, d.Source.Name, s.Fields[other].Kind, s.Name)
		}
	}
	return met
}

// ends returns the sources whose events end a wait.
func (a *Absence) ends() (all []*event.Source) {
	if a == nil {
		return nil
	}
	for _, s := range []*event.Source{a.Of, a.CancelOn} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// text identifies what is waited for.
func (a *Absence) text() string {
	arm, cancel := "last", ""
	if a.First {
		arm = "first"
	}
	if a.CancelOn != nil {
		cancel = a.CancelOn.Name
	}
	return list([]string{a.Of.Name, canonical(a.Where), a.Within.String(), cancel, arm})
}

// says tells what is missed, for people.
func (a *Absence) says() string {
	text := "no " + a.Of.Name
	if a.Where != nil {
		text += " where " + a.Where.Text()
	}
	return text + " within " + window.DurationText(a.Within)
}

// lasting tells how long the condition has to hold, for people.
func (r *Rule) lasting() string {
	if r.For == 0 {
		return ""
	}
	return " for " + window.DurationText(r.For)
}

// addTimers notes what the rule waits with: which events end a wait, and what of its own events is carried until then.
func (s *Stream) addTimers(r *Rule) {
	r.TimersIdentity = hash("timers", r.ID, r.Version).short()
	slots := append(r.slots(), r.GroupBy...)
	slots = append(slots, r.Source.EventTime)
	if r.Suppress != nil {
		slots = append(slots, r.Suppress.By...)
	}
	if OnAlerts(r.Source) {
		slots = append(slots, alertOrigin...)
	}
	slices.Sort(slots)
	for _, slot := range slices.Compact(slots) {
		if int(slot) < len(r.Source.Fields) {
			f := &r.Source.Fields[slot]
			r.Carried = append(r.Carried, Column{f.Name, f.Kind, slot})
		}
	}
	a := r.Absence
	if a == nil {
		return
	}
	of, where := s.Keyspace.stream(a.Of), -1
	if a.Where != nil {
		where = of.where(a.Where)
	}
	of.Cancels = append(of.Cancels, Cancel{r, where})
	if a.CancelOn != nil {
		other := s.Keyspace.stream(a.CancelOn)
		other.Cancels = append(other.Cancels, Cancel{r, -1})
	}
}
