package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"insolite/internal/app"
)

// tellContexts prints what is remembered of a key for people. Where all partitions were asked, those that have nothing are counted only.
func tellContexts(w io.Writer, p paint, a *app.ContextAnswer) error {
	fmt.Fprintln(w, p.bold(values(a.Key)))
	none := map[string]int{}
	for i := range a.Places {
		place := &a.Places[i]
		at := fmt.Sprintf("%s/%d", place.Topic, place.Partition)
		switch {
		case place.Problem != "":
			fmt.Fprintf(w, "\n%s: not known: %s\n", p.bold(at), printable(place.Problem))
		case place.Context == nil:
			none[place.Topic]++
		default:
			fmt.Fprintf(w, "\n%s: in %s of %s\n", p.bold(at), place.From, place.Instance)
			if !place.Expected {
				fmt.Fprintln(w, "  the key was looked for in all partitions: its producers do not partition by it as Java's do")
			}
			if err := tellContext(w, p, place.Context); err != nil {
				return err
			}
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(none)) {
		fmt.Fprintf(w, "\n%s: nothing in %s\n", p.bold(topic), count(none[topic], "partition"))
	}
	return nil
}

func tellContext(w io.Writer, p paint, c *app.Remembered) error {
	fmt.Fprintf(w, "  as of %s; newest event %s; log up to %s; %s bytes\n", orNone(c.At), orNone(c.Newest), c.Position, thousands(c.Bytes))
	for i := range c.Rules {
		r := &c.Rules[i]
		name := r.Rule
		if r.Mode != "live" {
			name += " (" + r.Mode + ")"
		}
		fmt.Fprintf(w, "\n  %s\n", p.bold(name))
		t := newGrid("CONTEXT", "VALUE", ">SAMPLES", "WHAT", "FROM", "TO")
		for _, f := range r.Context {
			text, samples := jsonShown(f.Value), thousands(f.Samples)
			if f.Fields != nil {
				text = values(f.Fields)
			}
			if f.Samples < f.MinSamples {
				samples += " of " + thousands(f.MinSamples)
			}
			t.add(f.Name, text, samples, since(what(f.Agg, f.P, f.Window, f.Season), f.Since), f.From, f.To)
		}
		if err := t.write(w, "  ", p); err != nil {
			return err
		}
		for _, q := range r.CoolDowns {
			fmt.Fprintln(w, "  "+quiet(&q))
		}
		for _, x := range r.Waits {
			fmt.Fprintln(w, "  "+waits(x.Since, x.Until, x.Open))
		}
		if r.Values > 0 {
			fmt.Fprintf(w, "  %s remembered, watched since %s\n", count(r.Values, "value"), r.Since)
		}
		for _, m := range r.Open {
			fmt.Fprintf(w, "  a sequence since %s waits for step %d, %s of it so far\n", m.Since, m.Step, count(m.Hits, "event"))
		}
		if len(r.Evidence) == 0 {
			continue
		}
		seen := newGrid("EVIDENCE", "AT")
		for _, e := range r.Evidence {
			seen.add(fmt.Sprintf("%s/%d@%d", e.Topic, e.Partition, e.Offset), e.At)
		}
		if err := seen.write(w, "  ", p); err != nil {
			return err
		}
	}
	return nil
}

// quiet tells of a cool-down.
func quiet(q *app.RememberedQuiet) string {
	text := "may alert"
	if q.Until != "" {
		text = "quiet until " + q.Until
	}
	if q.Held > 0 {
		text += fmt.Sprintf("; %s held back since the last alert", count(q.Held, "finding"))
	}
	if q.By != "" {
		text += " (suppress.by " + q.By + ")"
	}
	return text
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// values is named values in the order of their names.
func values(named map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(named)) {
		parts = append(parts, name+" = "+jsonShown(named[name]))
	}
	return strings.Join(parts, ", ")
}

// jsonShown is a value as people read it.
func jsonShown(v any) string {
	switch v := v.(type) {
	case nil:
		return "unknown"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

// since adds where a feature began that rules have brought at work.
func since(what, began string) string {
	if began == "" {
		return what
	}
	return what + ", since offset " + began
}
