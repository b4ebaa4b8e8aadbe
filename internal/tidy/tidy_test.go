package tidy

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheRepositoryIsInOrder(t *testing.T) {
	problems, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// Each way to break the order is noticed.
func TestDisorderIsNoticed(t *testing.T) {
	for name, c := range map[string]struct{ file, source, want string }{
		"upward import":   {"rules/lookup/a.go", "// Package lookup is.\npackage lookup\nimport _ \"insolite/rules\"", "only layers below"},
		"same layer":      {"rules/lookup/a.go", "// Package lookup is.\npackage lookup\nimport _ \"insolite/ingest\"", "only layers below"},
		"foreign module":  {"alerts/a.go", "// Package alerts is.\npackage alerts\nimport _ \"github.com/IBM/sarama\"", "does not own"},
		"no doc":          {"alerts/a.go", "package alerts", "no doc comment"},
		"file in context": {"context/a.go", "// Package context is.\npackage context", "only leaf packages"},
		"long file":       {"alerts/a.go", "// Package alerts is.\npackage alerts" + strings.Repeat("\n", 500), "501 lines, 500 are allowed"},
		"long function":   {"alerts/a.go", "// Package alerts is.\npackage alerts\n" + function(71), "alerts/a.go:T.F: has 71 lines, 70 are allowed"},
		"long test":       {"alerts/a_test.go", "package alerts\n" + function(121), "alerts/a_test.go:T.F: has 121 lines, 120 are allowed"},
		"left for later":  {"docs/a.md", "one\nTO" + "DO: write it", "docs/a.md:2: \"TO" + "DO\""},
		"one's own disk":  {"Makefile", "cp /ho" + "me/ann/x .", "a path of one machine"},
		"conflict":        {"a.yaml", "a: 1\n<<<" + "<<<< HEAD\n", "a conflict"},
		"unknown package": {"alerts/other/a.go", "// Package other is.\npackage other", "has no layer"},
	} {
		problems, err := check(fstest.MapFS{c.file: {Data: []byte(c.source)}}, nil)
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0], c.want) {
			t.Errorf("%s: got %q, %v", name, problems, err)
		}
	}
	problems, err := check(fstest.MapFS{
		"alerts/a.go":           {Data: []byte("// Package alerts is.\npackage alerts\nimport _ \"insolite/internal/event\"\nimport _ \"github.com/RoaringBitmap/roaring/v2\"")},
		"alerts/a_test.go":      {Data: []byte("package alerts\nimport _ \"github.com/IBM/sarama\"")},
		"alerts/testdata/b.go":  {Data: []byte("package b")},
		"internal/event/doc.go": {Data: []byte("// Package event is.\npackage event")},
	}, nil)
	if err != nil || len(problems) != 0 {
		t.Errorf("order is taken for disorder: %q, %v", problems, err)
	}
}

// function is a method of so many lines.
func function(lines int) string {
	return "type T[K any] struct{}\nfunc (t *T[K]) F() {" + strings.Repeat("\n", lines-1) + "}\n"
}

// The list of exceptions may only shrink.
func TestRatchet(t *testing.T) {
	root := fstest.MapFS{"alerts/a.go": {Data: []byte("// Package alerts is.\npackage alerts\n" + function(80))}}
	for want, exceptions := range map[string]map[string]int{
		"":                       {"alerts/a.go:T.F": 80},
		"has grown from 79 to":   {"alerts/a.go:T.F": 79},
		"has shrunk from 81 to":  {"alerts/a.go:T.F": 81},
		"there is no such file":  {"alerts/a.go:T.F": 80, "alerts/b.go": 600},
		"83 lines and keeps the": {"alerts/a.go:T.F": 80, "alerts/a.go": 600},
	} {
		problems, err := check(root, exceptions)
		if err != nil || len(problems) > 1 || (want == "") != (len(problems) == 0) || !strings.Contains(strings.Join(problems, ""), want) {
			t.Errorf("%q: got %q, %v", want, problems, err)
		}
	}
}
