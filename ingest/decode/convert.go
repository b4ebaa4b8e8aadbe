package decode

import (
	"fmt"
	"net/netip"
	"time"

	"insolite/internal/event"
)

// convert types the value v of field f and puts it into dst. reason is empty or why the value is none of the field's kind. Both paths end
// here for whatever is not in its plainest form.
func (d *Decoder) convert(f *field, b []byte, v found, dst *event.Value) (reason string) {
	text := b[v.start:v.end]
	switch f.decl.Kind {
	case event.KindString:
		if !v.token.isText() {
			return ReasonWrongType
		}
		if f.wanted {
			*dst = event.StringValue(d.text(text, v.token))
		}
		return ""
	case event.KindBool:
		if v.token != tokenTrue && v.token != tokenFalse {
			return ReasonWrongType
		}
		*dst = event.BoolValue(v.token == tokenTrue)
		return ""
	case event.KindNumber:
		if v.token != tokenNumber {
			return ReasonWrongType
		}
		n, ok := parseNumber(text)
		if !ok {
			return ReasonOutOfRange
		}
		*dst = event.NumberValue(n)
		return ""
	case event.KindInt:
		if v.token != tokenNumber {
			return ReasonWrongType
		}
		n, reason := parseInt(text)
		*dst = event.IntValue(n)
		return reason
	case event.KindTime:
		return d.convertTime(f, text, v.token, dst)
	default: // New lets no other kind pass
		return d.convertIP(text, v.token, dst)
	}
}

func (d *Decoder) convertTime(f *field, text []byte, t token, dst *event.Value) (reason string) {
	if f.decl.Unit != 0 {
		if t != tokenNumber {
			return ReasonWrongType
		}
		at, ok := parseUnits(text, f.unit)
		if !ok {
			return ReasonOutOfRange
		}
		*dst = event.TimeValue(at, 0)
		return ""
	}
	if !t.isText() {
		return ReasonWrongType
	}
	text = d.meant(text, t)
	at, offset, reason := d.dates.parse(text)
	*dst = event.TimeValue(at, offset)
	return reason
}

// meant returns what a string's text stands for, until the next escaped key or string.
func (d *Decoder) meant(text []byte, t token) []byte {
	if t == tokenPlain {
		return text
	}
	d.key = appendText(d.key[:0], text)
	return d.key
}

// addressMax is longer than any address; netip's errors would copy what is longer.
const addressMax = 128

func (d *Decoder) convertIP(text []byte, t token, dst *event.Value) (reason string) {
	if !t.isText() {
		return ReasonWrongType
	}
	text = d.meant(text, t)
	if address, end := parseIPv4(text, 0); end == len(text) {
		*dst = ipv4(address)
		return ""
	}
	if len(text) > addressMax {
		return ReasonWrongType
	}
	a, err := netip.ParseAddr(view(text))
	if err != nil {
		return ReasonWrongType
	}
	*dst = event.IPValue(a)
	return ""
}

// parseIPv4 reads the usual form of an address at i, four numbers without leading zeros. end is where it ends, -1 if there is none.
func parseIPv4(b []byte, i int) (address uint64, end int) {
	for part := range 4 {
		if part > 0 {
			if i >= len(b) || b[i] != '.' {
				return 0, -1
			}
			i++
		}
		if i >= len(b) || !isDigit(b[i]) {
			return 0, -1
		}
		octet := uint64(b[i] - '0')
		i++
		for octet > 0 && i < len(b) && isDigit(b[i]) && octet <= 255 {
			octet = octet*10 + uint64(b[i]-'0')
			i++
		}
		if octet > 255 {
			return 0, -1
		}
		address = address<<8 | octet
	}
	return address, i
}

// ipv4 is an IPv4 address in its 16-byte form.
func ipv4(address uint64) event.Value {
	return event.Value{N: 0xffff<<32 | address, Kind: event.KindIP}
}

// text returns a string's text as a view into the record or, with escapes, into the arena.
func (d *Decoder) text(text []byte, t token) string {
	if t == tokenPlain {
		return view(text)
	}
	// An escape is never shorter than what it stands for, but an invalid byte becomes three.
	if need := 3 * len(text); cap(d.arena)-len(d.arena) < need {
		d.arena = make([]byte, 0, max(arenaChunk, need)) // views keep the old one alive
	}
	start := len(d.arena)
	d.arena = appendText(d.arena, text)
	return view(d.arena[start:len(d.arena):len(d.arena)])
}

// conversionError tells why a declared field has no value of its kind.
func conversionError(p *plan, f *field, b []byte, v found, reason string) *Error {
	return fieldError(p, f, reason, int(v.start), "want "+wants(f)+", got "+written(b, v, reason), cure(f, v, reason))
}

// wants names what a field accepts.
func wants(f *field) string {
	switch f.decl.Kind {
	case event.KindTime:
		if f.decl.Unit != 0 {
			return fmt.Sprintf("a time as a number of units of %v since 1970", f.decl.Unit)
		}
		return "a time as RFC 3339 text"
	case event.KindInt:
		return "an integer of 64 bits"
	case event.KindIP:
		return "an IP address as text"
	case event.KindBool:
		return "true or false"
	default:
		return "a " + f.decl.Kind.String()
	}
}

// written names what stands in the record.
func written(b []byte, v found, reason string) string {
	text := b[v.start:v.end]
	far := ""
	if reason == ReasonOutOfRange {
		far = ", which is out of range"
	}
	switch v.token {
	case tokenPlain, tokenEscaped:
		return "the string " + excerpt(text) + far
	case tokenNumber:
		return "the number " + string(text[:min(len(text), excerptMax)]) + far
	case tokenObject:
		return "an object"
	case tokenArray:
		return "an array"
	default:
		return string(text)
	}
}

// cure tells what to do about a value of the wrong kind.
func cure(f *field, v found, reason string) string {
	text := v.token.isText()
	switch {
	case reason == ReasonOutOfRange && f.decl.Kind == event.KindTime:
		return "check the field's unit: years 1678 to 2261 can be held"
	case reason == ReasonOutOfRange && f.decl.Kind == event.KindInt:
		return "declare the field as number, or as string if it is an identifier"
	case reason == ReasonOutOfRange:
		return "have the producer send what a 64-bit floating-point number can hold"
	case f.decl.Kind == event.KindTime && f.decl.Unit == 0 && v.token == tokenNumber:
		return "give the field its unit (s, ms, us or ns)"
	case f.decl.Kind == event.KindTime && f.decl.Unit == 0 && text:
		return "write it like " + time.Unix(1_700_000_000, 0).UTC().Format(time.RFC3339) + ", with its offset from UTC"
	case f.decl.Kind == event.KindTime && text:
		return "write a number, or leave out the field's unit if it is RFC 3339 text"
	case f.decl.Kind == event.KindInt && v.token == tokenNumber:
		return "declare the field as number, or have the producer send whole numbers"
	case v.token == tokenObject:
		return "declare the field's path down to the value inside"
	}
	return "correct the producer or the field's declared type"
}
