package app

import (
	"math"
	"time"

	"insolite/internal/engine"
)

// tally is what the page shows of tasks, since the start of the instance.
type tally struct {
	records, late uint64
	rules         map[string]ruleTally // by id
	refused       map[reason]refusal
}

type ruleTally struct{ evaluated, alerts, suppressed uint64 }

// reason is why records of a topic were put aside.
type reason struct{ topic, text string }

type refusal struct {
	count uint64
	last  time.Time
}

// take makes the tally that of an engine's counts.
func (t *tally) take(topic string, c *engine.Counts, now time.Time) {
	if t.rules == nil {
		t.rules, t.refused = map[string]ruleTally{}, map[reason]refusal{}
	}
	t.records, t.late = c.Records, 0
	for i := range c.Sources {
		t.late += c.Sources[i].Late
	}
	for _, r := range c.Refused {
		if key := (reason{topic, r.Reason}); t.refused[key].count < r.N {
			t.refused[key] = refusal{r.N, now}
		}
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		t.rules[r.Rule.ID] = ruleTally{r.Evaluated, r.Alerts, r.Suppressed}
	}
}

// add adds another tally.
func (t *tally) add(o *tally) {
	if t.rules == nil {
		t.rules, t.refused = map[string]ruleTally{}, map[reason]refusal{}
	}
	t.records += o.records
	t.late += o.late
	for id, n := range o.rules {
		sum := t.rules[id]
		t.rules[id] = ruleTally{sum.evaluated + n.evaluated, sum.alerts + n.alerts, sum.suppressed + n.suppressed}
	}
	for key, n := range o.refused {
		sum := t.refused[key]
		sum.count += n.count
		if n.last.After(sum.last) {
			sum.last = n.last
		}
		t.refused[key] = sum
	}
}

// rateMemory is how far the figure of records a second looks back: after so long a change shows to two thirds.
const rateMemory = 5 * time.Second

// rate is an exponentially weighted mean of records a second.
type rate struct {
	value   float64
	records uint64
	at      time.Time
}

// observe tells how many records there have been.
func (r *rate) observe(records uint64, now time.Time) {
	if since := now.Sub(r.at); !r.at.IsZero() && since > 0 && records >= r.records {
		r.value += (1 - math.Exp(-since.Seconds()/rateMemory.Seconds())) * (float64(records-r.records)/since.Seconds() - r.value)
	}
	r.records, r.at = records, now
}

// now is the mean at a time: it falls while nothing is told.
func (r *rate) now(now time.Time) float64 {
	return r.value * math.Exp(-max(0, now.Sub(r.at)-time.Second).Seconds()/rateMemory.Seconds())
}

// read returns what the task has counted, and its records a second.
func (m *taskMeter) read() (total tally, perSecond float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	total.add(&m.past)
	total.add(&m.present)
	return total, m.rate.now(m.now())
}
