package yamldoc

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// converter turns the library's tree into ours, and refuses what our subset leaves out.
type converter struct {
	doc    *Doc
	failed bool
	name   string // what the node at hand is called
}

func (c *converter) fail(n ast.Node, format string, args ...any) *Node {
	c.failed = true
	p := tokenOf(n).Position
	c.doc.reportAt(p.Line, p.Column, fmt.Sprintf(format, args...))
	return c.at(n, Null)
}

func (c *converter) at(n ast.Node, k Kind) *Node {
	t := tokenOf(n)
	return &Node{Kind: k, Text: t.Value, doc: c.doc, line: t.Position.Line, col: max(1, t.Position.Column), name: c.name}
}

func (c *converter) node(n ast.Node, depth int) *Node {
	if depth > DepthMax {
		return c.fail(n, "more than %d levels of nesting; flatten it", DepthMax)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n, n.Values, depth)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return c.sequence(n, depth)
	case *ast.AnchorNode, *ast.AliasNode:
		return c.fail(n, "anchors and aliases are not allowed; write the value where it is used")
	case *ast.TagNode:
		return c.fail(n, "tags are not allowed; write the plain value")
	}
	return c.scalar(n)
}

// exponent is a number of YAML 1.2 that the library takes for text.
var exponent = regexp.MustCompile(`^[-+]?[0-9]+[eE][-+]?[0-9]+$`)

func (c *converter) scalar(n ast.Node) *Node {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		s := c.at(n, Null)
		if s.line <= len(c.doc.lines) { // what is not written has been seen behind the end of its line
			s.col = max(1, min(s.col, utf8.RuneCountInString(c.doc.lines[s.line-1])))
		}
		return s
	case *ast.BoolNode:
		return c.at(n, Bool)
	case *ast.IntegerNode:
		return c.at(n, Int)
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return c.at(n, Float)
	case *ast.LiteralNode:
		s := c.at(n, String)
		s.style, s.Text = block, n.Value.Value
		return s
	case *ast.StringNode:
		s := c.at(n, String)
		s.Text = n.Value
		if n.Token.Type == token.StringType && exponent.MatchString(n.Value) {
			s.Kind = Float
		}
		switch n.Token.Type {
		case token.SingleQuoteType:
			s.style = singleQuoted
		case token.DoubleQuoteType:
			s.style = doubleQuoted
		}
		return s
	}
	return c.fail(n, "this is not valid YAML here; check indentation, quotes and brackets")
}

func (c *converter) sequence(n *ast.SequenceNode, depth int) *Node {
	s := c.at(n, Seq)
	s.Text = ""
	name := c.name
	for i, v := range n.Values {
		c.name = name + "[" + strconv.Itoa(i+1) + "]"
		s.Items = append(s.Items, c.node(v, depth+1))
	}
	c.name = name
	return s
}

func (c *converter) mapping(n ast.Node, values []*ast.MappingValueNode, depth int) *Node {
	m := c.at(n, Mapping)
	m.Text = ""
	name := c.name
	seen := make(map[string]*Node, len(values))
	for _, v := range values {
		key := c.key(v)
		if key == nil {
			continue
		}
		c.name = key.Text
		value := c.node(v.Value, depth+1)
		c.name = name
		if first, twice := seen[key.Text]; twice {
			key.Errorf("%q is given twice, first in line %d; keep one", key.Text, first.line)
			c.failed = true
			continue
		}
		seen[key.Text] = key
		if value.Kind == Null && value.Text == "null" && value.line == key.line && value.implicit() {
			value.line, value.col, value.Text = key.line, key.col, key.Text // a value that is not there is told at its key
		}
		if slices.Contains(c.doc.secrets, key.Text) {
			c.doc.hide(value)
		}
		m.Pairs = append(m.Pairs, Pair{Key: key, Value: value})
	}
	if len(m.Pairs) > 0 && tokenOf(n).Value != "{" {
		m.line, m.col = m.Pairs[0].Key.line, m.Pairs[0].Key.col // a block mapping begins at its first key
	}
	return m
}

// implicit reports whether a null is not written at all.
func (n *Node) implicit() bool {
	if n.line < 1 || n.line > len(n.doc.lines) {
		return true
	}
	runes := []rune(n.doc.lines[n.line-1])
	from := n.col - 1
	return from < 0 || from+4 > len(runes) || string(runes[from:from+4]) != "null"
}

// key reads a field's name; nil when it is none.
func (c *converter) key(v *ast.MappingValueNode) *Node {
	if v.Key.IsMergeKey() {
		c.fail(v.Key, "merge keys are not allowed; write the fields where they are used")
		return nil
	}
	k, ok := v.Key.(ast.Node)
	if !ok {
		c.fail(v, "a field's name is a plain word; write name: value")
		return nil
	}
	switch k.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		name := c.name
		c.name = "name"
		s := c.scalar(k)
		c.name = name
		s.Kind = String
		return s
	}
	c.fail(k, "a field's name is a plain word; write name: value")
	return nil
}
