package rules

import (
	"cmp"
	"regexp"
	"slices"

	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/lookup"
)

// RulesMax bounds a set; more rules than that are generated, not written, and belong into a lookup.
const RulesMax = 10_000

// File is a rule file.
type File struct {
	Path string // as messages name it; files are read in the order of their paths
	Data []byte
}

// Options change how Load reads. The zero value is right.
type Options struct {
	App  string // prefix of the names of repartition topics
	Only string // the id of the one rule to load, as if it were live; empty: all. A rule's tests run in such a set
}

var ruleID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,126}$`)

// Load reads rule files into a Set. Every problem of every file goes to the list, at its place; with errors the Set is nil. Advice (lints)
// leaves it usable.
func Load(files []File, sources []*event.Source, lookups *lookup.Set, o Options) (*Set, *diag.List) {
	l := &loader{Options: o, list: &diag.List{}, sources: sources, lookups: lookups, views: map[*event.Source]*view{}, ids: map[string]*yamldoc.Node{}}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	var docs []*yamldoc.Doc
	for _, f := range files {
		if doc, ok := yamldoc.Parse(f.Path, f.Data, l.list); ok {
			docs = append(docs, doc)
		}
	}
	l.sources = append(slices.Clone(sources), l.alertSource(docs))
	var drafts []*draft
	for _, doc := range docs {
		drafts = append(drafts, l.file(doc)...)
	}
	if len(drafts) > RulesMax {
		drafts[RulesMax].head.Errorf("more than %d rules; keep what differs between them in a lookup", RulesMax)
		return nil, l.list
	}
	l.levels(drafts)
	l.allot(drafts)
	s := &Set{Sources: sources, byID: map[string]*Rule{}}
	if l.Only != "" {
		s.Sources = l.sources
	}
	for i, d := range drafts {
		d.finish(l.sources)
		d.Index = i
		s.Rules = append(s.Rules, d.Rule)
		s.byID[d.ID] = d.Rule
	}
	if l.list.HasErrors() {
		return nil, l.list
	}
	for _, d := range drafts {
		d.lint()
		d.sealSequence()
		d.Version = d.version()
	}
	s.plan(l.sources, l.views, o.App)
	s.Version = s.version()
	return s, l.list
}

// loader reads the files of one set.
type loader struct {
	Options
	list    *diag.List
	sources []*event.Source // those declared, and then that of alerts
	lookups *lookup.Set
	views   map[*event.Source]*view
	ids     map[string]*yamldoc.Node // of all rules so far
}

// file reads what can be understood of a file without knowing the slots of features.
func (l *loader) file(doc *yamldoc.Doc) []*draft {
	if doc.Root == nil {
		l.list.Errorf(diag.Position{File: doc.Path}, "the file has no rules; begin with version: 1 and rules:")
		return nil
	}
	m := doc.Root.Map("a rule file")
	m.Required("version", "version: 1").Int(1, 1)
	var drafts []*draft
	for _, n := range m.Required("rules", "rules: [{id: two-pizzas, …}]").List("rules") {
		if d := l.rule(n.Map("a rule")); d != nil {
			drafts = append(drafts, d)
		}
	}
	m.Done()
	return drafts
}

// allot gives every distinct feature its slots: those of enabled rules first, so that rows need not be wider for disabled ones.
func (l *loader) allot(drafts []*draft) {
	for _, enabled := range []bool{true, false} {
		for _, d := range drafts {
			if d.Enabled() == enabled && d.view != nil {
				d.share(enabled)
			}
		}
	}
}

// sourceNamed returns the source with that name; nil: there is none.
func (l *loader) sourceNamed(name string) *event.Source {
	for _, s := range l.sources {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// sourceNames returns the names of all sources.
func (l *loader) sourceNames() []string {
	names := make([]string, len(l.sources))
	for i, s := range l.sources {
		names[i] = s.Name
	}
	return names
}
