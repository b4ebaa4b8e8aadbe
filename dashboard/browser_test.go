package dashboard

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	install(t)
	chromium, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err != nil {
		t.Fatal(err) // it was installed just now
	}
	node := exec.CommandContext(ctx, "node", "ui/test/browser.mjs", control(t), noon.Add(6*time.Second).Format(time.RFC3339), os.Getenv("INSOLITE_SHOTS"))
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
		var line struct {
			Test, Error string
			Ms          int
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		t.Run(line.Test, func(t *testing.T) {
			t.Logf("%d ms", line.Ms)
			if line.Error != "" {
				t.Error(line.Error)
			}
		})
	}
	if err := node.Wait(); err != nil && !t.Failed() {
		t.Errorf("the browser's driver: %v", err)
	}
	if tests < 25 {
		t.Errorf("only %d tests ran", tests)
	}
}

// install gets what the page's tests need, or skips the test where it cannot be had, unless CI=true.
func install(t *testing.T, what ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ui/test/install.sh", what...).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%v\n%s", err, out)
	default:
		t.Skipf("what the page's tests need cannot be had here: %v\n%s", err, out)
	}
}

// control is where the browser's side asks for servers, one for each of its tests, and for what is to happen to them.
func control(t *testing.T) string {
	var mu sync.Mutex
	var hosts []*browserHost
	asked := func(r *http.Request) (string, error) {
		if r.URL.Path == "/new" {
			h, err := newBrowserHost(t, r.FormValue("samples"))
			if err != nil {
				return "", err
			}
			mu.Lock()
			defer mu.Unlock()
			hosts = append(hosts, h)
			return fmt.Sprintf("%d http://%s", len(hosts)-1, h.listen), nil
		}
		id, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		mu.Lock()
		n, err := strconv.Atoi(id)
		if err != nil || n < 0 || n >= len(hosts) {
			mu.Unlock()
			return "", fmt.Errorf("no host %q", id)
		}
		h := hosts[n]
		mu.Unlock()
		return "", h.do(what, r)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := asked(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, text) // the browser's side misses it if this fails
	}))
	t.Cleanup(func() {
		server.Close()
		for _, h := range hosts {
			_ = h.stop()
		}
	})
	return server.URL
}

// browserHost serves the page at one address, through restarts. Its test asks for one thing at a time.
type browserHost struct {
	t      *testing.T
	listen string
	server *Server
	mu     sync.Mutex
	feed   []Alert // what the topic holds
}

// newBrowserHost serves so many of the samples.
func newBrowserHost(t *testing.T, count string) (*browserHost, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	h := &browserHost{t: t, listen: "127.0.0.1:0"}
	for i := range n {
		h.feed = append(h.feed, samples[i].record(t, int64(i)))
	}
	if err := h.start(); err != nil {
		return nil, err
	}
	h.listen = strings.TrimSuffix(strings.TrimPrefix(h.server.URL(), "http://"), "/")
	return h, nil
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

// do does what the browser's side asks for.
func (h *browserHost) do(what string, r *http.Request) error {
	switch what {
	case "stop":
		return h.stop()
	case "publish":
		return h.publishAsked(r)
	case "start": // with an alert that came meanwhile
		h.feed = append(h.feed, samples[7].record(h.t, 7))
		return h.start()
	case "cut": // every connection is broken, and the server lives on
		old := h.server
		if err := old.http.Close(); err != nil {
			return err
		}
		<-old.served
		if err := h.publishAsked(r); err != nil {
			return err
		}
		opts := old.opts
		opts.Listen = h.listen // the first one took any port
		again, err := New(opts)
		if err != nil {
			return err
		}
		again.ring, h.server = old.ring, again
		return again.Start()
	}
	return fmt.Errorf("a host does not know how to %q", what)
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
