package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newServer(t testing.TB) *Server {
	t.Helper()
	s, err := New(Options{Listen: "127.0.0.1:0", Status: sampleStatus})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// started is a server that serves until the test ends.
func started(t testing.TB, s *Server) string {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimSuffix(s.URL(), "/")
}

func publish(t testing.TB, s *Server, records ...Alert) {
	t.Helper()
	for _, a := range records {
		if err := s.Publish(a); err != nil {
			t.Fatal(err)
		}
	}
}

func publishSamples(t testing.TB, s *Server) {
	t.Helper()
	for i := range samples {
		publish(t, s, samples[i].record(t, int64(i)))
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask answers a request without a network.
func ask(s *Server, method, target string, header ...string) answer {
	r := httptest.NewRequest(method, "http://localhost"+target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestOneAlertIsShownAsItIsOnTheTopic(t *testing.T) {
	s := newServer(t)
	record := samples[7].record(t, 7)
	publish(t, s, record)
	id := getList(t, s, "").Alerts[0].ID
	var got struct {
		Partition int32
		Offset    int64
		EventText string `json:"event_text"`
		Alert     json.RawMessage
	}
	if err := json.Unmarshal([]byte(ask(s, "GET", "/api/v1/alerts/"+id).body), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Alert, record.Value) {
		t.Errorf("got %s\nwant %s", got.Alert, record.Value)
	}
	if got.Offset != 7 || got.Partition != 1 {
		t.Errorf("position %d/%d", got.Partition, got.Offset)
	}
	for _, exact := range []string{`"amount": 1284.00,`, `"serial": 9007199254740993,`, "\n  \"merchant\": {\n    \"name\""} {
		if !strings.Contains(got.EventText, exact) {
			t.Errorf("no %s in %s", exact, got.EventText)
		}
	}
}

func TestRefusalsSayCauseAndCure(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		method, target string
		status         int
		code           string
		header         []string
	}{
		{"GET", "/api/v1/alerts?sevrity=low", 400, "bad_query", nil},
		{"GET", "/api/v1/alerts?limit=501", 400, "bad_query", nil},
		{"GET", "/api/v1/alerts?limit=-1", 400, "bad_query", nil},
		{"GET", "/api/v1/alerts?before=x", 400, "bad_query", nil},
		{"GET", "/api/v1/alerts?q=" + strings.Repeat("x", 300), 400, "bad_query", nil},
		{"GET", "/api/v1/alerts/none", 404, "no_such_alert", nil},
		{"GET", "/api/v2/alerts", 404, "no_such_path", nil},
		{"GET", "/api/v1/stream?after=nonsense", 400, "bad_stream_id", nil},
		{"GET", "/api/v1/stream", 400, "bad_stream_id", []string{"Last-Event-ID", "a-b"}},
		{"POST", "/api/v1/alerts", 405, "method_not_allowed", nil},
		{"GET", "/", 421, "foreign_host", []string{"Host", "evil.example:8080"}},
	} {
		r := ask(s, c.method, c.target, c.header...)
		var got struct{ Error problem }
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Errorf("%s: %v", c.target, err)
		}
		if r.status != c.status || got.Error.Code != c.code || got.Error.Message == "" || got.Error.Cure == "" {
			t.Errorf("%s %s: %d %+v", c.method, c.target, r.status, got.Error)
		}
	}
}

func TestHostsOfALoopbackServer(t *testing.T) {
	s := newServer(t)
	s.opts.Hosts = []string{"alerts.internal"}
	for host, want := range map[string]int{"localhost:1": 200, "127.0.0.1": 200, "[::1]:8080": 200, "alerts.internal": 200, "evil.example": 421, "localhost.evil.example": 421} {
		if got := ask(s, "GET", "/", "Host", host).status; got != want {
			t.Errorf("%s: %d, want %d", host, got, want)
		}
	}
	open, err := New(Options{Listen: "0.0.0.0:0", Status: sampleStatus})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(open, "GET", "/", "Host", "anything.example").status; got != 200 {
		t.Errorf("a server on all addresses: %d", got)
	}
}

func TestEveryAnswerIsStrict(t *testing.T) {
	s := newServer(t)
	for _, target := range []string{"/", "/alerts/x", "/pipeline", "/assets/app.js", "/assets/app.css", "/nothing", "/api/v1/alerts", "/api/v1/status", "/api/nothing"} {
		h := ask(s, "GET", target).header
		csp := h.Get("Content-Security-Policy")
		for _, must := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, must) {
				t.Errorf("%s: no %s", target, must)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", target, h)
		}
		want := "no-cache"
		if strings.HasPrefix(target, "/api/") {
			want = "no-store"
		}
		if got := h.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", target, got, want)
		}
	}
}

func TestFilesAreRevalidated(t *testing.T) {
	s := newServer(t)
	first := ask(s, "GET", "/assets/app.js")
	if again := ask(s, "GET", "/assets/app.js", "If-None-Match", first.header.Get("ETag")); again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("unchanged: %d", again.status)
	}
	if other := ask(s, "GET", "/assets/app.js", "If-None-Match", `"old"`); other.status != http.StatusOK || other.body != first.body {
		t.Errorf("changed: %d", other.status)
	}
	missing := ask(s, "GET", "/nothing")
	if missing.status != http.StatusNotFound || !strings.Contains(missing.body, "<html") || !strings.HasPrefix(missing.header.Get("Content-Type"), "text/html") {
		t.Errorf("missing page: %d %s", missing.status, missing.body)
	}
}

// fetch asks over a connection.
func fetch(t testing.TB, method, url string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(text)}
}

// HEAD has the headers of GET and no body.
func TestHeadAnswersLikeGet(t *testing.T) {
	base := started(t, newServer(t))
	for _, target := range []string{"/", "/assets/app.css", "/api/v1/alerts", "/api/v1/status", "/nothing"} {
		head, get := fetch(t, http.MethodHead, base+target), fetch(t, http.MethodGet, base+target)
		if head.status != get.status || head.header.Get("Content-Type") != get.header.Get("Content-Type") || get.body == "" || head.body != "" {
			t.Errorf("%s: %d %d", target, head.status, get.status)
		}
	}
}

func TestStatusTellsUnknownAsNull(t *testing.T) {
	s := newServer(t)
	publishSamples(t, s)
	var got struct {
		App      string
		Pipeline struct{ Partitions []map[string]any }
		Page     Counters
		Alerts   struct{ Kept int }
	}
	if err := json.Unmarshal([]byte(ask(s, "GET", "/api/v1/status").body), &got); err != nil {
		t.Fatal(err)
	}
	idle := got.Pipeline.Partitions[5]
	if v, there := idle["lag"]; !there || v != nil {
		t.Errorf("unknown lag is %v", v)
	}
	if got.App != "insolite" || got.Page.Published != 8 || got.Alerts.Kept != 8 {
		t.Errorf("got %+v", got)
	}
}

func TestOnlyAlertsAreTakenAndEachOnce(t *testing.T) {
	s := newServer(t)
	a := samples[0].record(t, 1)
	publish(t, s, a)
	a.Offset = 9 // delivered again
	publish(t, s, a)
	for _, bad := range []string{"", "null", "{}", "[]", "\x00", `{"schema":2,"id":"a","rule":{"id":"r"},"key":{}}`, `{"schema":1,"id":"a","rule":{"id":"r"}}`, `{"schema":1,"id":"a","rule":{"id":"r"},"key":[]}`, `{"schema":1,"id":7}`} {
		if err := s.Publish(Alert{Partition: 3, Offset: 41, Value: []byte(bad)}); err == nil || !strings.Contains(err.Error(), "record 41 of the alerts topic's partition 3") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got, want := s.Counters(), (Counters{Published: 1, Kept: 1, Repeated: 1, Malformed: 9}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Listen: "8080", Status: sampleStatus}, {Listen: ":0"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	first := newServer(t)
	base := started(t, first)
	second, err := New(Options{Listen: strings.TrimPrefix(base, "http://"), Status: sampleStatus})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err == nil || !strings.Contains(err.Error(), "dashboard.listen") {
		t.Errorf("a taken address: %v", err)
	}
	if err := second.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if err := second.Start(); err == nil {
		t.Error("started after Stop")
	}
}
