// Package tidy keeps the architecture true: its tests fail when a package imports from its own layer or above, when a third-party module
// is used outside its owner, when a package has no doc, when a Go file stands directly in context/, when a file or a function is too long,
// or when a text has words that nobody but its author can follow. Test files may import anything.
//
// A new package gets a row in layers; a new dependency gets a row in owners, and a reason in ARCHITECTURE.md. What is too long is split;
// its list of exceptions may only shrink.
package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the repository's root.
const module = "insolite"

// layers says how high each package stands. A package imports only from layers below its own.
var layers = map[string]int{
	"internal/event": 0, "internal/crash": 0, "internal/diag": 0, "internal/telemetry": 0, "internal/tidy": 0, "rules/examples": 0,
	"context/window": 1, "context/baseline": 1, "context/checkpoint": 1, "rules/lookup": 1, "ingest": 1, "ingest/frame": 1, "internal/yamldoc": 1,
	"context/store": 2, "context/checkpoint/pebble": 2, "context/checkpoint/redis": 2, "context/checkpoint/checkpointtest": 2, "rules/expr": 2, "ingest/decode": 2, "internal/source": 2,
	"rules": 3, "ingest/kafka": 3, "ingest/replay": 3,
	"alerts": 4, "dashboard/ui": 4,
	"internal/engine": 5, "internal/journal": 1, "internal/bundle": 1, "internal/deadletter": 2, "internal/redrive": 4, "internal/task": 6, "alerts/sink": 5, "dashboard": 5, "loadgen": 5,
	"internal/chain": 6, "internal/meter": 6, "internal/config": 6,
	"rules/ruletest": 7, "internal/backtest": 7, "internal/app": 7, "internal/doctor": 7,
	"cmd/detector":        8,
	"bench/reference":     2, // the job by which cost is measured
	"bench":               9, // tests only
	"internal/oracle":     9, // serves tests only
	"internal/kafkatest":  9, // serves tests only
	"internal/faultproxy": 9, // serves tests only
	"internal/stagelog":   9, // serves tests only
	"internal/testsize":   9, // serves tests only
	"internal/golden":     9, // serves tests only
	"internal/redistest":  9, // serves tests only
}

// owners says which packages may import a third-party module.
var owners = map[string][]string{
	"github.com/IBM/sarama":              {"ingest/kafka"},
	"github.com/expr-lang/expr":          {"rules/expr"},
	"github.com/goccy/go-yaml":           {"internal/yamldoc"},
	"github.com/zeebo/xxh3":              {"context/window", "context/store", "context/checkpoint", "internal/oracle"},
	"github.com/VictoriaMetrics/metrics": {"internal/telemetry"},
	"github.com/cockroachdb/pebble":      {"context/checkpoint/pebble"},
	"github.com/golang/snappy":           {"context/checkpoint/pebble"},
	"github.com/redis/go-redis":          {"context/checkpoint/redis"},
	"github.com/RoaringBitmap/roaring":   {"rules/lookup", "alerts"},
	"github.com/gin-gonic/gin":           {"dashboard"},
	"github.com/spf13/cobra":             {"cmd/detector"},
	"github.com/spf13/pflag":             {"cmd/detector"}, // part of what cobra shows
	"github.com/twmb/franz-go":           {"internal/app"},
}

// Check reads what lies below root and returns what is not in order, sorted.
func Check(root fs.FS) ([]string, error) { return check(root, exceptions) }

func check(root fs.FS, exceptions map[string]int) ([]string, error) {
	c := checker{documented: map[string]bool{}, exceptions: exceptions, met: map[string]bool{}}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		return c.file(root, filepath.ToSlash(name))
	})
	for pkg, ok := range c.documented {
		if !ok {
			c.problems = append(c.problems, pkg+": the package has no doc comment; it is its user guide")
		}
	}
	for what := range exceptions {
		if !c.met[what] {
			c.problems = append(c.problems, what+": there is no such file or function; take it from the exceptions in internal/tidy")
		}
	}
	slices.Sort(c.problems)
	return c.problems, err
}

type checker struct {
	problems   []string
	documented map[string]bool // by package
	exceptions map[string]int
	met        map[string]bool // by exception
}

func (c *checker) file(root fs.FS, name string) error {
	goFile, text := strings.HasSuffix(name, ".go"), slices.Contains(texts, path.Ext(name)) || path.Base(name) == "Makefile"
	if !goFile && !text {
		return nil
	}
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	c.problems = append(c.problems, checkWords(name, src)...)
	if !goFile {
		return nil
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	if strings.HasSuffix(name, "_test.go") {
		c.lengths(name, src, fset, file, testLines)
		return nil
	}
	pkg := path.Dir(name)
	c.documented[pkg] = c.documented[pkg] || file.Doc != nil
	c.problems = append(c.problems, checkFile(name, pkg, file)...)
	c.lengths(name, src, fset, file, functionLines)
	return nil
}

func checkFile(name, pkg string, file *ast.File) []string {
	var problems []string
	if pkg == "context" {
		return []string{name + ": context/ holds only leaf packages; a package named context would fight the standard library's"}
	}
	layer, ok := layers[pkg]
	if !ok {
		return []string{name + ": package " + pkg + " has no layer; give it a row in internal/tidy"}
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted the literal
		}
		if inner, ours := strings.CutPrefix(imported, module+"/"); ours {
			if below, ok := layers[inner]; ok && below >= layer {
				problems = append(problems, fmt.Sprintf("%s: %s (layer %d) imports %s (layer %d); only layers below are allowed", name, pkg, layer, inner, below))
			}
			continue
		}
		if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") && !owned(pkg, imported) {
			problems = append(problems, fmt.Sprintf("%s: %s does not own %s; use its owner, or give it a row in internal/tidy", name, pkg, imported))
		}
	}
	return problems
}

func owned(pkg, imported string) bool {
	for mod, packages := range owners {
		if imported != mod && !strings.HasPrefix(imported, mod+"/") {
			continue
		}
		for _, owner := range packages {
			if pkg == owner || strings.HasPrefix(pkg, owner+"/") {
				return true
			}
		}
	}
	return false
}
