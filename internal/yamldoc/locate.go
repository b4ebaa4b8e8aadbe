package yamldoc

import (
	"strconv"
	"unicode/utf8"

	"insolite/internal/diag"
)

// Locate returns the place in the file of the byte at offset in the node's decoded Text. Offsets outside the text are held at its ends.
//
// The text is aligned with what is written: equal characters match, white space of folding and indentation is skipped on the written side,
// escapes and doubled quotes count as the character that they stand for. The place of a character that folding made up (the space for a
// line break) is that of the break.
func (n *Node) Locate(offset int) diag.Position {
	c := cursor{lines: n.doc.lines, line: n.line - 1, style: n.style}
	c.start(n.col)
	offset = max(0, min(offset, len(n.Text)))
	for at := 0; at < offset; {
		r, w := utf8.DecodeRuneInString(n.Text[at:])
		if !c.match(r) {
			return n.Position()
		}
		at += w
	}
	if offset < len(n.Text) {
		r, _ := utf8.DecodeRuneInString(n.Text[offset:])
		if !space(r) || c.style == block {
			c.skipTo(r)
		}
	}
	return diag.Position{File: n.doc.Path, Line: c.line + 1, Col: c.col + 1}
}

// cursor is a place in the written text.
type cursor struct {
	lines     []string
	line, col int // from 0, col in characters
	runes     []rune
	style     style
}

func (c *cursor) start(col int) {
	switch c.style {
	case block:
		c.line++
		c.load()
	case singleQuoted, doubleQuoted:
		c.load()
		c.col = col
	default:
		c.load()
		c.col = col - 1
	}
}

func (c *cursor) load() {
	c.runes, c.col = nil, 0
	if c.line < len(c.lines) {
		c.runes = []rune(c.lines[c.line])
	}
}

// next returns the character at the cursor as decoded, and how many written characters it takes. A line's end is '\n'.
func (c *cursor) next() (rune, int) {
	if c.col >= len(c.runes) {
		return '\n', 1
	}
	r := c.runes[c.col]
	switch {
	case c.style == singleQuoted && r == '\'' && c.col+1 < len(c.runes) && c.runes[c.col+1] == '\'':
		return '\'', 2
	case c.style == doubleQuoted && r == '\\':
		return c.escape()
	}
	return r, 1
}

// hexDigits is how many digits follow \x, \u and \U.
var hexDigits = map[rune]int{'x': 2, 'u': 4, 'U': 8}

// escapes are YAML's escapes that stand for another character.
var escapes = map[rune]rune{'0': 0, 'a': 7, 'b': 8, 't': '\t', 'n': '\n', 'v': 11, 'f': 12, 'r': '\r', 'e': 27, 'N': 0x85, '_': 0xa0, 'L': 0x2028, 'P': 0x2029}

// continuation is a backslash at a line's end, which stands for nothing.
const continuation rune = -2

func (c *cursor) escape() (rune, int) {
	if c.col+1 >= len(c.runes) {
		return continuation, 1
	}
	e := c.runes[c.col+1]
	if digits := hexDigits[e]; digits > 0 && c.col+2+digits <= len(c.runes) {
		if v, err := strconv.ParseUint(string(c.runes[c.col+2:c.col+2+digits]), 16, 32); err == nil {
			return rune(v), 2 + digits
		}
	}
	if r, ok := escapes[e]; ok {
		return r, 2
	}
	return e, 2
}

func (c *cursor) advance(width int) bool {
	if c.col >= len(c.runes) {
		c.line++
		c.load()
		return c.line < len(c.lines)
	}
	c.col += width
	return true
}

func space(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' }

// skipTo moves over written white space until r can be read.
func (c *cursor) skipTo(r rune) bool {
	for {
		got, width := c.next()
		if got == r {
			return true
		}
		if !(width == 1 && space(got)) && got != continuation {
			return false
		}
		if !c.advance(width) {
			return false
		}
	}
}

// match moves past the character that decodes to r.
func (c *cursor) match(r rune) bool {
	if got, width := c.next(); space(r) && got != r {
		if width == 1 && space(got) { // a folded break
			c.advance(width)
		}
		return true // made up by folding: nothing of its own is written
	}
	if !c.skipTo(r) {
		return false
	}
	_, width := c.next()
	c.advance(width)
	return true
}
