package yamldoc

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// units are the units of a duration, longest names first where one begins another.
var units = []struct {
	name string
	size time.Duration
}{
	{"ms", time.Millisecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ns", time.Nanosecond},
	{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour},
}

// DurationMax is the longest duration that a file may name: ten years.
const DurationMax = 3660 * 24 * time.Hour

// ParseDuration reads a length of time above zero: whole or decimal numbers with the units w d h m s ms us ns, largest first, as in 1h30m.
// A day is 24 hours, a week seven days.
func ParseDuration(text string) (time.Duration, error) {
	var total float64
	var exact time.Duration
	last := math.Inf(1)
	rest := text
	for rest != "" {
		i := 0
		for i < len(rest) && (rest[i] >= '0' && rest[i] <= '9' || rest[i] == '.') {
			i++
		}
		if i == 0 {
			return 0, errors.New("a number is missing")
		}
		number := rest[:i]
		name, size := unitOf(rest[i:])
		if size == 0 {
			return 0, errors.New("a unit is missing or unknown")
		}
		if float64(size) >= last {
			return 0, errors.New("units go from large to small")
		}
		last = float64(size)
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, errors.New("a number is malformed")
		}
		if total += v * float64(size); total > float64(DurationMax) {
			return 0, errors.New("it is longer than ten years")
		}
		if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
			exact += time.Duration(whole) * size
		} else {
			exact += time.Duration(math.Round(v * float64(size)))
		}
		rest = rest[i+len(name):]
	}
	if exact <= 0 {
		return 0, errors.New("it is not above zero")
	}
	return exact, nil
}

func unitOf(s string) (string, time.Duration) {
	for _, u := range units {
		if strings.HasPrefix(s, u.name) {
			return u.name, u.size
		}
	}
	return "", 0
}

// byteUnits are the units of a size.
var byteUnits = map[string]int64{
	"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

// ParseBytes reads a size above zero: a number with B, KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000).
func ParseBytes(text string) (int64, error) {
	i := 0
	for i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] == '.' || text[i] == '_') {
		i++
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(text[:i], "_", ""), 64)
	unit, ok := byteUnits[strings.TrimSpace(text[i:])]
	if err != nil || !ok {
		return 0, errors.New("not a size")
	}
	v *= float64(unit)
	if v < 1 || v > math.MaxInt64/2 {
		return 0, errors.New("a size out of range")
	}
	return int64(v), nil
}
