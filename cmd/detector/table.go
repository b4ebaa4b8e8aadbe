package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// grid is a table for people: the columns are aligned, those whose heading begins with ">" to the right.
type grid struct {
	heading []string
	rows    [][]string
}

func newGrid(heading ...string) *grid { return &grid{heading: heading} }

func (t *grid) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table; without rows nothing.
func (t *grid) write(w io.Writer, margin string, p paint) error {
	if len(t.rows) == 0 {
		return nil
	}
	heading, right := make([]string, len(t.heading)), make([]bool, len(t.heading))
	widths := make([]int, len(t.heading))
	for i, h := range t.heading {
		heading[i], right[i] = strings.CutPrefix(h, ">")
		widths[i] = utf8.RuneCountInString(heading[i])
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b strings.Builder
	line := func(cells []string, bold bool) {
		var l strings.Builder
		for i, c := range cells {
			if i > 0 {
				l.WriteString("  ")
			}
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if right[i] {
				l.WriteString(gap + c)
			} else {
				l.WriteString(c + gap)
			}
		}
		text := strings.TrimRight(l.String(), " ")
		if bold {
			text = p.bold(text)
		}
		b.WriteString(margin + text + "\n")
	}
	if strings.Join(heading, "") != "" {
		line(heading, true)
	}
	for _, row := range t.rows {
		line(row, false)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
