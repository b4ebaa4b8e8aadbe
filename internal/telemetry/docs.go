package telemetry

import (
	"fmt"
	"strings"
)

// Markdown returns docs/metrics.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Metrics

The admin address serves these at ` + "`/metrics`" + ` in the Prometheus text format, and the usual ` + "`go_*`" + ` and ` + "`process_*`" + ` metrics behind them.
This page is generated from the table in ` + "`internal/telemetry`" + `; a test keeps it in step.

Counters only rise and start at 0 with the process. Histograms are in seconds.
`)
	area := ""
	for i := range table {
		d := &table[i]
		if a := areaOf(d.Name); a != area {
			area = a
			fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", strings.ToUpper(a[:1])+a[1:])
		}
		labels := "–"
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Type, labels, d.Help)
	}
	return b.String()
}

// areaOf returns the word behind insolite, under which a metric stands on the page. What describes the process as a whole has no area.
func areaOf(name string) string {
	words := strings.Split(name, "_")
	if len(words) < 3 || words[1] == "build" {
		return "instance"
	}
	return words[1]
}
