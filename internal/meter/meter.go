// Package meter carries what a task's engine counts into the metrics.
//
//	m := meter.New(registry, "payments")
//	task.New(task.Options{Observe: m.Observe, …})
//	…
//	m.Close() // when the task has stopped
//
// An engine counts with plain integers from its beginning on; a recovery and a change of rules bring another engine, or other rules, and
// then the counts begin anew. A [Meter] follows that, so that the metrics only rise. Observing costs some nanoseconds a rule, and an atomic
// operation for each count that has moved.
//
// A Meter belongs to the goroutine of its task. Gauges of a task (lag, watermark, contexts) are the application's: they move with time,
// not with batches.
package meter

import (
	"insolite/internal/engine"
	"insolite/internal/telemetry"
	"insolite/rules"
)

// Meter is the metrics of one task.
type Meter struct {
	topic   string
	local   *telemetry.Local
	engine  *engine.Counts // observed last
	records *telemetry.Count
	decoded [3]*telemetry.Count // fast, generic, failed
	passed  [2]*telemetry.Count // tombstones, unmatched
	sources map[string]*source
	rules   map[string]*rule
}

type source struct{ events, ahead, late, duplicates, wrongKey *telemetry.Count }

type rule struct {
	skipped, matched, notMatched, insufficientData, missingField, excepted, suppressed, alerted, panicked *telemetry.Count

	alerts *telemetry.Count
	mode   rules.Mode
}

// New returns the meter of a task of the topic.
func New(r *telemetry.Registry, topic string) *Meter {
	l := r.Local()
	m := &Meter{topic: topic, local: l, sources: map[string]*source{}, rules: map[string]*rule{}}
	m.records = l.Counter(telemetry.FetchedRecords, topic)
	for i, path := range [...]string{"fast", "generic", "failed"} {
		m.decoded[i] = l.Counter(telemetry.Decoded, topic, path)
	}
	m.passed[0], m.passed[1] = l.Counter(telemetry.Tombstones, topic), l.Counter(telemetry.Unmatched, topic)
	return m
}

// Observe publishes what has been counted. It is called after each batch.
func (m *Meter) Observe(c *engine.Counts) {
	if c != m.engine {
		m.local.Restart()
		m.engine = c
	}
	m.records.N = c.Records
	m.decoded[0].N, m.decoded[1].N, m.decoded[2].N = c.Fast, c.Generic, c.Malformed
	m.passed[0].N, m.passed[1].N = c.Tombstones, c.Unmatched
	for i := range c.Sources {
		s := &c.Sources[i]
		to := m.source(s.Source.Name)
		to.events.N, to.ahead.N, to.late.N = s.Events-s.TooFar-s.Late, s.TooFar, s.Late
		to.duplicates.N, to.wrongKey.N = s.Duplicates, s.WrongKey
	}
	for i := range c.Rules {
		m.rule(c.Rules[i].Rule).set(&c.Rules[i])
	}
	m.local.Publish()
}

// Close ends the meter; what it counted stays.
func (m *Meter) Close() { m.local.Close() }

func (m *Meter) source(name string) *source {
	s := m.sources[name]
	if s == nil {
		count := func(id telemetry.ID) *telemetry.Count { return m.local.Counter(id, name) }
		s = &source{count(telemetry.Events), count(telemetry.EventsAhead), count(telemetry.EventsLate), count(telemetry.EventsDuplicate), count(telemetry.WrongKey)}
		m.sources[name] = s
	}
	return s
}

func (m *Meter) rule(r *rules.Rule) *rule {
	to := m.rules[r.ID]
	if to == nil {
		outcome := func(o string) *telemetry.Count { return m.local.Counter(telemetry.RuleOutcomes, r.ID, o) }
		to = &rule{
			skipped: m.local.Counter(telemetry.EventsSkipped, r.ID),
			matched: outcome("matched"), notMatched: outcome("not_matched"), insufficientData: outcome("insufficient_data"), missingField: outcome("missing_field"),
			excepted: outcome("excepted"), suppressed: outcome("suppressed"), alerted: outcome("alerted"), panicked: outcome("panicked"),
		}
		m.rules[r.ID] = to
	}
	if to.alerts == nil || to.mode != r.Mode {
		to.mode, to.alerts = r.Mode, m.local.Counter(telemetry.Alerts, r.ID, r.Mode.String())
	}
	return to
}

// set copies the counts of the rule.
func (r *rule) set(c *engine.RuleCounts) {
	excepted := uint64(0)
	for _, n := range c.Excepted {
		excepted += n
	}
	matched := excepted + c.Suppressed + c.Alerts
	r.skipped.N = c.NoKey
	r.insufficientData.N, r.missingField.N, r.panicked.N = c.InsufficientData, c.MissingField, c.Panics
	r.matched.N, r.excepted.N, r.suppressed.N, r.alerted.N, r.alerts.N = matched, excepted, c.Suppressed, c.Alerts, c.Alerts
	// A panic may come after the condition held, so the rest is not always exact to the event; it never falls below zero.
	if rest := matched + c.InsufficientData + c.MissingField + c.Panics; c.Evaluated > rest {
		r.notMatched.N = c.Evaluated - rest
	}
}
