package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/rules"
	"insolite/rules/lookup"
)

// Project is a configuration with the rules and lookups that it names, read from disk and checked.
type Project struct {
	Config  *config.Config
	Files   []rules.File
	Lookups *lookup.Set
	Set     *rules.Set

	lookupData map[string][]byte // the files of lookups as they are, by name
	rulePaths  []string          // that stand for the configuration's; none: those
}

// LoadProject reads the configuration at path, its lookups, and its rules; with rulePaths, these files and folders stand for the rules that
// the configuration names. Every problem of every file is in the list; with errors the Project is nil. Advice leaves it usable.
func LoadProject(path string, rulePaths []string, o rules.Options) (*Project, *diag.List) {
	c, list := config.Load(path, config.Options{})
	if c == nil {
		return nil, list
	}
	p := &Project{Config: c, rulePaths: rulePaths, lookupData: map[string][]byte{}, Lookups: &lookup.Set{Lists: map[string]*lookup.List{}, Tables: map[string]*lookup.Table{}}}
	for _, l := range c.Lookups {
		p.lookup(l, list)
	}
	if len(rulePaths) == 0 {
		rulePaths = c.Rules
	}
	if len(rulePaths) == 0 {
		list.Errorf(diag.Position{File: path}, "no rules are named; add rules: [rules/]")
	}
	p.Files = readRules(rulePaths, list)
	o.App = c.App
	set, more := rules.Load(p.Files, c.Sources, p.Lookups, o)
	list.Merge(more)
	if list.HasErrors() {
		return nil, list
	}
	p.Set = set
	return p, list
}

// lookup reads one list or table.
func (p *Project) lookup(l config.Lookup, list *diag.List) {
	data, err := os.ReadFile(l.File)
	if err != nil {
		list.Errorf(l.Position, "lookup %s: the file cannot be read: %v; create it, or correct the path", l.Name, cause(err))
		return
	}
	p.lookupData[l.Name] = data
	if l.Key == "" {
		if found := lookup.ParseList(l.File, data, list); found != nil {
			p.Lookups.Lists[l.Name] = found
		}
		return
	}
	if found := lookup.ParseTable(l.File, data, l.Key, list); found != nil {
		p.Lookups.Tables[l.Name] = found
	}
}

// readRules reads the files among the paths, and those with the ending .yaml or .yml in the folders among them and below. Names that begin
// with a dot are passed over in folders.
func readRules(paths []string, list *diag.List) []rules.File {
	var files []rules.File
	seen := map[string]bool{}
	add := func(path string) {
		path = filepath.Clean(path)
		if seen[path] {
			return
		}
		seen[path] = true
		data, err := os.ReadFile(path)
		if err != nil {
			list.Errorf(diag.Position{File: path}, "the rules cannot be read: %v; correct the path", cause(err))
			return
		}
		files = append(files, rules.File{Path: path, Data: data})
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			list.Errorf(diag.Position{File: path}, "the rules cannot be read: %v; correct the path", cause(err))
			continue
		}
		if !info.IsDir() {
			add(path)
			continue
		}
		found, err := ruleFiles(path)
		if err != nil {
			list.Errorf(diag.Position{File: path}, "the folder cannot be read: %v", cause(err))
		}
		if len(found) == 0 && err == nil {
			list.Errorf(diag.Position{File: path}, "the folder has no rules; they are files that end in .yaml or .yml")
		}
		for _, f := range found {
			add(f)
		}
	}
	return files
}

func ruleFiles(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != folder && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	if err != nil {
		return nil, fmt.Errorf("read rules below %s: %w", folder, err)
	}
	return files, nil
}

// cause is a file's error without the path, which the message names anyway.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
