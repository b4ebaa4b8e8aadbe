package rules_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/examples"
	"insolite/rules/lookup"
)

// corpus is a sound rule file with what it is loaded against.
type corpus struct {
	path    string
	text    string
	sources []*event.Source
	lookups *lookup.Set
}

func (c *corpus) load(text string) (*rules.Set, *diag.List) {
	return rules.Load([]rules.File{{Path: c.path, Data: []byte(text)}}, c.sources, c.lookups, rules.Options{})
}

// corpora are the files of testdata and all examples.
func corpora(t testing.TB) []*corpus {
	t.Helper()
	var all []*corpus
	for _, f := range files(t) {
		all = append(all, &corpus{f.Path, string(f.Data), sources(t), lookups(t)})
	}
	folders, err := fs.ReadDir(examples.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	read := func(p string) ([]byte, error) { return fs.ReadFile(examples.FS, filepath.ToSlash(p)) }
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		cfg, list := config.Load(path.Join(f.Name(), "insolite.yaml"), config.Options{ReadFile: read, Env: func(string) (string, bool) { return "", false }})
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
		set := &lookup.Set{Lists: map[string]*lookup.List{}}
		for _, l := range cfg.Lookups {
			data, err := read(l.File)
			if err != nil {
				t.Fatal(err)
			}
			set.Lists[l.Name] = lookup.ParseList(l.File, data, list)
		}
		for _, p := range cfg.Rules {
			data, err := read(p)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, &corpus{p, string(data), cfg.Sources, set})
		}
	}
	return all
}

// operator makes one kind of mistake. Site finds where; the mistake replaces the group named at, or all of the match; $name in it stands
// for a group.
type operator struct {
	name    string
	site    string
	mistake string
	from    int    // the problem is told so many characters into the mistake …
	to      int    // … or up to so many; 0: exactly at from
	most    int    // problems that are told; 0: two
	unless  string // rules in which this stands are passed over: there it is no mistake, or another one
	above   string // not at the mistake but at the last match of this above it: something is missing there
}

var operators = []operator{
	{name: "misspelt field of a rule", site: `(?m)^  (?P<at>source|group_by|context|condition|severity|suppress|alert|tests|title):`, mistake: "${at}q"},
	{name: "misspelt field of a feature", site: `[{ ](?P<at>agg|field|fields|window|exclude_current|min_samples|exact|p):`, mistake: "${at}q"},
	{name: "misspelt field of a test", site: `(?m)^  - (?P<at>name):`, mistake: "${at}q"},
	{name: "unknown source", site: `(?m)^  source: (?P<at>.*)$`, mistake: "${at}q"},
	{name: "unknown agg", site: `agg: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "unknown value field", site: `field: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "unknown field in condition", site: `(?m)^  condition: (?P<at>[a-z_]+) `, mistake: "${at}q"},
	{name: "unknown field behind text", site: `(?m)^  condition: (?P<at>\w)`, mistake: `1 == 1 and "é" == "é" and nothing > 1 and ${at}`, from: 26},
	{name: "unknown field in where", site: `(?m)^  where: (?:not )?(?P<at>[a-z_]+)`, mistake: "${at}q"},
	{name: "unknown field in folded text", site: `(?m)^    and (?P<at>[a-z_]+) [>=]`, mistake: "${at}q"},
	{name: "unknown field behind a doubled quote", site: `where: '(?P<at>)`, mistake: `"it''s" == "" or nothing or `, from: 17},
	{name: "unknown field behind escapes", site: `(?m)^(?:  alert: \{|    )summary: "(?P<at>)`, mistake: `\u00e9\t\x41 {nothing}`, from: 14},
	{name: "unknown field of a key", site: `(?m)^  group_by: \[(?P<at>\w+)`, mistake: "${at}q"},
	{name: "unknown function", site: `(?m)^  condition: (?P<at>)\w`, mistake: "nofunction(1) > 0 and "},
	{name: "unknown feature in a template", site: `(?m)^(?:  alert: \{|    )summary: "[^"]*\{(?P<at>[a-z_]+)[}:]`, mistake: "${at}qq"},
	{name: "unknown list", site: `list\((?P<at>"\w+)"`, mistake: "${at}qq"},
	{name: "unknown severity", site: `severity: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "unknown calendar", site: `calendar: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "unknown time zone", site: `timezone: (?P<at>[\w/]+)`, mistake: "${at}/Nowhere"},
	{name: "bad duration", site: `window: (?P<at>\d+)[dhm]`, mistake: "${at}q"},
	{name: "duration without unit", site: `window: (?P<at>\d+[dhm])`, mistake: "30"},
	{name: "missing source", site: `(?m)^  source: .*\n`, mistake: "", above: `(?m)^- (?P<at>)id:`},
	{name: "missing condition", unless: `(?m)^  (new_value|absence):`, site: `(?m)^  condition: [^>|\n][^\n]*\n`, mistake: "", above: `(?m)^- (?P<at>)id:`},
	{name: "missing window", site: `, window: (\w+|\{[^}]*\})`, mistake: "", above: `: +(?P<at>)\{agg`},
	{name: "missing agg", site: `agg: \w+, +`, mistake: "", above: `: +(?P<at>)\{`},
	{name: "wrong type", site: `min_samples: (?P<at>\d+)`, mistake: "ten"},
	{name: "list for text", site: `(?m)^  title: (?P<at>.*)$`, mistake: "[a, b]"},
	{name: "text for a mapping", site: `(?m)^  context:(?P<at>\n( {4}.*\n)+)`, mistake: " none\n", from: 1},
	{name: "text for a list", site: `(?m)^  exceptions: (?P<at>\[.*)$`, mistake: "none"},
	{name: "yes for true", site: `exclude_current: (?P<at>true)`, mistake: "yes"},
	{name: "number in the key", site: `(?m)^  group_by: \[(?P<at>\w+)`, mistake: "number"},
	{name: "empty condition", site: `(?m)^  condition:(?P<at> [^>|\n][^\n]*)$`, mistake: "", above: `(?m)^  (?P<at>)condition:`},
	{name: "condition that is no bool", site: `(?m)^  condition: (?P<at>[^>|\n][^\n]*)$`, mistake: "1 + 2"},
	{name: "condition that compares kinds", site: `(?m)^  condition: (?P<at>)\w`, mistake: `1 < "x" and `, to: 9},
	{name: "negative evidence", site: `(?m)^  alert: \{(?P<at>)`, mistake: "evidence: -1, ", from: 10},
	{name: "unclosed parenthesis", site: `(?m)^  condition: [^>|\n][^\n]*(?P<at>)$`, mistake: " and (", to: 6},
	{name: "closed parenthesis", site: `(?m)^  condition: [^>|\n][^\n]*(?P<at>)$`, mistake: ")"},
	{name: "unclosed text", site: `(?m)^  condition: [^>|\n][^\n]*(?P<at>)$`, mistake: ` and "x"" == "`, from: 5, to: 13},
	{name: "unclosed brace in a template", site: `(?m)^(?:  alert: \{|    )summary: "[^"]*(?P<at>)"`, mistake: " {x", from: 1},
	{name: "closed brace in a template", site: `(?m)^(?:  alert: \{|    )summary: "[^"]*(?P<at>)"`, mistake: "}"},
	{name: "format of text", site: `(?m)^(?:  alert: \{|    )summary: "(?P<at>)`, mistake: "{'x':.2}", from: 4},
	{name: "for without unit", unless: `(?m)^  (for|new_value|absence):`, site: `(?m)^(?P<at>)  condition:`, mistake: "  for: 5\n", from: 7},
	{name: "keep_firing_for misspelt", site: `(?m)^(?P<at>)  condition:`, mistake: "  keep_fireing_for: 5m\n", from: 2},
	{name: "absence without within", site: `(?m)^  (?P<at>)absence: \{of: [a-z._]+, within: \w+`, mistake: "absence: {of: nothing}\n  was", to: 15, most: 9},
	{name: "absence of an unknown source", site: `absence: \{of: (?P<at>[a-z._]+)`, mistake: "${at}q", most: 3},
	{name: "absence within no duration", site: `within: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "absence with a misspelt word", site: `absence: \{(?P<at>of):`, mistake: "off", most: 4},
	{name: "absence armed by nobody", site: `arm: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "absence cancelled by nobody", site: `cancel_on: (?P<at>[a-z._]+)`, mistake: "${at}q"},
	{name: "unknown field in the where of an absence", site: `absence: .* where: (?P<at>\w+)`, mistake: "${at}q"},
	{name: "absence and for", site: `(?m)^(?P<at>)  absence:`, mistake: "  for: 5m\n", from: 2},
	{name: "duplicate field", site: `(?m)^  condition: [^>|\n][^\n]*\n(?P<at>)`, mistake: "  condition: true\n", from: 2},
	{name: "duplicate id", site: `(?s)- id: (?P<id>[\w-]+)\n.*?\n- id: (?P<at>[\w-]+)\n`, mistake: "${id}"},
	{name: "tab", site: `(?m)^(?P<at>    )\w`, mistake: "\t"},
	{name: "too far in", site: `(?m)^(?P<at>  )condition:`, mistake: "   ", from: 3},
	{name: "too far out", site: `(?m)^(?P<at>  )condition:`, mistake: " ", from: 1},
	{name: "unclosed map", site: `(?m)^  suppress: (\{).*(?P<at>\})$`, mistake: "", above: `(?m)^  suppress: (?P<at>\{)`},
	{name: "unclosed list", site: `(?m)^  group_by: \[\w+(?P<at>\])`, mistake: "", above: `(?P<at>\[)`},
	{name: "bad instant", site: `at: (?P<at>)20\d\d-`, mistake: "on "},
	{name: "unknown field of an event", site: `\{at: [^,]+, (?P<at>\w+):`, mistake: "${at}q"},
	{name: "event that is not there", site: `event: (?P<at>\d+)`, mistake: "999"},
	{name: "unknown feature in an expectation", site: `context: \{(?P<at>[a-z_0-9]+): [^{]`, mistake: "${at}q"},
	{name: "feature named like a field", site: `(?m)^    (?P<at>\w+): +\{agg`, mistake: "key", most: 9},
	{name: "misspelt field of new_value", site: `(?m)^  new_value: .*?(?P<at>fields|history|learning):`, mistake: "${at}q"},
	{name: "no field for new_value", site: `(?m)^  new_value: \{fields: \[(?P<at>\w+)`, mistake: "${at}q"},
	{name: "a number that is new", site: `(?m)^  new_value: \{fields: \[(?P<at>\w+)`, mistake: "number"},
	{name: "no history", site: `, history: \w+`, mistake: "", above: `(?m)^  new_value: (?P<at>\{)`},
	{name: "misspelt field of a sequence", site: `(?m)^    (?P<at>within|steps):`, mistake: "${at}q"},
	{name: "misspelt field of a step", site: `(?m)^    - \{source: [\w.]+, (?P<at>times|as):`, mistake: "${at}q", most: 5},
	{name: "unknown source of a step", site: `(?m)^    - \{source: (?P<at>[\w.]+), (?:times|as)`, mistake: "${at}q"},
	{name: "too many times", site: `times: (?P<at>\d+)\}`, mistake: "1000"},
	{name: "unknown field of a named event", site: `\{entry\.(?P<at>user_id)\}`, mistake: "${at}q"},
	{name: "anchor", site: `(?m)^  severity: (?P<at>)`, mistake: "&a "},
}

// mutant is a file with one mistake.
type mutant struct {
	text     string
	line     int
	from, to int // columns
	at       string
	most     int // problems
}

// sites is at how many places of a file each mistake is made.
func sites() int {
	if testing.Short() {
		return 2
	}
	return 8
}

// mutants applies the operator at some sites of a file.
func (o *operator) mutants(text string, c *corpus) []mutant {
	site := regexp.MustCompile(o.site)
	var out []mutant
	for _, m := range site.FindAllStringSubmatchIndex(text, sites()) {
		start, end := m[0], m[1]
		if o.unless != "" && regexp.MustCompile(o.unless).MatchString(ruleAt(text, start)) {
			continue
		}
		if i := site.SubexpIndex("at"); i > 0 {
			start, end = m[2*i], m[2*i+1]
		}
		mistake := string(site.ExpandString(nil, o.mistake, text, m))
		switch mistake {
		case "number", "key":
			mistake = c.fieldOf(text[:start], mistake)
		}
		if mistake == "-" {
			continue
		}
		at := start
		if o.above != "" {
			above := regexp.MustCompile(o.above)
			found := above.FindAllStringSubmatchIndex(text[:start], -1)
			if len(found) == 0 {
				continue
			}
			at = found[len(found)-1][2]
		}
		mutated := text[:start] + mistake + text[end:]
		line := 1 + strings.Count(mutated[:at], "\n")
		col := 1 + utf8.RuneCountInString(mutated[strings.LastIndexByte(mutated[:at], '\n')+1:at])
		x := mutant{mutated, line, col + o.from, col + max(o.from, o.to), mutated[at:min(len(mutated), at+20)], cmp.Or(o.most, 2)}
		out = append(out, x)
	}
	return out
}

// ruleAt returns the rule in which an offset lies.
func ruleAt(text string, at int) string {
	from := max(0, strings.LastIndex(text[:at], "\n- id:"))
	if n := strings.Index(text[at:], "\n- id:"); n >= 0 {
		return text[from : at+n]
	}
	return text[from:]
}

// fieldOf returns a field of the source of the rule that the text ends in: a number, or a part of its key.
func (c *corpus) fieldOf(text, what string) string {
	rule := text[strings.LastIndex(text, "\n- id:")+1:]
	name := regexp.MustCompile(`(?m)^  source: (\S+)`).FindStringSubmatch(rule)
	if name == nil {
		return "-"
	}
	for _, s := range c.sources {
		if s.Name != name[1] {
			continue
		}
		if what == "key" {
			return s.Fields[s.Key[0]].Name
		}
		for i := range s.Fields {
			if s.Fields[i].Kind == event.KindNumber {
				return s.Fields[i].Name
			}
		}
	}
	return "-"
}

// cure is what tells a person what to do.
var cure = regexp.MustCompile(`; |did you mean`)

func TestMutants(t *testing.T) {
	all := corpora(t)
	for i := range operators {
		o := &operators[i]
		t.Run(o.name, func(t *testing.T) {
			n := 0
			for _, c := range all {
				for _, x := range o.mutants(c.text, c) {
					n++
					set, list := c.load(x.text)
					checkMutant(t, c, x, set, list)
					if _, same := c.load("\ufeff" + strings.ReplaceAll(x.text, "\n", "\r\n")); told(same) != told(list) {
						t.Errorf("with line ends of Windows\n%sinstead of\n%s", told(same), told(list))
					}
				}
			}
			if n == 0 {
				t.Error("there is no place for this mistake")
			}
		})
	}
}

func checkMutant(t *testing.T, c *corpus, x mutant, set *rules.Set, list *diag.List) {
	t.Helper()
	where := fmt.Sprintf("%s:%d:%d, at %q", c.path, x.line, x.from, x.at)
	var errors []diag.Problem
	for _, p := range list.Sorted() {
		if p.Severity == diag.Error {
			errors = append(errors, p)
		}
	}
	if set != nil || len(errors) == 0 {
		t.Errorf("%s: nothing is told", where)
		return
	}
	at := func(p diag.Problem) bool {
		return p.Position.File == c.path && p.Position.Line == x.line && p.Position.Col >= x.from && p.Position.Col <= x.to
	}
	if len(errors) > x.most {
		t.Errorf("%s: one mistake, %d problems:\n%s", where, len(errors), told(list))
	}
	if !slices.ContainsFunc(errors, at) {
		t.Errorf("%s: not told there:\n%s", where, told(list))
	}
	for _, p := range errors {
		if !cure.MatchString(p.Message) {
			t.Errorf("%s: no cure: %s", where, p)
		}
	}
}
