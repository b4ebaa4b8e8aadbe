package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// formats are those of all that outlives a process, by their names in docs/state.md: where their versions stand in the code, and the files that
// hold what each version has written.
var formats = map[string]struct{ constant, golden string }{
	"context":           {"context/store/blob.go blobVersion", "context/store/testdata/contexts-%d.hex"},
	"layout":            {"context/store/blob.go blobVersion", "context/store/testdata/contexts-%d.hex"},
	"stored value":      {"context/checkpoint/value.go valueVersion", "context/checkpoint/testdata/value-%d.hex"},
	"checkpoint's meta": {"context/checkpoint/meta.go metaVersion", "context/checkpoint/testdata/meta-%d.hex"},
	"note":              {"internal/task/note.go noteVersion", "internal/task/testdata/note-%d.hex"},
	"pebble's keys":     {"context/checkpoint/pebble/store.go formatVersion", "context/checkpoint/pebble/testdata/store-%d.hex"},
	"Redis' keys":       {"context/checkpoint/redis/task.go formatVersion", "context/checkpoint/redis/testdata/store-%d.hex"},
	"commit":            {"internal/journal/commit.go commitVersion", "internal/journal/testdata/commit-%d.hex"},
	"journal entry":     {"internal/journal/journal.go entryVersion", "internal/journal/testdata/entries-%d.hex"},
	"bundle":            {"internal/bundle/record.go recordVersion", "internal/bundle/testdata/records-%d.hex"},
	"frame":             {"ingest/frame/frame.go version", "ingest/frame/testdata/frame-%d.hex"},
	"alert":             {"alerts/json.go Schema", "alerts/testdata/alert-%d.hex"},
	"dead letter":       {"internal/deadletter/deadletter.go Schema", "internal/deadletter/testdata/letter-%d.hex"},
}

// noFormats are versions of something else.
var noFormats = map[string]string{
	"ingest/kafka/writer.go produceVersion": "Kafka's",
}

// Every format has its version in the code, the same one in the operators' page, and a file of what each of its versions has written.
func TestFormats(t *testing.T) {
	page, err := os.ReadFile("../../docs/state.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| Format | Where |")
	if !ok {
		t.Fatal("docs/state.md has no table of formats")
	}
	told := map[string]string{}
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			break
		}
		told[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[3])
	}
	versions := versionsOf(t, "../..")
	for name, f := range formats {
		version, err := strconv.Atoi(versions[f.constant])
		if err != nil {
			t.Fatalf("%s: %s is %q: %v", name, f.constant, versions[f.constant], err)
		}
		if told[name] != versions[f.constant] {
			t.Errorf("docs/state.md has version %q of the format %q, which is at %d", told[name], name, version)
		}
		for v := 1; v <= version; v++ {
			if _, err := os.Stat(filepath.Join("../..", fmt.Sprintf(f.golden, v))); err != nil {
				t.Errorf("%s: no file of what version %d has written: %v", name, v, err)
			}
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("docs/state.md has a format %q, of which this test knows nothing", name)
	}
	for constant := range versions {
		if noFormats[constant] == "" && !known(constant) {
			t.Errorf("%s looks like the version of a format: add it to this test and to docs/state.md", constant)
		}
	}
}

func known(constant string) bool {
	for _, f := range formats {
		if f.constant == constant {
			return true
		}
	}
	return false
}

var isVersion = regexp.MustCompile(`^(Schema|[vV]ersion|\w+Version)$`)

// versionsOf finds the constants with a number that are named as versions, by file and name.
func versionsOf(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !isVersion.MatchString(spec.Names[0].Name) {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				found[name+" "+spec.Names[0].Name] = strings.Trim(literal.Value, `"`)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
