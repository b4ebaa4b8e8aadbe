package decode

import "fmt"

// token is what a value is written as.
type token uint8

const (
	tokenAbsent  token = iota
	tokenPlain         // a string that stands for itself
	tokenEscaped       // a string that needs appendText
	tokenNumber
	tokenTrue
	tokenFalse
	tokenNull
	tokenObject
	tokenArray
)

// textToken is the token of a string, as scanString tells whether it is plain.
func textToken(plain bool) token {
	if plain {
		return tokenPlain
	}
	return tokenEscaped
}

// isText reports whether t is a string.
func (t token) isText() bool { return t == tokenPlain || t == tokenEscaped }

// found is the value at a declared path: where it stands in the record, strings without their quotes.
type found struct {
	start, end int32
	token      token
}

// fault is a syntax error at a byte. It is told only when a record is refused: a guess that fails must cost nothing.
type fault struct {
	offset int
	want   string // what is due there instead; empty for the others
	kind   faultKind
}

type faultKind uint8

const (
	faultUnexpected faultKind = iota
	faultOpenString
	faultEscape
	faultControl
	faultWord
	faultDeep
)

// scanner is the strict scanner: one pass over a whole record, which notes the values at the declared paths.
type scanner struct {
	b        []byte
	values   []found // by node
	paths    *pathTree
	repeated bool   // a key on a declared path came twice
	key      []byte // scratch for keys with escapes
	fault    fault
}

// fail notes a fault and returns -1 for the caller to hand up.
func (s *scanner) fail(kind faultKind, offset int) int {
	s.fault = fault{kind: kind, offset: offset}
	return -1
}

// unexpected is fail for bytes that can't stand where they are.
func (s *scanner) unexpected(offset int, want string) int {
	s.fault = fault{kind: faultUnexpected, offset: offset, want: want}
	return -1
}

// syntaxError tells the fault that was noted.
func (s *scanner) syntaxError() *Error {
	f := s.fault
	cure := "have the producer send one JSON object a record"
	rest := s.b[min(f.offset, len(s.b)):]
	var cause string
	switch f.kind {
	case faultUnexpected:
		cause = "the JSON ends where " + f.want + " is due"
		if len(rest) > 0 {
			cause = "found " + excerpt(rest[:1]) + " where " + f.want + " is due"
		}
	case faultOpenString:
		cause = "a string without its closing quote"
	case faultEscape:
		cause = "an escape that JSON does not know: " + excerpt(rest[:min(6, len(rest))])
	case faultControl:
		cause = "a control character in a string: " + excerpt(rest[:1])
	case faultWord:
		cause = "a word that is neither true, false nor null"
	case faultDeep:
		cause = fmt.Sprintf("more than %d objects and arrays inside each other", DepthMax)
		return recordError(ReasonTooDeep, f.offset, cause, "have the producer nest less")
	}
	return recordError(ReasonMalformedJSON, f.offset, cause, cure)
}

// record scans a whole record. root is what its value is written as; ok is false after a fault.
func (s *scanner) record(b []byte) (root token, ok bool) {
	s.b, s.repeated = b, false
	clear(s.values)
	i := skipSpace(b, 0)
	i = s.value(i, 0, s.paths.root)
	if i < 0 {
		return tokenAbsent, false
	}
	if i = skipSpace(b, i); i < len(b) {
		s.unexpected(i, "the end of the record")
		return tokenAbsent, false
	}
	return s.values[0].token, true
}

// skipSpace returns the index of the first byte from i that is no white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// value scans the value at i, below depth containers. n is its declared path, nil for none. It returns the end or -1.
func (s *scanner) value(i, depth int, n *node) int {
	if i >= len(s.b) {
		return s.unexpected(i, "a value")
	}
	var end int
	var t token
	start := i
	switch c := s.b[i]; c {
	case '"':
		start++
		text, plain := scanString(s.b, start)
		if text < 0 {
			return s.badString(start, ^text)
		}
		if n != nil {
			s.values[n.id] = found{start: int32(start), end: int32(text), token: textToken(plain)}
		}
		return text + 1
	case '{':
		t, end = tokenObject, s.object(i, depth, n)
	case '[':
		t, end = tokenArray, s.array(i, depth)
	case 't':
		t, end = tokenTrue, s.literal(i, "true")
	case 'f':
		t, end = tokenFalse, s.literal(i, "false")
	case 'n':
		t, end = tokenNull, s.literal(i, "null")
	default:
		if c != '-' && !isDigit(c) {
			return s.unexpected(i, "a value")
		}
		t, end = tokenNumber, scanNumber(s.b, i)
		if end < 0 {
			return s.unexpected(^end, "a digit")
		}
	}
	if n != nil && end >= 0 {
		s.values[n.id] = found{start: int32(start), end: int32(end), token: t}
	}
	return end
}

// badString tells what is wrong in a string: its end is missing, a control character or an unknown escape.
func (s *scanner) badString(start, at int) int {
	switch {
	case at >= len(s.b):
		return s.fail(faultOpenString, start-1)
	case s.b[at] == '\\':
		return s.fail(faultEscape, at)
	}
	return s.fail(faultControl, at)
}

// literal checks one of the three words.
func (s *scanner) literal(i int, word string) int {
	if len(s.b)-i < len(word) || string(s.b[i:i+len(word)]) != word {
		return s.fail(faultWord, i)
	}
	return i + len(word)
}

// open checks that one more container fits.
func (s *scanner) open(i, depth int) bool {
	if depth < DepthMax {
		return true
	}
	s.fail(faultDeep, i)
	return false
}

// array scans the array at i; no declared path goes into arrays.
func (s *scanner) array(i, depth int) int {
	if !s.open(i, depth) {
		return -1
	}
	i = skipSpace(s.b, i+1)
	if i < len(s.b) && s.b[i] == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth+1, nil); i < 0 {
			return -1
		}
		i = skipSpace(s.b, i)
		switch {
		case i < len(s.b) && s.b[i] == ',':
			i = skipSpace(s.b, i+1)
		case i < len(s.b) && s.b[i] == ']':
			return i + 1
		default:
			return s.unexpected(i, "a comma or ]")
		}
	}
}

// object scans the object at i and notes the values of declared paths in it. Of equal keys the last wins with all that is below it.
func (s *scanner) object(i, depth int, n *node) int {
	if !s.open(i, depth) {
		return -1
	}
	if n != nil {
		n.next = 0
	}
	i = skipSpace(s.b, i+1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1
	}
	for {
		var child *node
		if i, child = s.member(i, n); i < 0 {
			return -1
		}
		if i = s.value(i, depth+1, child); i < 0 {
			return -1
		}
		i = skipSpace(s.b, i)
		switch {
		case i < len(s.b) && s.b[i] == ',':
			i = skipSpace(s.b, i+1)
		case i < len(s.b) && s.b[i] == '}':
			return i + 1
		default:
			return s.unexpected(i, "a comma or }")
		}
	}
}

// member scans a key and its colon and returns where the value starts. child is the declared path of the key, emptied for its new value.
func (s *scanner) member(i int, n *node) (value int, child *node) {
	if i >= len(s.b) || s.b[i] != '"' {
		return s.unexpected(i, "a key in quotes"), nil
	}
	end, plain := scanString(s.b, i+1)
	if end < 0 {
		return s.badString(i+1, ^end), nil
	}
	if n != nil && n.byKey != nil {
		key := s.b[i+1 : end]
		if !plain {
			s.key = appendText(s.key[:0], key)
			key = s.key
		}
		child = n.child(key)
	}
	if child != nil && s.values[child.id].token != tokenAbsent {
		s.repeated = true
		clear(s.values[child.id:child.end])
	}
	i = skipSpace(s.b, end+1)
	if i >= len(s.b) || s.b[i] != ':' {
		return s.unexpected(i, "a colon"), nil
	}
	return skipSpace(s.b, i+1), child
}
