package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"insolite/rules"
)

const moreRules = servedRules + "- {id: thrice, source: pay, group_by: [who], context: {n: {agg: count, window: 1s}}, condition: n >= 3}\n"

// brokenRules has two mistakes.
const brokenRules = servedRules + "- {id: thrice, source: pay, group_by: [whom], context: {n: {agg: count, window: 1s}}, condition: m >= 3}\n"

// still is a service that looks at the files when it is asked to only.
func still(t *testing.T) *served {
	t.Helper()
	s := serve(t)
	s.make().filePoll = time.Hour
	if err := s.service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.service.Stop)
	s.untilStatus("/readyz", http.StatusOK)
	return s
}

// post asks for a reload.
func (s *served) post(change ...func(*http.Request)) (status int, answer Reload) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.service.admin.URL()+"/reload", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range change {
		f(r)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	if err := json.NewDecoder(w.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	return w.StatusCode, answer
}

// reloadsWell is the metric.
func (s *served) reloadsWell() float64 {
	_, text := s.admin("/metrics")
	return scrape(s.t, text)["insolite_rules_reload_successful"]
}

// Rules come into force by being asked for; broken ones leave the running ones alone and are told everywhere.
func TestReload(t *testing.T) {
	t.Parallel()
	s := still(t)
	before := s.service.bundles.Newest()
	if status, r := s.post(); status != http.StatusOK || r.Result != Unchanged || r.Bundle != before || r.Rules != 2 || r.Note != "" {
		t.Errorf("nothing has changed: %d %+v", status, r)
	}
	s.write("rules.yaml", moreRules)
	status, r := s.post()
	if status != http.StatusOK || r.Result != Published || r.Bundle <= before || r.Rules != 3 || r.By != ByAPI {
		t.Fatalf("a rule more: %d %+v", status, r)
	}
	s.until("the new rule", func() (string, bool) {
		for n := range 3 {
			s.pay("ann", fmt.Sprint(time.Now().UnixNano(), n), 1)
		}
		_, text := s.admin("/metrics")
		return text, strings.Contains(text, `insolite_output_alerts_total{rule="thrice",mode="live"}`)
	})

	s.write("rules.yaml", brokenRules)
	published := r.Bundle
	if status, r = s.post(); status != http.StatusUnprocessableEntity || r.Result != Refused || len(r.Problems) != 2 || r.Problems[0].File == "" || r.Problems[0].Line != 5 {
		t.Errorf("broken rules: %d %+v", status, r)
	}
	if status, body := s.admin("/readyz"); status != http.StatusOK || !strings.HasPrefix(body, "ok\nthe rules on disk have errors since ") ||
		!strings.Contains(body, fmt.Sprintf("bundle %d stays in force\n", published)) || !strings.Contains(body, "rules.yaml:5:") || !strings.Contains(body, `"whom"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if p := strings.Join(s.service.pageStatus().Problems, "\n"); !strings.Contains(p, "the rules on disk have errors") || !strings.Contains(p, "rules.yaml:5:") {
		t.Errorf("the page tells %q", p)
	}
	if s.reloadsWell() != 0 || !strings.Contains(s.log.String(), "the changed rules have errors") {
		t.Error("neither the metric nor the log tells of broken rules")
	}
	if is := s.service.bundles.Newest(); is != published {
		t.Errorf("bundle %d is in force, want %d", is, published)
	}

	s.write("rules.yaml", moreRules)
	if r := s.service.Reload(t.Context(), BySignal); r.Result != Unchanged || r.Bundle != published {
		t.Errorf("healed: %+v", r)
	}
	if _, body := s.admin("/readyz"); body != "ok\n" || len(s.service.pageStatus().Problems) > 0 || s.reloadsWell() != 1 {
		t.Errorf("it is healed, and /readyz says %q", body)
	}
}

// What is older than the rules in force is not brought back by reading it again.
func TestReloadOfOlderRules(t *testing.T) {
	t.Parallel()
	s := still(t)
	s.write("rules.yaml", moreRules)
	p, list := LoadProject(filepath.Join(s.dir, "insolite.yaml"), nil, rules.Options{})
	if p == nil {
		t.Fatal(list.Err())
	}
	number, err := Apply(t.Context(), p, s.service.log)
	if err != nil {
		t.Fatal(err)
	}
	s.write("rules.yaml", servedRules)
	if _, r := s.post(); r.Result != Unchanged || r.Bundle != number || !strings.Contains(r.Note, "detector apply") {
		t.Errorf("%+v, and bundle %d was applied", r, number)
	}
}

// A page of another site can't have rules read, and a draining instance keeps those that it has.
func TestReloadIsGuarded(t *testing.T) {
	t.Parallel()
	s := still(t)
	for name, change := range map[string]func(*http.Request){
		"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"an origin":    func(r *http.Request) { r.Header.Set("Origin", "http://elsewhere.example") },
		"a name":       func(r *http.Request) { r.Host = "rebound.example:9090" },
	} {
		if status, r := s.post(change); status != http.StatusForbidden || r.Error == "" {
			t.Errorf("%s: %d %+v", name, status, r)
		}
	}
	if status, _ := s.admin("/reload"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered %d", status)
	}
	s.service.o.Drain = true
	if status, r := s.post(); status != http.StatusServiceUnavailable || !strings.Contains(r.Error, "drains") {
		t.Errorf("while it drains: %d %+v", status, r)
	}
}

// A change of the files is seen, told once while it is broken, and published when it is not.
func TestReloadByFile(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	s.write("rules.yaml", brokenRules)
	s.until("the mistake", func() (string, bool) {
		_, body := s.admin("/readyz")
		return body, strings.Contains(body, "rules.yaml:5:")
	})
	time.Sleep(4 * s.service.filePoll)
	if n := strings.Count(s.log.String(), "the changed rules have errors"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	s.write("rules.yaml", moreRules)
	s.until("the new bundle", func() (string, bool) {
		return s.log.String(), strings.Contains(s.log.String(), "rules=3 by=file")
	})
}
