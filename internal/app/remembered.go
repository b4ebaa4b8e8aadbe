package app

import (
	"fmt"

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
	Rule      string            `json:"rule"`
	Mode      string            `json:"mode"`
	Context   []ToldFeature     `json:"context"`
	CoolDowns []RememberedQuiet `json:"suppressions,omitempty"`
	Evidence  []RememberedEvent `json:"evidence,omitempty"`
	Waits     []ToldWait        `json:"waits,omitempty"`
	Values    int               `json:"values,omitempty"`        // that a rule with new_value remembers
	Since     string            `json:"watched_since,omitempty"` // by a rule with new_value
	Open      []RememberedMatch `json:"open,omitempty"`          // of a rule with a sequence
}

// RememberedMatch is how far a sequence has come.
type RememberedMatch struct {
	Step  int    `json:"step"`  // that it waits for, from 1
	Hits  int    `json:"hits"`  // events of that step so far
	Since string `json:"since"` // its first event
}

// RememberedQuiet is a cool-down.
type RememberedQuiet struct {
	By    string `json:"by,omitempty"`    // the hash of the values of suppress.by
	Until string `json:"until,omitempty"` // absent: it is over
	Held  int    `json:"held"`            // findings since the last alert
}

// RememberedEvent is an event that the next alert may name.
type RememberedEvent struct {
	Topic     string          `json:"topic"`
	Partition event.Partition `json:"partition"`
	Offset    event.Offset    `json:"offset"`
	At        string          `json:"at"`
}

func newRemembered(l *engine.Look) *Remembered {
	r := &Remembered{Position: l.Position.String(), Newest: Instant(l.Newest, 0), Watermark: Instant(l.Watermark, 0), At: Instant(l.At, 0), Bytes: l.Bytes, Rules: []RememberedRule{}}
	for i := range l.Rules {
		from := &l.Rules[i]
		to := RememberedRule{Rule: from.Rule.ID, Mode: from.Rule.Mode.String(), Context: []ToldFeature{}}
		for j := range from.Features {
			f := TellFeature(&from.Features[j], from.Rule.Features[j].Read.MinSamples, 0)
			if from.Begun[j] != (event.Position{}) {
				f.Since = from.Begun[j].String()
			}
			to.Context = append(to.Context, f)
		}
		for _, c := range from.CoolDowns {
			q := RememberedQuiet{Until: Instant(c.Until, 0), Held: c.Held}
			if c.By != 0 {
				q.By = fmt.Sprintf("%016x", c.By)
			}
			to.CoolDowns = append(to.CoolDowns, q)
		}
		for _, x := range from.Waits {
			to.Waits = append(to.Waits, TellWait(&x, 0))
		}
		to.Values, to.Since = from.Values, Instant(from.Since, 0)
		for _, m := range from.Open {
			to.Open = append(to.Open, RememberedMatch{m.Step + 1, m.Hits, Instant(m.Start, 0)})
		}
		for _, s := range from.Evidence {
			to.Evidence = append(to.Evidence, RememberedEvent{s.Topic, s.Partition, s.Offset, Instant(s.At, 0)})
		}
		r.Rules = append(r.Rules, to)
	}
	return r
}
