package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"insolite/ingest/kafka"
	"insolite/internal/kafkatest"
)

var (
	eventsFlag = flag.Int64("events", 100_000, "payments in the topic")
	roundsFlag = flag.Int("rounds", 1, "how often each contender runs")
	keysFlag   = flag.Int("keys", 1_000_000, "customers")
	onlyFlag   = flag.String("only", "", "run only the contenders whose names match this regular expression")
	keepFlag   = flag.String("keep", "", "folder for the service's CPU profile; empty: it is thrown away")
	updateFlag = flag.Bool("update", false, "write the results to docs/performance.md")
)

// Every contender gives the same alerts, which are those of a backtest; what each costs is printed, and judged by people.
func TestReference(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and six contenders take a minute; run without -short")
	}
	cluster, client := startCluster(t)
	p := fill(t, client, *eventsFlag, *keysFlag)
	if p.want.Count == 0 {
		t.Fatal("the backtest has no alerts, so nothing is compared")
	}
	t.Logf("%d payments of %d bytes, %d keys, %d with more than 100; %s", p.events, p.bytes/p.events, p.keys, p.busy, p.want)
	r := newReport(p)
	only := regexp.MustCompile(*onlyFlag)
	for round := range *roundsFlag {
		for i := range contenders {
			if !only.MatchString(contenders[i].name) {
				continue
			}
			r.add(&contenders[i], race(t, client, cluster.Bootstrap(), p, &contenders[i], fmt.Sprint("r", round, "-", i), ""))
		}
	}
	profile := profilePath(t, *keepFlag)
	race(t, client, cluster.Bootstrap(), p, named(service), "profile", profile)
	if err := r.explain(profile); err != nil {
		t.Error(err)
	}
	t.Log("\n" + r.text())
	if *updateFlag {
		if err := r.update("../docs/performance.md"); err != nil {
			t.Error(err)
		}
	}
}

// startCluster starts a broker, and returns a client of it.
func startCluster(t *testing.T) (*kafkatest.Cluster, *kafka.Client) {
	t.Helper()
	cluster := kafkatest.Start(t, 1)
	client, err := kafka.Dial(t.Context(), kafka.Options{Brokers: cluster.Bootstrap(), App: "bench"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return cluster, client
}

// race runs a contender over the topic and compares its alerts.
func race(t *testing.T, client *kafka.Client, brokers []string, p *payload, c *contender, run, profile string) result {
	t.Helper()
	o := contest{Brokers: brokers, Events: p.events, Run: "bench-" + run, Alerts: "alerts-" + run, Profile: profile, NoCheckpoints: c.name == unswept}
	if c.alerts {
		if _, err := client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: o.Alerts, Partitions: partitions}); err != nil {
			t.Fatal(err)
		}
	}
	result := c.start(t, o)
	t.Logf("%s: %.0f ns (%.0f %% in the kernel), %.3f allocations an event, %d MB", c.name, result.CPUPerEvent, 100*result.SystemShare, result.AllocsPerEvent, result.MemoryBytes>>20)
	if c.alerts {
		if got := readAlerts(t, client, o.Alerts); got != p.want {
			t.Errorf("%s: %s; the backtest has %s", c.name, got, p.want)
		}
	}
	return result
}

// profilePath is where the service's profile goes.
func profilePath(t *testing.T, keep string) string {
	t.Helper()
	if keep == "" {
		keep = t.TempDir()
	}
	path, err := filepath.Abs(filepath.Join(keep, "service.pprof"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
