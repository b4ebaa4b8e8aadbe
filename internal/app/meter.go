package app

import (
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"insolite/context/checkpoint"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/meter"
	"insolite/internal/task"
	"insolite/internal/telemetry"
)

// meterPeriod is how often a task's counts are made visible.
const meterPeriod = 250 * time.Millisecond

// taskMeter is a task's observer: it makes what the task counts and does visible, as metrics and as figures of the page.
type taskMeter struct {
	metrics *meter.Meter
	topic   string
	now     func() time.Time
	last    time.Time // when counts were made visible

	commits, commitFailures, inDoubt *telemetry.Counter
	sweeps, sweepFailures, ticks     *telemetry.Counter
	contexts, bytes                  *telemetry.Counter
	commitTime, sweepTime, recovery  *telemetry.Histogram
	recoveries                       map[string]*telemetry.Counter // by reason

	mu      sync.Mutex
	past    tally // of the engines that have left
	present tally
	rate    rate
}

// recoveryReasons are the labels of recoveries.
var recoveryReasons = []string{"assigned", "doubt", "fenced", "store", "log", "other"}

func newTaskMeter(r *telemetry.Registry, at kafka.TopicPartition, now func() time.Time) *taskMeter {
	counter := func(id telemetry.ID) *telemetry.Counter { return r.Counter(id, at.Topic) }
	histogram := func(id telemetry.ID) *telemetry.Histogram { return r.Histogram(id, at.Topic) }
	m := &taskMeter{
		metrics: meter.New(r, at.Topic, at.Partition), topic: at.Topic, now: now,
		commits: counter(telemetry.Commits), commitFailures: counter(telemetry.CommitFailures), inDoubt: counter(telemetry.TransactionsInDoubt),
		sweeps: counter(telemetry.Sweeps), ticks: counter(telemetry.TimersTicks), sweepFailures: counter(telemetry.SweepFailures),
		contexts: counter(telemetry.ContextsWritten), bytes: counter(telemetry.ContextBytesWritten),
		commitTime: histogram(telemetry.CommitSeconds), sweepTime: histogram(telemetry.SweepSeconds), recovery: histogram(telemetry.RecoverySeconds),
		recoveries: map[string]*telemetry.Counter{},
	}
	for _, reason := range recoveryReasons { // from 0 on, or the first one would be no increase to Prometheus
		m.recoveries[reason] = r.Counter(telemetry.Recoveries, at.Topic, reason)
	}
	return m
}

// Stepped implements [task.Observer].
func (m *taskMeter) Stepped(e *engine.Engine) {
	now := m.now()
	since := now.Sub(m.last)
	if since < meterPeriod {
		return
	}
	m.last = now
	m.metrics.Observe(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.present.take(m.topic, e.Counts(), now)
	m.rate.observe(m.past.records+m.present.records, now)
}

// Left implements [task.Observer].
func (m *taskMeter) Left(e *engine.Engine) {
	m.metrics.Leave(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.present.take(m.topic, e.Counts(), m.now())
	m.past.add(&m.present)
	m.present = tally{}
}

// Did implements [task.Observer].
func (m *taskMeter) Did(w task.Work) {
	switch w.Kind {
	case task.Began:
		m.recoveries[recoveryReason(w.Err)].Inc()
	case task.Recovered:
		m.recovery.Update(w.Took.Seconds())
	case task.Committed:
		m.committed(w)
	case task.Written:
		m.contexts.Add(w.Contexts)
		m.bytes.Add(w.Bytes)
	case task.Swept:
		if w.Err != nil {
			m.sweepFailures.Inc()
			return
		}
		m.sweeps.Inc()
		m.sweepTime.Update(w.Took.Seconds())
	case task.Ticked:
		m.ticks.Inc()
	}
}

func (m *taskMeter) committed(w task.Work) {
	var doubt *kafka.DoubtError
	switch {
	case w.Err == nil:
		m.commits.Inc()
		m.commitTime.Update(w.Took.Seconds())
	case errors.As(w.Err, &doubt) && doubt.Unknown:
		m.inDoubt.Inc()
	default:
		m.commitFailures.Inc()
	}
}

// recoveryReason sorts what ended a task's life before a recovery.
func recoveryReason(err error) string {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	var doubt *kafka.DoubtError
	var torn *checkpoint.TornError
	var trimmed *kafka.OutOfRangeError
	var unread *kafka.UnsupportedError
	switch {
	case err == nil:
		return "assigned"
	case is(kafka.ErrFenced, kafka.ErrZombie, checkpoint.ErrFenced):
		return "fenced"
	case errors.As(err, &doubt):
		return "doubt"
	case is(checkpoint.ErrDoubt, checkpoint.ErrFull, checkpoint.ErrClosed, checkpoint.ErrNewer), errors.As(err, &torn):
		return "store"
	case errors.As(err, &trimmed), errors.As(err, &unread):
		return "log"
	}
	return "other"
}

// taskGauges are the metrics of a task that move with time.
type taskGauges struct {
	local                                        *telemetry.Local
	records, seconds, watermark, bundle, journal *telemetry.Level
	checkpointAge, warm                          *telemetry.Level
}

func newTaskGauges(r *telemetry.Registry, at kafka.TopicPartition) *taskGauges {
	l := r.Local()
	level := func(id telemetry.ID) *telemetry.Level {
		return l.Gauge(id, at.Topic, strconv.Itoa(int(at.Partition)))
	}
	return &taskGauges{local: l, records: level(telemetry.LagRecords), seconds: level(telemetry.LagSeconds), watermark: level(telemetry.Watermark),
		bundle: level(telemetry.BundleNumber), journal: level(telemetry.JournalNumber), checkpointAge: level(telemetry.CheckpointAge), warm: level(telemetry.ContextWarm)}
}

func (g *taskGauges) set(t *task.Status, now time.Time) {
	unknown := math.NaN()
	g.records.V, g.seconds.V, g.watermark.V = unknown, unknown, unknown
	if t.End >= 0 {
		g.records.V = float64(max(0, t.End-t.Committed.Offset))
	}
	if lag, ok := lagSeconds(t, now); ok {
		g.seconds.V = lag
	}
	if t.Watermark != event.NoTime {
		g.watermark.V = float64(t.Watermark) / 1e9
	}
	g.bundle.V, g.journal.V = float64(t.Bundle), float64(t.Journal)
	g.checkpointAge.V = unknown
	if hasState(t) {
		g.checkpointAge.V = float64(t.Committed.Offset - t.Swept.Offset)
	}
	g.warm.V = 0
	if t.Warmth == task.Warm {
		g.warm.V = 1
	}
	g.local.Publish()
}

// hasState reports whether a task has its contexts, or had them until it stopped.
func hasState(t *task.Status) bool { return t.Phase != task.Recovering && t.Phase != task.Refused }

// lagSeconds is the age of the oldest record that is not committed; ok is false while it is not known.
func lagSeconds(t *task.Status, now time.Time) (seconds float64, ok bool) {
	switch {
	case t.End < 0:
		return 0, false
	case t.Oldest != event.NoTime:
		return max(0, now.Sub(t.Oldest.Std()).Seconds()), true
	case t.Committed.Offset < t.End:
		return 0, false
	}
	return 0, true
}

// phases are the labels of insolite_tasks.
var phases = [...]task.Phase{task.Recovering, task.Replaying, task.Live, task.Stopped, task.Refused}

// refresh brings the metrics up to date that move with time.
func (s *Service) refresh() {
	counts := [len(phases)]int{}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.tasks {
		t := r.Status()
		counts[t.Phase]++
		r.gauges.set(&t, now)
	}
	for _, p := range phases {
		s.registry.Gauge(telemetry.Tasks, p.String()).Set(float64(counts[p]))
	}
	if s.member != nil {
		s.registry.Counter(telemetry.Rebalances).Set(s.member.Rebalances())
	}
	page := s.page.Counters()
	s.registry.Gauge(telemetry.Clients).Set(float64(page.Clients))
	s.registry.Gauge(telemetry.AlertsHeld).Set(float64(page.Kept))
	s.registry.Counter(telemetry.ClientDrops).Set(page.Missed)
}
