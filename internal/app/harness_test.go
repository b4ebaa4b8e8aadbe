package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is visible and wrong in any way is told, and so is a test that has nothing to show.
func TestJudgeNotices(t *testing.T) {
	want := []string{"ann a", "ann b", "bob a"}
	if d := unequal("alerts", want, want); d != "" {
		t.Error(d)
	}
	for what, got := range map[string][]string{
		"lost": {"ann a", "bob a"}, "the last one lost": {"ann a", "ann b"}, "twice": {"ann a", "ann b", "ann b", "bob a"},
		"the last one twice": {"ann a", "ann b", "bob a", "bob a"}, "different": {"ann a", "ann b", "bob A"}, "nothing": nil,
	} {
		if unequal("alerts", got, want) == "" {
			t.Errorf("%s: not noticed", what)
		}
	}
	if unequal("alerts", nil, nil) == "" {
		t.Error("a test without alerts is taken for one that passes")
	}
}

var namedTest = regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)((?:/[^`/]+)*)`")

// docs/faults.md names every fault of the table, and no test that does not exist.
func TestFaultsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/faults.md")
	must(t, err)
	page := string(b)
	for _, row := range faults {
		for _, f := range row.faults {
			if name := fmt.Sprintf("`internal/app.TestFaults/%s/%s`", row.row, f.name); !strings.Contains(page, name) {
				t.Errorf("docs/faults.md lacks %s", name)
			}
		}
	}
	sources := map[string]string{}
	for _, m := range namedTest.FindAllStringSubmatch(page, -1) {
		folder := m[1]
		if sources[folder] == "" {
			sources[folder] = testsOf(t, filepath.Join("../..", folder))
		}
		if !strings.Contains(sources[folder], "\nfunc "+m[2]+"(t *testing.T)") {
			t.Errorf("docs/faults.md names %s of %s, which does not exist", m[2], folder)
		}
		for _, part := range strings.Split(m[3], "/")[1:] {
			if !strings.Contains(sources[folder], fmt.Sprintf("%q", part)) {
				t.Errorf("docs/faults.md names %s%s of %s, and there is no %q", m[2], m[3], folder, part)
			}
		}
	}
	if len(sources) < 3 {
		t.Errorf("docs/faults.md names tests of %d packages: it is not read rightly", len(sources))
	}
}

// testsOf is the text of a folder's tests.
func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	must(t, err)
	if len(files) == 0 {
		t.Errorf("docs/faults.md names the package %s, which has no tests", folder)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		all.Write(b)
	}
	return all.String()
}
