package oracle

import (
	"fmt"
	"strconv"
	"strings"
)

// ConfigYAML renders the sources as the product's configuration file, with the rules in a folder named rules beside it.
func (j Job) ConfigYAML() string {
	var b strings.Builder
	b.WriteString("version: 1\napp: oracle\nkafka:\n  brokers: [localhost:9092]\nsources:\n")
	j.Source.yaml(&b, j.Other != nil)
	if j.Other != nil {
		j.Other.yaml(&b, true)
	}
	b.WriteString("rules: [rules/]\n")
	return b.String()
}

func (s *Source) yaml(b *strings.Builder, typed bool) {
	fmt.Fprintf(b, "  %s:\n    topic: %s\n    format: json\n", s.Name, s.Topic)
	if typed {
		fmt.Fprintf(b, "    match: {field: type, equals: %s}\n", s.Name)
	}
	if len(s.Key) > 0 {
		fmt.Fprintf(b, "    key: [%s]\n", strings.Join(s.Key, ", "))
	}
	fmt.Fprintf(b, "    time: {field: at}\n    lateness: %s\n", durationText(s.Lateness))
	if s.Dedupe != nil {
		fmt.Fprintf(b, "    dedupe: {id: %s, for: %s}\n", s.Dedupe.ID, durationText(s.Dedupe.For))
	}
	b.WriteString("    fields:\n")
	for _, f := range s.Fields {
		if f.Optional {
			fmt.Fprintf(b, "      %s: {type: %s, optional: true}\n", f.Name, f.Kind)
		} else {
			fmt.Fprintf(b, "      %s: %s\n", f.Name, f.Kind)
		}
	}
}

// RulesYAML renders the rules as one rule file.
func (j Job) RulesYAML() string {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for _, r := range j.Rules {
		r.yaml(&b, j.of(r.Source).Name)
	}
	return b.String()
}

func (r *Rule) yaml(b *strings.Builder, source string) {
	fmt.Fprintf(b, "- id: %s\n  title: %s\n  source: %s\n", r.ID, r.ID, source)
	if r.Severity != "" {
		fmt.Fprintf(b, "  severity: %s\n", r.Severity)
	}
	if r.Where != nil {
		fmt.Fprintf(b, "  where: %s\n", quoted(r.Where))
	}
	fmt.Fprintf(b, "  group_by: [%s]\n", strings.Join(r.GroupBy, ", "))
	for _, block := range []string{"context", "baseline"} {
		begun := false
		for i := range r.Features {
			f := &r.Features[i]
			if (f.Baseline != nil) != (block == "baseline") {
				continue
			}
			if !begun {
				begun = true
				fmt.Fprintf(b, "  %s:\n", block)
			}
			fmt.Fprintf(b, "    %s: {%s}\n", f.Name, f.yaml())
		}
	}
	r.triggerYAML(b)
	if a := r.Absence; a != nil {
		fmt.Fprintf(b, "  absence: {of: %s, within: %s", a.Of, durationText(a.Within))
		if a.Where != nil {
			fmt.Fprintf(b, ", where: %s", quoted(a.Where))
		}
		if a.CancelOn != "" {
			fmt.Fprintf(b, ", cancel_on: %s", a.CancelOn)
		}
		if a.First {
			b.WriteString(", arm: first")
		}
		b.WriteString("}\n")
	}
	if r.Condition != nil {
		fmt.Fprintf(b, "  condition: %s\n", quoted(r.Condition))
	}
	if r.For > 0 {
		fmt.Fprintf(b, "  for: %s\n", durationText(r.For))
	}
	if r.Keep > 0 {
		fmt.Fprintf(b, "  keep_firing_for: %s\n", durationText(r.Keep))
	}
	if len(r.Exceptions) > 0 {
		b.WriteString("  exceptions:\n")
	}
	for _, x := range r.Exceptions {
		fmt.Fprintf(b, "  - {name: %s, where: %s}\n", x.Name, quoted(x.Where))
	}
	if s := r.Suppress; s != nil {
		b.WriteString("  suppress: {")
		if len(s.By) > 0 {
			fmt.Fprintf(b, "by: [%s], ", strings.Join(s.By, ", "))
		}
		if s.Unit != "" {
			fmt.Fprintf(b, "for: %s}\n", calendarYAML(s.Unit, s.Zone))
		} else {
			fmt.Fprintf(b, "for: %s}\n", durationText(s.For))
		}
	}
}

func (f *Feature) yaml() string {
	if f.Baseline != nil {
		return f.Baseline.yaml(f)
	}
	parts := []string{"agg: " + f.Agg}
	if len(f.By) > 0 {
		parts = append(parts, "by: ["+strings.Join(f.By, ", ")+"]")
	}
	if f.Source != "" {
		parts = append(parts, "source: "+f.Source)
	}
	if f.P > 0 {
		parts = append(parts, "p: "+strconv.FormatFloat(float64(f.P)/1000, 'f', -1, 64))
	}
	if f.Field != "" {
		parts = append(parts, "field: "+f.Field)
	}
	if len(f.Fields) > 0 {
		parts = append(parts, "fields: ["+strings.Join(f.Fields, ", ")+"]")
	}
	if f.Where != nil {
		parts = append(parts, "where: "+quoted(f.Where))
	}
	parts = append(parts, "window: "+f.Window.yaml())
	if f.Window.Kind == "exact" || f.Exact {
		parts = append(parts, "exact: true")
	}
	if f.ExcludeCurrent {
		parts = append(parts, "exclude_current: true")
	}
	if f.MinSamples > 0 {
		parts = append(parts, "min_samples: "+strconv.Itoa(f.MinSamples))
	}
	return strings.Join(parts, ", ")
}

func (w Window) yaml() string {
	switch w.Kind {
	case "calendar":
		return calendarYAML(w.Unit, w.Zone)
	case "session":
		return "{session: " + durationText(w.Span) + "}"
	case "events":
		return "{events: " + strconv.Itoa(w.N) + "}"
	case "forever":
		return "forever"
	}
	return durationText(w.Span)
}

func calendarYAML(unit, zone string) string {
	if zone == "" {
		return "{calendar: " + unit + "}"
	}
	return "{calendar: " + unit + ", timezone: " + zone + "}"
}

// quoted writes an expression as a single-quoted YAML scalar, which needs no escape but for its own quote.
func quoted(e *Expr) string { return "'" + strings.ReplaceAll(e.Text(), "'", "''") + "'" }
