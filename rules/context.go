package rules

import (
	"regexp"
	"slices"
	"strings"

	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// Limits of a rule's context.
const (
	FeaturesMax   = 64 // of a rule
	MembersMax    = 8  // fields of one first or last
	MinSamplesMax = 1_000_000
)

var featureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// context reads the features of a rule.
func (d *draft) context() {
	n := d.m.Get("context")
	if n.Map("context") == nil {
		d.lost = d.lost || n != nil || diag.Nearest("context", d.m.Node.Names()) != ""
		return
	}
	for i, p := range n.Pairs {
		if i == FeaturesMax {
			p.Key.Errorf("a rule has at most %d features; split the rule", FeaturesMax)
			return
		}
		free := d.checkName(p.Key)
		f := &Feature{Name: p.Key.Text, Position: p.Key.Position(), Read: d.read(p.Value.Map("a feature"))}
		if f.Read == nil || !free {
			d.broken = append(d.broken, f.Name)
			continue
		}
		d.Features = append(d.Features, f)
	}
}

// checkName reports whether a name is free to be a feature's.
func (d *draft) checkName(n *yamldoc.Node) bool {
	name := n.Text
	switch {
	case !featureName.MatchString(name):
		n.Errorf("%q is no name for a feature; use letters, digits and _, starting with a letter, at most 64 of them", name)
	case slices.Contains(reserved, name):
		n.Errorf("%q has a meaning of its own in expressions; name the feature differently", name)
	case d.view != nil:
		if _, taken := d.view.event.Names[name]; taken {
			n.Errorf("%q is a field of %s; name the feature differently", name, d.Source.Name)
			return false
		}
		return true
	default:
		return true
	}
	return false
}

// read reads a feature's definition. It returns nil when not even the kind of its value is known.
func (d *draft) read(m *yamldoc.Map) *Read {
	if m == nil {
		return nil
	}
	r := &Read{}
	d.by(m, r)
	from := d.samples(m, r)
	known := d.agg(m, r, from)
	if d.Where != nil && r.Source == d.Source {
		r.wheres = append(r.wheres, d.Where)
	}
	if w := d.where(m, from); w != nil {
		r.wheres = append(r.wheres, w)
	}
	r.wheres = distinct(r.wheres)
	r.Window = readWindow(m.Required("window", "window: 24h"))
	if r.ExcludeCurrent = m.Bool("exclude_current"); r.ExcludeCurrent && r.Source != d.Source {
		m.Key("exclude_current").Errorf("the current event is of %s, and no sample of a feature of %s; remove it", d.Source.Name, r.Source.Name)
	}
	if v, ok := m.Int("min_samples", 1, MinSamplesMax); ok {
		r.MinSamples = int(v)
	}
	d.exact(m, r)
	m.Done()
	if !known || from == nil {
		return nil
	}
	return r
}

// by reads another key than the rule's.
func (d *draft) by(m *yamldoc.Map, r *Read) {
	n := m.Get("by")
	items := n.Strings()
	if n == nil || d.view == nil {
		return
	}
	if n.Kind == yamldoc.Seq && len(n.Items) == 0 {
		n.Errorf("by is empty; name the fields that make the feature's key, as in by: [terminal_id]")
	}
	if len(items) > groupMax {
		items[groupMax].Errorf("a key has at most %d fields; group by fewer", groupMax)
	}
	for _, item := range items {
		slot := d.keyField(item, "by", "a key")
		if slot == event.NoSlot {
			continue
		}
		if name := d.Source.Fields[slot].Name; slices.Contains(r.By, name) {
			item.Errorf("%q is in by twice; remove one", item.Text)
		} else {
			r.By = append(r.By, name)
		}
	}
	slices.Sort(r.By)
	if slices.Equal(r.By, d.keyNames()) {
		n.Errorf("by is the rule's own key; remove it")
		r.By = nil
	}
}

// samples reads whose events are the feature's samples: those of the rule's source, or of another one with fields of the same names as the
// key's. It returns nil when that is not known.
func (d *draft) samples(m *yamldoc.Map, r *Read) *view {
	r.Source = d.Source
	n := m.Get("source")
	name, ok := n.Str()
	if n == nil || d.view == nil {
		return d.view
	}
	s := d.loader.sourceNamed(name)
	switch {
	case !ok:
		return nil
	case s == nil:
		n.Errorf("unknown source %q%s", name, yamldoc.Hint(name, d.loader.sourceNames()))
		return nil
	case s == d.Source:
		n.Errorf("%s is the rule's own source; remove it", name)
		return d.view
	}
	r.Source = s
	d.meets(n, s, d.keyOf(&Feature{Read: r}), "the feature")
	return d.loader.viewOf(s)
}

// agg reads what is computed of which fields, and reports whether the kind of the value is known.
func (d *draft) agg(m *yamldoc.Map, r *Read, from *view) bool {
	n := m.Required("agg", "agg: count")
	text, ok := n.Str()
	if ok {
		if r.Agg, ok = window.ParseAgg(text); !ok {
			n.Errorf("unknown agg %q%s", text, yamldoc.Hint(text, window.AggNames()))
		}
	}
	d.percent(m, r)
	one, several := m.Get("field"), m.Get("fields")
	items := one.Strings()
	if several != nil {
		r.Several = true
		items = several.Strings()
	}
	switch takes := r.Agg == window.AggFirst || r.Agg == window.AggLast; {
	case !ok || from == nil:
		return false
	case one != nil && several != nil:
		m.Key("fields").Errorf("a feature has field or fields, not both; keep one")
	case several != nil && !takes:
		m.Key("fields").Errorf("%s is of one field; write field: %s", text, first(items, "amount"))
		return false
	case one != nil && one.Kind == yamldoc.Seq:
		one.Errorf("field is one name; for several write fields: [lat, lon]")
		return false
	case len(items) > MembersMax:
		items[MembersMax].Errorf("a feature has at most %d fields; split it", MembersMax)
	case several != nil && several.Kind == yamldoc.Seq && len(several.Items) == 0:
		several.Errorf("fields is empty; name some, as in fields: [lat, lon]")
	case one == nil && several == nil && r.Agg != window.AggCount && r.Agg != window.AggTimeSince:
		n.Errorf("%s needs a field; add it, as in field: amount", text)
		return false
	}
	return d.fields(items, r)
}

func first(items []*yamldoc.Node, def string) string {
	if len(items) > 0 {
		return items[0].Text
	}
	return def
}

// percent reads the p of a percentile.
func (d *draft) percent(m *yamldoc.Map, r *Read) {
	n := m.Get("p")
	switch {
	case r.Agg == 0: // it may be a misspelt percentile
	case r.Agg != window.AggPercentile && n != nil:
		m.Key("p").Errorf("p is for percentile; remove it, or write agg: percentile")
	case r.Agg != window.AggPercentile:
	case n == nil:
		m.Get("agg").Errorf("percentile needs p; add it, as in p: 95")
	default:
		v, ok := n.Float()
		if !ok {
			return
		}
		if r.P, ok = window.ParsePercent(v); !ok {
			n.Errorf("p is %s; it lies above 0 and below 100 and has at most three decimals, as in p: 99.9", n.Text)
		}
	}
}

// fields reads the value fields, and sets the kinds of the results.
func (d *draft) fields(items []*yamldoc.Node, r *Read) bool {
	sound := true
	for _, item := range items {
		slot := fieldOf(r.Source, item, r.Agg.String())
		if slot == event.NoSlot {
			sound = false
			continue
		}
		f := &r.Source.Fields[slot]
		if !r.Agg.Accepts(f.Kind) {
			item.Errorf("%s does not apply to %s, which is a %s%s", r.Agg, f.Name, f.Kind, cureOf(r.Agg))
			sound = false
			continue
		}
		if slices.Contains(r.Fields, slot) {
			item.Errorf("%q stands twice in fields; remove one", item.Text)
			continue
		}
		r.Fields = append(r.Fields, slot)
		r.FieldNames = append(r.FieldNames, f.Name)
		r.kinds = append(r.kinds, f.Kind)
		r.Kinds = append(r.Kinds, r.Agg.Result(f.Kind))
	}
	if len(items) == 0 {
		r.Kinds = []event.Kind{r.Agg.Result(event.KindMissing)}
	}
	return sound && len(r.Kinds) > 0
}

// cureOf says what an aggregate applies to.
func cureOf(a window.Agg) string {
	var names []string
	for k := event.KindString; k <= event.KindIP; k++ {
		if a.Accepts(k) {
			names = append(names, k.String())
		}
	}
	return "; name a field of type " + strings.Join(names, ", ")
}

// exact reads exact, which turns a sliding window of panes into one of rows, and distinct_count and percentile from estimates into exact values
// over rows. A window of events has the rows for a percentile anyway.
func (d *draft) exact(m *yamldoc.Map, r *Read) {
	if !m.Bool("exact") || r.Agg == 0 || r.Window.Kind == 0 {
		return
	}
	r.Exact = r.Agg == window.AggDistinct || r.Agg == window.AggPercentile && r.Window.Kind != window.Events
	if !r.Exact && r.Window.Kind != window.Sliding {
		m.Key("exact").Errorf("exact is for windows like 24h, for distinct_count and for percentile; remove it, %s over %s is exact without it", r.Agg, r.Window)
	}
	if r.Window.Kind == window.Sliding {
		r.Window.Kind = window.Exact
	}
}

// distinct returns the conditions sorted by their canonical form, without repetitions.
func distinct(wheres []*expr.Expr) []*expr.Expr {
	slices.SortFunc(wheres, func(a, b *expr.Expr) int { return strings.Compare(a.Canonical(), b.Canonical()) })
	return slices.CompactFunc(wheres, func(a, b *expr.Expr) bool { return a.Canonical() == b.Canonical() })
}

// share replaces the rule's features by those of other rules that mean the same, and gives new ones their slots.
func (d *draft) share(enabled bool) {
	v := d.view
	way := d.way()
	for _, f := range d.Features {
		key := d.keyOf(f)
		f.Read.ID = d.readID(f.Read, key)
		stop := way[slices.IndexFunc(way, func(s stop) bool { return slices.Equal(s.fields, key) })]
		f.Read.hop = stop.hop
		at := spot{f.Read.ID, stop.hop, stop.way, f.Read.By != nil}
		if same := v.reads[at]; same != nil {
			f.Read = same
			continue
		}
		v.reads[at] = f.Read
		for range f.Read.Kinds {
			f.Read.Results = append(f.Read.Results, v.next)
			v.next++
		}
		if f.Read.By != nil {
			f.Read.Carry = Carry{v.next, v.next + 1, v.next + 2}
			v.next += 3
		}
	}
	d.allotCaptures(v)
	if enabled {
		v.width = int(v.next)
	}
}
