package yamldoc

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"insolite/internal/diag"
)

// Map is a mapping being read. It knows which fields were asked for, so that Done can report the others.
type Map struct {
	Node  *Node
	what  string
	known []string
}

// Map reads the node as a mapping; what names it in messages, as in "a rule". A node of another kind is reported, and a Map without fields
// is returned. A nil node gives a nil Map, whose getters do nothing.
func (n *Node) Map(what string) *Map {
	if n == nil {
		return nil
	}
	if n.Kind != Mapping {
		n.Errorf("%s is a mapping of fields, this is %s; write name: value", what, n.Kind)
		return nil
	}
	return &Map{Node: n, what: what}
}

// Get returns a field's value, or nil. The field counts as known.
func (m *Map) Get(name string) *Node {
	if m == nil {
		return nil
	}
	if !slices.Contains(m.known, name) {
		m.known = append(m.known, name)
	}
	for _, p := range m.Node.Pairs {
		if p.Key.Text == name {
			return p.Value
		}
	}
	return nil
}

// Key returns the node of a field's name, or nil.
func (m *Map) Key(name string) *Node {
	if m == nil {
		return nil
	}
	for _, p := range m.Node.Pairs {
		if p.Key.Text == name {
			return p.Key
		}
	}
	return nil
}

// Map reads a field as a mapping; nil when it is absent or wrong.
func (m *Map) Map(name, what string) *Map { return m.Get(name).Map(what) }

// Has reports whether the field is there.
func (m *Map) Has(name string) bool { return m.Key(name) != nil }

// Required is Get, and reports the field's absence; example shows how it is written.
func (m *Map) Required(name, example string) *Node {
	n := m.Get(name)
	if m != nil && n == nil {
		m.Node.Errorf("%s has no %q; add it, as in %s", m.what, name, example)
	}
	return n
}

// Unsupported reports each of the fields that is there as a construct that this version does not know yet.
func (m *Map) Unsupported(names ...string) (found bool) {
	for _, name := range names {
		if m.Get(name) == nil {
			continue
		}
		found = true
		m.Key(name).Errorf("%q is not supported yet; remove it", name)
	}
	return found
}

// Done reports every field that nobody asked for.
func (m *Map) Done() {
	if m == nil {
		return
	}
	for _, p := range m.Node.Pairs {
		if !slices.Contains(m.known, p.Key.Text) {
			p.Key.Errorf("unknown field %q in %s%s", p.Key.Text, m.what, Hint(p.Key.Text, m.known))
		}
	}
}

// Hint is `; did you mean "x"?` for the nearest of the known names, or a list of them.
func Hint(name string, known []string) string {
	if s := diag.DidYouMean(name, known); s != "" {
		return s
	}
	switch {
	case len(known) == 0:
		return "; remove it"
	case len(known) > 30:
		return fmt.Sprintf("; known are %s and %d more", strings.Join(known[:20], ", "), len(known)-20)
	}
	return "; known are " + strings.Join(known, ", ")
}

// Str reads a string.
func (n *Node) Str() (string, bool) {
	if n == nil {
		return "", false
	}
	if n.Kind != String {
		quote := ""
		if n.Kind == Int || n.Kind == Float || n.Kind == Bool {
			quote = fmt.Sprintf("; put it in quotes: %q", n.Text)
		} else {
			quote = "; write text"
		}
		n.Errorf("%q is a string, this is %s%s", n.name, n.Kind, quote)
		return "", false
	}
	return n.Text, true
}

// String reads a field as a string; "" when it is absent or wrong.
func (m *Map) String(name string) string {
	s, _ := m.Get(name).Str()
	return s
}

// Strings reads a list of strings. One string alone counts as a list of one.
func (n *Node) Strings() []*Node {
	if n == nil {
		return nil
	}
	if n.Kind == String {
		return []*Node{n}
	}
	var out []*Node
	for _, item := range n.List("strings") {
		if _, ok := item.Str(); ok {
			out = append(out, item)
		}
	}
	return out
}

// List reads a list; of names its items in messages.
func (n *Node) List(of string) []*Node {
	if n == nil {
		return nil
	}
	if n.Kind != Seq {
		n.Errorf("%q is a list of %s, this is %s; write [ ] around it or a dash before each item", n.name, of, n.Kind)
		return nil
	}
	return n.Items
}

// Bool reads a field that is true or false.
func (m *Map) Bool(name string) bool {
	n := m.Get(name)
	if n == nil {
		return false
	}
	if n.Kind != Bool {
		n.Errorf("%q is true or false, this is %s%s", name, n.Kind, boolHint(n.Text))
		return false
	}
	return strings.EqualFold(n.Text, "true")
}

func boolHint(text string) string {
	switch strings.ToLower(text) {
	case "yes", "on", "1":
		return "; write true"
	case "no", "off", "0":
		return "; write false"
	}
	return "; write true or false"
}

// Int reads a field as an integer between low and high. ok is false when it is absent or wrong.
func (m *Map) Int(name string, low, high int64) (v int64, ok bool) { return m.Get(name).Int(low, high) }

// Int reads an integer between low and high.
func (n *Node) Int(low, high int64) (v int64, ok bool) {
	if n == nil {
		return 0, false
	}
	v, err := ParseInt(n.Text)
	if n.Kind != Int || err != nil {
		n.Errorf("%q is an int, this is %s; write a whole number, as in %d", n.name, n.describe(), max(low, min(high, 10)))
		return 0, false
	}
	if v < low || v > high {
		n.Errorf("%q is %d; it is between %d and %d", n.name, v, low, high)
		return 0, false
	}
	return v, true
}

// describe is a node's kind, with the text where that helps.
func (n *Node) describe() string {
	if n.Kind == String && len(n.Text) <= 40 && n.doc.hidden[n.line] == 0 {
		return fmt.Sprintf("the string %q", n.Text)
	}
	return n.Kind.String()
}

// ParseInt reads an integer as YAML writes it.
func ParseInt(text string) (int64, error) {
	text = strings.ReplaceAll(text, "_", "")
	base := 10
	trimmed := strings.TrimLeft(text, "+-")
	if strings.HasPrefix(trimmed, "0x") || strings.HasPrefix(trimmed, "0o") || strings.HasPrefix(trimmed, "0b") {
		base = 0
	}
	return strconv.ParseInt(text, base, 64)
}

// Float reads a number, written as an int or with a point.
func (n *Node) Float() (float64, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind == Int {
		if v, err := ParseInt(n.Text); err == nil {
			return float64(v), true
		}
	}
	if n.Kind == Int || n.Kind == Float {
		if v, err := strconv.ParseFloat(strings.ReplaceAll(n.Text, "_", ""), 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			return v, true
		}
	}
	n.Errorf("%q is a number, this is %s; write it as in 12.5", n.name, n.describe())
	return 0, false
}

// OneOf reads a field as one of a few words; def when it is absent or wrong.
func (m *Map) OneOf(name, def string, words ...string) string {
	n := m.Get(name)
	if n == nil {
		return def
	}
	if n.Kind != String || !slices.Contains(words, n.Text) {
		hint := diag.DidYouMean(n.Text, words)
		if hint == "" {
			hint = "; it is one of " + strings.Join(words, ", ")
		}
		n.Errorf("unknown %s %q%s", name, n.Text, hint)
		return def
	}
	return n.Text
}

// Duration reads a field as a length of time above zero; def when it is absent or wrong.
func (m *Map) Duration(name string, def time.Duration) time.Duration {
	n := m.Get(name)
	if n == nil {
		return def
	}
	if d, ok := n.Duration(); ok {
		return d
	}
	return def
}

// Duration reads a length of time above zero.
func (n *Node) Duration() (time.Duration, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind != String {
		n.Errorf("%q is a duration, this is %s; write it with a unit, as in 90s, 1h30m, 30d, 8w", n.name, n.Kind)
		return 0, false
	}
	d, err := ParseDuration(n.Text)
	if err != nil {
		n.Errorf("%q is not a duration: %v; write it as in 90s, 1h30m, 30d, 8w", n.Text, err)
		return 0, false
	}
	return d, true
}

// Bytes reads a field as a size; def when it is absent or wrong.
func (m *Map) Bytes(name string, def int64) int64 {
	n := m.Get(name)
	if n == nil {
		return def
	}
	v, err := ParseBytes(n.Text)
	if n.Kind != String && n.Kind != Int || err != nil {
		n.Errorf("%q is not a size; write it as in 512MiB or 1GiB", n.Text)
		return def
	}
	return v
}
