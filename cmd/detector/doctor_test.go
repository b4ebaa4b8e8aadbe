package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/deadletter"
	"insolite/internal/doctor"
	"insolite/internal/event"
)

// examined runs `doctor` and returns its findings by check and subject.
func examined(t *testing.T, code int, config string) (all map[string]doctor.Finding, text string) {
	t.Helper()
	var out, problems bytes.Buffer
	if is := run(t.Context(), []string{"doctor", "--config", config, "-o", "json"}, stdio{out: &out, err: &problems}); is != code {
		t.Errorf("exit code %d, want %d: %s%s", is, code, &out, &problems)
	}
	var report struct {
		Status   doctor.Status
		Findings []doctor.Finding
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &problems)
	}
	if want := map[int]doctor.Status{exitOK: doctor.OK, exitFailed: doctor.Fail, exitLint: doctor.Warn}[code]; report.Status != want {
		t.Errorf("status %s, want %s", report.Status, want)
	}
	all = map[string]doctor.Finding{}
	for _, f := range report.Findings {
		if f.Status != doctor.OK && f.Cure == "" {
			t.Errorf("no cure: %+v", f)
		}
		all[f.Check+" "+f.Subject] = f
	}
	return all, out.String()
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	examine(t, cluster(t))
}

func examine(t *testing.T, brokers string) {
	config := deployment(t, brokers)
	all, _ := examined(t, exitFailed, config)
	if f := all["topics payments"]; f.Status != doctor.Fail || !strings.Contains(f.Message, "there is no such topic") {
		t.Errorf("%+v", f)
	}
	for _, own := range []string{"insolite.alerts", "insolite.alerts.shadow", "insolite.dead-letters", "payments.journal", "payments.bundles"} {
		if f := all["topics "+own]; f.Status != doctor.OK || !strings.Contains(f.Message, "the service creates it") {
			t.Errorf("%s: %+v", own, f)
		}
	}
	ensure(t, brokers, kafka.TopicSpec{Name: "payments", Partitions: 3, Config: map[string]string{"retention.ms": "604800000"}})
	call(t, "generate", "payments", "--brokers", brokers, "--rate", "max", "--start", "2026-06-01", "--event-rate", "0.05", "--keys", "30", "--count", "300")
	call(t, "apply", "--config", config) // which makes the bundles topic as it has to be
	all, text := examined(t, exitLint, config)
	for _, name := range []string{"rules ", "brokers ", "acls ", "topics payments", "topics payments.bundles", "records payments", "clock payments", "transactions payments/doctor", "group payments"} {
		if f, there := all[name]; !there || f.Status != doctor.OK {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := all["retention payments"]; f.Status != doctor.Warn || !strings.Contains(f.Message, "keeps 7d, but rule amount-far-above-usual looks back 30d for usual") {
		t.Errorf("%+v", f)
	}
	if strings.Contains(text, "not examined") {
		t.Error(text)
	}
}

// A broker that is away is one failure with its cure; what needs it says so, and the rest is examined. The human form is for people.
func TestDoctorWithoutBrokers(t *testing.T) {
	t.Parallel()
	config := deployment(t, "127.0.0.1:1")
	var out bytes.Buffer
	if code := run(t.Context(), []string{"doctor", "--config", config}, stdio{out: &out, err: &out}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"ok    store         ", "fail  brokers       connect to Kafka: broker 127.0.0.1:1: ", "is Kafka running there", "fail  group         not examined: no broker answers\n", "→ let brokers succeed first\n", " failures\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not told: %q\n%s", want, &out)
		}
	}
}

func TestDoctorOfBrokenRules(t *testing.T) {
	t.Parallel()
	brokers := cluster(t, "payments")
	config := deployment(t, brokers)
	replaceInFile(t, strings.Replace(config, "insolite.yaml", "rules.yaml", 1), "source: payment.made", "source: payment.maed")
	all, _ := examined(t, exitFailed, config)
	if all["topics payments"].Status != doctor.OK {
		t.Errorf("%+v", all)
	}
	broken := 0
	for name, f := range all {
		if strings.HasPrefix(name, "rules ") && f.Status == doctor.Fail && strings.Contains(f.Cure, "did you mean") {
			broken++
		}
	}
	if broken == 0 {
		t.Errorf("%+v", all)
	}
}

func ensure(t *testing.T, brokers string, spec kafka.TopicSpec) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client, err := kafka.Dial(ctx, kafka.Options{Brokers: strings.Split(brokers, ","), App: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if _, err := client.EnsureTopic(ctx, spec); err != nil {
		t.Fatal(err)
	}
}

// The least that --acls lists is enough: for the service, and with the rights for dlq for that, on a broker that allows nothing else.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	for _, redrive := range []bool{false, true} {
		t.Run(fmt.Sprint("redrive ", redrive), func(t *testing.T) {
			t.Parallel()
			leastRights(t, redrive)
		})
	}
}

func leastRights(t *testing.T, redrive bool) {
	config := deployment(t, "127.0.0.1:1")
	var listed struct{ Grants []doctor.Grant }
	if err := json.Unmarshal([]byte(call(t, "doctor", "--acls", "--config", config, "-o", "json")), &listed); err != nil {
		t.Fatal(err)
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "payments"), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "rootpass")}
	c, err := kfake.NewCluster(append(opts, kfake.User("PLAIN", "payments", "pa55word", rights(t, listed.Grants, redrive)...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	brokers := c.ListenAddrs()
	replaceInFile(t, config, "[127.0.0.1:1]", "["+brokers[0]+"]\n  sasl: {mechanism: PLAIN, username: payments, password: pa55word}")
	root, err := kafka.Dial(t.Context(), kafka.Options{Brokers: brokers, App: "root", SASL: &kafka.SASL{Mechanism: "PLAIN", Username: "root", Password: "rootpass"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	producer := root.NewProducer()
	defer producer.Close()
	if _, err := producer.Produce(t.Context(), kafka.Message{Topic: "payments", Value: []byte("nonsense")}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"apply"}, {"drain"}} {
		call(t, append(args, "--config", config)...)
	}
	all, text := examined(t, exitFailed, config) // its one record is no event
	for name, f := range all {
		if f.Status == doctor.Fail && name != "records payments" {
			t.Errorf("%+v", f)
		}
	}
	if strings.Contains(text, "pa55word") {
		t.Error("the password is shown")
	}
	if !redrive {
		if s := fails(t, exitFailed, "dlq", "ls", "--config", config); !strings.Contains(s, "not authorized") {
			t.Error(s)
		}
		return
	}
	if s := call(t, "dlq", "redrive", "--config", config, "--yes"); s != "1 records sent back, 0 were already, 0 refused\n" {
		t.Error(s)
	}
	found := 0
	for p := range event.Partition(3) {
		tp := kafka.TopicPartition{Topic: "payments", Partition: p}
		end, err := root.LastStable(t.Context(), tp)
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range root.ReadAll(t.Context(), tp, 0, end) {
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Value) == "nonsense" && slices.ContainsFunc(r.Headers, func(h ingest.Header) bool { return h.Key == deadletter.HeaderRedriven }) {
				found++
			}
		}
	}
	if found != 1 {
		t.Errorf("it came back %d times", found)
	}
}

func rights(t *testing.T, grants []doctor.Grant, redrive bool) (all []kfake.ACL) {
	t.Helper()
	kinds := map[string]kmsg.ACLResourceType{"topic": kmsg.ACLResourceTypeTopic, "group": kmsg.ACLResourceTypeGroup, "transactional-id": kmsg.ACLResourceTypeTransactionalId, "cluster": kmsg.ACLResourceTypeCluster}
	for _, g := range grants {
		if g.Redrive && !redrive {
			continue
		}
		for _, name := range g.Operations {
			op, err := kmsg.ParseACLOperation(name)
			if err != nil {
				t.Fatal(err)
			}
			a := kfake.ACL{Resource: kinds[g.Resource], Name: g.Name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
			if g.Prefixed {
				a.Pattern = kmsg.ACLResourcePatternTypePrefixed
			}
			if g.Resource == "cluster" {
				a.Name = "kafka-cluster"
			}
			all = append(all, a)
		}
	}
	return all
}
