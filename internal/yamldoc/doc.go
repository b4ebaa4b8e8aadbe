// Package yamldoc reads the YAML that people write: rule files, configuration, rule tests. It is the only package that knows the YAML
// library.
//
// [Parse] turns a file into a tree of [Node]s, each with its place. Readers walk the tree with typed getters that report what is wrong and
// go on, so that a person sees every problem of a file at once, each with line, column, the line itself and a cure:
//
//	doc, ok := yamldoc.Parse("rules/pay.yaml", data, list)
//	if !ok {
//		return // list says why
//	}
//	m := doc.Root.Map("the file")
//	title := m.String("title")
//	wait, _ := m.Duration("wait")
//	m.Done() // reports every field that nobody asked for
//
// A getter of a field that is absent returns the zero value; Required reports its absence. Getters of a nil Node or Map do nothing, so a
// reader needs no checks of its own.
//
// The YAML is a subset of 1.2, on purpose: one document a file, keys are plain strings, no anchors, aliases, merge keys or tags (they
// make a rule's meaning depend on another place), no duplicate keys. A file is bounded in size ([SizeMax]), nesting ([DepthMax]) and tokens
// ([TokensMax]), so that parsing takes bounded time and memory.
//
// Text inside a scalar keeps its place too: [Node.Locate] maps an offset in the decoded text to the line and column in the file, through
// quotes, escapes and block scalars. An expression's problem is told where the person sees it.
//
// A Doc and its nodes are for one goroutine.
package yamldoc

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"insolite/internal/diag"
)

// Limits of a file. They are far above what a person writes and keep a hostile one cheap.
const (
	SizeMax   = 1 << 20 // bytes of a file
	DepthMax  = 40      // nested maps and lists
	TokensMax = 200_000 // words and punctuation marks of a file
)

// Kind is what a Node holds.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Seq
	Mapping
)

var kindNames = [...]string{"nothing", "a bool", "an int", "a number", "a string", "a list", "a mapping"}

// String names the kind with its article, for messages.
func (k Kind) String() string { return kindNames[k] }

// style is how a scalar is written.
type style uint8

const (
	plain style = iota
	singleQuoted
	doubleQuoted
	block
)

// Node is one value of a document.
type Node struct {
	Kind  Kind
	Text  string  // a scalar's decoded text; numbers and bools as written
	Items []*Node // of a Seq
	Pairs []Pair  // of a Mapping, in the order of the file, the first of duplicate keys only

	doc       *Doc
	line, col int // from 1, in characters
	style     style
	name      string // what messages call it: the field's name, or rules[3]
	secret    bool   // its text is kept out of messages
}

// Pair is one entry of a mapping.
type Pair struct {
	Key   *Node
	Value *Node
}

// Doc is a parsed file.
type Doc struct {
	Path string
	Root *Node // nil for an empty file

	lines   []string
	list    *diag.List
	hidden  map[int]int // line → column from which its snippet is masked
	secrets []string    // fields whose values are kept out of messages
}

// Position returns the node's place.
func (n *Node) Position() diag.Position {
	if n == nil {
		return diag.Position{}
	}
	return diag.Position{File: n.doc.Path, Line: n.line, Col: n.col}
}

// Names returns the names of a mapping's fields.
func (n *Node) Names() []string {
	if n == nil {
		return nil
	}
	var names []string
	for _, p := range n.Pairs {
		names = append(names, p.Key.Text)
	}
	return names
}

// Errorf reports an error at the node. The message says what is wrong and, after a semicolon, the cure.
func (n *Node) Errorf(format string, args ...any) {
	n.problem(diag.Error, fmt.Sprintf(format, args...))
}

// Lintf reports advice at the node.
func (n *Node) Lintf(format string, args ...any) {
	n.problem(diag.Lint, fmt.Sprintf(format, args...))
}

// ErrorAt reports an error inside the node's text: length bytes at offset.
func (n *Node) ErrorAt(offset, length int, format string, args ...any) {
	n.problemAt(diag.Error, offset, length, fmt.Sprintf(format, args...))
}

// LintAt reports advice inside the node's text.
func (n *Node) LintAt(offset, length int, format string, args ...any) {
	n.problemAt(diag.Lint, offset, length, fmt.Sprintf(format, args...))
}

func (n *Node) problem(s diag.Severity, message string) {
	if !n.only(s) {
		n.report(s, n.line, n.col, n.length(), message)
	}
}

// only counts a problem when the list is full: in a file that is one long line of mistakes, finding the place of each takes minutes.
func (n *Node) only(s diag.Severity) bool {
	full := n.doc.list.Full(s)
	if full {
		n.doc.list.Add(diag.Problem{Severity: s})
	}
	return full
}

func (n *Node) problemAt(s diag.Severity, offset, length int, message string) {
	if n.only(s) {
		return
	}
	pos := n.Locate(offset)
	if length < 1 {
		length = 1
	}
	end := min(offset+length, len(n.Text))
	chars := 1
	if offset >= 0 && offset < end {
		chars = utf8.RuneCountInString(n.Text[offset:end])
	}
	n.report(s, pos.Line, pos.Col, chars, message)
}

// Substitute sets the text of a scalar to what a reference in it stands for, which is kept out of messages. The snippet still shows the
// reference.
func (n *Node) Substitute(text string) { n.Text, n.secret = text, true }

func (n *Node) report(s diag.Severity, line, col, length int, message string) {
	if n.secret && n.Text != "" {
		quoted := strconv.Quote(n.Text)
		message = strings.ReplaceAll(strings.ReplaceAll(message, quoted[1:len(quoted)-1], "***"), n.Text, "***")
	}
	n.doc.list.Add(diag.Problem{
		Position: diag.Position{File: n.doc.Path, Line: line, Col: col},
		Severity: s, Message: message, Length: max(1, length), Snippet: n.doc.snippet(line),
	})
}

// snippetMax bounds the line that is shown.
const snippetMax = 500

// snippet returns a line as it is shown: without what is secret, and cut when it is very long.
func (d *Doc) snippet(line int) string {
	if line < 1 || line > len(d.lines) {
		return ""
	}
	s := d.lines[line-1]
	if col, ok := d.hidden[line]; ok {
		runes := []rune(s)
		s = string(runes[:min(col-1, len(runes))]) + "***"
	}
	if len(s) > snippetMax {
		s = strings.ToValidUTF8(s[:snippetMax], "")
	}
	return s
}

// hide keeps the value of a node out of every snippet and its own messages.
func (d *Doc) hide(n *Node) {
	n.secret = true
	if d.hidden == nil {
		d.hidden = map[int]int{}
	}
	d.hidden[n.line] = n.col
	if n.style != plain || n.Kind >= Seq {
		for i := n.line + 1; i <= len(d.lines) && i < n.line+64; i++ {
			d.hidden[i] = 1
			if n.style != block && strings.ContainsAny(d.lines[i-1], `'"`) {
				return
			}
		}
	}
}

// length is how many characters a problem at the node underlines.
func (n *Node) length() int {
	switch {
	case n.Kind == Mapping && len(n.Pairs) > 0 && n.Pairs[0].Key.line == n.line && n.Pairs[0].Key.col == n.col:
		return n.Pairs[0].Key.length()
	case n.Kind >= Seq || n.style == block || n.line < 1 || n.line > len(n.doc.lines):
		return 1
	}
	rest := []rune(n.doc.lines[n.line-1])
	if n.col-1 >= len(rest) {
		return 1
	}
	rest = rest[max(0, n.col-1):]
	if n.style == plain {
		return min(len(rest), utf8.RuneCountInString(n.Text))
	}
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		if rest[i] == '\\' && quote == '"' {
			i++
		} else if rest[i] == quote {
			return i + 1
		}
	}
	return len(rest)
}
