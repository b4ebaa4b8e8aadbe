package dashboard

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The page in Chromium, against the real server. What is missing is installed; where that cannot be, the test is skipped unless CI=true.
// Screenshots are kept in the folder that INSOLITE_SHOTS names.
func TestThePageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ui/test/install.sh").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skipf("no browser can be had here: %v\n%s", err, out)
	}
	shots := os.Getenv("INSOLITE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	host := newBrowserHost(t)
	chromium, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err != nil {
		t.Fatal(err) // it was installed just now
	}
	node := exec.CommandContext(ctx, "node", "ui/test/browser.mjs", "http://"+host.listen, host.control(t), noon.Add(6*time.Second).Format(time.RFC3339), shots)
	node.Env = append(os.Environ(), "CHROMIUM="+chromium)
	node.Stderr = os.Stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	tests := 0
	for lines := bufio.NewScanner(out); lines.Scan(); tests++ {
		var line struct{ Test, Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		t.Run(line.Test, func(t *testing.T) {
			if line.Error != "" {
				t.Error(line.Error)
			}
		})
	}
	if err := node.Wait(); err != nil && !t.Failed() {
		t.Errorf("the browser's driver: %v", err)
	}
	if tests < 20 {
		t.Errorf("only %d tests ran", tests)
	}
}

// browserHost serves the page at one address, through restarts, and does what the browser's side asks for.
type browserHost struct {
	t      *testing.T
	mu     sync.Mutex
	listen string
	server *Server
	feed   []Alert // what the topic holds
}

func newBrowserHost(t *testing.T) *browserHost {
	h := &browserHost{t: t, listen: "127.0.0.1:0"}
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	h.listen = strings.TrimSuffix(strings.TrimPrefix(h.server.URL(), "http://"), "/")
	t.Cleanup(func() { _ = h.stop() })
	return h
}

// start serves what the topic holds. Before the first event no rule has looked at one.
func (h *browserHost) start() error {
	status := func() Status {
		st := sampleStatus()
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.feed) == 0 {
			st = Status{At: noon, Kafka: st.Kafka, Partitions: st.Partitions[5:]}
		}
		return st
	}
	server, err := New(Options{Listen: h.listen, Status: status, Now: func() time.Time { return noon.Add(6 * time.Second) }})
	if err != nil {
		return err
	}
	h.server = server
	for _, a := range h.feed {
		if err := server.Publish(a); err != nil {
			return err
		}
	}
	return server.Start()
}

func (h *browserHost) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return h.server.Stop(ctx)
}

// publish appends to the topic, and shows it if the server is there.
func (h *browserHost) publish(a Alert) error {
	h.mu.Lock()
	h.feed = append(h.feed, a)
	h.mu.Unlock()
	return h.server.Publish(a)
}

// reset is a new server with so many of the samples.
func (h *browserHost) reset(n int) error {
	if err := h.stop(); err != nil {
		return err
	}
	h.mu.Lock()
	h.feed = nil
	for i := range n {
		h.feed = append(h.feed, samples[i].record(h.t, int64(i)))
	}
	h.mu.Unlock()
	return h.start()
}

func (h *browserHost) control(t *testing.T) string {
	do := map[string]func(r *http.Request) error{
		"/reset": func(r *http.Request) error {
			n, err := strconv.Atoi(r.FormValue("samples"))
			if err != nil {
				n = 7
			}
			return h.reset(n)
		},
		"/stop":    func(*http.Request) error { return h.stop() },
		"/publish": h.publishAsked,
		"/start": func(*http.Request) error {
			h.feed = append(h.feed, samples[7].record(h.t, 7))
			return h.start()
		},
		"/cut": func(r *http.Request) error { // every connection is broken, and the server lives on
			old := h.server
			if err := old.http.Close(); err != nil {
				return err
			}
			<-old.served
			if err := h.publishAsked(r); err != nil {
				return err
			}
			again, err := New(old.opts)
			if err != nil {
				return err
			}
			again.ring, h.server = old.ring, again
			return again.Start()
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do[r.URL.Path](r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// publishAsked publishes a sample, the hostile alert, or guests with a pizza.
func (h *browserHost) publishAsked(r *http.Request) error {
	if r.FormValue("hostile") != "" {
		return h.publish(hostile.record(h.t, 99))
	}
	guest, err := strconv.Atoi(r.FormValue("guest"))
	if err != nil {
		return h.publish(samples[7].record(h.t, 7))
	}
	count, _ := strconv.Atoi(r.FormValue("count"))
	for n := range max(count, 1) {
		s := samples[6]
		s.key = fmt.Sprintf("guest-%d", guest+n)
		s.sentence = s.key + " bought 2 pizzas today. Is that normal?"
		if severity := r.FormValue("severity"); severity != "" {
			s.severity = severity
		}
		if err := h.publish(s.record(h.t, int64(2000+guest+n))); err != nil {
			return err
		}
	}
	return nil
}
