package rules_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

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
