package rules

import (
	"regexp"
	"slices"
	"strings"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// Limits of a rule, far above what a person writes.
const (
	groupMax      = 8  // fields of its key
	exceptionsMax = 64 // exceptions
	namedMax      = 32 // labels, links
)

// draft is a rule being read.
type draft struct {
	*Rule
	loader   *loader
	m        *yamldoc.Map
	head     *yamldoc.Node // the id, or the rule where it has none
	view     *view         // nil: the source is unknown
	keyspace string
	broken   []string // features of which not even the kind is known
	astray   bool     // some step of the sequence is wrong
	circular bool     // it sees what comes of its own alerts
	lost     bool     // no feature is known: context is misspelt, or no mapping
}

// rule reads a rule up to its features; finish reads the rest.
func (l *loader) rule(m *yamldoc.Map) *draft {
	if m == nil {
		return nil
	}
	d := &draft{Rule: &Rule{WhereIndex: -1, EvidenceIndex: -1}, loader: l, m: m, head: m.Node}
	skipped := l.identity(d)
	if skipped {
		return nil
	}
	d.Title, d.Description = m.String("title"), m.String("description")
	d.Tags, d.References = texts(m.Get("tags")), texts(m.Get("references"))
	d.Severity = Severity(slices.Index(severityNames[:], m.OneOf("severity", "medium", severityNames[:]...)))
	d.Mode = Mode(slices.Index(modeNames[:], m.OneOf("mode", "live", modeNames[:]...)))
	if l.Only != "" {
		d.Mode = Live
	}
	l.source(d)
	d.Where = d.where(m, d.view)
	d.groupBy()
	d.context()
	d.baselines()
	d.newValue()
	d.sequence()
	d.timers()
	d.suppress()
	return d
}

// identity reads the id; skipped rules are those that Options.Only leaves out.
func (l *loader) identity(d *draft) (skipped bool) {
	n := d.m.Required("id", "id: two-pizzas-one-day")
	if n != nil {
		d.head = n
	}
	d.Position = d.head.Position()
	id, ok := n.Str()
	if l.Only != "" && id != l.Only {
		return true
	}
	if !ok {
		return false
	}
	d.ID = id
	if !ruleID.MatchString(id) {
		n.Errorf("%q is no id for a rule; use letters, digits, dots, - and _, at most 127 of them", id)
	}
	if first := l.ids[id]; first != nil {
		n.Errorf("a rule with the id %q stands at %s already; choose another id", id, first.Position())
	}
	l.ids[id] = n
	return false
}

func (l *loader) source(d *draft) {
	n := d.m.Required("source", "source: payment.authorized")
	name, ok := n.Str()
	if !ok {
		return
	}
	i := slices.IndexFunc(l.sources, func(s *event.Source) bool { return s.Name == name })
	switch {
	case i >= 0:
		d.Source = l.sources[i]
		d.view = l.viewOf(d.Source)
	case len(l.sources) == 1:
		n.Errorf("unknown source %q; the configuration declares none, add it below sources:", name)
	default:
		n.Errorf("unknown source %q%s", name, yamldoc.Hint(name, l.sourceNames()))
	}
}

// groupBy reads the key.
func (d *draft) groupBy() {
	n := d.m.Required("group_by", "group_by: [customer_id]")
	items := n.Strings()
	if n != nil && n.Kind == yamldoc.Seq && len(n.Items) == 0 {
		n.Errorf("group_by is empty; name the fields that make a key, as in group_by: [customer_id]")
	}
	if len(items) > groupMax {
		items[groupMax].Errorf("a key has at most %d fields; group by fewer", groupMax)
	}
	if d.view == nil || n == nil {
		return
	}
	for _, item := range items {
		slot := d.keyField(item, "group_by", "a key")
		switch {
		case slot == event.NoSlot:
		case slices.Contains(d.GroupBy, slot):
			item.Errorf("%q is in group_by twice; remove one", item.Text)
		default:
			d.GroupBy = append(d.GroupBy, slot)
		}
	}
	d.keyspace = strings.Join(d.keyNames(), ",")
}

// keyNames returns the sorted names of the key's fields.
func (r *Rule) keyNames() []string {
	names := make([]string, len(r.GroupBy))
	for i, slot := range r.GroupBy {
		names[i] = r.Source.Fields[slot].Name
	}
	slices.Sort(names)
	return names
}

// field returns the slot of the declared field that n names, or NoSlot when it has told that there is none.
func (d *draft) field(n *yamldoc.Node, what string) event.Slot { return fieldOf(d.Source, n, what) }

func fieldOf(s *event.Source, n *yamldoc.Node, what string) event.Slot {
	slot := s.FieldSlot(strings.TrimPrefix(n.Text, "event."))
	if slot == event.NoSlot {
		n.Errorf("%s names %q, which is no field of %s%s", what, n.Text, s.Name, yamldoc.Hint(n.Text, fieldNames(s)))
	}
	return slot
}

// keyField is field for what must tell keys apart.
func (d *draft) keyField(n *yamldoc.Node, what, is string) event.Slot {
	slot := d.field(n, what)
	if slot != event.NoSlot && !keyKind(d.Source.Fields[slot].Kind) {
		n.Errorf("%s is a string, int, bool or ip, %s is a %s; use another field", is, n.Text, d.Source.Fields[slot].Kind)
		return event.NoSlot
	}
	return slot
}

// texts reads a list of strings.
func texts(n *yamldoc.Node) []string {
	var out []string
	for _, item := range n.Strings() {
		out = append(out, item.Text)
	}
	return out
}

// where reads a condition over the event, as the rule and its features have one.
func (d *draft) where(m *yamldoc.Map, v *view) *expr.Expr {
	if v == nil {
		return condition(m.Get("where"), nil)
	}
	return condition(m.Get("where"), v.event, slices.Concat(d.m.Get("context").Names(), d.m.Get("baseline").Names())...)
}

// finish compiles what may name features, and reads the rest.
func (d *draft) finish(sources []*event.Source) {
	m := d.m
	var scope *expr.Scope
	if d.view != nil {
		scope = d.view.row(d.Features)
		d.Sequence.nameEvents(scope)
	}
	if d.NewValue != nil && d.Sequence != nil {
		m.Key("new_value").Errorf("a rule has one trigger, this one has new_value and sequence; split the rule")
	}
	if !slices.ContainsFunc([]string{"new_value", "sequence", "absence"}, m.Has) || m.Has("condition") {
		n := m.Required("condition", "condition: pizzas >= 2")
		d.Condition = condition(n, d.unlessBroken(n, scope))
	} else if d.view != nil {
		d.Condition = always(d.view)
	}
	d.exceptions(scope)
	d.alert(scope)
	d.checkCaptures()
	d.tests(sources)
	m.Done()
}

// unlessBroken returns the scope, or nil when the text names a feature that is wrong itself: that is told already.
func (d *draft) unlessBroken(n *yamldoc.Node, scope *expr.Scope) *expr.Scope {
	if d.lost {
		return nil
	}
	for _, name := range d.broken {
		if n != nil && regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).MatchString(n.Text) {
			return nil
		}
	}
	return scope
}

func (d *draft) exceptions(scope *expr.Scope) {
	seen := map[string]bool{}
	for i, item := range d.m.Get("exceptions").List("exceptions") {
		if i == exceptionsMax {
			item.Errorf("a rule has at most %d exceptions; keep what they name in a list", exceptionsMax)
			return
		}
		m := item.Map("an exception")
		name := m.Required("name", "{name: vpn egress, where: vpn == true}")
		x := Exception{}
		x.Name, _ = name.Str()
		if x.Name != "" && seen[x.Name] {
			name.Errorf("the exception %q stands twice; name one differently", x.Name)
		}
		seen[x.Name] = true
		n := m.Required("where", "{name: vpn egress, where: vpn == true}")
		x.Where = condition(n, d.unlessBroken(n, scope))
		m.Done()
		d.Exceptions = append(d.Exceptions, x)
	}
}

func (d *draft) suppress() { // where For and Calendar are both empty, an error was told
	m := d.m.Map("suppress", "suppress")
	if m == nil {
		return
	}
	s := &Suppress{}
	switch n := m.Required("for", "suppress: {for: 24h}"); {
	case n != nil && n.Kind == yamldoc.Mapping:
		c := n.Map("the time to suppress for")
		if w := calendar(c); w.Kind != 0 {
			s.Calendar = &w
		}
		c.Done()
	default:
		s.For, _ = n.Duration()
	}
	for _, item := range m.Get("by").Strings() {
		if d.view == nil {
			continue
		}
		if slot := d.keyField(item, "suppress", "what refines the key"); slices.Contains(s.By, slot) {
			item.Errorf("%q stands twice in by; remove one", item.Text)
		} else if slot != event.NoSlot {
			s.By = append(s.By, slot)
		}
	}
	m.Done()
	d.Suppress = s
	if d.view != nil {
		s.Identity = d.suppressID()
	}
}

func (d *draft) alert(scope *expr.Scope) {
	d.Alert.Evidence = EvidenceDefault
	m := d.m.Map("alert", "alert")
	text := func(name string) *expr.Template {
		n := m.Get(name)
		return template(n, d.unlessBroken(n, scope))
	}
	a := &d.Alert
	a.Summary, a.Description, a.Runbook = text("summary"), text("description"), text("runbook")
	a.Labels, a.Links = d.named(m.Get("labels"), "labels", scope), d.named(m.Get("links"), "links", scope)
	if d.Sequence != nil {
		a.Evidence = EvidenceMax // its own events are what it is about
	}
	if OnAlerts(d.Source) {
		a.Evidence = 0 // where an alert comes from is more than what is kept of an event
	}
	if n, ok := m.Int("evidence", 0, EvidenceMax); ok {
		if a.Evidence = int(n); n > 0 && OnAlerts(d.Source) {
			m.Key("evidence").Errorf("alerts are no evidence that is kept; remove it, and show their ids by a feature such as {agg: last, field: id, window: 1d}")
		}
	}
	m.Done()
	if a.Summary == nil && d.view != nil {
		a.Summary = d.defaultSummary()
	}
}

func (d *draft) named(n *yamldoc.Node, what string, scope *expr.Scope) []NamedTemplate {
	if n.Map(what) == nil {
		return nil
	}
	var out []NamedTemplate
	for i, p := range n.Pairs {
		if i == namedMax {
			p.Key.Errorf("an alert has at most %d %s; leave some out", namedMax, what)
			return nil
		}
		out = append(out, NamedTemplate{Name: p.Key.Text, Text: template(p.Value, d.unlessBroken(p.Value, scope))})
	}
	return out
}

// defaultSummary is the title and the key.
func (d *draft) defaultSummary() *expr.Template {
	title := d.Title
	if title == "" {
		title = d.ID
	}
	text := strings.NewReplacer("{", "{{", "}", "}}").Replace(title) + ":"
	for _, slot := range d.GroupBy {
		text += " {event." + d.Source.Fields[slot].Name + "}"
	}
	return expr.CompileTemplate(text, d.view.event, nil, &diag.List{}) // of sound parts
}
