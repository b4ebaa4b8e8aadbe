package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// ruleTold is the line of an alert that names its rule.
var ruleTold = regexp.MustCompile(`(?m)^ {20}([a-z0-9-]+): .+ \([a-z]+/\d+, offset \d+\)$`)

// screen gathers what the demo says, and calls seen after each line.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	seen func(text string)
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	s.seen(s.text.String())
	return len(b), nil
}

// The demo tells alerts of several rules, each with its reason, and leaves nothing behind.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("weeks of history take seconds; run without -short")
	}
	t.Setenv("TMPDIR", t.TempDir())
	ctx, enough := context.WithTimeout(t.Context(), 90*time.Second)
	defer enough()
	rules := map[string]bool{}
	out := &screen{seen: func(text string) {
		for _, m := range ruleTold.FindAllStringSubmatch(text, -1) {
			rules[m[1]] = true
		}
		if len(rules) >= 4 {
			enough()
		}
	}}
	log := &screen{seen: func(string) {}}
	err := RunDemo(ctx, DemoOptions{Listen: "127.0.0.1:0", Rate: 50, Seed: 3, Out: out, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	text := out.text.String()
	if len(rules) < 4 {
		t.Errorf("alerts of %d rules, want 4 at least:\n%s", len(rules), text)
	}
	for _, want := range []string{"page       http://127.0.0.1:", "Kafka      127.0.0.1:", "alerts. That was the demo."} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not say %q:\n%s", want, text)
		}
	}
	if log.text.Len() > 0 {
		t.Errorf("the log warns:\n%s", log.text.String())
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A demo that is kept goes on where it ended: the history is not laid a second time, and alerts come again.
func TestDemoGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("weeks of history take seconds; run without -short")
	}
	dir := t.TempDir()
	for _, want := range []string{"events of the weeks before", "goes on where the demo before ended"} {
		ctx, enough := context.WithTimeout(t.Context(), 60*time.Second)
		out := &screen{seen: func(text string) {
			if ruleTold.MatchString(text) {
				enough()
			}
		}}
		err := RunDemo(ctx, DemoOptions{Dir: dir, Listen: "127.0.0.1:0", Rate: 50, Seed: 3, Out: out, Logger: slog.New(slog.DiscardHandler)})
		enough()
		if err != nil {
			t.Fatal(err)
		}
		if text := out.text.String(); !strings.Contains(text, want) || !ruleTold.MatchString(text) {
			t.Errorf("it does not say %q, or raises no alert:\n%s", want, text)
		}
	}
}
