// Package telemetry knows every metric: its name, type, help and labels stand in one table, and nothing else of the project may make one.
//
// A [Registry] is the metrics of one app. Components ask it for a metric by its [ID] and the values of its labels, once, and keep what
// they get:
//
//	commits := registry.Counter(telemetry.Commits, topic)
//	commits.Inc()
//
// These are safe for concurrent use, which costs an atomic operation. A task is single-threaded and counts per event, so it keeps plain
// numbers in a [Local] and publishes them once a batch:
//
//	local := registry.Local()
//	late := local.Counter(telemetry.EventsLate, source)
//	…
//	late.N++                    // per event
//	fast.N = decoder.Stats().Fast // or a total that is counted elsewhere
//	…
//	local.Publish()             // per batch
//	local.Close()               // when the task leaves: its gauges go, its counts stay
//
// Names are insolite_<area>_<what>_<unit>, counters end in _total. docs/metrics.md is generated from the table:
//
//	go test ./internal/telemetry -run Docs -update
//
// [Registry.WritePrometheus] writes the text format with HELP and TYPE, and Go's and the process's own metrics behind them.
package telemetry
