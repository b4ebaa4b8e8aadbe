package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// What the README tells to type works, word by word. What needs a broker or does not end is tested elsewhere: TestDemo, TestKilledAgainAndAgain.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "cmd", "internal", "rules", "context", "ingest", "alerts", "dashboard", "loadgen"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	said, ran := "", 0
	for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		block := m[1]
		if strings.Contains(block, "detector demo") || strings.Contains(block, "detector run") || strings.HasPrefix(block, "make ") {
			continue
		}
		block = strings.ReplaceAll(block, "go build -o detector ./cmd/detector", "go -C "+root+" build -o "+dir+"/detector ./cmd/detector")
		c := exec.Command("bash", "-euo", "pipefail", "-c", block)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, block, out)
		}
		said += string(out)
		ran++
	}
	if ran != 3 {
		t.Errorf("%d blocks were run, want 3", ran)
	}
	for _, want := range []string{"1 rule in 1 file, no problems", "two-pizzas-one-day", "first-ever"} {
		if !strings.Contains(said, want) {
			t.Errorf("what it prints does not have %q:\n%s", want, said)
		}
	}
	t.Log(said)
}
