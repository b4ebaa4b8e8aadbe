package baseline

import (
	"fmt"
	"time"

	"insolite/internal/event"
)

// Season is what the level of a key depends on beside its past.
type Season uint8

// The seasons.
const (
	None       Season = iota
	HourOfDay         // 24 buckets
	HourOfWeek        // 168 buckets, from Monday 00 h
)

var seasonNames = [...]string{"", "hour_of_day", "hour_of_week"}

// ParseSeason returns the season of that name.
func ParseSeason(name string) (Season, bool) {
	for i := HourOfDay; i <= HourOfWeek; i++ {
		if seasonNames[i] == name {
			return i, true
		}
	}
	return None, false
}

// SeasonNames returns the names of the seasons as users write them.
func SeasonNames() []string { return seasonNames[HourOfDay:] }

// String returns the season's name as users write it; empty for None.
func (s Season) String() string { return seasonNames[s] }

// Buckets returns how many hours the season tells apart.
func (s Season) Buckets() int { return [...]int{0, 24, 168}[s] }

// Period is the time after which the season begins anew.
func (s Season) Period() time.Duration {
	return [...]time.Duration{0, 24 * time.Hour, 7 * 24 * time.Hour}[s]
}

// History returns the history of a baseline that says nothing of it.
func (s Season) History() time.Duration {
	if s == HourOfWeek {
		return 8 * 7 * 24 * time.Hour
	}
	return 4 * 7 * 24 * time.Hour
}

// HistoryMax is the longest history: what is older cannot be rebuilt from a topic.
const HistoryMax = 2 * 366 * 24 * time.Hour

// Spec says what is learned of a key's samples.
type Spec struct {
	Season  Season
	Zone    *time.Location // of the season's hours; nil: UTC
	History time.Duration  // the past counts for less by H/(H+Δ) with each sample, and for nothing after a pause longer than H
}

// Check returns what is wrong with s. Rules are checked long before, so it is a programming error.
func (s Spec) Check() error {
	switch {
	case s.Season > HourOfWeek:
		return fmt.Errorf("unknown season %d", s.Season)
	case s.History < s.Least() || s.History > HistoryMax:
		return fmt.Errorf("history of %v, want %v to %v", s.History, s.Least(), HistoryMax)
	}
	return nil
}

// Least is the shortest history: two periods of the season.
func (s Spec) Least() time.Duration { return max(time.Minute, 2*s.Season.Period()) }

// bucket returns the season's hour of an instant.
func (s Spec) bucket(at event.Time) int {
	if s.Season == None {
		return 0
	}
	hour := floorDiv(int64(at), int64(time.Hour))
	if s.Zone != nil {
		_, offset := at.Std().In(s.Zone).Zone()
		hour = floorDiv(floorDiv(int64(at), int64(time.Second))+int64(offset), 3600)
	}
	b := (hour + 3*24) % int64(s.Season.Buckets()) // 1970 began on a Thursday
	if b < 0 {
		b += int64(s.Season.Buckets())
	}
	return int(b)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Hour names the season's hour of an instant: "14h", "tuesday 14h"; empty without a season.
func (s Spec) Hour(at event.Time) string {
	b := s.bucket(at)
	switch s.Season {
	case HourOfDay:
		return fmt.Sprintf("%02dh", b)
	case HourOfWeek:
		return fmt.Sprintf("%s %02dh", days[b/24], b%24)
	}
	return ""
}

var days = [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// Direction says which deviations score.
type Direction uint8

// The directions.
const (
	Both Direction = iota
	Up             // below what is expected scores 0
	Down           // above it does
)

// DirectionNames are the directions as users write them, by Direction.
func DirectionNames() []string { return []string{"both", "up", "down"} }

// String returns the direction as users write it.
func (d Direction) String() string { return DirectionNames()[d] }

// Query is what is asked of a baseline. Queries that differ share its state.
type Query struct {
	MinSamples   int // absorbed before; below, nothing is known but the value
	Direction    Direction
	MinDeviation float64 // less deviation than this scores 0; 0: any scores
	Relative     bool    // MinDeviation is a share of what is expected
}

// Reading is what a baseline says of a value. What is not known is NaN.
type Reading struct {
	Samples int        // absorbed before, since the baseline began
	From    event.Time // the first of them; NoTime: none
	Expected, Lower, Upper,
	Score, P float64
}
