package app

import (
	"sync"
	"time"

	"insolite/internal/engine"
	"insolite/internal/meter"
	"insolite/internal/telemetry"
)

// meterPeriod is how often a task's counts are made visible.
const meterPeriod = 250 * time.Millisecond

// taskMeter makes the counts of one task visible: as metrics, and as totals for the page.
type taskMeter struct {
	metrics *meter.Meter
	last    time.Time

	mu     sync.Mutex
	totals totals
}

// totals are what the page shows of a task.
type totals struct {
	records, late uint64
	perSecond     float64
	rules         map[string]ruleTotals
	deadLetters   map[string]uint64 // by reason
}

type ruleTotals struct{ evaluated, alerts, suppressed uint64 }

func newMeter(r *telemetry.Registry, topic string) *taskMeter {
	return &taskMeter{metrics: meter.New(r, topic)}
}

// observe follows each batch of the task, in its goroutine.
func (m *taskMeter) observe(c *engine.Counts) {
	now := time.Now()
	if now.Sub(m.last) < meterPeriod {
		return
	}
	m.metrics.Observe(c)
	m.total(c, now.Sub(m.last))
	m.last = now
}

func (m *taskMeter) total(c *engine.Counts, since time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &m.totals
	if since > 0 && c.Records >= t.records {
		now := float64(c.Records-t.records) / since.Seconds()
		const weight = 0.2 // of the newest of the periods, so that the figure is of the last second or so
		t.perSecond += weight * (now - t.perSecond)
	}
	t.records, t.late = c.Records, 0
	t.deadLetters = map[string]uint64{}
	if c.Malformed > 0 {
		t.deadLetters["malformed"] = c.Malformed
	}
	for i := range c.Sources {
		t.late += c.Sources[i].Late
		if n := c.Sources[i].TooFar; n > 0 {
			t.deadLetters[engine.ReasonMaxAhead] += n
		}
	}
	t.rules = map[string]ruleTotals{}
	for i := range c.Rules {
		r := &c.Rules[i]
		t.rules[r.Rule.ID] = ruleTotals{r.Evaluated, r.Alerts, r.Suppressed}
	}
}

// read returns the totals as they are now.
func (m *taskMeter) read() totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.totals
}
