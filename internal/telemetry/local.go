package telemetry

// Local holds the metrics of one task as plain numbers. It belongs to one goroutine; Publish carries them over.
type Local struct {
	registry *Registry
	counts   []*Count
	levels   []*Level
}

// Count is a counter of one task.
type Count struct {
	N         uint64 // the total; the owner counts it up, or copies it from where it is counted
	published uint64
	to        *Counter
}

// Level is a gauge of one task.
type Level struct {
	V      float64 // the owner sets it
	to     *Gauge
	id     ID
	values []string
}

// Local returns the metrics of one more task.
func (r *Registry) Local() *Local { return &Local{registry: r} }

// Counter returns a count that Publish adds to the counter with these values of its labels. Tasks may share a counter.
func (l *Local) Counter(id ID, values ...string) *Count {
	c := &Count{to: l.registry.Counter(id, values...)}
	l.counts = append(l.counts, c)
	return c
}

// Gauge returns a level that Publish sets the gauge with these values of its labels to. The gauge must be the task's own.
func (l *Local) Gauge(id ID, values ...string) *Level {
	g := &Level{to: l.registry.Gauge(id, values...), id: id, values: values}
	l.levels = append(l.levels, g)
	return g
}

// Publish makes the numbers visible. A total below the one published before has begun anew and counts from 0, as Prometheus reads it.
func (l *Local) Publish() {
	for _, c := range l.counts {
		if c.N < c.published {
			c.published = 0
		}
		if c.N != c.published {
			c.to.AddInt64(int64(c.N - c.published))
			c.published = c.N
		}
	}
	for _, g := range l.levels {
		g.to.Set(g.V)
	}
}

// Close publishes the counts a last time and removes the gauges. Publish must not be called after it.
func (l *Local) Close() {
	levels := l.levels
	l.levels = nil
	l.Publish()
	l.counts = nil
	for _, g := range levels {
		l.registry.Remove(g.id, g.values...)
	}
}
