package decode

import (
	"math"
	"strconv"

	"insolite/internal/event"
)

// pow10 holds the powers of ten that a double holds exactly.
var pow10 = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

const (
	exactMax      = 1 << 53 // up to here every integer is a double
	digitsMax     = 19      // that a uint64 always holds
	plainDigits   = 18      // that an int64 always holds
	exponentLimit = 1 << 30 // an exponent is cut here; a record has far fewer digits to make up for it
)

func isDigit(c byte) bool { return c-'0' <= 9 }

// scanNumber returns the end of the number at i, or ^offset of what is wrong in it.
func scanNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digits(b, i); i < 0 {
		return i
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		i = digits(b, i)
	}
	return i
}

// digits returns the end of one or more digits, ^i if there is none.
func digits(b []byte, i int) int {
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

// plainNumber reads a number of at most 18 digits without exponent: the value is mantissa / 10^decimals. end is -1 for any other number
// and for what is none.
func plainNumber(b []byte, i int) (mantissa uint64, decimals int, negative bool, end int) {
	if i < len(b) && b[i] == '-' {
		negative = true
		i++
	}
	start := i
	for i < len(b) && isDigit(b[i]) {
		mantissa = mantissa*10 + uint64(b[i]-'0')
		i++
	}
	n := i - start
	if n == 0 || n > 1 && b[start] == '0' {
		return 0, 0, false, -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for i < len(b) && isDigit(b[i]) {
			mantissa = mantissa*10 + uint64(b[i]-'0')
			i++
		}
		decimals = i - point
		n += decimals
		if decimals == 0 {
			return 0, 0, false, -1
		}
	}
	if n > plainDigits || i < len(b) && b[i]|0x20 == 'e' {
		return 0, 0, false, -1
	}
	return mantissa, decimals, negative, i
}

// decimal is a number's text taken apart: ± mantissa × 10^exponent, and, when more digits than the mantissa holds follow, that the last
// non-zero one stands for 10^last.
type decimal struct {
	mantissa uint64
	exponent int
	last     int
	negative bool
	more     bool
}

// parseDecimal takes a number apart; text has passed scanNumber. Without more, the mantissa has no trailing zeros.
func parseDecimal(text []byte) decimal {
	var d decimal
	i := 0
	if text[0] == '-' {
		d.negative = true
		i++
	}
	index, whole := 0, -1 // of the next digit; how many stand before the point
	significant, zeros, mantissaEnd, lastEnd := 0, 0, 0, 0
	for ; i < len(text) && text[i]|0x20 != 'e'; i++ {
		c := text[i]
		if c == '.' {
			whole = index
			continue
		}
		index++
		if c == '0' {
			zeros++
			continue
		}
		lastEnd = index
		if d.more {
			continue
		}
		if significant == 0 {
			zeros = 0
		}
		for ; zeros > 0 && significant < digitsMax; zeros-- {
			d.mantissa *= 10
			significant++
			mantissaEnd = index - zeros
		}
		if significant == digitsMax {
			d.more = true
			continue
		}
		d.mantissa = d.mantissa*10 + uint64(c-'0')
		significant++
		mantissaEnd = index
	}
	if whole < 0 {
		whole = index
	}
	exponent := 0
	if i < len(text) {
		exponent = parseExponent(text[i+1:])
	}
	d.exponent = exponent + whole - mantissaEnd
	d.last = exponent + whole - lastEnd
	return d
}

// parseExponent reads an exponent with its sign, cut at ±exponentLimit.
func parseExponent(text []byte) int {
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	n := 0
	for _, c := range text {
		n = min(n*10+int(c-'0'), exponentLimit)
	}
	if negative {
		return -n
	}
	return n
}

// scaled returns the mantissa × 10^exponent, what is behind the point dropped; ok is false beyond 64 bits.
func (d *decimal) scaled(exponent int) (u uint64, ok bool) {
	u = d.mantissa
	for ; exponent < 0 && u > 0; exponent++ {
		u /= 10
	}
	for ; exponent > 0 && u > 0; exponent-- {
		if u > math.MaxUint64/10 {
			return 0, false
		}
		u *= 10
	}
	return u, true
}

// parseInt returns the integer that a number's text stands for, or the reason why it is none.
func parseInt(text []byte) (n int64, reason string) {
	d := parseDecimal(text)
	if d.mantissa == 0 {
		return 0, ""
	}
	if d.last < 0 {
		return 0, ReasonWrongType
	}
	u, ok := d.scaled(d.exponent)
	switch {
	case !ok || d.more:
		return 0, ReasonOutOfRange
	case d.negative && u <= 1<<63:
		return -int64(u), "" // two's complement: right for the least integer, too
	case u <= math.MaxInt64:
		return int64(u), ""
	}
	return 0, ReasonOutOfRange
}

// parseNumber returns the double nearest to a number's text; ok is false beyond the range of doubles.
func parseNumber(text []byte) (f float64, ok bool) {
	f, err := strconv.ParseFloat(view(text), 64)
	return f, err == nil
}

// parseUnits returns the instant that lies a number of units after 1970; unit is the power of ten of nanoseconds.
func parseUnits(text []byte, unit int) (t event.Time, ok bool) {
	d := parseDecimal(text)
	u, ok := d.scaled(d.exponent + unit)
	if !ok || u > math.MaxInt64 { // digits beyond the mantissa are below a nanosecond, or there are far too many
		return 0, false
	}
	if d.negative {
		return -event.Time(u), true
	}
	return event.Time(u), true
}
