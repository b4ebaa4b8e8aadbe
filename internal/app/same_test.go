package app

import (
	"strings"
	"testing"

	"insolite/ingest/kafka"
)

// Another deployment that has been given the same `app` does not replace the rules in force, unless it is told to.
func TestAnotherDeploymentOfTheSameName(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	s.untilStatus("/readyz", 200)
	first := s.service
	in := first.bundles.Newest()
	if _, err := s.client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: "refunds", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	s.dir = t.TempDir() // of the other one
	s.write("rules.yaml", servedRules)
	s.write("password", servedPassword)
	config := strings.Replace(strings.Replace(servedConfig, "topic: pays", "topic: refunds", 1), "path: state", "path: other", 1)
	s.write("insolite.yaml", strings.Replace(strings.Replace(config, "%s", strings.Join(s.broker.ListenAddrs(), ", "), 1), "%s", servedUser, 1))
	err := s.make().Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), `the application "seen" reads the topics ["pays"], and these sources read ["refunds"]`) || !strings.Contains(err.Error(), "an `app` of its own") {
		t.Errorf("the start of another one: %v", err)
	}
	if err := first.bundles.refresh(t.Context()); err != nil || first.bundles.Newest() != in {
		t.Errorf("bundle %d is in force after %d: %v", first.bundles.Newest(), in, err)
	}
	if number, err := Apply(t.Context(), s.load(), discard); err != nil || number <= in {
		t.Errorf("apply: bundle %d, %v", number, err)
	}
}

// A bundle of a newer version is told as such: what runs keeps its rules, and a start is refused.
func TestBundleOfANewerVersion(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	s.untilStatus("/readyz", 200)
	newer := kafka.Message{Topic: s.service.config.BundlesTopic(), Pinned: true, Value: []byte{'M', 99}}
	if _, err := s.events.Produce(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	const says = "written by a newer version of the program; run that version"
	s.until("the log to tell", func() (string, bool) {
		text := s.log.String()
		return text, strings.Contains(text, "tasks go on with the rules that they have") && strings.Contains(text, says)
	})
	s.pay("ann", "1", 1)
	s.pay("ann", "2", 1)
	s.until("an alert", func() (string, bool) { n := s.alertsOf("often"); return "", n == 1 })
	s.service.Stop()
	if err := s.make().Start(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("the start: %v", err)
	}
}
