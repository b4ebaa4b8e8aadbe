package chain

import (
	"cmp"
	"fmt"
	"slices"

	"insolite/alerts"
	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// Explain steps one record of a topic of sources as Step does, also into out unless that is nil, and tells what became of it in each rule of
// its source, wherever that runs, in the order of the set; in rules on alerts it is what became of the last alert that it raised. It returns nil when no enabled rule reads the topic.
func (c *Chain) Explain(topic string, p event.Partition, r *ingest.Record, out *engine.Output) (*engine.Explanation, error) {
	s := c.source(topic, p)
	if s == nil {
		return nil, nil
	}
	if out == nil {
		out = &c.out
		out.Reset()
	}
	frames, before := len(out.Frames), len(out.Alerts)
	c.rewind(s, []ingest.Record{*r}, r.Offset+1)
	x, err := s.Explain(r, out)
	if err != nil {
		return nil, err
	}
	s.Cut(out)
	for _, stage := range c.stages {
		if err := stage.explain(x, out, frames); err != nil {
			return nil, err
		}
	}
	if err := c.settle(s, out, frames, before); err != nil {
		return nil, err
	}
	slices.SortStableFunc(x.Rules, func(a, b engine.RuleExplanation) int { return cmp.Compare(a.Rule.Index, b.Rule.Index) })
	return x, nil
}

// explain adds what became of the event in the stage's rules.
func (s *stage) explain(x *engine.Explanation, out *engine.Output, frames int) error {
	n := s.take(out.Frames[frames:])
	if n == 0 {
		s.unsent(x)
		return nil
	}
	if n > 1 { // of alerts that several tasks have raised
		if err := s.Step(&ingest.Batch{Topic: s.plan.Topic, Records: s.log[:n-1], Next: s.log[n-1].Offset}, out); err != nil {
			return fmt.Errorf("step %s: %w", s.plan.Topic, err)
		}
	}
	y, err := s.Explain(&s.log[n-1], out)
	if err != nil {
		return fmt.Errorf("explain in %s: %w", s.plan.Topic, err)
	}
	s.Cut(out)
	x.Rules = append(x.Rules, y.Rules...)
	return nil
}

// unsent tells why an event that was in time did not come to the stage's rules.
func (s *stage) unsent(x *engine.Explanation) {
	if x.Admission != engine.Admitted {
		return
	}
	for _, p := range s.plan.Sources {
		if p.Source != x.Source {
			continue
		}
		for _, r := range p.Rules {
			x.Rules = append(x.Rules, unsentRule(r, x.Source, x.Row))
		}
	}
}

func unsentRule(r *rules.Rule, source *event.Source, row event.Row) engine.RuleExplanation {
	x := engine.RuleExplanation{Rule: r, Row: row, Outcome: engine.NotEvaluated, Until: event.NoTime}
	for _, slot := range r.Key(source) {
		x.Key = append(x.Key, alerts.Named{Name: source.Fields[slot].Name, Value: row[slot]})
		if !row[slot].Known() {
			x.Outcome = engine.NoKey
		}
	}
	if r.Where != nil && source == r.Source {
		n := r.Where.Explain(row)
		x.Where = &n
	}
	return x
}
