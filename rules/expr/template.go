package expr

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// TemplateMax bounds what [Template.Append] appends, in characters.
const TemplateMax = 300

// decimalsMax bounds the digits after the point.
const decimalsMax = 15

// Template is a compiled text with expressions in braces; it is safe for concurrent use.
type Template struct{ parts []part }

// Slots returns the slots that the expressions read, ascending, each once.
func (t *Template) Slots() []event.Slot {
	var slots []event.Slot
	for i := range t.parts {
		if e := t.parts[i].expr; e != nil {
			slots = append(slots, e.slots...)
		}
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}

// part is an expression, or a literal when expr is nil.
type part struct {
	literal  string
	expr     *Expr
	decimals int // -1: as many as needed
}

// CompileTemplate compiles a text with {expression} and {expression:.2}, whose format counts the digits after the point; {{ and }} stand
// for braces. It returns nil when it has added errors to problems. A nil at places the text at the start of an unnamed line.
func CompileTemplate(text string, scope *Scope, at Locate, problems *diag.List) *Template {
	at = at.or(text)
	t, failed := &Template{}, false
	complain := func(offset, length int, message string) {
		failed = true
		problems.Add(diag.Problem{Position: at(offset), Length: length, Message: message})
	}
	var literal strings.Builder
	for i := 0; i < len(text); {
		b := text[i]
		switch {
		case b != '{' && b != '}':
			literal.WriteByte(b)
			i++
			continue
		case i+1 < len(text) && text[i+1] == b:
			literal.WriteByte(b)
			i += 2
			continue
		case b == '}':
			complain(i, 1, "} closes nothing; write }} for a brace")
			i++
			continue
		}
		from := i + 1
		size := closing(text[from:])
		if size < 0 {
			complain(i, 1, "{ is not closed; write {{ for a brace")
			break
		}
		i = from + size + 1
		source, decimals := format(text[from : from+size])
		e := Compile(source, event.KindMissing, scope, func(offset int) diag.Position { return at(from + offset) }, problems)
		switch {
		case e == nil:
			failed = true
		case decimals > decimalsMax:
			complain(from+len(source), size-len(source), "at most 15 digits after the point are allowed; write {x:.2} for two")
		case decimals >= 0 && !e.code.numeric():
			complain(from+len(source), size-len(source), "a format applies to numbers, this is "+article(e.Kind())+"; remove it")
		}
		t.parts = append(t.parts, part{literal: literal.String()}, part{expr: e, decimals: decimals})
		literal.Reset()
	}
	if failed {
		return nil
	}
	t.parts = append(t.parts, part{literal: literal.String()})
	return t
}

// closing returns the place of the first } outside quotes, -1 when there is none.
func closing(text string) int {
	var quote byte
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case quote != 0 && quote != '`' && b == '\\':
			i++
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'' || b == '`':
			quote = b
		case b == '}':
			return i
		}
	}
	return -1
}

// format splits a trailing :.digits off, which cannot be quoted because the end of text is not. No format is -1.
func format(text string) (source string, decimals int) {
	head := strings.TrimRight(text, "0123456789")
	source, found := strings.CutSuffix(head, ":.")
	if !found || len(head) == len(text) {
		return text, -1
	}
	decimals, err := strconv.Atoi(text[len(head):])
	if err != nil {
		decimals = math.MaxInt
	}
	return source, decimals
}

// Append appends the text for the row to dst: n/a for what is missing, no control characters and at most TemplateMax characters.
func (t *Template) Append(dst []byte, row event.Row) []byte {
	var scratch [64]byte
	left := TemplateMax
	for i := range t.parts {
		p := &t.parts[i]
		text := p.literal
		if p.expr != nil {
			v := p.expr.Value(row)
			if v.Kind != event.KindString {
				dst, left = clean(dst, string(appendValue(scratch[:0], v, p.decimals)), left)
				continue
			}
			text = v.S
		}
		dst, left = clean(dst, text, left)
	}
	return dst
}

// clean appends at most left characters of text without the control characters, and returns how many are left.
func clean(dst []byte, text string, left int) ([]byte, int) {
	for _, r := range text {
		if left == 0 {
			break
		}
		if !unicode.IsControl(r) {
			dst = utf8.AppendRune(dst, r)
			left--
		}
	}
	return dst, left
}

// appendValue appends any value but a string.
func appendValue(dst []byte, v event.Value, decimals int) []byte {
	switch v.Kind {
	case event.KindInt:
		dst = v.AppendText(dst)
		if decimals > 0 {
			dst = append(append(dst, '.'), strings.Repeat("0", decimals)...)
		}
		return dst
	case event.KindNumber:
		f := v.Float()
		if decimals < 0 && math.Abs(f) >= 1e15 {
			return strconv.AppendFloat(dst, f, 'g', -1, 64)
		}
		return strconv.AppendFloat(dst, f, 'f', decimals, 64)
	case event.KindTime:
		zone := time.FixedZone("", v.OffsetSeconds())
		return v.Time().Std().In(zone).AppendFormat(dst, time.RFC3339)
	}
	return v.AppendText(dst)
}
