package rules

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"time"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/lookup"
)

// Limits of a rule's tests.
const (
	TestsMax = 200  // of a rule
	StepsMax = 2000 // of a test

	rowsMax    = 1000 // of an inline table
	columnsMax = 64   // of an inline table
)

// testReader reads one test.
type testReader struct {
	*draft
	sources []*event.Source
	test    *Test
	events  int
	now     event.Time // of the last step; NoTime before the first
	offset  int        // in which the last instant was written
}

// tests reads the rule's tests.
func (d *draft) tests(sources []*event.Source) {
	for i, n := range d.m.Get("tests").List("tests") {
		if i == TestsMax {
			n.Errorf("a rule has at most %d tests; move some to another rule", TestsMax)
			return
		}
		m := n.Map("a test")
		if m == nil {
			continue
		}
		r := &testReader{draft: d, sources: sources, test: &Test{Position: n.Position()}, now: event.NoTime}
		r.test.Name, _ = m.Required("name", "name: the second pizza of a day").Str()
		r.lookups(m.Get("lookups"))
		steps := m.Required("events", "events: [{at: 2026-10-15T12:00:00Z, customer_id: ann}]").List("events")
		if len(steps) > StepsMax {
			steps[StepsMax].Errorf("a test has at most %d events; split it", StepsMax)
			steps = nil
		}
		for _, step := range steps {
			r.step(step.Map("an event"))
		}
		for _, x := range m.Required("expect", "expect: [{event: 2}], or expect: [] for silence").List("expectations") {
			r.expect(x.Map("an expected alert"))
		}
		m.Done()
		d.Tests = append(d.Tests, *r.test)
	}
}

// reads reports whether the rule reads a field of a source's events.
func (d *draft) reads(s *event.Source, slot event.Slot) bool {
	return d.view != nil && slices.Contains(d.Rule.sources(nil), s) && slices.Contains(d.needs(s), slot)
}

// step reads an event, or time that passes.
func (r *testReader) step(m *yamldoc.Map) {
	if m == nil {
		return
	}
	s := Step{Position: m.Node.Position(), Source: r.Source}
	if m.Has("advance") {
		s.Source = nil
		s.Advance = m.Duration("advance", 0)
		if r.now == event.NoTime {
			m.Node.Errorf("time cannot pass before the first event; begin with an event at an instant")
			r.now = 0
		}
		s.At, s.Offset = r.now.Add(s.Advance), r.offset
		r.now = s.At
		m.Done()
		r.test.Steps = append(r.test.Steps, s)
		return
	}
	r.events++
	s.Event = r.events
	if n := m.Get("source"); n != nil {
		s.Source = r.sourceOf(n)
	}
	r.when(m, &s)
	if s.Source != nil {
		r.record(m, &s)
	}
	r.test.Steps = append(r.test.Steps, s)
}

func (r *testReader) sourceOf(n *yamldoc.Node) *event.Source {
	name, ok := n.Str()
	if !ok {
		return nil
	}
	var names []string
	for _, s := range r.sources {
		if s.Name == name {
			return s
		}
		names = append(names, s.Name)
	}
	n.Errorf("unknown source %q%s", name, yamldoc.Hint(name, names))
	return nil
}

// when reads an event's time: at, after, or the source's own field.
func (r *testReader) when(m *yamldoc.Map, s *Step) {
	at, after := m.Get("at"), m.Get("after")
	if at == nil && s.Source != nil {
		at = m.Get(s.Source.Fields[s.Source.EventTime].Name)
	}
	switch {
	case at != nil && after != nil:
		m.Key("after").Errorf("an event is at an instant or after the one before it, not both; keep one")
	case at != nil:
		if t, offset, ok := instant(at); ok {
			r.now, r.offset = t, offset
		}
	case after != nil && r.now == event.NoTime:
		m.Key("after").Errorf("there is no event before the first; write at, as in at: 2026-10-15T12:00:00Z")
	case after != nil:
		r.now = r.now.Add(durationOrZero(after, 0))
	default:
		m.Node.Errorf("the event has no time; add at: 2026-10-15T12:00:00Z or after: 5m")
	}
	if r.now == event.NoTime {
		r.now = 0 // told; the events after it are no problem of their own
	}
	s.At, s.Offset = r.now, r.offset
}

func instant(n *yamldoc.Node) (t event.Time, offset int, ok bool) {
	text, ok := n.Str()
	if !ok {
		return 0, 0, false
	}
	std, err := time.Parse(time.RFC3339, text)
	if err == nil {
		if t, ok = event.TimeOf(std); ok {
			_, offset = std.Zone()
			return t, offset, true
		}
	}
	n.Errorf("%q is no instant; write it as in 2026-10-15T12:00:00+02:00", text)
	return 0, 0, false
}

// expect reads an expected alert.
func (r *testReader) expect(m *yamldoc.Map) {
	if m == nil {
		return
	}
	x := Expect{Position: m.Node.Position(), At: event.NoTime}
	if v, ok := m.Int("event", 1, int64(max(1, r.events))); ok {
		x.Event = int(v)
	}
	if n := m.Get("at"); n != nil {
		x.At, _, _ = instant(n)
	}
	if n := m.Get("key"); n != nil && r.view != nil && len(r.GroupBy) > 0 {
		x.Key = r.key(n)
	}
	if n := m.Get("context"); n.Map("context") != nil {
		r.features(n, &x)
	}
	if n := m.Get("summary"); n != nil {
		if text, ok := n.Str(); ok {
			x.Summary = &text
		}
	}
	if n := m.Get("state"); n != nil {
		x.State = m.OneOf("state", "", "firing", "resolved")
		if x.State == "resolved" && r.KeepFiring == 0 {
			n.Errorf("an alert is resolved where the rule has keep_firing_for; add it, or expect firing")
		}
	}
	m.Done()
	r.test.Expect = append(r.test.Expect, x)
}

// key reads an alert's key: one value, or the values in the order of group_by, or a mapping of its fields.
func (r *testReader) key(n *yamldoc.Node) []event.Value {
	items := []*yamldoc.Node{n}
	switch n.Kind {
	case yamldoc.Seq:
		items = n.Items
	case yamldoc.Mapping:
		m := n.Map("the key")
		items = nil
		for i := range r.GroupBy {
			items = append(items, m.Required(r.keyName(i), r.keyName(i)+": …"))
		}
		m.Done()
	}
	if len(items) != len(r.GroupBy) {
		n.Errorf("the key has %d fields, %d are wanted; write a value for each of group_by", len(items), len(r.GroupBy))
		return nil
	}
	key := make([]event.Value, len(items))
	for i, item := range items {
		if item != nil {
			key[i], _ = value(item, r.Source.Fields[r.GroupBy[i]].Kind)
		}
	}
	return key
}

func (r *testReader) keyName(i int) string { return r.Source.Fields[r.GroupBy[i]].Name }

// features reads what an alert's context has to be.
func (r *testReader) features(n *yamldoc.Node, x *Expect) {
	if r.view == nil || r.lost {
		return
	}
	var names []string
	for _, f := range r.Features {
		names = append(names, f.Name)
	}
	for _, p := range n.Pairs {
		i := slices.IndexFunc(r.Features, func(f *Feature) bool { return f.Name == p.Key.Text })
		switch {
		case i < 0 && slices.Contains(r.broken, p.Key.Text):
		case i < 0:
			p.Key.Errorf("%q is no feature of this rule%s", p.Key.Text, yamldoc.Hint(p.Key.Text, names))
		default:
			r.feature(r.Features[i], p.Value, x)
		}
	}
}

func (r *testReader) feature(f *Feature, n *yamldoc.Node, x *Expect) {
	if !f.Read.Several {
		if v, ok := value(n, f.Read.Kinds[0]); ok {
			x.Context = append(x.Context, ExpectValue{Name: f.Name, Slot: f.Read.Results[0], Value: v})
		}
		return
	}
	if n.Map("the feature "+f.Name) == nil {
		return
	}
	for _, p := range n.Pairs {
		i := slices.Index(f.Read.FieldNames, p.Key.Text)
		if i < 0 {
			p.Key.Errorf("%q is no field of %s%s", p.Key.Text, f.Name, yamldoc.Hint(p.Key.Text, f.Read.FieldNames))
			continue
		}
		if v, ok := value(p.Value, f.Read.Kinds[i]); ok {
			x.Context = append(x.Context, ExpectValue{Name: f.Name + "." + p.Key.Text, Slot: f.Read.Results[i], Value: v})
		}
	}
}

// lookups reads lists, and tables as a mapping of keys to mappings of columns.
func (r *testReader) lookups(n *yamldoc.Node) {
	if n.Map("lookups") == nil || r.view == nil {
		return
	}
	known := slices.Concat(r.view.event.Lookups.ListNames(), r.view.event.Lookups.TableNames())
	set := &lookup.Set{Lists: map[string]*lookup.List{}, Tables: map[string]*lookup.Table{}}
	for _, p := range n.Pairs {
		name := p.Key.Text
		switch {
		case !slices.Contains(known, name):
			p.Key.Errorf("the configuration has no lookup %q%s", name, yamldoc.Hint(name, known))
		case p.Value.Kind == yamldoc.Mapping:
			if t := table(p.Value); t != nil {
				set.Tables[name] = t
			}
		default:
			var problems diag.List
			set.Lists[name] = lookup.ParseList("", []byte(strings.Join(texts(p.Value), "\n")), &problems)
			for _, bad := range problems.Sorted() {
				p.Value.Errorf("%s", bad.Message)
			}
		}
	}
	r.test.Lookups = set
}

// table makes the rows of a mapping a table.
func table(n *yamldoc.Node) *lookup.Table {
	columns := []string{"key"}
	rows := [][]string{nil}
	for i, p := range n.Pairs {
		if i == rowsMax {
			p.Key.Errorf("a test's table has at most %d rows; keep those that the test needs", rowsMax)
			return nil
		}
		if p.Value.Map("a row") == nil {
			return nil
		}
		row := make([]string, len(columns), len(columns)+len(p.Value.Pairs))
		row[0] = p.Key.Text
		for _, cell := range p.Value.Pairs {
			i := slices.Index(columns, cell.Key.Text)
			if len(columns) > columnsMax {
				cell.Key.Errorf("a test's table has at most %d columns; keep those that the rule reads", columnsMax)
				return nil
			}
			if i < 0 {
				i = len(columns)
				columns, row = append(columns, cell.Key.Text), append(row, "")
			}
			row[i], _ = cell.Value.Str()
		}
		rows = append(rows, row)
	}
	rows[0] = columns
	for i := range rows {
		rows[i] = append(rows[i], make([]string, len(columns)-len(rows[i]))...)
	}
	var b bytes.Buffer
	var problems diag.List
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		n.Errorf("the table cannot be read: %v; write {key: {column: value}}", err)
		return nil
	}
	t := lookup.ParseTable("", b.Bytes(), "key", &problems)
	for _, bad := range problems.Sorted() {
		n.Errorf("%s", bad.Message)
	}
	return t
}
