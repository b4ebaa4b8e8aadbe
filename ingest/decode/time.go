package decode

import (
	"encoding/binary"
	"math"

	"insolite/internal/event"
)

const (
	secondsPerDay = 86_400
	nanosPerSec   = 1_000_000_000
	// The years that an event.Time covers, with event.TimeOf's rule at the ends.
	secondsLimit = math.MaxInt64 / nanosPerSec
)

// monthDays are the days of the months of a year that is no leap year.
var monthDays = [...]uint8{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// two reads two digits; anything else gives a number above 99.
func two(b []byte, i int) uint {
	hi, lo := uint(b[i]-'0'), uint(b[i+1]-'0')
	if hi > 9 || lo > 9 {
		return 255
	}
	return hi*10 + lo
}

// dates remembers the last date that was read: records of one log are mostly of one day.
type dates struct {
	text  [10]byte // zero before the first
	start int64    // its first second since 1970
}

// parse reads an instant in RFC 3339 (with upper-case T and Z, without leap seconds, as Go does) and the offset in which it was
// written. reason is empty, wrong_type or out_of_range.
func (d *dates) parse(b []byte) (t event.Time, offset int, reason string) {
	if len(b) < len("2006-01-02T15:04:05Z") || b[10] != 'T' {
		return 0, 0, ReasonWrongType
	}
	if [10]byte(b) != d.text && !d.read(b) {
		return 0, 0, ReasonWrongType
	}
	clock, ok := parseClock(binary.LittleEndian.Uint64(b[11:]))
	if !ok {
		return 0, 0, ReasonWrongType
	}
	nanos, i := fraction(b, 19)
	offset, ok = zone(b, i)
	if !ok {
		return 0, 0, ReasonWrongType
	}
	s := d.start + clock - int64(offset)
	if s <= -secondsLimit || s >= secondsLimit {
		return 0, 0, ReasonOutOfRange
	}
	return event.Time(s*nanosPerSec + nanos), offset, ""
}

// read reads the date at the start of b.
func (d *dates) read(b []byte) bool {
	century, year, month, day := two(b, 0), two(b, 2), two(b, 5), two(b, 8)
	if century > 99 || year > 99 || month-1 > 11 || b[4] != '-' || b[7] != '-' {
		return false
	}
	year += century * 100
	last := uint(monthDays[month-1])
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		last = 29
	}
	if day-1 >= last {
		return false
	}
	d.text = [10]byte(b)
	d.start = daysSince1970(int64(year), int64(month), int64(day)) * secondsPerDay
	return true
}

// parseClock reads hh:mm:ss from the eight bytes of a word, the first in its lowest byte, as seconds.
func parseClock(w uint64) (seconds int64, ok bool) {
	const (
		zeros  = 0x30303a30303a3030 // 00:00:00
		fixed  = 0xf0f0fff0f0fff0f0 // colons, and the upper halves of digits
		sixes  = 0x0606000606000606 // a digit above 9 carries into its upper half
		halves = 0x0f0f000f0f000f0f
	)
	n := w & halves
	if w&fixed != zeros || (n+sixes)&^halves != 0 {
		return 0, false
	}
	n = n*10 + n>>8 // each pair's number in its first byte
	hour, minute, second := n&0xff, n>>24&0xff, n>>48&0xff
	return int64(hour*3600 + minute*60 + second), hour < 24 && minute < 60 && second < 60
}

// fraction reads decimals of a second at i, if there are any, as nanoseconds; further digits are dropped. end is -1 for a lone point.
func fraction(b []byte, i int) (nanos int64, end int) {
	if b[i] != '.' {
		return 0, i
	}
	unit := int64(nanosPerSec)
	start := i + 1
	for i = start; i < len(b) && isDigit(b[i]); i++ {
		unit /= 10
		nanos += unit * int64(b[i]-'0')
	}
	if i == start {
		return 0, -1
	}
	return nanos, i
}

// zone reads the offset from UTC at i, in seconds, up to the end of b.
func zone(b []byte, i int) (offset int, ok bool) {
	if i < 0 {
		return 0, false
	}
	b = b[i:]
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != len("+00:00") || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hours, minutes := two(b, 1), two(b, 4)
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset = int(hours*3600 + minutes*60)
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// daysSince1970 counts the days to a date of the proleptic Gregorian calendar, year ≥ 0.
// From Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 400 years that begin in March.
func daysSince1970(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400 // keeps the divisions below positive in the years before March 1
	era, yearOfEra := year/400, year%400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146_097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719_468 - 146_097
}
