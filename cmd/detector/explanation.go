package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"insolite/alerts"
	"insolite/internal/app"
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
	Waits           []app.ToldWait     `json:"waits,omitempty"` // behind the event

	key []alerts.Named // in the rule's order
}

type featureExplained struct {
	app.ToldFeature
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
		Watermark: app.Instant(x.Watermark, x.At.OffsetSeconds()), Event: string(x.Value), Rules: []ruleExplained{},
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
		Rule: r.Rule.ID, Title: r.Rule.Title, Outcome: r.Outcome.String(), Summary: x.Summaries[r.Rule.ID], Key: app.PlainValues(r.Key),
		Where: newNode(r.Where), Context: []featureExplained{}, Trigger: r.Trigger, Condition: newNode(r.Condition), Exception: r.Exception,
		Suppressed: r.Held, SuppressedUntil: app.Instant(r.Until, offset), key: r.Key,
	}
	for _, x := range r.Waits {
		e.Waits = append(e.Waits, app.TellWait(&x, offset))
	}
	for i, f := range r.Features {
		fe := featureExplained{ToldFeature: app.TellFeature(&f, r.Rule.Features[i].Read.MinSamples, offset), text: shown(&f.Value)}
		if len(f.Fields) > 0 {
			fe.text = ""
			for _, m := range f.Fields {
				fe.text += fmt.Sprintf("%s %s, ", m.Name, shown(&m.Value))
			}
			fe.text = strings.TrimSuffix(fe.text, ", ")
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
	e := &nodeExplained{Text: n.Text, Value: app.PlainValue(&n.Value), value: n.Value, group: n.Kind == event.KindMissing}
	for i := range n.Nodes {
		e.Parts = append(e.Parts, *newNode(&n.Nodes[i]))
	}
	return e
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
