package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"insolite/internal/backtest"
	"insolite/internal/engine"
)

// eventShown is how many characters of an event people get.
const eventShown = 400

// tellExplained prints what became of an event for people.
func tellExplained(w io.Writer, p paint, x *backtest.Explained) error {
	e := newExplanation(x)
	head := fmt.Sprintf("Record %d of partition %d of %s", e.Position.Offset, e.Position.Partition, e.Position.Topic)
	if e.Source != "" {
		head += fmt.Sprintf(": %s at %s", e.Source, e.At)
	}
	text := string(x.Value)
	if utf8.RuneCountInString(text) > eventShown {
		text = string([]rune(text)[:eventShown]) + "…"
	}
	fmt.Fprintf(w, "%s\n%s\n", p.bold(head), p.dim(indent("  ", text)))
	switch x.Admission {
	case engine.Admitted:
	case engine.Tombstone:
		fmt.Fprintln(w, "\nNo rule sees it: the record has no value.")
	case engine.Unmatched:
		fmt.Fprintln(w, "\nNo rule sees it: it is of no declared source of the topic.")
	case engine.Late:
		fmt.Fprintf(w, "\nNo rule sees it: it is late. Its time %s lies before the watermark %s.\n", e.At, e.Watermark)
	default:
		fmt.Fprintf(w, "\nNo rule sees it, it is a dead letter: %s\n", e.Message)
	}
	if x.Admission == engine.Admitted && len(e.Rules) == 0 {
		fmt.Fprintf(w, "\nNo enabled rule reads %s.\n", e.Source)
	}
	for i := range e.Rules {
		if err := e.Rules[i].tell(w, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *ruleExplained) tell(w io.Writer, p paint) error {
	outcome := ended(r)
	if r.Outcome == "fired" {
		outcome = p.red(outcome)
	}
	fmt.Fprintf(w, "\n%s: %s\n", p.bold(r.Rule), outcome)
	if r.Summary != "" {
		fmt.Fprintf(w, "  %s\n", r.Summary)
	}
	if r.Suppressed > 0 {
		fmt.Fprintf(w, "  %s held back since the last alert\n", count(r.Suppressed, "finding"))
	}
	var key []string
	for i := range r.key {
		key = append(key, r.key[i].Name+" = "+shown(&r.key[i].Value))
	}
	fmt.Fprintf(w, "\n  %s\n  %s\n", p.bold("KEY"), strings.Join(key, ", "))
	if r.Trigger != "" {
		fmt.Fprintf(w, "\n  %s\n  %s\n", p.bold("TRIGGER"), r.Trigger)
	}
	if len(r.Waits) > 0 {
		fmt.Fprintf(w, "\n  %s\n", p.bold("WAITS"))
		for _, x := range r.Waits {
			fmt.Fprintln(w, "  "+waits(x.Since, x.Until, x.Open))
		}
	}
	context := newGrid("CONTEXT", "VALUE", ">SAMPLES", "WHAT", "FROM", "TO")
	for _, f := range r.Context {
		samples := thousands(f.Samples)
		if f.Samples < f.MinSamples {
			samples += " of " + thousands(f.MinSamples)
		}
		context.add(f.Name, f.text, samples, what(f.Agg, f.P, f.Window, f.Season), f.From, f.To)
	}
	trees := []*grid{tree("WHERE", r.Where), context, tree("CONDITION", r.Condition)}
	for i := range r.Exceptions {
		trees = append(trees, tree(fmt.Sprintf("EXCEPTION %q", r.Exceptions[i].Name), &r.Exceptions[i]))
	}
	for _, t := range trees {
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintln(w)
		if err := t.write(w, "  ", p); err != nil {
			return err
		}
	}
	return nil
}

// waits tells what waits for an instant.
func waits(since, until string, open bool) string {
	switch {
	case open && until == "":
		return "an alert is open since " + since + ", until the condition does not hold"
	case open:
		return "an alert is open since " + since + ", until " + until
	}
	return "waits since " + since + ", due at " + until
}

// tree is an expression with the value of every part.
func tree(heading string, n *nodeExplained) *grid {
	t := newGrid(heading, "")
	var walk func(n *nodeExplained, first, rest string)
	walk = func(n *nodeExplained, first, rest string) {
		value := ""
		if !n.group {
			value = shown(&n.value)
		}
		t.add(first+n.Text, value)
		for i := range n.Parts {
			if i+1 < len(n.Parts) {
				walk(&n.Parts[i], rest+"├ ", rest+"│ ")
			} else {
				walk(&n.Parts[i], rest+"└ ", rest+"  ")
			}
		}
	}
	if n != nil {
		walk(n, "", "")
	}
	return t
}

// what tells what a feature is: "count, 24h", "baseline, 8w hour_of_week, tuesday 14h".
func what(agg string, p float64, window, season string) string {
	text := aggText(agg, p) + ", " + window
	if season != "" {
		text += ", " + season
	}
	return text
}

// aggText is an aggregate as people read it: "count", "percentile 95".
func aggText(agg string, p float64) string {
	if p == 0 {
		return agg
	}
	return agg + " " + strconv.FormatFloat(p, 'f', -1, 64)
}
