package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/deadletter"
	"insolite/internal/doctor"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
)

// putAside produces dead letters of the payments deployment: number n came from partition n%3 of payments.
func putAside(t *testing.T, brokers string, reasons ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client, err := kafka.Dial(ctx, kafka.Options{Brokers: []string{brokers}, App: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for _, topic := range []string{"payments", "insolite.dead-letters"} {
		if _, err := client.EnsureTopic(ctx, kafka.TopicSpec{Name: topic, Partitions: 3}); err != nil {
			t.Fatal(err)
		}
	}
	producer := client.NewProducer()
	defer producer.Close()
	for n, reason := range reasons {
		at, _ := event.TimeOf(time.Date(2026, 10, 15, 12, n, 0, 0, time.UTC))
		l := deadletter.Letter{App: "payments", Topic: "payments", Partition: event.Partition(n % 3), Stage: "decode", Reason: reason, Source: "payment.made", Byte: -1,
			Message: "a text\x1b[2J; send a number", Record: ingest.Record{Offset: event.Offset(40 + n), Timestamp: at, Key: []byte("anna"), Value: []byte(`{"secret":"s3cr3t"}`)}}
		m := l.Encode()
		if _, err := producer.Produce(ctx, kafka.Message{Topic: "insolite.dead-letters", Pinned: true, Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: at}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	deadLetters(t, cluster(t))
}

func deadLetters(t *testing.T, brokers string) {
	config := deployment(t, brokers)
	if s := call(t, "dlq", "ls", "--config", config); s != "no dead letters\n" {
		t.Errorf("without a topic: %s", s)
	}
	putAside(t, brokers, "wrong_type", "missing_field", "wrong_type")
	before := stored(t, brokers, "payments")
	const line1 = "2026-10-15T12:02:00Z  0/2     payments/2@42  payment.made  wrong_type     a text�[2J; send a number\n"
	const line2 = "2026-10-15T12:01:00Z  0/1     payments/1@41  payment.made  missing_field  a text�[2J; send a number\n"
	all := call(t, "dlq", "ls", "--config", config, "--limit", "2")
	if want := "PUT ASIDE             LETTER  CAME FROM      SOURCE        REASON         MESSAGE\n" + line1 + line2 + "\n1 more, older ones; see --limit\n"; all != want {
		t.Errorf("got\n%swant\n%s", all, want)
	}
	if s := call(t, "dlq", "redrive", "--config", config, "--reason", "wrong_type", "--since", "2026-10-15T12:01:30Z", "--dry-run"); !strings.Contains(s, "payments/2@42") ||
		!strings.Contains(s, "\n1 records would be sent back\n") || strings.Contains(s, "payments/0@40") {
		t.Errorf("dry run:\n%s", s)
	}
	if s := fails(t, exitUsage, "dlq", "redrive", "--config", config); !strings.Contains(s, "2 wrong_type to payments\n") || !strings.Contains(s, "nothing was sent; answer yes") {
		t.Errorf("without a yes:\n%s", s)
	}
	if s := fails(t, exitUsage, "dlq", "redrive", "--config", config, "-o", "json"); !strings.Contains(s, "say --yes, or --dry-run") {
		t.Error(s)
	}
	if got := stored(t, brokers, "payments"); !reflect.DeepEqual(got, before) {
		t.Fatalf("sent: %s", got)
	}
	var out bytes.Buffer
	args := []string{"dlq", "redrive", "--config", config, "--reason", "wrong_type"}
	if code := run(t.Context(), args, stdio{in: strings.NewReader("Yes\n"), out: &out, err: &bytes.Buffer{}}); code != exitOK || out.String() != "2 records sent back, 0 were already, 0 refused\n" {
		t.Errorf("exit code %d: %s", code, &out)
	}
	var report redriveReport
	for i, want := range []int{1, 0} {
		if err := json.Unmarshal([]byte(call(t, "dlq", "redrive", "--config", config, "--yes", "-o", "json")), &report); err != nil || report.Sent != want || len(report.Refused) > 0 {
			t.Errorf("call %d: %v %+v", i, err, report)
		}
	}
	for p, got := range stored(t, brokers, "payments") {
		if len(got) != len(before[p])+1 {
			t.Errorf("partition %d: %d records, want %d", p, len(got), len(before[p])+1)
		}
	}
	text := call(t, "dlq", "ls", "--config", config, "-o", "json")
	var list lettersReport
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Letters) != 3 || !list.Letters[1].Redriven || list.Letters[1].From != (originJSON{"payments", placeJSON{1, 41}, "2026-10-15T12:01:00Z"}) {
		t.Errorf("%v: %s", err, text)
	}
	if strings.Contains(text+all, "s3cr3t") || strings.Contains(text+all, "anna") {
		t.Error("a record is shown")
	}
}

// A letter of a topic that no source reads is refused, and the exit code says so.
func TestRedriveRefuses(t *testing.T) {
	t.Parallel()
	brokers := cluster(t)
	putAside(t, brokers, "wrong_type")
	config := deployment(t, brokers)
	replaceInFile(t, config, "topic: payments\n", "topic: others\n")
	var out bytes.Buffer
	code := run(t.Context(), []string{"dlq", "redrive", "--config", config, "--yes"}, stdio{out: &out, err: &out})
	if code != exitFailed || out.String() != "letter 0/0 is not sent: no source reads topic payments; nothing is sent to it\n0 records sent back, 0 were already, 1 refused\n" {
		t.Errorf("exit code %d: %s", code, &out)
	}
	if s := fails(t, exitUsage, "dlq", "ls", "--config", config, "--limit", "0"); !strings.Contains(s, "name at least 1") {
		t.Error(s)
	}
}

func replaceInFile(t *testing.T, path, old, young string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte(old), []byte(young)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What operators call holds for a real broker.
func TestOperatorsOnRealBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a broker; run without -short")
	}
	cluster := kafkatest.Start(t, 2)
	brokers := cluster.Bootstrap()[0]
	t.Run("doctor", func(t *testing.T) { examine(t, brokers) })
	t.Run("dead letters", func(t *testing.T) { deadLetters(t, brokers) })
	t.Run("doctor without a broker", func(t *testing.T) {
		config := deployment(t, brokers)
		cluster.Kill(2)
		all, _ := examined(t, exitFailed, config)
		if f := all["brokers 2 at "+cluster.Bootstrap()[1]]; f.Status != doctor.Fail || !strings.Contains(f.Cure, "advertised.listeners") {
			t.Errorf("%+v", all)
		}
	})
}
