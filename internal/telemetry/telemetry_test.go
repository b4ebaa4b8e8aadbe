package telemetry

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

func TestDocsAreInStep(t *testing.T) {
	const file = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(file, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Markdown() {
		t.Errorf("docs/metrics.md differs from the table; run: go test ./internal/telemetry -run Docs -update")
	}
}

var (
	nameForm  = regexp.MustCompile(`^insolite(_[a-z]+)+$`)
	labelForm = regexp.MustCompile(`^[a-z]+$`)
)

func TestTheTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for id, d := range Table() {
		switch {
		case d.Name == "":
			t.Errorf("metric %d, behind %q, has no row", id, Table()[max(0, id-1)].Name)
		case seen[d.Name]:
			t.Errorf("%s stands twice", d.Name)
		case !nameForm.MatchString(d.Name):
			t.Errorf("%s is no name of the form insolite_<area>_<what>_<unit>", d.Name)
		case (d.Type == TypeCounter) != strings.HasSuffix(d.Name, "_total"):
			t.Errorf("%s: counters, and only they, end in _total", d.Name)
		case d.Type == TypeHistogram && !strings.HasSuffix(d.Name, "_seconds"):
			t.Errorf("%s: histograms observe seconds", d.Name)
		case !strings.HasSuffix(d.Help, ".") || strings.ContainsAny(d.Help, "\n\\|"):
			t.Errorf("%s: help is one line of sentences without \\ and |: %q", d.Name, d.Help)
		}
		seen[d.Name] = true
		for _, l := range d.Labels {
			if !labelForm.MatchString(l) || l == "le" {
				t.Errorf("%s: %q is no name for a label", d.Name, l)
			}
		}
	}
}

// text returns what a scrape shows of this project's metrics.
func text(t *testing.T, r *Registry) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWritePrometheus(t *testing.T) {
	r := New()
	r.Counter(Commits, "payments").Inc()
	r.Gauge(LagRecords, "payments", "3").Set(17)
	r.Histogram(CommitSeconds, "payments").Update(0.003)
	r.Counter(DeadLetters, "decode", "a \"b\" \\ c\nd\x00\xff").Inc()
	got := text(t, r)
	for _, want := range []string{
		"# HELP insolite_output_commits_total Transactions committed; with delivery at least once, offsets.\n# TYPE insolite_output_commits_total counter\ninsolite_output_commits_total{topic=\"payments\"} 1\n",
		"insolite_ingest_lag_records{topic=\"payments\",partition=\"3\"} 17\n",
		"insolite_output_commit_seconds_bucket{topic=\"payments\",le=\"0.0025\"} 0\ninsolite_output_commit_seconds_bucket{topic=\"payments\",le=\"0.005\"} 1\n",
		"insolite_output_commit_seconds_count{topic=\"payments\"} 1\n",
		"insolite_output_dead_letters_total{stage=\"decode\",reason=\"a \\\"b\\\" \\\\ c\\nd\uFFFD\uFFFD\"} 1\n",
		"insolite_dashboard_clients 0\n",
		"process_cpu_seconds_total",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing:\n%s", want)
		}
	}
	if strings.Contains(got, "insolite_rules_outcomes_total") {
		t.Error("a metric without series has a head")
	}
	if n := strings.Count(got, "# TYPE insolite_output_commits_total "); n != 1 {
		t.Errorf("%d heads of one metric", n)
	}
}

// Two registries in one process share nothing.
func TestRegistriesAreApart(t *testing.T) {
	a, b := New(), New()
	a.Counter(Rebalances).Inc()
	if strings.Contains(text(t, b), "insolite_ingest_rebalances_total 1") {
		t.Error("a count of one registry shows in another")
	}
}

func TestLocal(t *testing.T) {
	r := New()
	first, second := r.Local(), r.Local()
	a, b := first.Counter(EventsLate, "login"), second.Counter(EventsLate, "login")
	lag := first.Gauge(LagRecords, "logins", "0")
	expect := func(want string, shown bool) {
		t.Helper()
		if got := text(t, r); strings.Contains(got, want) != shown {
			t.Errorf("%q shown: %v", want, !shown)
		}
	}
	a.N, b.N, lag.V = 3, 4, 12
	expect(`late_events_total{source="login"} 0`, true)
	first.Publish()
	second.Publish()
	first.Publish() // nothing new: nothing added
	expect(`late_events_total{source="login"} 7`, true)
	expect(`insolite_ingest_lag_records{topic="logins",partition="0"} 12`, true)
	a.N = 2 // its owner began anew
	first.Publish()
	expect(`late_events_total{source="login"} 9`, true)
	a.N++
	first.Close()
	expect(`late_events_total{source="login"} 10`, true)
	expect(`insolite_ingest_lag_records`, false)
}

func TestPublishAllocatesNothing(t *testing.T) {
	l := New().Local()
	late, lag := l.Counter(EventsLate, "login"), l.Gauge(LagRecords, "logins", "0")
	if n := testing.AllocsPerRun(100, func() {
		late.N++
		lag.V++
		l.Publish()
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

// A mistake in the program shows at once, not as a metric that nobody finds.
func TestMisuseIsNoticed(t *testing.T) {
	for name, f := range map[string]func(*Registry){
		"type":   func(r *Registry) { r.Gauge(Commits, "payments") },
		"labels": func(r *Registry) { r.Counter(Commits) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nothing noticed", name)
				}
			}()
			f(New())
		}()
	}
}
