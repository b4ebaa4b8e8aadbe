package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/rules"
)

const (
	servedUser     = "the-name-to-log-in"
	servedPassword = "the-secret-to-log-in"
	servedTopic    = "pays"
)

const servedConfig = `version: 1
app: seen
kafka:
  brokers: [%s]
  sasl: {mechanism: PLAIN, username: %s, password: "${file:password}"}
  topics: {partitions: 2}
sources:
  pay:
    topic: pays
    match: {field: type, equals: pay}
    key: who
    time: {field: at}
    lateness: 100ms
    max_ahead: 1h
    start: earliest
    dedupe: {id: id, for: 1s}
    fields: {at: time, type: string, who: string, id: string, shop: {type: string, optional: true}, amount: number}
rules: [rules.yaml]
alerts: {topic: seen.alerts}
dead_letters: {topic: seen.dead}
commit_interval: 20ms
state: {pebble: {path: state}, checkpoint_interval: 300ms}
dashboard: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
`

const servedRules = `version: 1
rules:
- {id: often, source: pay, group_by: [who], context: {n: {agg: count, window: 1s}}, condition: n >= 2, suppress: {for: 1s}}
- {id: dear, source: pay, group_by: [who, shop], context: {s: {agg: sum, field: amount, window: 1s}}, condition: s > 1000}
`

// served is a service on an embedded broker, seen from outside.
type served struct {
	t       *testing.T
	dir     string
	broker  *kfake.Cluster
	client  *kafka.Client
	events  *kafka.Producer
	service *Service
	log     *logBuffer
	ahead   atomic.Int64 // of the service's clock
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (s *served) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// serve lays out the project and starts the broker, not yet the service.
func serve(t *testing.T) *served {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", servedUser, servedPassword), kfake.SeedTopics(2, servedTopic),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	s := &served{t: t, dir: t.TempDir(), broker: broker, log: &logBuffer{}}
	s.write("insolite.yaml", fmt.Sprintf(servedConfig, strings.Join(broker.ListenAddrs(), ", "), servedUser))
	s.write("rules.yaml", servedRules)
	s.write("password", servedPassword)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service's log:\n%s", s.log)
		}
	})
	s.client, err = kafka.Dial(t.Context(), KafkaOptions(s.load().Config))
	if err != nil {
		t.Fatal(err)
	}
	s.events = s.client.NewProducer()
	t.Cleanup(func() { s.events.Close(); _ = s.client.Close() })
	return s
}

func (s *served) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // a running service must not read half of it
		s.t.Fatal(err)
	}
}

func (s *served) load() *Project {
	s.t.Helper()
	p, list := LoadProject(filepath.Join(s.dir, "insolite.yaml"), nil, rules.Options{})
	if p == nil {
		s.t.Fatal(list.Err())
	}
	return p
}

// make returns a service that is not started.
func (s *served) make() *Service {
	s.service = NewService(ServiceOptions{Project: s.load(), Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: s.now})
	s.service.bundlePoll, s.service.filePoll, s.service.groupPoll = 50*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond
	return s.service
}

func (s *served) start() {
	s.t.Helper()
	if err := s.make().Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.service.Stop)
}

// pay produces a payment, changed at will.
func (s *served) pay(who, id string, amount int, change ...func(m *kafka.Message, at *time.Time)) {
	s.t.Helper()
	at := time.Now()
	m := kafka.Message{Topic: servedTopic, Key: []byte(who), Headers: []ingest.Header{{Key: "trace", Value: []byte("1")}}}
	for _, f := range change {
		f(&m, &at)
	}
	if m.Value == nil && m.Timestamp == 0 {
		m.Value = fmt.Appendf(nil, `{"at":%q,"type":"pay","who":%q,"id":%q,"shop":"s","amount":%d}`, at.UTC().Format(time.RFC3339Nano), who, id, amount)
	}
	if _, err := s.events.Produce(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

func value(text string) func(*kafka.Message, *time.Time) {
	return func(m *kafka.Message, _ *time.Time) { m.Value = []byte(text) }
}

func shift(d time.Duration) func(*kafka.Message, *time.Time) {
	return func(_ *kafka.Message, at *time.Time) { *at = at.Add(d) }
}

func tombstone(m *kafka.Message, at *time.Time) { m.Timestamp, _ = event.TimeOf(*at) }

// get asks an address of the service.
func (s *served) get(url string) (status int, body string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

func (s *served) admin(path string) (status int, body string) {
	s.t.Helper()
	return s.get(s.service.admin.URL() + path)
}

// until asks again until the answer is right, and returns it.
func (s *served) until(what string, ask func() (answer string, ok bool)) string {
	s.t.Helper()
	answer, ok := "", false
	for deadline := time.Now().Add(patience); !ok; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited for %s; it is:\n%s", what, answer)
		}
		answer, ok = ask()
	}
	return answer
}

func (s *served) untilStatus(path string, want int) string {
	s.t.Helper()
	return s.until(fmt.Sprintf("%s to be %d", path, want), func() (string, bool) {
		status, body := s.admin(path)
		return body, status == want
	})
}
