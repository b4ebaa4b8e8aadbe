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
		"unknown package": {"alerts/other/a.go", "// Package other is.\npackage other", "has no layer"},
	} {
		problems, err := Check(fstest.MapFS{c.file: {Data: []byte(c.source)}})
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0], c.want) {
			t.Errorf("%s: got %q, %v", name, problems, err)
		}
	}
	problems, err := Check(fstest.MapFS{
		"alerts/a.go":           {Data: []byte("// Package alerts is.\npackage alerts\nimport _ \"insolite/internal/event\"\nimport _ \"github.com/RoaringBitmap/roaring/v2\"")},
		"alerts/a_test.go":      {Data: []byte("package alerts\nimport _ \"github.com/IBM/sarama\"")},
		"alerts/testdata/b.go":  {Data: []byte("package b")},
		"internal/event/doc.go": {Data: []byte("// Package event is.\npackage event")},
	})
	if err != nil || len(problems) != 0 {
		t.Errorf("order is taken for disorder: %q, %v", problems, err)
	}
}
