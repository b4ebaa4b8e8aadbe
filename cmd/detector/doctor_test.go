package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"insolite/internal/doctor"
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
	call(t, "generate", "payments", "--brokers", brokers, "--create", "3", "--rate", "max", "--start", "2026-06-01", "--event-rate", "0.05", "--keys", "30", "--count", "300")
	call(t, "apply", "--config", config) // which makes the bundles topic as it has to be
	all, text := examined(t, exitLint, config)
	for _, name := range []string{"rules ", "brokers ", "acls ", "topics payments", "topics payments.bundles", "records payments", "clock payments", "transactions payments/doctor", "group payments"} {
		if f, there := all[name]; !there || f.Status != doctor.OK {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := all["retention payments"]; f.Status != doctor.Warn || !strings.Contains(f.Message, "keeps 7d, but rule ") {
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
