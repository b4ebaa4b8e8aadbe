package oracle

import (
	"fmt"
	"time"
)

// bucket names the calendar bucket that holds t: for days and longer by the local date on which it begins, for hours and minutes by the
// instant at which it begins on the clock as it was set at t.
func (z zones) bucket(t int64, unit, zone string) string {
	local := time.Unix(0, t).In(z.get(zone))
	_, offset := local.Zone()
	switch unit {
	case "minute":
		return begin(t, offset, time.Minute)
	case "hour":
		return begin(t, offset, time.Hour)
	case "week":
		sinceMonday := (int(local.Weekday()) + 6) % 7
		year, month, day := local.Date()
		return time.Date(year, month, day-sinceMonday, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
	case "month":
		return local.Format("2006-01")
	}
	return local.Format(time.DateOnly)
}

func begin(t int64, offset int, unit time.Duration) string {
	shift := int64(offset) * int64(time.Second)
	return fmt.Sprint(floorDiv(t+shift, int64(unit))*int64(unit) - shift)
}

// zones keeps the time zones that a job names, because loading one reads a file.
type zones map[string]*time.Location

func (z zones) get(zone string) *time.Location {
	if zone == "" {
		return time.UTC
	}
	if l, found := z[zone]; found {
		return l
	}
	l, err := time.LoadLocation(zone)
	if err != nil {
		panic("oracle: " + err.Error()) // a job names zones that exist
	}
	z[zone] = l
	return l
}
