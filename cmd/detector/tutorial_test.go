package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var updateTutorial = flag.Bool("update-tutorial", false, "write what the commands of docs/rules/tutorial.md print into the page")

var fence = regexp.MustCompile("(?ms)^```(yaml|text|json|console)(?: ([^\n]+))?\n(.*?)^```$")

// The tutorial is a script: its blocks with a name are files, and the commands in the others print what stands below them.
func TestTutorial(t *testing.T) {
	const path = "../../docs/rules/tutorial.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path2, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	commands := 0
	told := fence.ReplaceAllFunc(page, func(block []byte) []byte {
		m := fence.FindSubmatch(block)
		if name := string(m[2]); name != "" {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, m[3], 0o600); err != nil {
				t.Fatal(err)
			}
			return block
		}
		var b strings.Builder
		b.WriteString("```console\n")
		for line := range strings.Lines(string(m[3])) {
			if command, is := strings.CutPrefix(strings.TrimSpace(line), "$ detector "); is {
				commands++
				b.WriteString(line)
				b.WriteString(answer(t, strings.Fields(command)))
			}
		}
		b.WriteString("```")
		return []byte(b.String())
	})
	if commands < 9 {
		t.Errorf("only %d commands", commands)
	}
	if *updateTutorial {
		if err := os.WriteFile(path2, told, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(told, page) {
		was, is := strings.Split(string(page), "\n"), strings.Split(string(told), "\n")
		for i := range was {
			if i >= len(is) || was[i] != is[i] {
				t.Fatalf("line %d of the page is\n%s\nand the program says\n%s\ngo test ./cmd/detector -run TestTutorial -update-tutorial", i+1, was[i], strings.Join(is[i:min(len(is), i+3)], "\n"))
			}
		}
		t.Error("the page ends too early")
	}
}

// answer is what a command prints, on both its outputs.
func answer(t *testing.T, args []string) string {
	t.Helper()
	var out bytes.Buffer
	run(t.Context(), args, stdio{in: strings.NewReader(""), out: &out, err: &out})
	text := strings.TrimRight(out.String(), "\n")
	if text == "" {
		return ""
	}
	return text + "\n"
}
