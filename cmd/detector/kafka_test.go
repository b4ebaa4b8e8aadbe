package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// cluster starts a cluster in the process and returns its brokers.
func cluster(t *testing.T, topics ...string) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return strings.Join(c.ListenAddrs(), ",")
}

// call runs the program and returns what it prints on standard output.
func call(t *testing.T, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	if code := run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &problems}); code != exitOK {
		t.Fatalf("detector %s: exit code %d: %s", strings.Join(args, " "), code, &problems)
	}
	return out.String()
}

// fails runs the program, which has to fail, and returns what it says.
func fails(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	if is := run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &problems}); is != code || out.Len() > 0 {
		t.Fatalf("detector %s: exit code %d, want %d: %s", strings.Join(args, " "), is, code, &problems)
	}
	return problems.String()
}

// stored returns the values of a topic, partition by partition.
func stored(t *testing.T, brokers, topic string) (values [][]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client, err := kafka.Dial(ctx, kafka.Options{Brokers: []string{brokers}, App: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	parts, err := partitions(ctx, client, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		var list []string
		for rec, err := range p.records(ctx, client, func(int) {}) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, string(rec.Value))
		}
		values = append(values, list)
	}
	return values
}

func truths(t *testing.T, lines []string) (labels []label) {
	t.Helper()
	for _, l := range lines {
		var x label
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatal(err)
		}
		labels = append(labels, x)
	}
	return labels
}

// deployment writes the example of payments for these brokers into a folder, and returns its configuration.
func deployment(t *testing.T, brokers string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("../../rules/examples/payments")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "insolite.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(text), "[localhost:9092]", "["+brokers+"]", 1)
	s = strings.Replace(s, "    topic: payments\n", "    topic: payments\n    start: earliest\n", 1)
	s += fmt.Sprintf("state: {pebble: {path: %s}}\ndashboard: {listen: 127.0.0.1:0}\nadmin: {listen: 127.0.0.1:0}\n", filepath.Join(folder, "data"))
	if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is generated into Kafka is what --stdout prints; a backtest of the topic finds every anomaly at its record, and explain agrees.
func TestTopics(t *testing.T) {
	t.Parallel()
	topics(t, cluster(t))
}

func topics(t *testing.T, brokers string) {
	config := deployment(t, brokers)
	shape := []string{"payments", "--start", "2025-01-01", "--event-rate", "0.05", "--keys", "300", "--count", "12000", "--anomalies", "0.01", "--late", "0.01", "--malformed", "0.01", "--seed", "5"}
	summary := call(t, append([]string{"generate", "--brokers", brokers, "--create", "3", "--rate", "max", "--labels", "truth", "-o", "json"}, shape...)...)
	var report generateReport
	if err := json.Unmarshal([]byte(summary), &report); err != nil || report.Events != 12000 || report.Labels == 0 || report.Ack == nil {
		t.Fatalf("%v: %s", err, summary)
	}
	events := stored(t, brokers, "payments")
	printed := strings.Split(strings.TrimSpace(call(t, append([]string{"generate", "--stdout"}, shape...)...)), "\n")
	if is, want := sorted(slices.Concat(events...)), sorted(printed); !slices.Equal(is, want) {
		t.Errorf("%d events are stored, %d are printed, and they differ", len(is), len(want))
	}
	labels := truths(t, slices.Concat(stored(t, brokers, "truth")...))
	if len(labels) != int(report.Labels) {
		t.Fatalf("%d labels, want %d", len(labels), report.Labels)
	}

	found, injected, alerts := map[label]bool{}, 0, 0
	for line := range strings.Lines(call(t, "backtest", "--config", config, "--topic", "payment.made", "--alerts", "-")) {
		var a struct {
			Rule struct{ ID string }
			Key  struct {
				Terminal string `json:"terminal_id"`
			}
			Position struct {
				Topic     string
				Partition int32
				Offset    int64
			}
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		alerts++
		if a.Key.Terminal != "" { // whichever event came last; a terminal has one story
			found[label{Rule: a.Rule.ID, Entity: a.Key.Terminal}] = true
			continue
		}
		found[label{Rule: a.Rule.ID, Topic: a.Position.Topic, Partition: a.Position.Partition, Offset: a.Position.Offset}] = true
	}
	truth := filepath.Join(t.TempDir(), "truth.ndjson")
	if err := os.WriteFile(truth, []byte(strings.Join(slices.Concat(stored(t, brokers, "truth")...), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, l := range labels {
		if l.Key, l.At = "", ""; l.Entity != "" {
			l = label{Rule: l.Rule, Entity: l.Entity}
		}
		if !found[l] {
			t.Errorf("no alert at %+v", l)
		}
	}
	var tested backtestReport
	if err := json.Unmarshal([]byte(call(t, "backtest", "--config", config, "--topic", "payments", "--labels", truth, "-o", "json")), &tested); err != nil {
		t.Fatal(err)
	}
	if tested.Records != 12000 || tested.Dead != report.Malformed || tested.Late != lates(events) || int(tested.Alerts) != alerts {
		t.Errorf("backtest: %+v, generate: %+v, %d alerts", tested, report, alerts)
	}

	for _, s := range tested.Score {
		if s.Missed > 0 || s.Injected > 0 && *s.Recall != 1 || s.Delay != nil {
			t.Errorf("%s: %d injected, %d found, %d missed", s.Rule, s.Injected, s.Found, s.Missed)
		}
		injected += s.Injected
	}
	if injected != len(labels) {
		t.Errorf("%d anomalies are scored, want %d", injected, len(labels))
	}

	l := labels[slices.IndexFunc(labels, func(l label) bool { return l.Entity == "" })]
	text := call(t, "explain", "--config", config, "--topic", "payments", "--partition", fmt.Sprint(l.Partition), "--at-offset", fmt.Sprint(l.Offset), "--rule", l.Rule)
	if !strings.Contains(text, l.Rule+": fired\n") || !strings.Contains(text, events[l.Partition][l.Offset][:40]) {
		t.Errorf("explain:\n%s", text)
	}
	if s := fails(t, exitUsage, "explain", "--config", config, "--topic", "payments", "--partition", "3", "--at-offset", "1"); !strings.Contains(s, "payments has no partition 3; it has 3, from 0") {
		t.Error(s)
	}
	if s := fails(t, exitFailed, "explain", "--config", config, "--topic", "payments", "--partition", "1", "--at-offset", "100000"); !strings.Contains(s, "partition 1 of payments has no record at offset 100000; its offsets are 0 to ") {
		t.Error(s)
	}
}

// lates counts the events that are late in their partition. Those that the generator makes late to the whole may be in time for theirs.
func lates(partitions [][]string) (n uint64) {
	for _, events := range partitions {
		var watermark time.Time
		for _, text := range events {
			var e struct {
				At       time.Time
				Customer string `json:"customer_id"`
			}
			if json.Unmarshal([]byte(text), &e) != nil || e.Customer == "" {
				continue // a dead letter
			}
			if e.At.Before(watermark) {
				n++
			} else if w := e.At.Add(-time.Minute); w.After(watermark) { // of the example's source
				watermark = w
			}
		}
	}
	return n
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// The service itself is scored: it finds every anomaly. What it writes is what a backtest of the topic writes, byte for byte where the rule is
// by the records' own key, else of the same keys: whichever event of a terminal came last.
func TestScore(t *testing.T) {
	t.Parallel()
	score(t, cluster(t, "payments", "insolite.alerts"), "2025-01-01")
}

// The same against a real broker.
func TestRealBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a broker; run without -short")
	}
	brokers := strings.Join(kafkatest.Start(t, 1).Bootstrap(), ",")
	t.Run("topics", func(t *testing.T) { topics(t, brokers) })
	call(t, "generate", "pizza", "--brokers", brokers, "--create", "3", "--count", "1", "--topic", "insolite.alerts") // which makes the topic
	t.Run("score", func(t *testing.T) { score(t, brokers, "2025-06-01") })                                            // after what is there and the windows over it
}

func score(t *testing.T, brokers, start string) {
	config := deployment(t, brokers)
	ctx, stop := context.WithCancel(t.Context())
	var log bytes.Buffer
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"run", "--config", config}, stdio{out: &log, err: &log}) }()
	defer func() {
		stop()
		if code := <-ended; code != exitOK {
			t.Errorf("run: exit code %d\n%s", code, &log)
		}
	}()
	var report generateReport
	summary := call(t, "generate", "payments", "--config", config, "--rate", "max", "--start", start, "--event-rate", "0.05", "--keys", "300", "--count", "12000", "--anomalies", "0.01",
		"--score", "--score-wait", "60s", "-o", "json")
	if err := json.Unmarshal([]byte(summary), &report); err != nil || len(report.Score) == 0 {
		t.Fatalf("%v: %s", err, summary)
	}
	injected := 0
	for _, s := range report.Score {
		injected += s.Injected
		if s.Missed > 0 || s.Found != s.Injected || s.Injected > 0 && (*s.Recall != 1 || s.Delay.Max <= 0) {
			t.Errorf("%s: %d injected, %d found, %d missed", s.Rule, s.Injected, s.Found, s.Missed)
		}
	}
	if injected == 0 || uint64(injected) != report.Labels {
		t.Errorf("%d anomalies scored, want %d", injected, report.Labels)
	}
	want := sameInAnyOrder(t, strings.Split(strings.TrimSpace(call(t, "backtest", "--config", config, "--topic", "payment.made", "--alerts", "-")), "\n"))
	var is []string
	for deadline := time.Now().Add(30 * time.Second); len(is) < len(want) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		is = nil
		for _, value := range slices.Concat(stored(t, brokers, "insolite.alerts")...) {
			if strings.HasPrefix(value, `{"schema":`) { // not what made the topic
				is = append(is, value)
			}
		}
	}
	if is = sameInAnyOrder(t, is); !slices.Equal(is, want) {
		t.Errorf("the service has written %d alerts, a backtest %d, and they differ", len(is), len(want))
	}
}

// sameInAnyOrder is of alerts what does not depend on the order in which events of several partitions come together.
func sameInAnyOrder(t *testing.T, alerts []string) []string {
	t.Helper()
	for i, value := range alerts {
		var a struct {
			Rule struct{ ID string }
			Key  struct {
				Terminal string `json:"terminal_id"`
			}
		}
		if err := json.Unmarshal([]byte(value), &a); err != nil {
			t.Fatal(err)
		}
		if a.Key.Terminal != "" {
			alerts[i] = a.Rule.ID + " " + a.Key.Terminal
		}
	}
	return sorted(alerts)
}

// Whoever has had enough gets all that was made stored, and a report of it.
func TestGenerateIsEnded(t *testing.T) {
	t.Parallel()
	brokers := cluster(t, "pizzas")
	ctx, stop := context.WithCancel(t.Context())
	var out, problems bytes.Buffer
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"generate", "pizza", "--brokers", brokers, "--rate", "2000", "--history", "24h", "-o", "json"}, stdio{out: &out, err: &problems})
	}()
	held := func() int { return len(slices.Concat(stored(t, brokers, "pizzas")...)) }
	for held() < 2000 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Fatalf("exit code %d: %s", code, &problems)
	}
	var r generateReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if is := held(); r.History < 1000 || r.Events == 0 || is != int(r.History+r.Events) || r.Behind > r.Events {
		t.Errorf("%d events are stored: %+v", is, r)
	}
}

// Topics that are not there are named, with what to do.
func TestNoTopics(t *testing.T) {
	t.Parallel()
	brokers := cluster(t, "pizzas")
	config := deployment(t, brokers)
	for want, args := range map[string][]string{
		"the brokers have no topic payments; create it, or let --create 6 do so":      {"generate", "payments", "--brokers", brokers, "--count", "1"},
		"the brokers have no topic truth; create it, or let --create 6 do so":         {"generate", "pizza", "--brokers", brokers, "--count", "1", "--labels", "truth"},
		"the brokers have no topic insolite.alerts, so nothing is alerted yet; start": {"generate", "pizza", "--brokers", brokers, "--count", "1", "--score"},
		"the brokers have no topic payments; correct the source's topic":              {"backtest", "--config", config, "--topic", "payment.made"},
	} {
		if s := fails(t, exitFailed, args...); !strings.Contains(s, want) {
			t.Errorf("%v: %s", args, s)
		}
	}
}

// Alerts count as found where they are expected, as other where they are not, and not at all beyond what was sent.
func TestScoring(t *testing.T) {
	t.Parallel()
	s := &scorer{topic: "in", tally: newTally(), ranges: map[event.Partition][2]event.Offset{}}
	for o := range 10 {
		s.sent(1, event.Offset(100+o))
	}
	s.expect(&label{Rule: "a", Topic: "in", Partition: 1, Offset: 103}, 0)
	s.expect(&label{Rule: "a", Topic: "in", Partition: 1, Offset: 105}, 0)
	s.expect(&label{Rule: "a", Topic: "in", Partition: 1, Offset: -1}, 0)
	alert := func(rule, topic string, offset int, state string, at event.Time) {
		s.alert(fmt.Appendf(nil, `{"state":%q,"rule":{"id":%q},"position":{"topic":%q,"partition":1,"offset":%d}}`, state, rule, topic, offset), at)
	}
	alert("a", "in", 103, "firing", 2e9)
	alert("a", "in", 103, "firing", 9e9)
	alert("a", "in", 104, "firing", 1e9)
	alert("b", "in", 109, "firing", 1e9)
	alert("b", "in", 99, "firing", 1e9)
	alert("b", "other", 105, "firing", 1e9)
	alert("b", "in", 105, "resolved", 1e9)
	s.alert([]byte("nonsense"), 1e9)
	if !s.missing() {
		t.Error("nothing is missing")
	}
	got, err := json.Marshal(s.compare())
	want := `[{"rule":"a","injected":2,"found":1,"missed":1,"other":1,"precision":0.5,"recall":0.5,"delay":{"p50_seconds":2,"p99_seconds":2,"max_seconds":2}},` +
		`{"rule":"b","injected":0,"found":0,"missed":0,"other":1,"precision":0}]`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

// What a histogram tells is not below the truth and at most an eighth above it.
func TestHistogram(t *testing.T) {
	t.Parallel()
	var h histogram
	if h.delays() != nil {
		t.Error("delays of nothing")
	}
	for us := range 100_000 {
		h.add(time.Duration(us+1) * time.Microsecond)
	}
	h.add(-time.Second)
	for q, want := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond, 0.00005: 5 * time.Microsecond, 1: 100 * time.Millisecond} {
		if got := h.quantile(q); got < want || got > want*9/8+2*time.Microsecond {
			t.Errorf("quantile %v: %s, want %s", q, got, want)
		}
	}
}
