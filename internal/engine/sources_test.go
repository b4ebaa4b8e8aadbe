package engine_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"insolite/internal/engine"
	"insolite/internal/oracle"
)

// twice makes of a job with one source one with two sources alike in one topic, told apart by the field kind, that feed the same keyspaces.
func twice(j oracle.Job) (configuration, ruleFile string) {
	head, rest, _ := strings.Cut(j.ConfigYAML(), "  "+j.Source.Name+":\n")
	body, tail, _ := strings.Cut(rest, "rules:")
	body = strings.Replace(body, "format: json\n", "format: json\n    match: {field: kind, equals: KIND}\n", 1)
	configuration = head
	for _, kind := range []string{"first", "second"} {
		configuration += "  " + kind + ":\n" + strings.Replace(body, "KIND", kind, 1)
		_, list, _ := strings.Cut(j.RulesYAML(), "rules:\n")
		list = strings.ReplaceAll(list, "source: "+j.Source.Name+"\n", "source: "+kind+"\n")
		ruleFile += strings.ReplaceAll(list, "- id: ", "- id: "+kind+"-")
	}
	return configuration + "rules:" + tail, "version: 1\nrules:\n" + ruleFile
}

// Sources that share their keyspaces don't see each other's events: each gives what it gives alone.
func TestSourcesOfOneKeyspaceStayApart(t *testing.T) {
	alerts := 0
	for n := range seeds() {
		seed := 2 * n // those have one source
		j, lines := oracle.Random(seed)
		j.Rules = slices.DeleteFunc(j.Rules, func(r oracle.Rule) bool { return r.Absence != nil || r.For > 0 || r.Keep > 0 }) // time passes for both at once
		alone, _ := run(t, j, load(t, j), lines, 4096)
		want := byOffset(told(t, j, alone))
		var both []string
		for _, line := range lines {
			for _, kind := range []string{"first", "second"} {
				both = append(both, `{"kind":"`+kind+`",`+strings.TrimPrefix(line, "{"))
			}
		}
		configuration, ruleFile := twice(j)
		out, _ := run(t, j, compile(t, configuration, ruleFile), both, 100)
		for i, kind := range []string{"first", "second"} {
			var mine engine.Output
			for _, a := range out.Alerts {
				if strings.HasPrefix(a.Rule.ID, kind) && int(a.Offset)%2 == i {
					a.Value = []byte(strings.Replace(string(a.Value), `"rule":{"id":"`+kind+"-", `"rule":{"id":"`, 1))
					mine.Alerts = append(mine.Alerts, a)
				}
			}
			got := byOffset(told(t, j, &mine))
			for k := range max(len(got), len(want)) {
				if k >= len(got) || k >= len(want) || afterOffset(got[k]) != afterOffset(want[k]) {
					t.Fatalf("seed %d, %s: %d alerts, want %d; alert %d differs", seed, kind, len(got), len(want), k)
				}
			}
		}
		if len(out.Alerts) != 2*len(want) {
			t.Errorf("seed %d: %d alerts, want twice %d", seed, len(out.Alerts), len(want))
		}
		alerts += len(want)
	}
	if alerts == 0 {
		t.Error("no alerts")
	}
}

// byOffset sorts those of one offset: stages behind others have another order when their source has another name.
func byOffset(alerts []string) []string {
	slices.SortStableFunc(alerts, func(a, b string) int {
		x, _, _ := strings.Cut(a, " ")
		y, _, _ := strings.Cut(b, " ")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y), cmp.Compare(a, b))
	})
	return alerts
}

// afterOffset returns an alert in words without its offset.
func afterOffset(s string) string {
	_, rest, _ := strings.Cut(s, " ")
	return rest
}
