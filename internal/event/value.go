package event

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Kind is the type of a [Value].
type Kind uint8

// The kinds. A field is declared with any of string, number, int, bool, time and ip; durations arise in expressions and features only.
const (
	KindMissing  Kind = iota // no value: absent, null or unknown
	KindString               // UTF-8 text
	KindNumber               // IEEE 754 double
	KindInt                  // 64-bit signed integer
	KindBool                 // true or false
	KindTime                 // an instant, with the offset from UTC in which it was written
	KindIP                   // an IPv4 or IPv6 address; an IPv4-mapped IPv6 address is the IPv4 address
	KindDuration             // a signed length of time
)

var kindNames = [...]string{"missing", "string", "number", "int", "bool", "time", "ip", "duration"}

// String returns the kind's name as users write it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// ParseKind returns the kind that a field may be declared with. Durations and missing are not declarable.
func ParseKind(name string) (Kind, bool) {
	for k := KindString; k <= KindIP; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return KindMissing, false
}

// Time is an instant: nanoseconds since the Unix epoch, which covers the years 1678 to 2261.
type Time int64

// NoTime is before every instant: the watermark of a task that has seen nothing.
const NoTime Time = math.MinInt64

// Never is after every instant: the deadline of what has none.
const Never Time = math.MaxInt64

// Std converts to a UTC [time.Time].
func (t Time) Std() time.Time { return time.Unix(0, int64(t)).UTC() }

// Add returns t + d, held at the ends of the range instead of wrapping around.
func (t Time) Add(d time.Duration) Time {
	s := t + Time(d)
	switch {
	case d > 0 && s < t:
		return math.MaxInt64
	case d < 0 && s > t:
		return NoTime
	}
	return s
}

// TimeOf converts a [time.Time]; ok is false outside the range of [Time].
func TimeOf(t time.Time) (at Time, ok bool) {
	s := t.Unix()
	if s <= math.MinInt64/int64(time.Second) || s >= math.MaxInt64/int64(time.Second) {
		return 0, false
	}
	return Time(t.UnixNano()), true
}

// Value is one typed value of a row. The zero Value is missing. A string Value is a view: it lives as long as the buffer that it was
// decoded from.
type Value struct {
	S    string // KindString: the text
	N    uint64 // number: its bits; int, time, duration: two's complement; bool: 0 or 1; ip: the lower half of its 16-byte form
	M    uint64 // time: offset east of UTC in seconds; ip: the upper half of its 16-byte form
	Kind Kind
}

// StringValue returns a string.
func StringValue(s string) Value { return Value{S: s, Kind: KindString} }

// NumberValue returns a number; NaN is missing, because no comparison with it means anything.
func NumberValue(f float64) Value {
	if f != f {
		return Value{}
	}
	return Value{N: math.Float64bits(f), Kind: KindNumber}
}

// IntValue returns an integer.
func IntValue(i int64) Value { return Value{N: uint64(i), Kind: KindInt} }

// BoolValue returns a truth value.
func BoolValue(b bool) Value {
	if b {
		return Value{N: 1, Kind: KindBool}
	}
	return Value{Kind: KindBool}
}

// TimeValue returns an instant with the offset from UTC, in seconds, in which it was written.
func TimeValue(t Time, offsetSeconds int) Value {
	return Value{N: uint64(t), M: uint64(offsetSeconds), Kind: KindTime}
}

// DurationValue returns a length of time.
func DurationValue(d time.Duration) Value { return Value{N: uint64(d), Kind: KindDuration} }

// IPValue returns an address. Zones are dropped.
func IPValue(a netip.Addr) Value {
	b := a.As16()
	return Value{M: binary.BigEndian.Uint64(b[:8]), N: binary.BigEndian.Uint64(b[8:]), Kind: KindIP}
}

// Known reports whether v has a value.
func (v *Value) Known() bool { return v.Kind != KindMissing }

// Float returns the number or the int as a number; v must be of one of these kinds.
func (v *Value) Float() float64 {
	if v.Kind == KindInt {
		return float64(int64(v.N))
	}
	return math.Float64frombits(v.N)
}

// Int returns the integer of a KindInt.
func (v *Value) Int() int64 { return int64(v.N) }

// Bool returns the truth value of a KindBool.
func (v *Value) Bool() bool { return v.N != 0 }

// Time returns the instant of a KindTime.
func (v *Value) Time() Time { return Time(v.N) }

// OffsetSeconds returns the offset from UTC of a KindTime.
func (v *Value) OffsetSeconds() int { return int(int64(v.M)) }

// Duration returns the length of a KindDuration.
func (v *Value) Duration() time.Duration { return time.Duration(v.N) }

// Addr returns the address of a KindIP, IPv4 in its own form.
func (v *Value) Addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.M)
	binary.BigEndian.PutUint64(b[8:], v.N)
	return netip.AddrFrom16(b).Unmap()
}

// Equal reports whether v and w have the same kind and value. Two missing values are equal; a time's offset does not count.
func (v *Value) Equal(w *Value) bool {
	if v.Kind != w.Kind {
		return false
	}
	switch v.Kind {
	case KindString:
		return v.S == w.S
	case KindNumber:
		return v.Float() == w.Float()
	case KindIP:
		return v.N == w.N && v.M == w.M
	}
	return v.N == w.N
}
