package window

import (
	"strconv"

	"insolite/internal/event"
)

// Agg is what a feature computes from the samples in its window.
type Agg uint8

// The aggregates.
const (
	AggCount      Agg = iota + 1 // how many samples; empty: 0
	AggSum                       // their sum; ints stay ints, exactly, and are unknown when they do not fit; empty: 0
	AggAvg                       // their mean; empty: unknown
	AggStddev                    // their sample standard deviation (n-1); below two: unknown
	AggMin                       // the smallest; empty: unknown
	AggMax                       // the largest; empty: unknown
	AggDistinct                  // how many different values; empty: 0
	AggFirst                     // the values of the first sample, never one after t
	AggLast                      // the values of the last sample, never one after t
	AggDelta                     // the last value minus the one before it
	AggTimeSince                 // the time from the last sample to t
	AggPercentile                // the value that so many percent of the samples do not exceed, see [Query]; empty: unknown
)

// Family is the kind of state that serves an [Agg]. Features that differ only in aggregates of one family share a cell.
type Family uint8

// The families.
const (
	Count    Family = iota + 1 // n
	Sum                        // n and the sum: 128 bits for ints, a float for numbers
	Spread                     // n, mean and M2 (Welford)
	Extremes                   // n, min, max
	Distinct                   // n and a set of 16 hashes or 256 registers
	Recent                     // the last 16 samples
	Bins                       // a logarithmic histogram
)

// aggs is the table of all aggregates: a new one is a row here and, when no family serves it, a file.
var aggs = [...]struct {
	name    string
	family  Family
	accepts kinds
	result  event.Kind // KindMissing: the field's
}{
	AggCount:      {"count", Count, anyKind, event.KindInt},
	AggSum:        {"sum", Sum, numeric, event.KindMissing},
	AggAvg:        {"avg", Sum, numeric, event.KindNumber},
	AggStddev:     {"stddev", Spread, numeric, event.KindNumber},
	AggMin:        {"min", Extremes, numeric | 1<<event.KindTime, event.KindMissing},
	AggMax:        {"max", Extremes, numeric | 1<<event.KindTime, event.KindMissing},
	AggDistinct:   {"distinct_count", Distinct, 1<<event.KindString | 1<<event.KindInt | 1<<event.KindBool | 1<<event.KindIP, event.KindInt},
	AggFirst:      {"first", Recent, anyKind, event.KindMissing},
	AggLast:       {"last", Recent, anyKind, event.KindMissing},
	AggDelta:      {"delta", Recent, numeric, event.KindMissing},
	AggTimeSince:  {"time_since", Recent, anyKind, event.KindDuration},
	AggPercentile: {"percentile", Bins, numeric, event.KindMissing},
}

// kinds is a set of kinds, one bit each.
type kinds uint16

const (
	numeric kinds = 1<<event.KindNumber | 1<<event.KindInt
	anyKind kinds = 1<<(event.KindDuration+1) - 1
)

// ParseAgg returns the aggregate of that name.
func ParseAgg(name string) (Agg, bool) {
	for a := AggCount; a <= AggPercentile; a++ {
		if aggs[a].name == name {
			return a, true
		}
	}
	return 0, false
}

func (a Agg) valid() bool { return a >= AggCount && a <= AggPercentile }

// String returns the aggregate's name as users write it.
func (a Agg) String() string {
	if a.valid() {
		return aggs[a].name
	}
	return "agg(" + strconv.Itoa(int(a)) + ")"
}

// Family returns the family that serves a.
func (a Agg) Family() Family { return aggs[a].family }

// Accepts reports whether the field of a may be of kind k.
func (a Agg) Accepts(k event.Kind) bool { return aggs[a].accepts&(1<<k) != 0 }

// Result returns the kind of the value of a over a field of kind k.
func (a Agg) Result(k event.Kind) event.Kind {
	if r := aggs[a].result; r != event.KindMissing {
		return r
	}
	return k
}

// AggNames returns the names of all aggregates as users write them.
func AggNames() []string {
	var names []string
	for a := AggCount; a <= AggPercentile; a++ {
		names = append(names, a.String())
	}
	return names
}
