package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// Limits of a sequence.
const (
	SequenceStepsMax = 8   // what must not come between them not counted
	SequenceTimesMax = 100 // events of one step
	captureMax       = 16  // fields of all named events that texts and conditions read
)

// Sequence is the trigger of a rule that tells of events which follow each other.
type Sequence struct {
	Identity  uint64        // of the rule's id and of what is remembered
	Within    time.Duration // from the first event to the last, inclusive
	Unordered bool          // the steps may come in any order
	Steps     []SequenceStep
	Bars      []SequenceBar
	Keep      int // events before the last that the alert names by position
}

// SequenceStep is so many events of a source.
type SequenceStep struct {
	Source   *event.Source
	Where    *expr.Expr // over the declared fields of Source; nil: every event. Of the rule's own source, its where has to hold, too
	Times    int
	As       string    // the name of the event that completes it; empty: none
	Captures []Capture // what expressions read of that event

	WhereIndex int // of Where in the Wheres of the source's stream; -1: every event

	group []event.Slot // by field of Source: its slot in the row; NoSlot: nothing reads it
}

// SequenceBar is an event that must not come while a match waits for a step.
type SequenceBar struct {
	Before int // in Sequence.Steps
	Source *event.Source
	Where  *expr.Expr

	WhereIndex int // as of a step
}

// Capture is a field of a named event, and where the row of the rule's source has it.
type Capture struct{ Field, Slot event.Slot }

const stepExample = "steps: [{source: login.failed, times: 5}, {source: login.succeeded, as: entry}]"

// sequence reads sequence.
func (d *draft) sequence() {
	m := d.m.Map("sequence", "sequence")
	if m == nil {
		d.lost = d.lost || d.m.Has("sequence")
		return
	}
	q := &Sequence{Unordered: m.Bool("unordered")}
	q.Within, _ = m.Required("within", "within: 10m").Duration()
	n := m.Required("steps", stepExample)
	d.lost = d.lost || n == nil || n.Kind != yamldoc.Seq
	items := n.List("steps")
	for i, item := range items {
		if i == 2*SequenceStepsMax {
			item.Errorf("a sequence has at most %d steps; leave some out", SequenceStepsMax)
			break
		}
		d.step(q, item.Map("a step"), i == len(items)-1)
	}
	m.Done()
	d.Sequence = q
	d.checkSequence(n)
}

// checkSequence checks what concerns all steps together.
func (d *draft) checkSequence(n *yamldoc.Node) {
	q := d.Sequence
	total, own := 0, false
	for i := range q.Steps {
		total += q.Steps[i].Times
		own = own || q.Steps[i].Source == d.Source
	}
	switch {
	case n == nil || n.Kind != yamldoc.Seq || d.view == nil || d.lost || d.astray:
	case len(q.Steps) > SequenceStepsMax:
		n.Errorf("a sequence has at most %d steps; leave some out", SequenceStepsMax)
	case total < 2:
		n.Errorf("a sequence has two events at least; add a step, or write a condition instead")
	case !own:
		n.Errorf("no step is of the rule's source %s; name one of the steps' sources as source", d.Source.Name)
	case len(q.sources()) > 1 && d.m.Has("baseline"):
		d.m.Key("baseline").Errorf("the sequence is of several sources, and a baseline scores the events of one; remove it")
	case len(q.sources()) > 1:
		for _, f := range d.Features {
			if f.Read.By != nil {
				key, _ := d.feature(f.Name)
				key.Errorf("the sequence is of several sources, whose events have no features of another key; remove it, or by")
			}
		}
	}
}

// step reads one step, or what must not come between two.
func (d *draft) step(q *Sequence, m *yamldoc.Map, last bool) {
	if m == nil {
		return
	}
	if not := m.Get("not"); not != nil {
		inner := not.Map("what must not come")
		switch {
		case inner == nil:
		case q.Unordered:
			m.Key("not").Errorf("not stands between two steps, and unordered ones have no between; remove it, or unordered")
		case len(q.Steps) == 0:
			d.astray = true
			m.Key("not").Errorf("a sequence begins with an event; put not behind a step")
		case last:
			m.Key("not").Errorf("not at the end of a sequence is not supported yet; end with a step")
		}
		source, where := d.stepEvents(inner)
		if inner != nil {
			inner.Done()
		}
		m.Done()
		q.Bars = append(q.Bars, SequenceBar{Before: len(q.Steps), Source: source, Where: where})
		return
	}
	s := SequenceStep{Times: 1}
	s.Source, s.Where = d.stepEvents(m)
	if v, ok := m.Int("times", 1, SequenceTimesMax); ok {
		s.Times = int(v)
	}
	if n := m.Get("as"); n != nil {
		s.As = d.alias(q, n)
	}
	d.lost = d.lost || s.Source == nil
	m.Done()
	q.Steps = append(q.Steps, s)
}

// stepEvents reads which events a step is of.
func (d *draft) stepEvents(m *yamldoc.Map) (*event.Source, *expr.Expr) {
	if m == nil {
		return nil, nil
	}
	r := &Read{Source: d.Source}
	v := d.view
	if n := m.Get("source"); n != nil && d.view != nil {
		name, ok := n.Str()
		if r.Source = d.loader.sourceNamed(name); r.Source == nil {
			if ok {
				n.Errorf("unknown source %q%s", name, yamldoc.Hint(name, d.loader.sourceNames()))
			}
			return nil, nil
		}
		if !d.meets(n, r.Source, d.keyNames(), "the sequence") {
			d.astray = true
		}
		if r.Source != d.Source {
			v = d.loader.viewOf(r.Source)
		}
	}
	return r.Source, d.where(m, v)
}

// alias reads the name of a step's event.
func (d *draft) alias(q *Sequence, n *yamldoc.Node) string {
	name, ok := n.Str()
	switch {
	case !ok || !d.checkName(n):
		d.broken = append(d.broken, n.Text)
		return ""
	case slices.ContainsFunc(d.Features, func(f *Feature) bool { return f.Name == name }) || slices.ContainsFunc(q.Steps, func(s SequenceStep) bool { return s.As == name }):
		n.Errorf("%q is a name in this rule already; name the event differently", name)
		return ""
	}
	return name
}

// allotCaptures gives slots to the fields of named events that some text of the rule may read: those whose names it spells.
func (d *draft) allotCaptures(v *view) {
	if d.Sequence == nil {
		return
	}
	spelt := map[string]bool{}
	for _, word := range identifier.FindAllString(d.texts(), -1) {
		spelt[word] = true
	}
	for i := range d.Sequence.Steps {
		s := &d.Sequence.Steps[i]
		if s.As == "" || s.Source == nil {
			continue
		}
		s.group = make([]event.Slot, len(s.Source.Fields))
		for f := range s.Source.Fields {
			name := s.Source.Fields[f].Name
			unspelt := func(word string) bool { return !spelt[word] }
			place := spelt["distance_km"] || spelt["speed_kmh"]
			place = place && (name == "lat" || name == "lon" || event.Slot(f) == s.Source.EventTime)
			if s.group[f] = event.NoSlot; spelt[s.As] && (place || !slices.ContainsFunc(strings.Split(name, "."), unspelt)) {
				s.group[f] = v.next
				v.next++
			}
		}
	}
}

var identifier = regexp.MustCompile(`\w+`)

// checkCaptures checks how many fields of named events are read, and that each was found in the texts.
func (d *draft) checkCaptures() {
	if d.Sequence == nil {
		return
	}
	used, total := d.slots(), 0
	for i := range d.Sequence.Steps {
		for _, slot := range d.Sequence.Steps[i].group {
			if slot != event.NoSlot && slices.Contains(used, slot) {
				total++
			}
		}
	}
	switch n := d.m.Key("sequence"); {
	case slices.Contains(used, event.NoSlot):
		n.Errorf("a field of a named event is spelt in a way that hides it; write it as in entry.user_id")
	case total > captureMax:
		n.Errorf("%d fields of named events are read, at most %d are kept; read fewer", total, captureMax)
	}
}

// texts returns all texts of the rule that may name an event of its sequence.
func (d *draft) texts() string {
	var b strings.Builder
	var walk func(n *yamldoc.Node)
	walk = func(n *yamldoc.Node) {
		if n == nil {
			return
		}
		if n.Kind <= yamldoc.String {
			b.WriteString(n.Text + "\n")
		}
		for _, item := range n.Items {
			walk(item)
		}
		for _, p := range n.Pairs {
			walk(p.Value)
		}
	}
	for _, name := range []string{"condition", "exceptions", "alert"} {
		if n := d.m.Get(name); n != nil {
			walk(n)
		}
	}
	return b.String()
}

// nameEvents adds the named events to what a condition may use.
func (q *Sequence) nameEvents(scope *expr.Scope) {
	if q == nil {
		return
	}
	for i := range q.Steps {
		s := &q.Steps[i]
		if s.group == nil {
			continue
		}
		fields := make([]event.Slot, len(s.group))
		for f := range fields {
			fields[f] = event.Slot(f)
		}
		scope.Names[s.As] = expr.Group(s.Source, fields, s.group)
	}
}

// sealSequence decides what is kept, now that all is read.
func (d *draft) sealSequence() {
	q := d.Sequence
	if q == nil {
		return
	}
	used := d.slots()
	parts := []string{"sequence", d.ID, d.Source.Name, d.keyspace, canonical(d.Where), q.Within.String(), fmt.Sprint(q.Unordered)}
	total := 0
	for i := range q.Steps {
		s := &q.Steps[i]
		var captured []event.Slot
		for f, slot := range s.group {
			if slot != event.NoSlot && slices.Contains(used, slot) {
				s.Captures = append(s.Captures, Capture{event.Slot(f), slot})
				captured = append(captured, event.Slot(f))
			}
		}
		total += s.Times
		parts = append(parts, "step", s.Source.Name, canonical(s.Where), fmt.Sprint(s.Times), fieldTexts(s.Source, captured))
	}
	for _, b := range q.Bars {
		parts = append(parts, "bar", fmt.Sprint(b.Before), b.Source.Name, canonical(b.Where))
	}
	q.Keep = min(total-1, d.Alert.Evidence)
	q.Identity = hash(append(parts, fmt.Sprint(q.Keep))...).short()
}

// parts identifies what the sequence is.
func (q *Sequence) parts() []string {
	all := []string{"sequence", q.Within.String(), fmt.Sprint(q.Unordered)}
	for i := range q.Steps {
		s := &q.Steps[i]
		all = append(all, "step", s.Source.Name, canonical(s.Where), fmt.Sprint(s.Times), s.As)
	}
	for _, b := range q.Bars {
		all = append(all, "bar", fmt.Sprint(b.Before), b.Source.Name, canonical(b.Where))
	}
	return all
}

// sources returns the sources of the steps, and of what must not come between them, each once.
func (q *Sequence) sources() (all []*event.Source) {
	add := func(s *event.Source) {
		if s != nil && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	for i := range q.Steps {
		add(q.Steps[i].Source)
	}
	for _, b := range q.Bars {
		add(b.Source)
	}
	return all
}

// wheres returns the conditions of what the sequence wants of a source; nil among them: every event.
func (q *Sequence) wheres(source *event.Source) (all []*expr.Expr) {
	for i := range q.Steps {
		if s := &q.Steps[i]; s.Source == source {
			all = append(all, s.Where)
		}
	}
	for _, b := range q.Bars {
		if b.Source == source {
			all = append(all, b.Where)
		}
	}
	return all
}

// needs returns the slots of a source's events that the sequence reads.
func (q *Sequence) needs(source *event.Source) (slots []event.Slot) {
	for _, w := range q.wheres(source) {
		if w != nil {
			slots = append(slots, w.Slots()...)
		}
	}
	for i := range q.Steps {
		if s := &q.Steps[i]; s.Source == source {
			for f, slot := range s.group {
				if slot != event.NoSlot {
					slots = append(slots, event.Slot(f))
				}
			}
		}
	}
	return slots
}

// Text says what is searched for, for people.
func (q *Sequence) Text() string {
	var parts []string
	bars := q.Bars
	for i := range q.Steps {
		for ; len(bars) > 0 && bars[0].Before == i; bars = bars[1:] {
			parts = append(parts, "no "+stepText(bars[0].Source, bars[0].Where))
		}
		s := &q.Steps[i]
		text := stepText(s.Source, s.Where)
		if s.Times > 1 {
			text = fmt.Sprintf("%d %s", s.Times, text)
		}
		parts = append(parts, text)
	}
	if q.Unordered {
		return strings.Join(parts, " and ") + " within " + window.DurationText(q.Within)
	}
	return strings.Join(parts, ", then ") + " within " + window.DurationText(q.Within)
}

func stepText(s *event.Source, where *expr.Expr) string {
	if where == nil {
		return s.Name
	}
	return s.Name + " where " + where.Text()
}

// Fields returns the fields of another source's event that stand for fields of the rule's own source where such an event completes a match:
// those that the rule reads, by name and type, and the event time.
func (r *Rule) Fields(other *event.Source) (pairs []Capture) {
	wanted := append(r.slots(), r.GroupBy...)
	if r.Suppress != nil {
		wanted = append(wanted, r.Suppress.By...)
	}
	pairs = append(pairs, Capture{Field: other.EventTime, Slot: r.Source.EventTime})
	slices.Sort(wanted)
	for _, slot := range slices.Compact(wanted) {
		if int(slot) >= len(r.Source.Fields) || slot == r.Source.EventTime {
			continue
		}
		f := &r.Source.Fields[slot]
		if i := other.FieldSlot(f.Name); i != event.NoSlot && other.Fields[i].Kind == f.Kind {
			pairs = append(pairs, Capture{Field: i, Slot: slot})
		}
	}
	return pairs
}

// Key returns the slots of the rule's key in the events of a source that it reads, in its own order.
func (r *Rule) Key(source *event.Source) []event.Slot {
	key := make([]event.Slot, len(r.GroupBy))
	for i, slot := range r.GroupBy {
		key[i] = source.FieldSlot(r.Source.Fields[slot].Name)
	}
	return key
}
