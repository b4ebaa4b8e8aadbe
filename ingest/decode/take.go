package decode

import (
	"encoding/binary"
	"math"
	"math/bits"

	"insolite/internal/event"
)

// take reads the value at v as its step says, into its slot if it has one. It returns the value's end, -1 if it is none that the step knows.
func (d *Decoder) take(st *step, b []byte, v int, row event.Row) int {
	if v >= len(b) {
		if v == len(b) && st.op == opEnd {
			return v
		}
		return -1
	}
	dst := &d.unread
	if st.slot >= 0 {
		dst = &row[st.slot]
	}
	switch st.op {
	case opString:
		return d.takeString(st, b, v, dst)
	case opNumber:
		return d.takeNumber(st, b, v, dst)
	case opInt:
		return d.takeInt(st, b, v, dst)
	case opAny:
		if b[v] == '"' {
			end, _ := scanString(b, v+1)
			return end + 1 // negative for a fault, which lies behind the quote
		}
		return d.value(v, st.depth, nil)
	case opInner:
		if b[v] == '{' {
			return -1
		}
		return d.value(v, st.depth, nil)
	case opBool:
		return d.takeBool(st, b, v, dst)
	case opTime:
		return d.takeTime(st, b, v, dst)
	case opIP:
		return d.takeIP(st, b, v, dst)
	case opMatch:
		return d.takeMatch(st, b, v, dst)
	case opEnd:
		return -1
	default:
		return d.takeOther(st, b, v, dst)
	}
}

func (d *Decoder) takeString(st *step, b []byte, v int, dst *event.Value) int {
	if b[v] != '"' {
		return d.takeNull(st, b, v, dst)
	}
	v++
	for i := v; i+wordSize <= len(b); i += wordSize {
		m := special(binary.LittleEndian.Uint64(b[i:]))
		if m == 0 {
			continue
		}
		if i += bits.TrailingZeros64(m) >> 3; b[i] != '"' {
			break
		}
		if st.slot >= 0 {
			*dst = event.Value{S: view(b[v:i]), Kind: event.KindString}
		}
		return i + 1
	}
	end, plain := scanString(b, v)
	if end < 0 {
		return -1
	}
	if st.slot >= 0 {
		*dst = event.Value{S: d.text(b[v:end], textToken(plain)), Kind: event.KindString}
	}
	return end + 1
}

func (d *Decoder) takeNumber(st *step, b []byte, v int, dst *event.Value) int {
	mantissa, decimals, negative, end := plainNumber(b, v)
	if end < 0 || mantissa > exactMax {
		return d.takeOther(st, b, v, dst)
	}
	f := float64(mantissa) / pow10[decimals] // both exact, so the quotient is the nearest double
	if negative {
		f = -f
	}
	*dst = event.Value{N: math.Float64bits(f), Kind: event.KindNumber}
	return end
}

func (d *Decoder) takeInt(st *step, b []byte, v int, dst *event.Value) int {
	n, decimals, negative, end := plainNumber(b, v)
	if end < 0 || decimals > 0 {
		return d.takeOther(st, b, v, dst)
	}
	if negative {
		n = -n
	}
	*dst = event.Value{N: n, Kind: event.KindInt}
	return end
}

func (d *Decoder) takeBool(st *step, b []byte, v int, dst *event.Value) int {
	switch {
	case len(b)-v >= len("true") && string(b[v:v+4]) == "true":
		*dst = event.Value{N: 1, Kind: event.KindBool}
		return v + len("true")
	case len(b)-v >= len("false") && string(b[v:v+5]) == "false":
		*dst = event.Value{Kind: event.KindBool}
		return v + len("false")
	}
	return d.takeNull(st, b, v, dst)
}

func (d *Decoder) takeTime(st *step, b []byte, v int, dst *event.Value) int {
	if b[v] != '"' {
		return d.takeNull(st, b, v, dst)
	}
	end, plain := scanString(b, v+1)
	if !plain {
		return d.takeOther(st, b, v, dst)
	}
	at, offset, reason := d.dates.parse(b[v+1 : end])
	if reason != "" {
		return -1
	}
	*dst = event.TimeValue(at, offset)
	return end + 1
}

func (d *Decoder) takeIP(st *step, b []byte, v int, dst *event.Value) int {
	if b[v] != '"' {
		return d.takeNull(st, b, v, dst)
	}
	address, end := parseIPv4(b, v+1)
	if end < 0 || end >= len(b) || b[end] != '"' {
		return d.takeOther(st, b, v, dst)
	}
	*dst = ipv4(address)
	return end + 1
}

// takeMatch reads the field that names the record's source. With escapes it is left to the strict scanner.
func (d *Decoder) takeMatch(st *step, b []byte, v int, dst *event.Value) int {
	if b[v] != '"' {
		if b[v] == '{' || st.field != nil {
			return -1
		}
		return d.value(v, st.depth, nil)
	}
	end, plain := scanString(b, v+1)
	if !plain {
		return -1
	}
	if st.slot >= 0 {
		*dst = event.Value{S: view(b[v+1 : end]), Kind: event.KindString}
	}
	return end + 1
}

// takeOther reads a string or a number in any of its forms, with the strict scanner's own functions.
func (d *Decoder) takeOther(st *step, b []byte, v int, dst *event.Value) int {
	f := found{start: int32(v)}
	end := 0
	switch c := b[v]; {
	case c == '"':
		text, plain := scanString(b, v+1)
		if text < 0 {
			return -1
		}
		f = found{start: int32(v + 1), end: int32(text), token: textToken(plain)}
		end = text + 1
	case c == '-' || isDigit(c):
		if end = scanNumber(b, v); end < 0 {
			return -1
		}
		f.end, f.token = int32(end), tokenNumber
	default:
		return d.takeNull(st, b, v, dst)
	}
	if d.convert(st.field, b, f, dst) != "" {
		return -1
	}
	return end
}

// takeNull reads the null of an optional field.
func (d *Decoder) takeNull(st *step, b []byte, v int, dst *event.Value) int {
	if st.required > 0 || len(b)-v < 4 || string(b[v:v+4]) != "null" {
		return -1
	}
	*dst = event.Value{}
	return v + 4
}
