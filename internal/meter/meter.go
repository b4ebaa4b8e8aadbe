// Package meter carries what a task's engine counts into the metrics.
//
//	m := meter.New(registry, "payments", 3)
//	m.Observe(engine) // after a batch, now and then
//	m.Leave(engine)   // the last time, before another engine comes
//	m.Close()         // when the task has stopped
//
// An engine counts with plain integers from its beginning on; a recovery and a change of rules bring another one, whose counts begin anew. A
// [Meter] follows that, so that the metrics only rise. Observing costs some nanoseconds a rule, and an atomic operation for each count that
// has moved.
//
// A Meter belongs to the goroutine of its task. What moves with time (lag, watermark) and what happens beside stepping (commits,
// checkpoints) is the application's.
package meter

import (
	"strconv"

	"insolite/context/store"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/telemetry"
	"insolite/rules"
)

// Meter is the metrics of one task.
type Meter struct {
	registry         *telemetry.Registry
	topic, partition string
	engine           *engine.Engine // that is observed; nil: none
	local            *telemetry.Local
	decoded          [3]*telemetry.Count // fast, generic, failed
	passed           [2]*telemetry.Count // tombstones, unmatched
	replayed         *telemetry.Count
	rows             [2]*telemetry.Count // sent, repeated
	refused          []*telemetry.Count  // in the order of Counts.Refused
	sources          map[string]*source
	rules            map[string]*rule
	spaces           map[string]*space
}

type source struct{ events, ahead, late, duplicates, wrongKey, unsent *telemetry.Count }

type rule struct {
	skipped, matched, notMatched, insufficientData, missingField, excepted, suppressed, alerted, panicked *telemetry.Count

	alerts, armed, fired *telemetry.Count
}

type space struct {
	contexts, bytes, dirty   *telemetry.Level
	evicted, expired, loaded *telemetry.Count
	warmed, due              *telemetry.Count
	pending                  *telemetry.Level
	drops                    [len(limits)]*telemetry.Count
}

// limits are the labels of what store.Stats counts.
var limits = [...]string{"panes", "rows", "sessions", "samples", "text", "ids", "cool_downs", "values", "matches", "timers"}

func drops(s *store.Stats) [len(limits)]uint64 {
	return [...]uint64{s.Panes, s.Rows, s.Sessions, s.Samples, s.Text, s.IDs, s.CoolDowns, s.Values, s.Matches, s.Timers}
}

// New returns the meter of the task of a partition.
func New(r *telemetry.Registry, topic string, partition event.Partition) *Meter {
	return &Meter{registry: r, topic: topic, partition: strconv.Itoa(int(partition))}
}

// Observe publishes what has been counted.
func (m *Meter) Observe(e *engine.Engine) {
	if e != m.engine {
		m.Close()
		m.open(e)
	}
	c := e.Counts()
	m.decoded[0].N, m.decoded[1].N, m.decoded[2].N = c.Fast, c.Generic, c.Malformed
	m.passed[0].N, m.passed[1].N = c.Tombstones, c.Unmatched
	m.replayed.N = e.Replayed()
	m.rows[0].N, m.rows[1].N = c.RowsSent, c.RowsRepeated
	for i := range c.Refused {
		if i == len(m.refused) {
			m.refused = append(m.refused, m.local.Counter(telemetry.DeadLetters, c.Refused[i].Stage, c.Refused[i].Reason))
		}
		m.refused[i].N = c.Refused[i].N
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		to := m.source(s.Source.Name)
		to.events.N, to.ahead.N, to.late.N = s.Events-s.TooFar-s.Late, s.TooFar, s.Late
		to.duplicates.N, to.wrongKey.N, to.unsent.N = s.Duplicates, s.WrongKey, s.Unsent
	}
	for i := range c.Rules {
		m.rule(c.Rules[i].Rule).set(&c.Rules[i])
	}
	for _, k := range e.Keyspaces() {
		m.space(k.Plan.Name).set(&k)
	}
	m.local.Publish()
}

// Leave publishes what an engine has counted to its end. Its contexts are shown no more.
func (m *Meter) Leave(e *engine.Engine) {
	m.Observe(e)
	m.Close()
}

// Close takes the gauges out; what was counted stays.
func (m *Meter) Close() {
	if m.engine != nil {
		m.local.Close()
		m.engine = nil
	}
}

// open begins with another engine.
func (m *Meter) open(e *engine.Engine) {
	l := m.registry.Local()
	m.engine, m.local, m.refused = e, l, m.refused[:0]
	m.sources, m.rules, m.spaces = map[string]*source{}, map[string]*rule{}, map[string]*space{}
	for i, path := range [...]string{"fast", "generic", "failed"} {
		m.decoded[i] = l.Counter(telemetry.Decoded, m.topic, path)
	}
	m.passed[0], m.passed[1] = l.Counter(telemetry.Tombstones, m.topic), l.Counter(telemetry.Unmatched, m.topic)
	m.replayed = l.Counter(telemetry.ReplayedRecords, m.topic)
	m.rows[0], m.rows[1] = l.Counter(telemetry.RowsSent, m.topic), l.Counter(telemetry.RowsRepeated, m.topic)
}

func (m *Meter) space(name string) *space {
	s := m.spaces[name]
	if s == nil {
		level := func(id telemetry.ID) *telemetry.Level { return m.local.Gauge(id, m.topic, m.partition, name) }
		count := func(id telemetry.ID) *telemetry.Count { return m.local.Counter(id, m.topic, name) }
		s = &space{
			contexts: level(telemetry.Contexts), bytes: level(telemetry.ContextBytes), dirty: level(telemetry.ContextsDirty),
			evicted: count(telemetry.ContextsEvicted), expired: count(telemetry.ContextsExpired), loaded: count(telemetry.ContextsLoaded),
			warmed: count(telemetry.ContextsWarmed), due: count(telemetry.TimersLoaded), pending: level(telemetry.TimersPending),
		}
		for i, limit := range limits {
			s.drops[i] = m.local.Counter(telemetry.LimitDrops, m.topic, name, limit)
		}
		m.spaces[name] = s
	}
	return s
}

func (s *space) set(k *engine.Keyspace) {
	stats := k.Contexts.Stats()
	s.contexts.V, s.bytes.V, s.dirty.V = float64(k.Contexts.Len()), float64(k.Contexts.Bytes()), float64(k.Contexts.DirtyLen())
	s.evicted.N, s.expired.N, s.loaded.N, s.warmed.N = stats.Evicted, stats.Expired, k.Loaded, k.Warmed
	s.due.N, s.pending.V = k.Due, float64(k.Contexts.WaitingLen())
	for i, n := range drops(&stats) {
		s.drops[i].N = n
	}
}

func (m *Meter) source(name string) *source {
	s := m.sources[name]
	if s == nil {
		count := func(id telemetry.ID) *telemetry.Count { return m.local.Counter(id, name) }
		s = &source{count(telemetry.Events), count(telemetry.EventsAhead), count(telemetry.EventsLate), count(telemetry.EventsDuplicate), count(telemetry.WrongKey), count(telemetry.RowsUnsent)}
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
			alerts: m.local.Counter(telemetry.Alerts, r.ID, r.Mode.String()),
			armed:  m.local.Counter(telemetry.TimersArmed, r.ID), fired: m.local.Counter(telemetry.TimersFired, r.ID),
		}
		m.rules[r.ID] = to
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
	r.skipped.N, r.armed.N, r.fired.N = c.NoKey, c.Armed, c.Due
	r.insufficientData.N, r.missingField.N, r.panicked.N = c.InsufficientData, c.MissingField, c.Panics
	r.matched.N, r.excepted.N, r.suppressed.N, r.alerted.N, r.alerts.N = matched, excepted, c.Suppressed, c.Alerts, c.Alerts+c.Resolved
	// A panic may come after the condition held, so the rest is not always exact to the event; it never falls below zero.
	if rest := matched + c.InsufficientData + c.MissingField + c.Panics; c.Evaluated > rest {
		r.notMatched.N = c.Evaluated - rest
	}
}
