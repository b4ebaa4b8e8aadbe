package rules

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
)

// stepWords are what an event of a test says beside its fields. A field of the same name is written as event.name.
var stepWords = []string{"at", "after", "source"}

// record reads the fields of a test's event into its row, and writes them as a record.
func (r *testReader) record(m *yamldoc.Map, s *Step) {
	source := s.Source
	s.Row = make(event.Row, len(source.Fields))
	unknown := false
	if n := misspeltSource(m, source); n != nil { // then the fields are those of another one
		n.Errorf("unknown field %q in an event; did you mean \"source\"?", n.Text)
		return
	}
	for _, p := range m.Node.Pairs {
		name := p.Key.Text
		if slices.Contains(stepWords, name) {
			continue
		}
		slot := source.FieldSlot(strings.TrimPrefix(name, "event."))
		switch {
		case slot == event.NoSlot:
			unknown = true
			p.Key.Errorf("unknown field %q in %s%s", name, source.Name, yamldoc.Hint(name, fieldNames(source)))
		case s.Row[slot].Known():
			p.Key.Errorf("%q is given twice; keep one", source.Fields[slot].Name)
		case slot != source.EventTime:
			s.Row[slot], _ = value(p.Value, source.Fields[slot].Kind)
			s.Row[slot] = atUnit(s.Row[slot], source.Fields[slot].Unit)
		}
	}
	s.Row[source.EventTime] = atUnit(event.TimeValue(s.At, s.Offset), source.Fields[source.EventTime].Unit)
	r.match(m, s)
	if OnAlerts(source) {
		usualAlert(m, s)
	}
	r.fill(m, s, unknown)
	s.JSON = recordJSON(s)
}

// misspeltSource returns the word that is meant to be source; nil: none is.
func misspeltSource(m *yamldoc.Map, source *event.Source) *yamldoc.Node {
	for _, p := range m.Node.Pairs {
		name := p.Key.Text
		known := slices.Contains(stepWords, name) || source.FieldSlot(strings.TrimPrefix(name, "event.")) != event.NoSlot
		if !known && diag.Nearest(name, slices.Concat(stepWords, fieldNames(source))) == "source" && source.FieldSlot("source") == event.NoSlot {
			return p.Key
		}
	}
	return nil
}

// fill asks for the required fields that the rule reads, and gives the others placeholders. After an unknown field it does not ask: that
// is most likely the one.
func (r *testReader) fill(m *yamldoc.Map, s *Step, unknown bool) {
	source := s.Source
	for i := range source.Fields {
		f := &source.Fields[i]
		if f.Optional || f.Path == nil || s.Row[i].Known() || event.Slot(i) == source.EventTime {
			continue
		}
		if r.reads(source, event.Slot(i)) {
			n := cmp.Or(m.Get(f.Name), m.Get("event."+f.Name))
			if n != nil && n.Kind == yamldoc.Null {
				n.Errorf("%q is required by %s; give it a value, or declare it optional", f.Name, source.Name)
			}
			if n == nil && !unknown {
				m.Node.Errorf("the event has no %q, which the rule reads and %s requires; add it, as in %s: …", f.Name, source.Name, stepName(f.Name))
			}
			continue
		}
		s.Row[i] = placeholder(f.Kind, s)
	}
}

// stepName is how a test's event names a field.
func stepName(field string) string {
	if slices.Contains(stepWords, field) || field == "advance" {
		return "event." + field
	}
	return field
}

// atUnit drops the offset of an instant that records write as a number.
func atUnit(v event.Value, unit time.Duration) event.Value {
	if v.Kind == event.KindTime && unit != 0 {
		return event.TimeValue(v.Time(), 0)
	}
	return v
}

// match gives the field by which records of the source are told from others the value that it must have.
func (r *testReader) match(m *yamldoc.Map, s *Step) {
	match := s.Source.Match
	if match == nil {
		return
	}
	for i := range s.Source.Fields {
		f := &s.Source.Fields[i]
		if f.Kind != event.KindString || !slices.Equal(f.Path, match.Path) {
			continue
		}
		if v := &s.Row[i]; v.Known() && v.S != match.Equals {
			cmp.Or(m.Get(f.Name), m.Get("event."+f.Name)).Errorf("records of %s have %q here; write that, or leave the field out", s.Source.Name, match.Equals)
		}
		s.Row[i] = event.StringValue(match.Equals)
	}
}

// placeholder is a value for a required field that nothing reads. The number of the event makes it one of its own.
func placeholder(k event.Kind, s *Step) event.Value {
	switch k {
	case event.KindString:
		return event.StringValue("event " + strconv.Itoa(s.Event))
	case event.KindInt:
		return event.IntValue(int64(s.Event))
	case event.KindNumber:
		return event.NumberValue(0)
	case event.KindBool:
		return event.BoolValue(false)
	case event.KindTime:
		return event.TimeValue(s.At, 0)
	case event.KindIP:
		return event.IPValue(netip.AddrFrom4([4]byte{192, 0, 2, byte(s.Event)})) // TEST-NET-1, RFC 5737
	}
	return event.Value{}
}

// value reads a scalar as a value of a kind; null is missing.
func value(n *yamldoc.Node, k event.Kind) (v event.Value, ok bool) {
	if n.Kind == yamldoc.Null {
		return v, true
	}
	switch k {
	case event.KindString:
		if text, ok := n.Str(); ok {
			return event.StringValue(text), true
		}
	case event.KindInt:
		if i, ok := n.Int(math.MinInt64, math.MaxInt64); ok {
			return event.IntValue(i), true
		}
	case event.KindNumber:
		if f, ok := n.Float(); ok {
			return event.NumberValue(f), true
		}
	case event.KindBool:
		if n.Kind == yamldoc.Bool {
			return event.BoolValue(strings.EqualFold(n.Text, "true")), true
		}
		n.Errorf("this is %s, a bool is wanted; write true or false", n.Kind)
	case event.KindTime:
		if t, offset, ok := instant(n); ok {
			return event.TimeValue(t, offset), true
		}
	case event.KindIP:
		text, ok := n.Str()
		if !ok {
			return v, false
		}
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return event.IPValue(a), true
		}
		n.Errorf("%q is no address; write it as in 192.0.2.1", text)
	case event.KindDuration:
		return durationValue(n)
	}
	return v, false
}

// durationValue reads a duration, which may be zero or below.
func durationValue(n *yamldoc.Node) (event.Value, bool) {
	text, negative := strings.CutPrefix(n.Text, "-")
	if text == "0" || text == "0s" {
		return event.DurationValue(0), true
	}
	d, err := yamldoc.ParseDuration(text)
	if err != nil || n.Kind != yamldoc.String {
		n.Errorf("%q is not a duration; write it as in 90s, 1h30m", n.Text)
		return event.Value{}, false
	}
	if negative {
		d = -d
	}
	return event.DurationValue(d), true
}

// recordJSON writes the event as the value of a record of its source.
func recordJSON(s *Step) []byte {
	root := map[string]any{}
	if m := s.Source.Match; m != nil {
		place(root, m.Path, m.Equals)
	}
	for i := range s.Source.Fields {
		if f := &s.Source.Fields[i]; s.Row[i].Known() && len(f.Path) > 0 {
			place(root, f.Path, fieldJSON(&s.Row[i], f.Unit))
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // as producers write
	if err := e.Encode(root); err != nil {
		return nil // strings, numbers and bools have a JSON form
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// place puts a value at its path.
func place(object map[string]any, path []string, v any) {
	for _, key := range path[:len(path)-1] {
		inner, ok := object[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[key] = inner
		}
		object = inner
	}
	object[path[len(path)-1]] = v
}

// fieldJSON is a value as records have it.
func fieldJSON(v *event.Value, unit time.Duration) any {
	switch v.Kind {
	case event.KindNumber:
		return json.RawMessage(event.AppendNumber(nil, v.Float()))
	case event.KindInt:
		return v.Int()
	case event.KindBool:
		return v.Bool()
	case event.KindTime:
		if unit != 0 {
			return json.RawMessage(unitText(int64(v.Time()), int64(unit)))
		}
	}
	return v.Text()
}

// unitText writes nanoseconds as a decimal number of units, exactly.
func unitText(ns, unit int64) string {
	sign := ""
	whole, rest := ns/unit, ns%unit
	if ns < 0 {
		sign, whole, rest = "-", -whole, -rest
	}
	if rest == 0 {
		return sign + strconv.FormatInt(whole, 10)
	}
	digits := len(strconv.FormatInt(unit, 10)) - 1
	return strings.TrimRight(fmt.Sprintf("%s%d.%0*d", sign, whole, digits, rest), "0")
}
