package rules_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/yamldoc"
	"insolite/rules"
	"insolite/rules/ruletest"
)

// TestTestsOfRulesPass runs the tests in the rules of testdata, and in those of the documentation.
func TestTestsOfRulesPass(t *testing.T) {
	page, err := os.ReadFile("../docs/rules/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	all := files(t)
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		text := block[1]
		if !strings.HasPrefix(text, "version:") {
			text = "version: 1\nrules:\n" + text
		}
		all = append(all, rules.File{Path: "rules.md", Data: []byte(text)})
	}
	n := 0
	for _, f := range all {
		results, list := ruletest.Run([]rules.File{f}, sources(t), lookups(t), ruletest.Options{})
		if list.HasErrors() {
			t.Errorf("%s: %s", f.Path, told(list))
		}
		for _, r := range results {
			n++
			for _, p := range r.Problems {
				t.Errorf("%s, %s: %s", r.Rule, r.Name, p)
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d tests", n)
	}
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
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(rest, -1) {
		file := rules.File{Path: "coming-from.md", Data: []byte("version: 1\nrules:\n" + block[1])}
		if _, list := rules.Load([]rules.File{file}, sources, nil, rules.Options{}); len(list.Sorted()) > 0 {
			t.Error(told(list))
		}
		results, _ := ruletest.Run([]rules.File{file}, sources, nil, ruletest.Options{})
		for _, r := range results {
			n++
			for _, p := range r.Problems {
				t.Errorf("%s, %s: %s", r.Rule, r.Name, p)
			}
		}
	}
	if n < 14 {
		t.Errorf("only %d tests", n)
	}
}
