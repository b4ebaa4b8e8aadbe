package oracle

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Cell is one combination that a comparison must have seen.
type Cell struct {
	Agg            string // with "exact" behind it where that is not the window's kind
	Window         string
	ExcludeCurrent bool
	Behind         bool   // the event was older than one that the key had absorbed: late for its neighbours, within the lateness. Not of Of
	Of             string // "by": a feature of another key; "source": of another source; empty: neither
	Way            string // instead of all this: where such a feature was read
}

// The ways of features of other keys and sources. A feature may be of several.
const (
	byHere      = "by, in the source's own task"
	byAway      = "by, behind a stage"
	byUnknown   = "by, of an event without that key or known there"
	byTwo       = "by, two stages before the rule's own"
	sourceHere  = "source, of one topic, in its task"
	sourceAway  = "source, of one topic, behind a stage"
	sourceFar   = "source, of another topic"
	sourceLater = "source, behind a second stage"
	sourceBy    = "source, by another key"
)

var ways = [...]string{byHere, byAway, byUnknown, byTwo, sourceHere, sourceAway, sourceFar, sourceLater, sourceBy}

// Cells counts the findings in which a feature of the cell had a value.
type Cells map[Cell]int

// Aggs are all aggregates.
var Aggs = [...]string{"count", "sum", "avg", "stddev", "min", "max", "distinct_count", "first", "last", "delta", "time_since", "percentile"}

// Windows are all kinds of window.
var Windows = [...]string{"sliding", "exact", "calendar", "session", "events", "forever"}

func (c Cells) count(j *Job, rule *Rule, way []place, readings map[string]Reading, behind bool) {
	touched := map[Cell]bool{}
	for i := range rule.Features {
		f := &rule.Features[i]
		known := readings[f.Name].Value.Known()
		for _, name := range f.Fields {
			known = known || readings[f.Name+"."+name].Value.Known()
		}
		if known {
			cell := Cell{Agg: f.label(), Window: f.Window.Kind, ExcludeCurrent: f.ExcludeCurrent, Behind: behind, Of: f.of()}
			if cell.Of != "" {
				cell.Behind = false
			}
			touched[cell] = true
		}
		for _, w := range j.waysOf(rule, f, way, known, readings) {
			touched[Cell{Way: w}] = true
		}
	}
	for cell := range touched {
		c[cell]++
	}
}

// of tells what a feature is of.
func (f *Feature) of() string {
	switch {
	case f.Source != "":
		return "source"
	case len(f.By) > 0:
		return "by"
	}
	return ""
}

// waysOf tells where a feature was read.
func (j *Job) waysOf(rule *Rule, f *Feature, way []place, known bool, readings map[string]Reading) (all []string) {
	hop := way[slices.IndexFunc(way, func(p place) bool { return p.space == f.space(rule) })].hop
	add := func(way string, is bool) {
		if is {
			all = append(all, way)
		}
	}
	if _, read := readings[f.Name]; !read && len(f.Fields) == 0 {
		add(byUnknown, len(f.By) > 0)
		return all
	}
	if !known {
		return nil
	}
	last := way[len(way)-1].hop
	add(byHere, len(f.By) > 0 && hop == 0)
	add(byAway, len(f.By) > 0 && hop > 0)
	add(byTwo, len(f.By) > 0 && hop > 0 && last-hop >= 2)
	if f.Source != "" {
		same := j.samplesOf(rule, f).Topic == j.of(rule.Source).Topic
		add(sourceHere, same && hop == 0)
		add(sourceAway, same && hop > 0)
		add(sourceFar, !same)
		add(sourceLater, hop > 1)
		add(sourceBy, len(f.By) > 0)
	}
	return all
}

// labels are the aggregates, and those that can be exact in any window.
func labels() []string {
	return append(slices.Clone(Aggs[:]), "distinct_count exact", "percentile exact")
}

func (f *Feature) label() string {
	if f.Exact {
		return f.Agg + " exact"
	}
	return f.Agg
}

// canBeExact reports whether exact changes the aggregate in a window that is not sliding.
func canBeExact(agg, window string) bool {
	switch window {
	case "calendar", "session", "forever":
		return agg == "distinct_count" || agg == "percentile"
	case "events":
		return agg == "distinct_count"
	}
	return false
}

// exists reports whether there is such a cell.
func exists(label, window string) bool {
	agg, exact := strings.CutSuffix(label, " exact")
	return !exact || canBeExact(agg, window)
}

// Add adds the counts of another log.
func (c Cells) Add(other Cells) {
	for cell, n := range other {
		c[cell] += n
	}
}

// Least returns the cell with the fewest findings, over all cells that there are.
func (c Cells) Least() (Cell, int) {
	var least Cell
	fewest := -1
	for _, cell := range allCells() {
		if n := c[cell]; fewest < 0 || n < fewest {
			least, fewest = cell, n
		}
	}
	return least, fewest
}

func allCells() []Cell {
	var all []Cell
	for _, agg := range labels() {
		for _, window := range Windows {
			if !exists(agg, window) {
				continue
			}
			for _, exclude := range []bool{false, true} {
				for _, behind := range []bool{false, true} {
					all = append(all, Cell{Agg: agg, Window: window, ExcludeCurrent: exclude, Behind: behind})
				}
				all = append(all, Cell{Agg: agg, Window: window, ExcludeCurrent: exclude, Of: "by"})
			}
			all = append(all, Cell{Agg: agg, Window: window, Of: "source"})
		}
	}
	for _, way := range ways {
		all = append(all, Cell{Way: way})
	}
	return all
}

// Print writes the table: an aggregate and exclude_current a line; a window a column, findings in order / out of order / with such a feature of
// another key / with one of another source. Below it are the ways of those.
func (c Cells) Print(w io.Writer) error {
	text := fmt.Sprintf("%-36s", "in order/out of order/by/source")
	for _, window := range Windows {
		text += fmt.Sprintf("%22s", window)
	}
	for _, agg := range labels() {
		for _, exclude := range []bool{false, true} {
			line := agg
			if exclude {
				line += " exclude_current"
			}
			text += fmt.Sprintf("\n%-36s", line)
			for _, window := range Windows {
				if !exists(agg, window) {
					text += fmt.Sprintf("%22s", "-")
					continue
				}
				cell := Cell{Agg: agg, Window: window, ExcludeCurrent: exclude}
				behind, by, source := cell, cell, cell
				behind.Behind, by.Of, source.Of = true, "by", "source"
				numbers := fmt.Sprintf("%d/%d/%d", c[cell], c[behind], c[by])
				if !exclude {
					numbers += fmt.Sprintf("/%d", c[source])
				}
				text += fmt.Sprintf("%22s", numbers)
			}
		}
	}
	for _, way := range ways {
		text += fmt.Sprintf("\n%-54s%22d", way, c[Cell{Way: way}])
	}
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return fmt.Errorf("print cells: %w", err)
	}
	return nil
}
