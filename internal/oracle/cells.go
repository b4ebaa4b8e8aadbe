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
	Behind         bool // the event was older than one that the key had absorbed: late for its neighbours, within the lateness
}

// Cells counts the findings in which a feature of the cell had a value.
type Cells map[Cell]int

// Aggs are all aggregates.
var Aggs = [...]string{"count", "sum", "avg", "stddev", "min", "max", "distinct_count", "first", "last", "delta", "time_since", "percentile"}

// Windows are all kinds of window.
var Windows = [...]string{"sliding", "exact", "calendar", "session", "events", "forever"}

func (c Cells) count(rule *Rule, readings map[string]Reading, behind bool) {
	touched := map[Cell]bool{}
	for _, f := range rule.Features {
		known := readings[f.Name].Value.Known()
		for _, name := range f.Fields {
			known = known || readings[f.Name+"."+name].Value.Known()
		}
		if known {
			touched[Cell{f.label(), f.Window.Kind, f.ExcludeCurrent, behind}] = true
		}
	}
	for cell := range touched {
		c[cell]++
	}
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
				all = append(all, Cell{agg, window, exclude, false}, Cell{agg, window, exclude, true})
			}
		}
	}
	return all
}

// Print writes the table: an aggregate and exclude_current a line; a window a column, findings in order / out of order.
func (c Cells) Print(w io.Writer) error {
	text := fmt.Sprintf("%-36s", "in order/out of order")
	for _, window := range Windows {
		text += fmt.Sprintf("%14s", window)
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
					text += fmt.Sprintf("%14s", "-")
					continue
				}
				text += fmt.Sprintf("%14s", fmt.Sprintf("%d/%d", c[Cell{agg, window, exclude, false}], c[Cell{agg, window, exclude, true}]))
			}
		}
	}
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return fmt.Errorf("print cells: %w", err)
	}
	return nil
}
