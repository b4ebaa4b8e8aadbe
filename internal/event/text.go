package event

import (
	"math"
	"strconv"
	"time"
)

// AppendTime appends t as RFC 3339 with as many decimals as it needs, in the given offset from UTC.
func AppendTime(dst []byte, t Time, offsetSeconds int) []byte {
	std := time.Unix(0, int64(t))
	if offsetSeconds == 0 {
		std = std.UTC()
	} else {
		std = std.In(time.FixedZone("", offsetSeconds))
	}
	return std.AppendFormat(dst, time.RFC3339Nano)
}

// AppendNumber appends f in the shortest form that reads back the same, as JSON writes it (ECMAScript's form).
func AppendNumber(dst []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09 is e-9
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// AppendText appends v as people read it: text as it is, times in RFC 3339, durations as Go writes them, missing as "n/a".
func (v *Value) AppendText(dst []byte) []byte {
	switch v.Kind {
	case KindString:
		return append(dst, v.S...)
	case KindNumber:
		return AppendNumber(dst, v.Float())
	case KindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case KindTime:
		return AppendTime(dst, v.Time(), v.OffsetSeconds())
	case KindIP:
		return v.Addr().AppendTo(dst)
	case KindDuration:
		return append(dst, v.Duration().String()...)
	}
	return append(dst, "n/a"...)
}

// Text is AppendText as a string.
func (v *Value) Text() string { return string(v.AppendText(nil)) }
