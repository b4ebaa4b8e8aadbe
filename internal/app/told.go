package app

import (
	"encoding/json"
	"math"

	"insolite/alerts"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// ToldFeature is a feature as contexts and explanations tell it.
type ToldFeature struct {
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
	Since      string         `json:"since,omitempty"` // offset, and step, at which it came into force and was empty; absent: with the first rules
}

// ToldWait is what waits for an instant.
type ToldWait struct {
	Since string `json:"since"`
	Until string `json:"until,omitempty"` // absent: until the condition does not hold
	Open  bool   `json:"open"`            // an alert is open, and closes then; else it is due then
}

// TellFeature tells of a feature that wants so many samples, with times at an offset from UTC.
func TellFeature(f *alerts.Feature, least, offsetSeconds int) ToldFeature {
	to := ToldFeature{
		Name: f.Name, Agg: f.Agg, P: float64(f.P) / 1000, Window: f.Window, Season: f.Season, Samples: f.Samples, MinSamples: least,
		From: Instant(f.From, offsetSeconds), To: Instant(f.To, offsetSeconds),
	}
	if len(f.Fields) > 0 {
		to.Fields = PlainValues(f.Fields)
	} else {
		to.Value = PlainValue(&f.Value)
	}
	return to
}

// TellWait tells of what waits.
func TellWait(x *engine.Wait, offsetSeconds int) ToldWait {
	to := ToldWait{Since: Instant(x.Since, offsetSeconds), Open: x.Open}
	if x.Deadline != event.Never {
		to.Until = Instant(x.Deadline, offsetSeconds)
	}
	return to
}

// PlainValues is named values as JSON has them.
func PlainValues(list []alerts.Named) map[string]any {
	m := map[string]any{}
	for i := range list {
		m[list[i].Name] = PlainValue(&list[i].Value)
	}
	return m
}

// PlainValue is a value as JSON has it; nil: unknown.
func PlainValue(v *event.Value) any {
	switch v.Kind {
	case event.KindMissing:
		return nil
	case event.KindNumber:
		if math.IsInf(v.Float(), 0) {
			return v.Text()
		}
		return json.Number(v.Text())
	case event.KindInt:
		return v.Int()
	case event.KindBool:
		return v.Bool()
	}
	return v.Text()
}

// Instant is a time as text, at an offset from UTC; empty: none.
func Instant(t event.Time, offsetSeconds int) string {
	if t == event.NoTime {
		return ""
	}
	return string(event.AppendTime(nil, t, offsetSeconds))
}
