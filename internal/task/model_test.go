package task

import (
	"fmt"
	"slices"

	"insolite/ingest/frame"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// model is a stage's bookkeeping about its upstreams, written down a second time and without an engine: which rows are seen for the first
// time, which of them are in time, how far time has come.
type model struct {
	bundle    event.Offset
	upstreams map[string]map[event.Partition]*arrivals // by topic; a topic without partitions is awaited, or not waited for
	idle      map[string]bool                          // of topics without partitions
	watermark event.Time

	alerting []string // the rows absorbed from which alerts may come, as "topic/partition@offset"
	history  []string // the other rows absorbed
	wrongly  []string // rows too late, although their upstream never said that it was idle
	late     int      // rows
	raised   int      // rows of alerts that were told behind their time
	repeated int      // rows
	within   int      // frames whose end lies within a record of the log that they are of
	sawIdle  bool     // an upstream was
	left     bool     // an upstream has
}

// arrivals is what is known of one upstream.
type arrivals struct {
	next      event.Position
	watermark event.Time
	idle      bool
	everIdle  bool
}

// model takes the bookkeeping through the log of a stage.
func (s *simulation) model() (*model, error) {
	m := &model{bundle: s.journal[0].Bundle, upstreams: map[string]map[event.Partition]*arrivals{}, idle: map[string]bool{}, watermark: event.NoTime}
	for _, topic := range s.plan(m.bundle).Stage.Upstreams {
		m.upstreams[topic] = nil
	}
	entries := s.journal[1:]
	excluded := map[event.Offset]bool{}
	for i := range s.records {
		r := &s.records[i]
		for ; len(entries) > 0 && entries[0].At.Offset <= r.Offset; entries = entries[1:] {
			if entries[0].Kind == journal.Exclude {
				excluded[entries[0].Excluded] = true
			}
		}
		if excluded[r.Offset] {
			continue
		}
		var f frame.Reader
		if err := f.Reset(r.Value); err != nil {
			return nil, err
		}
		if f.Header.Bundle > m.bundle {
			m.bundle = f.Header.Bundle
			m.activate(s.plan(m.bundle).Stage.Upstreams)
		}
		if m.take(&f); f.Err() != nil {
			return nil, f.Err()
		}
	}
	return m, nil
}

func (m *model) activate(topics []string) {
	for topic := range m.upstreams {
		if !slices.Contains(topics, topic) {
			delete(m.upstreams, topic)
			m.left = true
		}
	}
	for _, topic := range topics {
		if _, known := m.upstreams[topic]; !known {
			m.upstreams[topic], m.idle[topic] = nil, true
		}
	}
}

func (m *model) take(f *frame.Reader) {
	h := &f.Header
	all, wanted := m.upstreams[h.Topic]
	if !wanted {
		return
	}
	if all == nil {
		all = map[event.Partition]*arrivals{}
		for p := range event.Partition(h.Of) {
			all[p] = &arrivals{watermark: event.NoTime, idle: m.idle[h.Topic], everIdle: m.idle[h.Topic]}
		}
		m.upstreams[h.Topic] = all
	}
	u := all[h.Partition]
	for f.Next() {
		row := origin(f)
		switch {
		case (event.Position{Offset: f.Offset, Step: f.Ordinal}).Before(u.next):
			m.repeated++
		case f.At < m.watermark && (*f.Layout)[f.Source].Name != rules.AlertSource:
			m.late++
			if !u.everIdle {
				m.wrongly = append(m.wrongly, row)
			}
		case h.History:
			m.history = append(m.history, row)
		default:
			m.alerting = append(m.alerting, row)
			if f.At < m.watermark { // of an alert: it counts from now on
				m.raised++
			}
		}
	}
	if u.next.Before(h.Next) {
		u.next = h.Next
	}
	if h.Next.Step > 0 {
		m.within++
	}
	u.watermark, u.idle, u.everIdle = max(u.watermark, h.Watermark), h.Idle, u.everIdle || h.Idle
	m.sawIdle = m.sawIdle || h.Idle
	m.raise()
}

// origin tells which record of a source the reader's present row is of. Behind another stage it carries that.
func origin(f *frame.Reader) string {
	source := &(*f.Layout)[f.Source]
	partition, offset := event.Value{}, event.Value{}
	for i, c := range source.Fields {
		switch c.Name {
		case "=partition":
			partition = f.Values[i]
		case "=offset":
			offset = f.Values[i]
		}
	}
	if !offset.Known() {
		return fmt.Sprintf("%s/%d@%d", f.Header.Topic, f.Header.Partition, f.Offset)
	}
	return fmt.Sprintf("%ss/%d@%d", source.Name, partition.Int(), offset.Int())
}

// raise moves the watermark to the least of the upstreams that are waited for.
func (m *model) raise() {
	var all []event.Time
	for topic, partitions := range m.upstreams {
		if partitions == nil && !m.idle[topic] {
			return // nothing is known of one that is awaited
		}
		for _, u := range partitions {
			if !u.idle {
				all = append(all, u.watermark)
			}
		}
	}
	if len(all) > 0 {
		m.watermark = max(m.watermark, slices.Min(all))
	}
}
