package rules

import (
	"encoding/json"
	"time"

	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
)

// sourceText is a source in the form that ParseSources reads: JSON is YAML too.
type sourceText struct {
	Topic    string         `json:"topic"`
	Format   string         `json:"format"`
	Match    *matchText     `json:"match,omitempty"`
	Key      []string       `json:"key,omitempty"`
	Time     *timeText      `json:"time,omitempty"`
	Lateness string         `json:"lateness"`
	MaxAhead string         `json:"max_ahead"`
	Dedupe   *dedupeText    `json:"dedupe,omitempty"`
	Start    string         `json:"start"`
	WarmUp   string         `json:"warm_up,omitempty"`
	Fields   *orderedFields `json:"fields"`
}

type matchText struct {
	Field  []string `json:"field"`
	Equals string   `json:"equals"`
}

type timeText struct {
	Field string `json:"field"`
}

type dedupeText struct {
	ID  string `json:"id"`
	For string `json:"for"`
}

type fieldText struct {
	Type     string   `json:"type"`
	Path     []string `json:"path"`
	Unit     string   `json:"unit,omitempty"`
	Optional bool     `json:"optional,omitempty"`
}

// orderedFields keeps fields in their order, which is that of their slots.
type orderedFields struct{ s *event.Source }

// MarshalJSON writes an object with the fields in order.
func (o *orderedFields) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i := range o.s.Fields {
		f := &o.s.Fields[i]
		if f.Path == nil {
			continue // the record's own timestamp is not declared
		}
		text := fieldText{Type: f.Kind.String(), Path: f.Path, Optional: f.Optional}
		for name, unit := range timeUnits {
			if unit == f.Unit {
				text.Unit = name
			}
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(text)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// EncodeSource writes a source's declaration with nothing left to defaults or to the environment: the same for the same source. DecodeSource
// reads it back.
func EncodeSource(s *event.Source) ([]byte, error) {
	t := sourceText{Topic: s.Topic, Format: s.Format, Lateness: durationText(s.Lateness), MaxAhead: durationText(s.MaxAhead), Start: s.Start, Fields: &orderedFields{s}}
	if s.Match != nil {
		t.Match = &matchText{s.Match.Path, s.Match.Equals}
	}
	for _, slot := range s.Key {
		t.Key = append(t.Key, s.Fields[slot].Name)
	}
	if s.Time != event.NoSlot {
		t.Time = &timeText{s.Fields[s.Time].Name}
	}
	if s.Dedupe != nil {
		t.Dedupe = &dedupeText{s.Fields[s.Dedupe.ID].Name, durationText(s.Dedupe.For)}
	}
	if s.WarmUp > 0 {
		t.WarmUp = durationText(s.WarmUp)
	}
	return json.Marshal(t)
}

func durationText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return window.DurationText(d)
}

// DecodeSources reads sources that EncodeSource wrote, by name, in the order of names.
func DecodeSources(names []string, texts [][]byte) ([]*event.Source, error) {
	text := []byte{'{'}
	for i, name := range names {
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, quoted...), ": "...), texts[i]...)
	}
	list := &diag.List{}
	doc, ok := yamldoc.Parse("bundle", append(text, '}'), list)
	if !ok || doc.Root == nil {
		return nil, list.Err()
	}
	sources := ParseSources(doc.Root)
	return sources, list.Err()
}
