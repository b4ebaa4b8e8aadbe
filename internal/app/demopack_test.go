package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"insolite/rules"
)

// Every example that can be shown alone is laid out so that its context is built from the history, and is not taken for another one.
func TestDemoPacks(t *testing.T) {
	t.Parallel()
	for _, pack := range DemoPacks() {
		d := &Demo{o: DemoOptions{Pack: pack, Dir: t.TempDir(), Listen: "127.0.0.1:0"}}
		if err := d.prepare(); err != nil {
			t.Fatal(err)
		}
		if err := d.configure([]string{"localhost:1"}); err != nil {
			t.Fatal(err)
		}
		p, list := LoadProject(filepath.Join(d.dir, "insolite.yaml"), nil, rules.Options{})
		if p == nil {
			t.Errorf("%s: %v", pack, list.Err())
			continue
		}
		for _, s := range p.Config.Sources {
			if s.WarmUp != 45*24*time.Hour {
				t.Errorf("%s: the source %s warms up for %s", pack, s.Name, s.WarmUp)
			}
		}
		if err := d.same(p.Config.App); err != nil {
			t.Error(err)
		}
		if d.o.Pack = ""; d.same(p.Config.App) == nil {
			t.Errorf("the folder of %s is taken for that of all", pack)
		}
	}
}

// The demo of one example is of its topics and rules alone.
func TestDemoOfAPack(t *testing.T) {
	if testing.Short() {
		t.Skip("weeks of history take seconds; run without -short")
	}
	ctx, enough := context.WithTimeout(t.Context(), 60*time.Second)
	defer enough()
	out := &screen{seen: func(text string) {
		if ruleTold.MatchString(text) {
			enough()
		}
	}}
	if err := RunDemo(ctx, DemoOptions{Pack: "pizza", Listen: "127.0.0.1:0", Rate: 50, Seed: 3, Out: out, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	text := out.text.String()
	if !ruleTold.MatchString(text) || !strings.Contains(text, "topics pizzas; alerts on") || !strings.Contains(text, "rules      3 in") {
		t.Errorf("it says:\n%s", text)
	}
}
