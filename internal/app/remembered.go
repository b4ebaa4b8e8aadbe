package app

import (
	"encoding/json"
	"fmt"
	"math"

	"insolite/alerts"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// Remembered is what a task knows of a key, as machines read it.
type Remembered struct {
	Position  string           `json:"position"`            // offset and step up to which the log has been applied to it
	Newest    string           `json:"newest,omitempty"`    // time of the key's newest event
	Watermark string           `json:"watermark,omitempty"` // of the task
	At        string           `json:"at,omitempty"`        // as of when features are told: the watermark, or the newest event when that is later
	Bytes     int              `json:"bytes"`
	Rules     []RememberedRule `json:"rules"`
}

// RememberedRule is what a rule knows of a key.
type RememberedRule struct {
	Rule      string              `json:"rule"`
	Mode      string              `json:"mode"`
	Context   []RememberedFeature `json:"context"`
	CoolDowns []RememberedQuiet   `json:"suppressions,omitempty"`
	Evidence  []RememberedEvent   `json:"evidence,omitempty"`
	Waits     []RememberedWait    `json:"waits,omitempty"`
	Values    int                 `json:"values,omitempty"`        // that a rule with new_value remembers
	Since     string              `json:"watched_since,omitempty"` // by a rule with new_value
	Open      []RememberedMatch   `json:"open,omitempty"`          // of a rule with a sequence
}

// RememberedMatch is how far a sequence has come.
type RememberedMatch struct {
	Step  int    `json:"step"`  // that it waits for, from 1
	Hits  int    `json:"hits"`  // events of that step so far
	Since string `json:"since"` // its first event
}

// RememberedFeature is a feature as an event at Remembered.At would find it.
type RememberedFeature struct {
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
}

// RememberedQuiet is a cool-down.
type RememberedQuiet struct {
	By    string `json:"by,omitempty"`    // the hash of the values of suppress.by
	Until string `json:"until,omitempty"` // absent: it is over
	Held  int    `json:"held"`            // findings since the last alert
}

// RememberedWait is what waits for an instant.
type RememberedWait struct {
	Since string `json:"since"`
	Until string `json:"until,omitempty"` // absent: until the condition does not hold
	Open  bool   `json:"open"`            // an alert is open, and closes then; else it is due then
}

// RememberedEvent is an event that the next alert may name.
type RememberedEvent struct {
	Topic     string          `json:"topic"`
	Partition event.Partition `json:"partition"`
	Offset    event.Offset    `json:"offset"`
	At        string          `json:"at"`
}

func newRemembered(l *engine.Look) *Remembered {
	r := &Remembered{Position: l.Position.String(), Newest: instant(l.Newest), Watermark: instant(l.Watermark), At: instant(l.At), Bytes: l.Bytes, Rules: []RememberedRule{}}
	for i := range l.Rules {
		from := &l.Rules[i]
		to := RememberedRule{Rule: from.Rule.ID, Mode: from.Rule.Mode.String(), Context: []RememberedFeature{}}
		for j := range from.Features {
			to.Context = append(to.Context, newRememberedFeature(&from.Features[j], from.Rule.Features[j].Read.MinSamples))
		}
		for _, c := range from.CoolDowns {
			q := RememberedQuiet{Until: instant(c.Until), Held: c.Held}
			if c.By != 0 {
				q.By = fmt.Sprintf("%016x", c.By)
			}
			to.CoolDowns = append(to.CoolDowns, q)
		}
		for _, x := range from.Waits {
			wait := RememberedWait{Since: instant(x.Since), Open: x.Open}
			if x.Deadline != event.Never {
				wait.Until = instant(x.Deadline)
			}
			to.Waits = append(to.Waits, wait)
		}
		to.Values, to.Since = from.Values, instant(from.Since)
		for _, m := range from.Open {
			to.Open = append(to.Open, RememberedMatch{m.Step + 1, m.Hits, instant(m.Start)})
		}
		for _, s := range from.Evidence {
			to.Evidence = append(to.Evidence, RememberedEvent{s.Topic, s.Partition, s.Offset, instant(s.At)})
		}
		r.Rules = append(r.Rules, to)
	}
	return r
}

func newRememberedFeature(f *alerts.Feature, least int) RememberedFeature {
	to := RememberedFeature{Name: f.Name, Agg: f.Agg, P: float64(f.P) / 1000, Window: f.Window, Season: f.Season, Samples: f.Samples, MinSamples: least, From: instant(f.From), To: instant(f.To)}
	if len(f.Fields) == 0 {
		to.Value = plainValue(&f.Value)
		return to
	}
	to.Fields = map[string]any{}
	for i := range f.Fields {
		to.Fields[f.Fields[i].Name] = plainValue(&f.Fields[i].Value)
	}
	return to
}

// plainValue is a value as JSON has it; nil: unknown.
func plainValue(v *event.Value) any {
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

// instant is a time as text; empty: none.
func instant(t event.Time) string {
	if t == event.NoTime {
		return ""
	}
	return string(event.AppendTime(nil, t, 0))
}
