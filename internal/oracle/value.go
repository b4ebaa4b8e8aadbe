package oracle

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Kind is the type of a [Value].
type Kind string

// The kinds, named as in a source's fields.
const (
	Missing  Kind = ""
	String   Kind = "string"
	Number   Kind = "number"
	Int      Kind = "int"
	Bool     Kind = "bool"
	Time     Kind = "time"
	IP       Kind = "ip"
	Duration Kind = "duration"
)

// Value is one value. The zero Value is missing, which is the same as unknown.
type Value struct {
	Kind   Kind
	S      string  // string, ip (in its usual text)
	F      float64 // number
	I      int64   // int, bool (0 or 1), time (nanoseconds since the epoch), duration
	Offset int     // time: seconds east of UTC
}

func number(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{Kind: Number, F: f}
}

func integer(i int64) Value { return Value{Kind: Int, I: i} }

func boolean(b bool) Value {
	if b {
		return Value{Kind: Bool, I: 1}
	}
	return Value{Kind: Bool}
}

// Known reports whether there is a value.
func (v Value) Known() bool { return v.Kind != Missing }

func (v Value) numeric() bool { return v.Kind == Int || v.Kind == Number }

func (v Value) float() float64 {
	if v.Kind == Int {
		return float64(v.I)
	}
	return v.F
}

// JSON returns the value as JSON writes it: numbers in their shortest form, times in RFC 3339 with their offset, durations as Go writes
// them, unknown as null.
func (v Value) JSON() string {
	switch v.Kind {
	case Number:
		b, _ := json.Marshal(v.F) // finite by construction
		return string(b)
	case Int:
		return strconv.FormatInt(v.I, 10)
	case Bool:
		return strconv.FormatBool(v.I != 0)
	case String, IP:
		b, _ := json.Marshal(v.S) // a string cannot fail
		return string(b)
	case Time:
		zone := time.UTC
		if v.Offset != 0 {
			zone = time.FixedZone("", v.Offset)
		}
		return strconv.Quote(time.Unix(0, v.I).In(zone).Format(time.RFC3339Nano))
	case Duration:
		return strconv.Quote(time.Duration(v.I).String())
	}
	return "null"
}

// keyBytes is the encoding whose hash a sketch counts: the kind's number, then the value; equal values have equal bytes.
func (v Value) keyBytes() []byte {
	switch v.Kind {
	case String:
		return append(binary.AppendUvarint([]byte{1}, uint64(len(v.S))), v.S...)
	case Int:
		return binary.BigEndian.AppendUint64([]byte{3}, uint64(v.I))
	case Bool:
		return []byte{4, byte(v.I)}
	case Time:
		return binary.BigEndian.AppendUint64([]byte{5}, uint64(v.I))
	case IP:
		b := netip.MustParseAddr(v.S).As16()
		return append([]byte{6}, b[:]...)
	}
	return nil
}

// equal reports whether two known values are equal; ints and numbers are compared as numbers.
func equal(a, b Value) bool {
	switch {
	case a.Kind == Int && b.Kind == Int:
		return a.I == b.I
	case a.numeric() && b.numeric():
		return a.float() == b.float()
	}
	return a.S == b.S && a.I == b.I
}

// less reports whether a < b, for ints, numbers, times, durations and strings of one kind.
func less(a, b Value) bool {
	switch {
	case a.Kind == Int && b.Kind == Int:
		return a.I < b.I
	case a.numeric() && b.numeric():
		return a.float() < b.float()
	case a.Kind == String:
		return a.S < b.S
	}
	return a.I < b.I
}
