package decode

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// view returns b as a string without copying; it lives as long as b and changes with it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// special marks the high bit of the bytes of w that end a run of plain text: quote, backslash, control characters and all that is not
// ASCII. Only the lowest mark is exact: a borrow may put false ones above a true one.
// From https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord without its &^w: that bytes above ASCII are marked, too, is wanted.
func special(w uint64) uint64 {
	return ((w - 0x20*everyByte) | ((w ^ '"'*everyByte) - everyByte) | ((w ^ '\\'*everyByte) - everyByte)) & highBits
}

// scanString finds the end of a string whose text starts at i, behind the quote. end is the closing quote's index, or ^offset of the
// fault; plain says that the text stands for itself: no escapes, valid UTF-8.
func scanString(b []byte, i int) (end int, plain bool) {
	for i+8 <= len(b) {
		m := special(binary.LittleEndian.Uint64(b[i:]))
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if b[i] == '"' {
			return i, true
		}
		return scanRest(b, i)
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c == '"' {
			return i, true
		}
		if c < 0x20 || c >= utf8.RuneSelf || c == '\\' {
			return scanRest(b, i)
		}
	}
	return ^i, false
}

// scanRest is scanString from the first byte that needs a closer look.
func scanRest(b []byte, i int) (end int, plain bool) {
	plain = true
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i, plain
		case c == '\\':
			n := escapeLen(b, i)
			if n == 0 {
				return ^i, false
			}
			plain = false
			i += n
		case c < 0x20:
			return ^i, false
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				plain = false
			}
			i += n
		}
	}
	return ^i, false
}

// escapeLen returns the length of the escape sequence at i, 0 if it is none.
func escapeLen(b []byte, i int) int {
	if i+1 >= len(b) {
		return 0
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if hex4(b, i+2) >= 0 {
			return 6
		}
	}
	return 0
}

// hex4 reads four hexadecimal digits at i, -1 if there are none.
func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendText appends what a string's text stands for; text has passed scanString.
func appendText(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\\':
			var n int
			dst, n = appendEscape(dst, text, i)
			i += n
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r) // an invalid byte is U+FFFD
			i += n
		}
	}
	return dst
}

// appendEscape appends what the escape at i stands for and returns how long it was. A surrogate without its other half is U+FFFD.
func appendEscape(dst, text []byte, i int) ([]byte, int) {
	switch c := text[i+1]; c {
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'u':
		r := hex4(text, i+2)
		if !utf16.IsSurrogate(r) {
			return utf8.AppendRune(dst, r), 6
		}
		if i+7 < len(text) && text[i+6] == '\\' && text[i+7] == 'u' {
			if both := utf16.DecodeRune(r, hex4(text, i+8)); both != utf8.RuneError {
				return utf8.AppendRune(dst, both), 12
			}
		}
		return utf8.AppendRune(dst, utf8.RuneError), 6
	default: // quote, backslash, slash
		return append(dst, c), 2
	}
}
