package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"insolite/alerts"
	"insolite/internal/backtest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// explanation is what became of an event, as scripts read it; people get the same in other words.
type explanation struct {
	Position  positionExplained `json:"position"`
	Source    string            `json:"source,omitempty"`
	At        string            `json:"at,omitempty"`
	Admission string            `json:"admission"`
	Message   string            `json:"message,omitempty"`
	Watermark string            `json:"watermark,omitempty"` // before the event
	Event     any               `json:"event,omitempty"`     // as it came
	Rules     []ruleExplained   `json:"rules"`
}

type positionExplained struct {
	Topic     string          `json:"topic"`
	Partition event.Partition `json:"partition"`
	Offset    event.Offset    `json:"offset"`
}

type ruleExplained struct {
	Rule            string             `json:"rule"`
	Title           string             `json:"title,omitempty"`
	Outcome         string             `json:"outcome"`
	Summary         string             `json:"summary,omitempty"`
	Key             map[string]any     `json:"key"`
	Where           *nodeExplained     `json:"where,omitempty"`
	Context         []featureExplained `json:"context"`
	Trigger         string             `json:"trigger,omitempty"` // what new_value or absence made of the event
	Condition       *nodeExplained     `json:"condition,omitempty"`
	Exception       string             `json:"exception,omitempty"`
	Exceptions      []nodeExplained    `json:"exceptions,omitempty"`
	Suppressed      int                `json:"suppressed"`
	SuppressedUntil string             `json:"suppressed_until,omitempty"`
	Waits           []waitExplained    `json:"waits,omitempty"` // behind the event

	key []alerts.Named // in the rule's order
}

// waitExplained is what waits for an instant.
type waitExplained struct {
	Since string `json:"since"`
	Until string `json:"until,omitempty"` // absent: until the condition does not hold
	Open  bool   `json:"open"`            // an alert is open, and closes then; else it is due then
}

type featureExplained struct {
	Name       string         `json:"name"`
	Value      any            `json:"value,omitempty"` // absent: unknown
	Fields     map[string]any `json:"fields,omitempty"`
	Agg        string         `json:"agg"`
	P          float64        `json:"p,omitempty"` // of a percentile
	Window     string         `json:"window"`
	Season     string         `json:"season,omitempty"` // the hour of a baseline
	Samples    int            `json:"samples"`
	MinSamples int            `json:"min_samples,omitempty"`
	From       string         `json:"from,omitempty"`
	To         string         `json:"to,omitempty"`

	text string // of the value
}

type nodeExplained struct {
	Name  string          `json:"name,omitempty"` // of an exception
	Text  string          `json:"expr"`
	Value any             `json:"value,omitempty"` // absent: unknown, or a group
	Parts []nodeExplained `json:"parts,omitempty"`

	value event.Value
	group bool
}

func newExplanation(x *backtest.Explained) *explanation {
	e := &explanation{
		Position: positionExplained{x.Topic, x.Partition, x.Offset}, Admission: x.Admission.String(), Message: x.Message,
		Watermark: instant(x.Watermark, x.At.OffsetSeconds()), Event: string(x.Value), Rules: []ruleExplained{},
	}
	if json.Valid(x.Value) {
		e.Event = json.RawMessage(x.Value)
	}
	if x.Source != nil {
		e.Source, e.At = x.Source.Name, x.At.Text()
	}
	for i := range x.Rules {
		e.Rules = append(e.Rules, newRuleExplained(x, &x.Rules[i]))
	}
	return e
}

func newRuleExplained(x *backtest.Explained, r *engine.RuleExplanation) ruleExplained {
	offset := x.At.OffsetSeconds()
	e := ruleExplained{
		Rule: r.Rule.ID, Title: r.Rule.Title, Outcome: r.Outcome.String(), Summary: x.Summaries[r.Rule.ID], Key: named(r.Key),
		Where: newNode(r.Where), Context: []featureExplained{}, Trigger: r.Trigger, Condition: newNode(r.Condition), Exception: r.Exception,
		Suppressed: r.Held, SuppressedUntil: instant(r.Until, offset), key: r.Key,
	}
	for _, x := range r.Waits {
		to := waitExplained{Since: instant(x.Since, offset), Open: x.Open}
		if x.Deadline != event.Never {
			to.Until = instant(x.Deadline, offset)
		}
		e.Waits = append(e.Waits, to)
	}
	for i, f := range r.Features {
		fe := featureExplained{
			Name: f.Name, Agg: f.Agg, P: float64(f.P) / 1000, Window: f.Window, Season: f.Season, Samples: f.Samples, MinSamples: r.Rule.Features[i].Read.MinSamples,
			From: instant(f.From, offset), To: instant(f.To, offset), text: shown(&f.Value),
		}
		if len(f.Fields) > 0 {
			fe.Fields, fe.text = named(f.Fields), ""
			for _, m := range f.Fields {
				fe.text += fmt.Sprintf("%s %s, ", m.Name, shown(&m.Value))
			}
			fe.text = strings.TrimSuffix(fe.text, ", ")
		} else {
			fe.Value = plain(&f.Value)
		}
		e.Context = append(e.Context, fe)
	}
	if r.Condition == nil && r.Outcome < engine.Excepted {
		return e
	}
	for i := range r.Rule.Exceptions {
		n := r.Rule.Exceptions[i].Where.Explain(r.Row)
		node := newNode(&n)
		node.Name = r.Rule.Exceptions[i].Name
		e.Exceptions = append(e.Exceptions, *node)
	}
	return e
}

func newNode(n *expr.Node) *nodeExplained {
	if n == nil {
		return nil
	}
	e := &nodeExplained{Text: n.Text, Value: plain(&n.Value), value: n.Value, group: n.Kind == event.KindMissing}
	for i := range n.Nodes {
		e.Parts = append(e.Parts, *newNode(&n.Nodes[i]))
	}
	return e
}

func named(list []alerts.Named) map[string]any {
	m := map[string]any{}
	for i := range list {
		m[list[i].Name] = plain(&list[i].Value)
	}
	return m
}

// plain is a value as JSON has it; nil: unknown.
func plain(v *event.Value) any {
	switch v.Kind {
	case event.KindMissing:
		return nil
	case event.KindNumber:
		return json.Number(v.Text())
	case event.KindInt:
		return v.Int()
	case event.KindBool:
		return v.Bool()
	}
	return v.Text()
}

// shown is a value as people read it.
func shown(v *event.Value) string {
	switch {
	case !v.Known():
		return "unknown"
	case v.Kind == event.KindString:
		return fmt.Sprintf("%q", v.S)
	}
	return v.Text()
}

func instant(t event.Time, offsetSeconds int) string {
	if t == event.NoTime {
		return ""
	}
	return string(event.AppendTime(nil, t, offsetSeconds))
}
