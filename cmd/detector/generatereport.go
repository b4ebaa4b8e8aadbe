package main

import (
	"fmt"
	"math/bits"
	"time"

	"insolite/loadgen"
)

// generateReport is what was made and how it went, as scripts read it.
type generateReport struct {
	Scenario  string       `json:"scenario"`
	Topic     string       `json:"topic"`
	Seed      uint64       `json:"seed"`
	History   uint64       `json:"history"`   // events before the start
	Events    uint64       `json:"events"`    // events from the start on
	Labels    uint64       `json:"labels"`    // of all: that have to bring an alert
	Late      uint64       `json:"late"`      // of all
	Malformed uint64       `json:"malformed"` // of all
	Seconds   float64      `json:"seconds"`
	Rate      float64      `json:"events_per_second"`
	Behind    uint64       `json:"behind"`               // events that left more than 10 ms after they were due
	Worst     float64      `json:"behind_worst_seconds"` // the longest delay of one
	Ack       *delays      `json:"acknowledged,omitempty"`
	Score     []*ruleScore `json:"score,omitempty"`
}

// delays say how long after they were due events were stored.
type delays struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
	Max float64 `json:"max_seconds"`
}

func (r *generateReport) note(e *loadgen.Event) {
	if e.History {
		r.History++
	} else {
		r.Events++
	}
	if e.Label != "" {
		r.Labels++
	}
	if e.Late {
		r.Late++
	}
	if e.Malformed {
		r.Malformed++
	}
}

// tell prints the report. With --stdout the events are the data: the report goes to standard error, for people only if they look.
func (j *generateJob) tell() error {
	r, w := &j.report, j.g.out
	r.Seconds, r.Rate = j.elapsed.Seconds(), float64(r.History+r.Events)/max(j.elapsed.Seconds(), 1e-9)
	r.Behind, r.Worst = j.pacer.Behind, j.pacer.Worst.Seconds()
	if j.stdout {
		w = j.g.err
	}
	switch {
	case j.g.output == "json":
		return writeJSON(w, r)
	case j.stdout && !terminal(w):
		return nil
	}
	p := paintFor(w)
	where := "to " + r.Topic
	if j.stdout {
		where = "of " + r.Scenario
	}
	fmt.Fprintf(w, "%s %s in %s, %s; seed %d\n", count(r.History+r.Events, "event"), where, j.elapsed.Round(time.Millisecond),
		perSecond(r.History+r.Events, j.elapsed), r.Seed)
	fmt.Fprintf(w, "%s of history, %s, %s late, %s malformed\n", thousands(r.History), count(r.Labels, "label"), thousands(r.Late), thousands(r.Malformed))
	if j.paced {
		text := fmt.Sprintf("%s behind schedule, the worst by %s", count(r.Behind, "event"), j.pacer.Worst.Round(time.Microsecond))
		if r.Behind > 0 {
			text = p.yellow(text)
		}
		fmt.Fprintln(w, text)
	}
	if a := r.Ack; a != nil {
		fmt.Fprintf(w, "stored after they were due: half within %s, 99 %% within %s, the last after %s\n", seconds(a.P50), seconds(a.P99), seconds(a.Max))
	}
	return tellScore(w, p, r.Score)
}

// seconds writes a short time.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// histogram counts durations in buckets of an eighth of a power of two of microseconds: what it tells is at most 12.5 % too high.
type histogram struct {
	buckets [64 * 8]uint64
	n       uint64
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.n++
	h.max = max(h.max, d)
	h.buckets[bucketOf(uint64(d/time.Microsecond))]++
}

func bucketOf(us uint64) int {
	if us < 8 {
		return int(us)
	}
	exp := bits.Len64(us) - 4
	return (exp+1)*8 + int(us>>exp)&7
}

// quantile returns the upper edge of the bucket in which a share of the durations ends.
func (h *histogram) quantile(q float64) time.Duration {
	rank, sum := uint64(q*float64(h.n)), uint64(0)
	for i, n := range h.buckets {
		if sum += n; sum > rank || sum == h.n && n > 0 {
			return min(h.max, time.Duration(upperEdge(i))*time.Microsecond)
		}
	}
	return 0
}

func upperEdge(bucket int) uint64 {
	if bucket < 8 {
		return uint64(bucket) + 1
	}
	return (uint64(bucket&7) + 9) << (bucket/8 - 1)
}

func (h *histogram) delays() *delays {
	if h.n == 0 {
		return nil
	}
	return &delays{h.quantile(0.5).Seconds(), h.quantile(0.99).Seconds(), h.max.Seconds()}
}
