package dashboard

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	limitDefault   = 100
	limitMax       = 500
	filterTextMax  = 256 // characters of one value
	filterCountMax = 50  // values of one facet
)

// facet is a property of alerts that lists are filtered and counted by.
type facet int

const (
	facetSeverity facet = iota
	facetRule
	facetKey
	facetSource
	facetCount
)

var facetNames = [facetCount]string{"severity", "rule", "key", "source"}

// filter is a list's query. Within a facet any of the values may match, and every facet that has some must.
type filter struct {
	want   [facetCount][]string
	text   string // lower case; empty: any
	before uint64 // 0: from the newest
	limit  int
}

func parseFilter(query url.Values) (filter, error) {
	f := filter{limit: limitDefault}
	for name, values := range query {
		if i := slices.Index(facetNames[:], name); i >= 0 {
			f.want[i] = values
			if len(values) > filterCountMax {
				return f, fmt.Errorf("%s is given %d times, %d is the most", name, len(values), filterCountMax)
			}
			continue
		}
		value, err := values[len(values)-1], error(nil)
		switch name {
		case "q":
			f.text = strings.ToLower(strings.TrimSpace(value))
		case "before":
			f.before, err = strconv.ParseUint(value, 10, 64)
		case "limit":
			if f.limit, err = strconv.Atoi(value); err == nil && (f.limit < 0 || f.limit > limitMax) {
				err = fmt.Errorf("not within 0 and %d", limitMax)
			}
		default:
			return f, fmt.Errorf("unknown parameter %q", name)
		}
		if err != nil {
			return f, fmt.Errorf("%s=%q: not a number in range", name, value)
		}
	}
	for name, values := range query {
		if slices.ContainsFunc(values, func(v string) bool { return len(v) > filterTextMax }) {
			return f, fmt.Errorf("%s is longer than %d bytes", name, filterTextMax)
		}
	}
	return f, nil
}

// facetValues counts the values of each facet among the alerts that match in every other respect, so that a count says what choosing
// the value would show.
type facetValues map[string]map[string]int

// result is what a filter makes of the alerts that are kept.
type result struct {
	rows  []*entry // newest first, as many as asked for
	more  bool     // older ones match too
	total int      // how many match, whatever before says
	facet facetValues
	hour  map[string][]int // by severity: how many of them were emitted in each of the last minutes, the oldest minute first
}

// minutesShown is how far back result.hour goes.
const minutesShown = 60

// apply filters what is kept.
func (f *filter) apply(newestFirst []*entry, now time.Time) result {
	r := result{facet: facetValues{}, hour: map[string][]int{}}
	for _, name := range facetNames {
		r.facet[name] = map[string]int{}
	}
	for _, e := range newestFirst {
		if f.text != "" && !strings.Contains(e.text, f.text) {
			continue
		}
		missed, misses := f.misses(e)
		for i, name := range facetNames {
			if misses == 0 || misses == 1 && missed == facet(i) {
				r.facet[name][e.facets[i]]++
			}
		}
		if misses > 0 {
			continue
		}
		r.total++
		r.count(e, now)
		switch {
		case f.before > 0 && e.seq >= f.before:
		case len(r.rows) < f.limit:
			r.rows = append(r.rows, e)
		default:
			r.more = true
		}
	}
	return r
}

// count adds the alert to its minute. What a clock ahead of ours has emitted is of this minute.
func (r *result) count(e *entry, now time.Time) {
	ago := max(0, now.Sub(e.record.Timestamp))
	if ago >= minutesShown*time.Minute {
		return
	}
	severity := e.facets[facetSeverity]
	if r.hour[severity] == nil {
		r.hour[severity] = make([]int, minutesShown)
	}
	r.hour[severity][minutesShown-1-int(ago/time.Minute)]++
}

// misses tells how many facets rule the alert out, and the last of them.
func (f *filter) misses(e *entry) (missed facet, misses int) {
	for i, want := range f.want {
		switch {
		case len(want) == 0 || slices.Contains(want, e.facets[i]):
		case facet(i) == facetKey && slices.ContainsFunc(e.key, func(k string) bool { return slices.Contains(want, k) }):
		default:
			missed, misses = facet(i), misses+1
		}
	}
	return missed, misses
}
