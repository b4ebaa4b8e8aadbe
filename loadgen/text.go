package loadgen

import (
	"strconv"

	"insolite/internal/event"
)

// field begins a field: the comma between two of them, the name, the colon.
func field(b []byte, name string) []byte {
	if len(b) == 0 {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), `":`...)
}

// text appends a field with a string that needs no escapes.
func text(b []byte, name, value string) []byte {
	return append(append(append(field(b, name), '"'), value...), '"')
}

// named appends a field with a string of a prefix and a number of at least so many digits.
func named(b []byte, name, prefix string, n uint64, digits int) []byte {
	b = append(append(field(b, name), '"'), prefix...)
	return append(padded(b, n, digits), '"')
}

// padded appends n with zeros before it.
func padded(b []byte, n uint64, digits int) []byte {
	var buf [20]byte
	s := strconv.AppendUint(buf[:0], n, 10)
	for i := len(s); i < digits; i++ {
		b = append(b, '0')
	}
	return append(b, s...)
}

// decimal appends a field with a number of so many digits behind the point.
func decimal(b []byte, name string, v float64, digits int) []byte {
	return strconv.AppendFloat(field(b, name), v, 'f', digits, 64)
}

func instant(b []byte, name string, at event.Time) []byte {
	b = append(field(b, name), '"')
	b = at.Std().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	return append(b, '"')
}

func flag(b []byte, name string, v bool) []byte { return strconv.AppendBool(field(b, name), v) }

// trait returns a lasting property of a key: a number that is the same whenever it is asked for.
func (g *Generator) trait(k int, which uint64) uint64 {
	z := g.options.Seed ^ uint64(k)*0x9e3779b97f4a7c15 ^ which*0xd1342543de82ef95
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// pick returns the element of the list that a trait of the key names.
func pick[T any](g *Generator, k int, which uint64, list []T) T {
	return list[g.trait(k, which)%uint64(len(list))]
}

// share returns a trait as a number from 0 to 1.
func (g *Generator) share(k int, which uint64) float64 {
	return float64(g.trait(k, which)>>11) / (1 << 53)
}
