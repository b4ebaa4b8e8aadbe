package rules

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// forever is the Retention of a keyspace whose contexts are always wanted.
const forever time.Duration = -1

// plan decides where everything runs.
func (s *Set) plan(sources []*event.Source, views map[*event.Source]*view, app string) {
	topics := map[string]*Plan{}
	topicOf := func(source *event.Source) *Plan {
		p := topics[source.Topic]
		if p == nil {
			p = s.topicPlan(source.Topic, views)
			topics[p.Topic] = p
			s.Plans = append(s.Plans, p)
		}
		return p
	}
	for _, r := range s.byLevel() {
		s.travel(r, topicOf, func(stop stop) *Plan {
			topic := stageTopic(app, stop)
			if topics[topic] == nil {
				topics[topic] = &Plan{Topic: topic, Stage: &Stage{Hop: stop.hop, Fields: stop.fields}}
				s.Plans = append(s.Plans, topics[topic])
			}
			return topics[topic]
		}, views)
	}
	slices.SortFunc(s.Plans, func(a, b *Plan) int { return cmp.Or(cmp.Compare(a.hop(), b.hop()), cmp.Compare(a.Topic, b.Topic)) })
	for _, p := range s.Plans {
		p.order(sources)
	}
	for _, p := range s.Plans {
		for _, route := range p.Routes {
			p.pack(route, topics[route.Topic])
		}
	}
}

// byLevel returns the rules that are evaluated: those on events first, and each behind those whose alerts it sees.
func (s *Set) byLevel() []*Rule {
	all := slices.DeleteFunc(slices.Clone(s.Rules), func(r *Rule) bool { return !r.Enabled() })
	slices.SortStableFunc(all, func(a, b *Rule) int { return cmp.Compare(a.Level, b.Level) })
	return all
}

// topicPlan returns the plan of a topic of sources, without rules.
func (s *Set) topicPlan(topic string, views map[*event.Source]*view) *Plan {
	p := &Plan{Topic: topic}
	for _, source := range s.Sources {
		if source.Topic == topic {
			p.Sources = append(p.Sources, newSourcePlan(source, views[source]))
			p.Lateness = max(p.Lateness, source.Lateness)
		}
	}
	return p
}

func newSourcePlan(s *event.Source, v *view) *SourcePlan {
	sp := &SourcePlan{Source: s, Width: len(s.Fields), Needed: make([]bool, len(s.Fields))}
	sp.need(s.EventTime)
	if OnAlerts(s) {
		sp.need(alertOrigin...)
	}
	if v == nil {
		return sp
	}
	sp.Width = v.width
	sp.need(s.Key...)
	if s.Dedupe != nil {
		sp.need(s.Dedupe.ID)
	}
	return sp
}

func (sp *SourcePlan) need(slots ...event.Slot) {
	for _, slot := range slots {
		if int(slot) < len(sp.Needed) {
			sp.Needed[slot] = true
		}
	}
}

// source returns the plan of a source of the topic.
func (p *Plan) source(s *event.Source) *SourcePlan {
	for _, sp := range p.Sources {
		if sp.Source == s {
			return sp
		}
	}
	return nil
}

// add puts a rule to work.
func (p *Plan) add(r *Rule) {
	sp := p.source(r.Source)
	sp.Rules = append(sp.Rules, r)
	r.Plan, r.Keyspace = p, p.keyspace(r.keyNames())
	r.Keyspace.Rules = append(r.Keyspace.Rules, r)
	r.Stream = r.Keyspace.stream(r.Source)
	r.Stream.Rules = append(r.Stream.Rules, r)
	if r.Where != nil {
		r.WhereIndex = r.Stream.where(r.Where)
	}
	for _, f := range r.Features {
		if f.Read.By == nil {
			r.Stream.addRead(f.Read)
		}
	}
	if r.Sequence != nil {
		p.addSequence(r)
	} else {
		r.Stream.addEvidence(r)
	}
	if r.Timed() {
		r.Stream.addTimers(r)
	}
	r.Keyspace.retainRule(r)
}

// addSequence brings the events of a rule's steps to the rule.
func (p *Plan) addSequence(r *Rule) {
	q := r.Sequence
	for _, s := range q.sources() {
		if st := r.Keyspace.stream(s); st != r.Stream {
			sp := p.source(s)
			sp.Rules = append(sp.Rules, r)
		}
	}
	index := func(s *event.Source, w *expr.Expr) int {
		if w == nil {
			return -1
		}
		return r.Keyspace.stream(s).where(w)
	}
	for i := range q.Steps {
		q.Steps[i].WhereIndex = index(q.Steps[i].Source, q.Steps[i].Where)
	}
	for i := range q.Bars {
		q.Bars[i].WhereIndex = index(q.Bars[i].Source, q.Bars[i].Where)
	}
}

// needs returns the slots that the rule reads of the events of a source, with repetitions.
func (r *Rule) needs(s *event.Source) []event.Slot {
	var slots []event.Slot
	if s == r.Source {
		slots = append(r.slots(), r.GroupBy...)
		if r.Suppress != nil {
			slots = append(slots, r.Suppress.By...)
		}
		if r.NewValue != nil {
			slots = append(slots, r.NewValue.Fields...)
		}
	}
	for _, end := range r.Absence.ends() {
		if end != s {
			continue
		}
		for _, name := range r.keyNames() {
			slots = append(slots, s.FieldSlot(name))
		}
		if w := r.Absence.Where; w != nil && s == r.Absence.Of {
			slots = append(slots, w.Slots()...)
		}
	}
	if r.Sequence != nil {
		slots = append(slots, r.Sequence.needs(s)...)
		if s != r.Source && slices.Contains(r.Sequence.sources(), s) {
			slots = append(slots, r.Key(s)...)
			for _, c := range r.Fields(s) {
				slots = append(slots, c.Field)
			}
		}
	}
	for _, f := range r.Features {
		if f.Read.By != nil && s == r.Source || f.Read.Source == s {
			for _, name := range r.keyOf(f) {
				slots = append(slots, s.FieldSlot(name))
			}
		}
		if f.Read.Source != s {
			continue
		}
		slots = append(slots, f.Read.Fields...)
		for _, w := range f.Read.wheres {
			slots = append(slots, w.Slots()...)
		}
	}
	return slots
}

// slots returns the slots that the rule's own expressions read, with repetitions.
func (r *Rule) slots() []event.Slot {
	var slots []event.Slot
	for _, e := range r.expressions() {
		if e != nil { // of a rule that is wrong
			slots = append(slots, e.Slots()...)
		}
	}
	for _, t := range r.Alert.templates() {
		if t != nil {
			slots = append(slots, t.Slots()...)
		}
	}
	return slots
}

// expressions returns the conditions of a rule; those that it has not are nil.
func (r *Rule) expressions() []*expr.Expr {
	all := []*expr.Expr{r.Where, r.Condition}
	for _, x := range r.Exceptions {
		all = append(all, x.Where)
	}
	return all
}

// templates returns the texts of an alert; those that it has not are nil.
func (a *Alert) templates() []*expr.Template {
	all := []*expr.Template{a.Summary, a.Description, a.Runbook}
	for _, t := range slices.Concat(a.Labels, a.Links) {
		all = append(all, t.Text)
	}
	return all
}

func (p *Plan) keyspace(fields []string) *Keyspace {
	name := strings.Join(fields, ",")
	for _, k := range p.Keyspaces {
		if k.Name == name {
			return k
		}
	}
	k := &Keyspace{Name: name, Fields: fields}
	p.Keyspaces = append(p.Keyspaces, k)
	return k
}

func (k *Keyspace) stream(source *event.Source) *Stream {
	for _, s := range k.Streams {
		if s.Source == source {
			return s
		}
	}
	s := &Stream{Source: source, Keyspace: k}
	for _, name := range k.Fields {
		s.Key = append(s.Key, source.FieldSlot(name))
	}
	if d := source.Dedupe; d != nil {
		s.DedupeIdentity = hash("dedupe", source.Name, fieldTexts(source, []event.Slot{d.ID})).short()
		k.retain(d.For)
	}
	k.Streams = append(k.Streams, s)
	return s
}

// where returns the index of a condition, which is added unless it is there.
func (s *Stream) where(e *expr.Expr) int {
	if i := slices.IndexFunc(s.Wheres, func(w *expr.Expr) bool { return w.Canonical() == e.Canonical() }); i >= 0 {
		return i
	}
	s.Wheres = append(s.Wheres, e)
	return len(s.Wheres) - 1
}

// addRead adds what a feature stands for, unless another rule has brought it.
func (s *Stream) addRead(r *Read) {
	if r.Stream != nil {
		return
	}
	k := s.Keyspace
	samples := k.stream(r.Source)
	for _, w := range r.wheres {
		r.Wheres = append(r.Wheres, samples.where(w))
	}
	r.Stream, r.Index, r.Cell = s, len(k.Reads), samples.cell(r)
	k.Reads = append(k.Reads, r)
	switch {
	case samples != s:
		s.After = append(s.After, r) // the current event is no sample
		if !slices.Contains(samples.Lent, r.Cell) {
			samples.Lent = append(samples.Lent, r.Cell)
		}
	case r.ExcludeCurrent || r.Agg == window.AggTimeSince:
		s.Before = append(s.Before, r)
	default:
		s.After = append(s.After, r)
	}
}

// cell returns the index of the cell that answers a read, which is added unless it is there.
func (s *Stream) cell(r *Read) int {
	k, id := s.Keyspace, s.cellID(r)
	if i := slices.IndexFunc(k.Cells, func(c *Cell) bool { return c.ID == id }); i >= 0 {
		return i
	}
	c := &Cell{ID: id, Fields: r.Fields, Wheres: r.Wheres, Stream: s,
		Spec: window.Spec{Identity: id.short(), Family: r.Agg.Family(), Window: r.Window, Kinds: r.kinds, Exact: r.Exact}}
	if b := r.Baseline; b != nil {
		c.Spec, c.Baseline = window.Spec{Identity: id.short()}, &b.Spec
	}
	k.Cells = append(k.Cells, c)
	s.Cells = append(s.Cells, len(k.Cells)-1)
	if d, ends := r.Retention(); ends {
		k.retain(d)
	} else {
		k.Retention = forever
	}
	return len(k.Cells) - 1
}

// addEvidence finds the ring that keeps the positions of the rule's events. A rule without features needs no event but the triggering one. Rules
// share a ring that keeps as many events as long as the longest of them wants, and each shows those that are within its own reach.
func (s *Stream) addEvidence(r *Rule) {
	if r.Alert.Evidence == 0 || len(r.Features) == 0 {
		return
	}
	r.EvidenceWithin = r.reach()
	r.EvidenceIndex = slices.IndexFunc(s.Evidence, func(e Evidence) bool { return e.Where == r.WhereIndex && e.Max == r.Alert.Evidence })
	if r.EvidenceIndex < 0 {
		e := Evidence{Where: r.WhereIndex, Max: r.Alert.Evidence, Within: r.EvidenceWithin}
		e.Identity = hash("evidence", s.Source.Name, s.Keyspace.Name, canonical(r.Where), strconv.Itoa(e.Max)).short()
		s.Evidence = append(s.Evidence, e)
		r.EvidenceIndex = len(s.Evidence) - 1
		return
	}
	if e := &s.Evidence[r.EvidenceIndex]; r.EvidenceWithin == 0 || e.Within == 0 {
		e.Within = 0
	} else {
		e.Within = max(e.Within, r.EvidenceWithin)
	}
}

// reach returns how far back the rule's features look; 0: for ever.
func (r *Rule) reach() time.Duration {
	var reach time.Duration
	for _, f := range r.Features {
		w := f.Read.Window
		d, ends := f.Read.Retention()
		if !ends {
			return 0
		}
		if w.Kind == window.Session { // so many events of one session lie at most so many gaps apart
			d = multiply(w.Length, r.Alert.Evidence)
		}
		reach = max(reach, d)
	}
	return reach
}

// multiply is d*n, or the longest duration.
func multiply(d time.Duration, n int) time.Duration {
	if d > math.MaxInt64/time.Duration(n) {
		return math.MaxInt64
	}
	return d * time.Duration(n)
}

// retain says that a context may be read for so long after an event.
func (k *Keyspace) retain(d time.Duration) {
	if k.Retention != forever {
		k.Retention = max(k.Retention, d)
	}
}

func (k *Keyspace) retainRule(r *Rule) {
	if s := r.Suppress; s != nil {
		k.retain(s.For)
		if s.Calendar != nil {
			d, _ := s.Calendar.Retention()
			k.retain(d)
		}
	}
	if r.Timed() {
		k.retain(r.For)
		k.retain(r.KeepFiring)
		if r.Absence != nil {
			k.retain(r.Absence.Within)
		}
	}
	if r.EvidenceIndex >= 0 {
		k.retain(r.EvidenceWithin)
	}
	if r.Sequence != nil {
		k.retain(r.Sequence.Within)
	}
	if r.NewValue != nil {
		d, _ := r.NewValue.window().Retention()
		k.retain(d)
	}
}

// order puts keyspaces and streams into an order that does not depend on that of the rules.
func (p *Plan) order(sources []*event.Source) {
	slices.SortFunc(p.Keyspaces, func(a, b *Keyspace) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Sources, func(a, b *SourcePlan) int {
		return cmp.Compare(slices.Index(sources, a.Source), slices.Index(sources, b.Source))
	})
	slices.SortFunc(p.Routes, func(a, b *Route) int { return cmp.Compare(a.Topic, b.Topic) })
	place := map[*event.Source]int{}
	for i, sp := range p.Sources {
		place[sp.Source] = i
	}
	for i, k := range p.Keyspaces {
		k.Index = i
		slices.SortFunc(k.Streams, func(a, b *Stream) int { return cmp.Compare(place[a.Source], place[b.Source]) })
		for _, s := range k.Streams {
			sp := p.Sources[place[s.Source]]
			sp.Streams = append(sp.Streams, s)
		}
	}
}
