package yamldoc

import (
	"slices"
	"strings"
)

// Set puts a value at a path of field names below the root, over what the file says there, and makes the mappings on the way that are
// absent. The value is text of the kind: a scalar's, or of Seq the strings between commas. from names where it comes from: problems of
// the value are told there. It is secret when the path ends in a field whose values are.
func (d *Doc) Set(from string, kind Kind, text string, path ...string) {
	at := d.Root
	for _, name := range path[:len(path)-1] {
		next := at.field(name)
		if next == nil || next.Value.Kind != Mapping {
			if next != nil && next.Value.Kind != Null {
				return // a wrong kind, which the readers report
			}
			at.put(name, &Node{Kind: Mapping, doc: d, line: at.line, col: at.col, name: name})
		}
		at = at.field(name).Value
	}
	other := &Doc{Path: from, list: d.list}
	name := path[len(path)-1]
	value := &Node{Kind: kind, Text: text, doc: other, name: name, secret: slices.Contains(d.secrets, name)}
	if _, err := ParseInt(text); kind == Int && err != nil {
		value.Kind = String // which the readers report
	}
	if kind == Seq {
		value.Text = ""
		for item := range strings.SplitSeq(text, ",") {
			value.Items = append(value.Items, &Node{Kind: String, Text: strings.TrimSpace(item), doc: other, name: name})
		}
	}
	at.put(name, value)
}

// field returns the entry of a mapping with that name, or nil.
func (n *Node) field(name string) *Pair {
	for i := range n.Pairs {
		if n.Pairs[i].Key.Text == name {
			return &n.Pairs[i]
		}
	}
	return nil
}

// Find returns the value of a mapping's field without a word about what is wrong, for a look ahead; nil when there is none.
func (n *Node) Find(name string) *Node {
	if n == nil {
		return nil
	}
	if p := n.field(name); p != nil {
		return p.Value
	}
	return nil
}

// Each returns the items of a list, and of what is none the node itself, as silently.
func (n *Node) Each() []*Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == Seq:
		return n.Items
	}
	return []*Node{n}
}

// put sets a field's value.
func (n *Node) put(name string, value *Node) {
	if p := n.field(name); p != nil {
		p.Value = value
		return
	}
	n.Pairs = append(n.Pairs, Pair{Key: &Node{Kind: String, Text: name, doc: value.doc, line: value.line, col: value.col}, Value: value})
}
