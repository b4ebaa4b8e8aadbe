package examples_test

import (
	"io/fs"
	"path"
	"path/filepath"
	"testing"

	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/rules"
	"insolite/rules/examples"
	"insolite/rules/lookup"
)

// load reads an example as a deployment does.
func load(t *testing.T, name string) *rules.Set {
	t.Helper()
	read := func(p string) ([]byte, error) { return fs.ReadFile(examples.FS, filepath.ToSlash(p)) }
	c, list := config.Load(path.Join(name, "insolite.yaml"), config.Options{ReadFile: read, Env: func(string) (string, bool) { return "", false }})
	fail(t, list)
	lookups := &lookup.Set{Lists: map[string]*lookup.List{}}
	for _, l := range c.Lookups {
		data, err := read(l.File)
		if err != nil {
			t.Fatal(err)
		}
		lookups.Lists[l.Name] = lookup.ParseList(l.File, data, list)
	}
	var files []rules.File
	for _, p := range c.Rules {
		data, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rules.File{Path: p, Data: data})
	}
	set, list := rules.Load(files, c.Sources, lookups, rules.Options{})
	fail(t, list)
	return set
}

func fail(t *testing.T, list *diag.List) {
	t.Helper()
	for _, p := range list.Sorted() {
		t.Error(p)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// Every example loads without a word of advice.
func TestExamplesLoad(t *testing.T) {
	folders, err := fs.ReadDir(examples.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		t.Run(f.Name(), func(t *testing.T) {
			set := load(t, f.Name())
			if len(set.Rules) < 3 {
				t.Errorf("%d rules", len(set.Rules))
			}
		})
	}
}
