package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/dashboard"
	"insolite/ingest/kafka"
	"insolite/internal/telemetry"
)

// scrape sums the series of each metric; of a histogram, its observations.
func scrape(t *testing.T, text string) map[string]float64 {
	t.Helper()
	sums := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, "{")
		name, _, _ = strings.Cut(name, " ")
		if strings.HasPrefix(line, "#") || !strings.HasPrefix(name, "insolite_") {
			continue
		}
		v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		sums[name] += v
	}
	return sums
}

// May be 0 in a service that does well: what they count is provoked elsewhere, or does not happen in seconds.
var mayBeZero = map[string]string{
	"insolite_ingest_lag_records":             "everything may be committed",
	"insolite_ingest_lag_seconds":             "everything may be committed",
	"insolite_ingest_fetch_pauses_total":      "the task is fast and the broker there",
	"insolite_output_commit_failures_total":   "TestWorkIsCounted",
	"insolite_checkpoint_failures_total":      "TestWorkIsCounted",
	"insolite_checkpoint_age_records":         "everything may be checkpointed",
	"insolite_context_dirty":                  "everything may be checkpointed",
	"insolite_context_contexts":               "all may have expired",
	"insolite_context_bytes":                  "all may have expired",
	"insolite_context_evicted_total":          "memory is large",
	"insolite_context_warmed_total":           "nothing is taken over",
	"insolite_timers_pending":                 "nothing may wait",
	"insolite_timers_loaded_contexts_total":   "memory is large",
	"insolite_timers_ticks_total":             "records come all the time; TestWorkIsCounted",
	"insolite_dashboard_dropped_alerts_total": "the client is fast",
}

// Every metric of the table is there, and what has happened is counted.
func TestEveryMetricIsFilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	follower, err := http.Get(s.service.page.URL() + "api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = follower.Body.Close() }()
	go func() { _, _ = io.Copy(io.Discard, follower.Body) }() // it is followed until it is closed
	s.untilStatus("/readyz", http.StatusOK)

	s.pay("ann", "same", 1)
	s.pay("ann", "same", 1)
	s.pay("ann", "late", 1, shift(-time.Hour))
	s.pay("ann", "ahead", 1, shift(2*time.Hour))
	s.pay("ann", "", 1, tombstone)
	s.pay("ann", "", 1, value(`{"at":`))
	s.pay("ann", "", 1, value(`{"at":"2026-01-01T00:00:00Z","type":"pay","who":5,"id":"x","amount":1}`))
	s.pay("ann", "", 1, value(`{"type":"refund"}`))
	s.pay("bob", "key", 1, func(m *kafka.Message, _ *time.Time) { m.Key = []byte("ann") })
	s.pay("eve", "", 1, func(m *kafka.Message, at *time.Time) {
		m.Value = fmt.Appendf(nil, `{"at":%q,"type":"pay","who":"eve","id":"no shop","amount":1}`, at.UTC().Format(time.RFC3339Nano))
	})
	s.untilCommitted(10)
	s.write("rules.yaml", "version: 1\nrules: [{id: broken}]\n")
	s.until("the broken rules to be refused", func() (string, bool) {
		_, text := s.admin("/metrics")
		return text, strings.Contains(text, `insolite_rules_loads_total{result="refused"} 1`)
	})
	s.write("rules.yaml", servedRules+"- {id: new, source: pay, group_by: [who, shop], context: {m: {agg: count, window: 500ms}}, condition: m > 1}\n"+
		"- {id: quiet, source: pay, group_by: [who], absence: {of: pay, within: 300ms}}\n")

	n, doubts := 0, 0
	text := s.until("every metric to be filled", func() (string, bool) {
		for range 20 { // more ids of one key than dedupe remembers; each key expires soon
			n++
			s.pay("ann", fmt.Sprint(n), 200)
		}
		s.pay(fmt.Sprint("key-", n), fmt.Sprint(n), 1)
		if n%200 == 0 && doubts < 5 { // after a checkpoint or not: some replay something
			doubts++
			s.broker.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("the line is cut"), true })
		}
		_, text := s.admin("/metrics")
		sums := scrape(t, text)
		var missing []string
		for _, d := range telemetry.Table() {
			name := d.Name
			if strings.HasPrefix(name, "insolite_stage_") {
				continue // see TestStageComesAndGoes
			}
			if d.Type == telemetry.TypeHistogram {
				name += "_count"
			}
			_, may := mayBeZero[name]
			if v, ok := sums[name]; !ok || v == 0 && !may || v < 0 {
				missing = append(missing, fmt.Sprintf("%s is %v", name, v))
			}
		}
		return strings.Join(missing, "\n"), len(missing) == 0
	})
	if text != "" {
		t.Error(text)
	}
	s.until("both tasks to be live again", func() (string, bool) {
		_, text := s.admin("/metrics")
		return text, strings.Contains(text, `insolite_tasks{state="live"} 2`) && strings.Contains(text, `insolite_ingest_lag_records{topic="pays",partition="0"} 0`) &&
			strings.Contains(text, `insolite_context_contexts{topic="pays",partition="1"`)
	})
	_, text = s.admin("/metrics")
	for _, want := range []string{
		`insolite_output_dead_letters_total{stage="decode",reason="malformed_json"} 1`,
		`insolite_output_dead_letters_total{stage="decode",reason="wrong_type"} 1`,
		`insolite_output_dead_letters_total{stage="step",reason="max_ahead"} 1`,
		`insolite_decode_wrong_key_records_total{source="pay"} 1`,
		`insolite_rules_loads_total{result="refused"} 1`,
		`insolite_rules_loads_total{result="accepted"} 1`,
		`insolite_dashboard_clients 1`,
		`reason="doubt"`,
		`insolite_context_contexts{topic="pays",partition="0",keyspace=`,
		`insolite_context_contexts{topic="pays",partition="1",keyspace=`,
		"go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics does not have %s", want)
		}
	}
	s.until("the page to be right", s.checkPage)
	s.checkSecrets()
	s.service.Stop()
}

// checkPage looks at the page's figures: of two tasks, after a change of rules and recoveries. It says what is wrong.
func (s *served) checkPage() (wrong string, ok bool) {
	s.t.Helper()
	var got struct{ Pipeline dashboard.Status }
	_, body := s.get(s.service.page.URL() + "api/v1/status")
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		s.t.Fatal(err)
	}
	check := func(right bool, format string, args ...any) {
		if !right {
			wrong += fmt.Sprintf(format, args...) + "\n"
		}
	}
	p := got.Pipeline
	check(len(p.Problems) == 0 && len(p.Partitions) == 2 && p.EventsPerSecond != nil && *p.EventsPerSecond > 0, "problems, partitions or rate")
	check(strings.Contains(p.Kafka, "127.0.0.1:"), "Kafka is at %q", p.Kafka)
	late := uint64(0)
	for _, x := range p.Partitions {
		late += x.Late
		check(x.Phase == "running" && x.End != nil && *x.End > 0 && x.Lag != nil, "partition %d", x.Partition)
		check(x.LagSeconds != nil && *x.LagSeconds < 30 && x.WatermarkDelaySeconds != nil && *x.WatermarkDelaySeconds < 60, "times of partition %d", x.Partition)
	}
	dead := map[string]uint64{}
	for _, d := range p.DeadLetters {
		dead[d.Reason] = d.Count
		check(d.Topic == servedTopic && time.Since(d.Last) > 0 && time.Since(d.Last) < time.Minute, "dead letter %+v", d)
	}
	check(late == 1 && maps.Equal(dead, map[string]uint64{"malformed_json": 1, "wrong_type": 1, "max_ahead": 1}), "%d late, dead letters %v", late, dead)
	counts := map[string]dashboard.Rule{}
	for _, r := range p.Rules {
		counts[r.ID] = r
	}
	often, fresh := counts["often"], counts["new"]
	check(len(counts) == 4 && fresh.Evaluated > 0 && often.Evaluated > fresh.Evaluated && often.Alerts > 0 && often.Suppressed > 0, "counts of rules")
	check(often.Severity != "" && often.Source == "pay" && often.Mode == "live", "rule %+v", often)
	check(p.State.Keys != nil && *p.State.Bytes > 0 && p.State.CheckpointAgeSeconds != nil && *p.State.CheckpointAgeSeconds < 30, "state")
	return wrong + body, wrong == ""
}

// checkSecrets looks for what logs in wherever the service shows something.
func (s *served) checkSecrets() {
	s.t.Helper()
	shown := map[string]string{"the log": s.log.String()}
	for _, path := range []string{"/config", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=2"} {
		status, body := s.admin(path)
		if status != http.StatusOK || body == "" {
			s.t.Errorf("%s answers %d %q", path, status, body)
		}
		shown[path] = body
	}
	_, shown["the page"] = s.get(s.service.page.URL() + "api/v1/status")
	for where, text := range shown {
		if strings.Contains(text, servedPassword) || strings.Contains(text, servedUser) {
			s.t.Errorf("%s tells the login", where)
		}
	}
	if c := shown["/config"]; !json.Valid([]byte(c)) || !strings.Contains(c, `"password": "***"`) || !strings.Contains(c, `"checkpoint_interval": "300ms"`) || !strings.Contains(c, `"lateness":`) {
		s.t.Errorf("/config shows %s", c)
	}
}

// A task that is held up is healthy for a while, and then it is not; the others do not hide it. Not joined, recovering and refused tasks are
// not ready, and say so.
func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if r := s.make().unready(t.Context()); len(r) != 1 || !strings.Contains(r[0], "not joined") {
		t.Errorf("before the start it is not ready because of %q", r)
	}
	goOn := make(chan struct{})
	s.hold(kmsg.InitProducerID, "seen/pays/1", goOn)
	s.start()
	if body := s.untilBody("/readyz", "pays/1 is recovering"); strings.Contains(body, "pays/0 is refused") {
		t.Error(body)
	}
	close(goOn)
	s.untilStatus("/readyz", http.StatusOK)

	goOn = make(chan struct{})
	held := s.hold(kmsg.EndTxn, "seen/pays/1", goOn)
	for n := range 20 {
		s.pay(fmt.Sprint("who-", n), fmt.Sprint(n), 1)
	}
	select {
	case <-held:
	case <-time.After(patience):
		t.Fatal("nothing is committed")
	}
	if status, body := s.admin("/healthz"); status != http.StatusOK {
		t.Errorf("a commit under way is not healthy: %s", body)
	}
	s.ahead.Store(int64(progressLimit + time.Minute))
	body := s.until("pays/1 alone to be ill", func() (string, bool) {
		status, body := s.admin("/healthz")
		return body, status == http.StatusServiceUnavailable && !strings.Contains(body, "pays/0")
	})
	if !strings.Contains(body, "pays/1 is live at ") || !strings.Contains(body, "has not moved for 3m") {
		t.Errorf("/healthz says %q", body)
	}
	close(goOn)
	s.untilStatus("/healthz", http.StatusOK)
	s.untilStatus("/readyz", http.StatusOK)
	s.until("a checkpoint of both", func() (string, bool) {
		_, text := s.admin("/metrics")
		return text, scrape(t, text)["insolite_checkpoint_sweeps_total"] >= 2
	})
	for n := range 20 { // only a commit tells that there is a checkpoint to be missed
		s.pay(fmt.Sprint("who-", n), fmt.Sprint("again-", n), 1)
	}
	s.untilCommitted(40)
	s.service.Stop()

	if err := os.RemoveAll(filepath.Join(s.dir, "state")); err != nil {
		t.Fatal(err)
	}
	s.start()
	body = s.untilBody("/readyz", "pays/0 refuses to go on")
	if !strings.Contains(body, "checkpoint is missing") || !strings.Contains(body, "state.on_missing") {
		t.Errorf("/readyz says %q", body)
	}
	if status, body := s.admin("/healthz"); status != http.StatusOK {
		t.Errorf("a restart is asked for where it can't help: %s", body)
	}
	s.until("both to be refused, with their lag", func() (string, bool) {
		_, text := s.admin("/metrics")
		return text, strings.Contains(text, `insolite_tasks{state="refused"} 2`) && scrape(t, text)["insolite_ingest_lag_records"] == 0 &&
			strings.Contains(text, `insolite_checkpoint_age_records{topic="pays",partition="0"} NaN`)
	})
	s.service.Stop()
}

// untilCommitted waits until so many records have been read and committed.
func (s *served) untilCommitted(records float64) {
	s.t.Helper()
	s.until("all to be committed", func() (string, bool) {
		_, text := s.admin("/metrics")
		sums := scrape(s.t, text)
		return text, sums["insolite_ingest_fetched_records_total"] == records && sums["insolite_ingest_lag_records"] == 0
	})
}

func (s *served) untilBody(path, want string) string {
	s.t.Helper()
	return s.until(fmt.Sprintf("%s to say %q", path, want), func() (string, bool) {
		status, body := s.admin(path)
		return body, status == http.StatusServiceUnavailable && strings.Contains(body, want)
	})
}

// hold lets the next request of a transactional id wait; the channel it returns tells that it does.
func (s *served) hold(key kmsg.Key, id string, goOn <-chan struct{}) <-chan struct{} {
	held := make(chan struct{})
	s.broker.ControlKey(key.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		var of string
		switch r := r.(type) {
		case *kmsg.InitProducerIDRequest:
			if r.TransactionalID != nil {
				of = *r.TransactionalID
			}
		case *kmsg.EndTxnRequest:
			of = r.TransactionalID
		}
		if of == id {
			s.broker.DropControl()
			close(held)
			s.broker.SleepControl(func() { <-goOn })
		}
		return nil, nil, false
	})
	return held
}

// While a topic can't be read the instance is not ready and says why; it is not ill, and its log has two lines a partition.
func TestATopicThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	s.untilStatus("/readyz", http.StatusOK)
	fault := s.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: servedTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	body := s.untilBody("/readyz", "pays/0 can't be read at the moment")
	s.untilBody("/readyz", "pays/1 can't be read at the moment")
	if !strings.Contains(strings.ToLower(body), "authoriz") {
		t.Errorf("no cause: %s", body)
	}
	s.ahead.Store(int64(2 * progressLimit))
	if status, body := s.admin("/healthz"); status != http.StatusOK {
		t.Errorf("ill because of what a restart does not cure: %s", body)
	}
	s.until("the pauses to be counted", func() (string, bool) {
		_, text := s.admin("/metrics")
		return text, strings.Contains(text, `insolite_ingest_fetch_pauses_total{topic="pays",reason="environment"} 2`)
	})
	fault.Remove()
	s.untilStatus("/readyz", http.StatusOK)
	s.until("the log to tell the end", func() (string, bool) {
		log := s.log.String()
		return log, strings.Count(log, `level=INFO msg="the partition can be read again"`) == 2
	})
	if log := s.log.String(); strings.Count(log, `level=WARN msg="the partition can't be read and is tried again"`) != 2 {
		t.Error("the trouble is not told once for each partition")
	}
	s.service.Stop()
}
