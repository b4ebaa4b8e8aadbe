package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The page says what the commands say. UPDATE=1 writes it anew.
func TestCommandsPage(t *testing.T) {
	const page = "../../docs/commands.md"
	var out, problems bytes.Buffer
	if code := run(context.Background(), []string{"docs"}, stdio{out: &out, err: &problems}); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &problems)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(is, out.Bytes()) {
		t.Errorf("%s is not what `detector docs` prints; run UPDATE=1 go test ./cmd/detector -run TestCommandsPage", page)
	}
}

// Every command shows how it is called.
func TestEveryCommandHasExamples(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasParent() && !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s has no examples", c.CommandPath())
		}
		for _, example := range strings.Split(c.Example, "\n") {
			if example != "" && !strings.HasPrefix(example, "  ") {
				t.Errorf("%s: the example %q is not indented by two blanks", c.CommandPath(), example)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&global{}))
}

// What the examples of the help call is there: each names a command and flags that it has.
func TestExamplesParse(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, example := range strings.Split(c.Example, "\n") {
			for _, part := range strings.Split(example, "|") {
				words := strings.Fields(strings.Split(part, " > ")[0])
				if len(words) == 0 || words[0] != "detector" {
					continue
				}
				root := newRoot(&global{})
				found, args, err := root.Find(words[1:])
				if err != nil {
					t.Errorf("%q: %v", part, err)
					continue
				}
				if err := found.ParseFlags(unquote(args)); err != nil {
					t.Errorf("%q: %v", part, err)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&global{}))
}

func unquote(args []string) []string {
	for i := range args {
		args[i] = strings.Trim(args[i], "'\"")
	}
	return args
}
