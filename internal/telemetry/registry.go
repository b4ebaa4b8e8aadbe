package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/VictoriaMetrics/metrics"
)

// Counter only rises.
type Counter = metrics.Counter

// Gauge rises and falls.
type Gauge = metrics.Gauge

// Histogram counts observations in buckets; ours observe seconds.
type Histogram = metrics.PrometheusHistogram

// Registry is the metrics of one app. It is safe for concurrent use.
type Registry struct {
	families [ids]*metrics.Set // one a metric, so that each is written behind its own HELP and TYPE
}

// New returns a registry in which every metric without labels stands at 0.
func New() *Registry {
	r := &Registry{}
	for id := range r.families {
		r.families[id] = metrics.NewSet()
		if len(table[id].Labels) > 0 {
			continue
		}
		switch table[id].Type {
		case TypeCounter:
			r.Counter(ID(id))
		case TypeGauge:
			r.Gauge(ID(id))
		case TypeHistogram:
			r.Histogram(ID(id))
		}
	}
	return r
}

// Counter returns the counter with these values of its labels, the same one for the same values.
func (r *Registry) Counter(id ID, values ...string) *Counter {
	return r.families[id].GetOrCreateCounter(series(id, TypeCounter, values))
}

// Gauge returns the gauge with these values of its labels, the same one for the same values.
func (r *Registry) Gauge(id ID, values ...string) *Gauge {
	return r.families[id].GetOrCreateGauge(series(id, TypeGauge, values), nil)
}

// Histogram returns the histogram with these values of its labels, the same one for the same values. It observes seconds.
func (r *Registry) Histogram(id ID, values ...string) *Histogram {
	return r.families[id].GetOrCreatePrometheusHistogramExt(series(id, TypeHistogram, values), secondsBuckets)
}

// Remove takes a gauge out, so that a partition that has left is not shown with its last value for ever.
func (r *Registry) Remove(id ID, values ...string) {
	r.families[id].UnregisterMetric(series(id, TypeGauge, values))
}

// WritePrometheus writes every metric that has a series, then those of the Go runtime and of the process.
func (r *Registry) WritePrometheus(w io.Writer) error {
	var b bytes.Buffer
	for id, set := range r.families {
		head := b.Len()
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", table[id].Name, table[id].Help, table[id].Name, table[id].Type)
		body := b.Len()
		set.WritePrometheus(&b)
		if b.Len() == body {
			b.Truncate(head)
		}
	}
	metrics.WriteProcessMetrics(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// series returns the name with its labels. A wrong type or number of values is a mistake in the program, not in what it was given.
func series(id ID, t Type, values []string) string {
	d := &table[id]
	if d.Type != t || len(values) != len(d.Labels) {
		panic(fmt.Sprintf("telemetry: %s is a %s with the labels %q, asked for as a %s with the values %q", d.Name, d.Type, d.Labels, t, values))
	}
	if len(values) == 0 {
		return d.Name
	}
	b := append([]byte(d.Name), '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, d.Labels[i]...), '=')
		b = appendLabelValue(b, v)
	}
	return string(append(b, '}'))
}

// appendLabelValue quotes v as the text format wants it: only \, " and line breaks are escaped, and what is not printable UTF-8 is replaced,
// because the library refuses what Go's own quoting of it would give.
func appendLabelValue(b []byte, v string) []byte {
	b = append(b, '"')
	for _, r := range v {
		switch {
		case r == '\\' || r == '"':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case !strconv.IsPrint(r):
			b = append(b, "\uFFFD"...)
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}
