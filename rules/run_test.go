package rules_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules"
	"insolite/rules/lookup"
	"insolite/rules/ruletest"
)

// TestTestsOfRulesPass runs the tests in the rules of testdata, and in those of the documentation.
func TestTestsOfRulesPass(t *testing.T) {
	page, err := os.ReadFile("../docs/rules/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range append(files(t), blocks("rules.md", string(page))...) {
		n += pass(t, f, sources(t), lookups(t))
	}
	if n < 8 {
		t.Errorf("only %d tests", n)
	}
}

// blocks are the rules of a page, each block a file of its own.
func blocks(name, page string) (all []rules.File) {
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1) {
		text := block[1]
		if !strings.HasPrefix(text, "version:") {
			text = "version: 1\nrules:\n" + text
		}
		all = append(all, rules.File{Path: name, Data: []byte(text)})
	}
	return all
}

// pass runs the tests in the rules of a file, and returns how many there are.
func pass(t *testing.T, f rules.File, sources []*event.Source, lookups *lookup.Set) int {
	t.Helper()
	results, list := ruletest.Run([]rules.File{f}, sources, lookups, ruletest.Options{})
	if list.HasErrors() {
		t.Errorf("%s: %s", f.Path, told(list))
	}
	for _, r := range results {
		for _, p := range r.Problems {
			t.Errorf("%s, %s: %s", r.Rule, r.Name, p)
		}
	}
	return len(results)
}

// Every rule of the page for those who come from elsewhere loads without a word of advice, and has tests that pass, over the sources of the page.
func TestRulesForThoseWhoComeFromElsewhere(t *testing.T) {
	page, err := os.ReadFile("../docs/rules/coming-from.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml sources\n")
	text, rest, ok := strings.Cut(text, "```")
	var list diag.List
	doc, parsed := yamldoc.Parse("coming-from.md", []byte(text), &list)
	if !ok || !parsed {
		t.Fatal("the page declares no sources", list.Err())
	}
	sources := rules.ParseSources(doc.Root)
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range blocks("coming-from.md", rest) {
		if _, list := rules.Load([]rules.File{file}, sources, nil, rules.Options{}); len(list.Sorted()) > 0 {
			t.Error(told(list))
		}
		n += pass(t, file, sources, nil)
	}
	if n < 14 {
		t.Errorf("only %d tests", n)
	}
}
