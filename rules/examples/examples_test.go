package examples_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/internal/chain"
	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/examples"
	"insolite/rules/lookup"
)

// load reads an example as a deployment does; with only, that rule alone, and with the lists of a test instead of the configured ones.
func load(t *testing.T, name, only string, instead *lookup.Set) *rules.Set {
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
	if instead != nil {
		maps.Copy(lookups.Lists, instead.Lists)
	}
	var files []rules.File
	for _, p := range c.Rules {
		data, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rules.File{Path: p, Data: data})
	}
	set, list := rules.Load(files, c.Sources, lookups, rules.Options{Only: only})
	fail(t, list)
	return set
}

// The deployment of all examples has their sources and rules as they are, but for how its history is read.
func TestAllTogether(t *testing.T) {
	all := load(t, ".", "", nil)
	rules := 0
	for _, name := range []string{"pizza", "payments", "logins", "sensors"} {
		one := load(t, name, "", nil)
		for _, want := range one.Sources {
			i := slices.IndexFunc(all.Sources, func(s *event.Source) bool { return s.Name == want.Name })
			if i < 0 {
				t.Errorf("%s is missing", want.Name)
				continue
			}
			got := *all.Sources[i]
			got.WarmUp = want.WarmUp
			if !reflect.DeepEqual(&got, want) {
				t.Errorf("%s differs:\n got %+v\nwant %+v", want.Name, &got, want)
			}
		}
		for _, want := range one.Rules {
			rules++
			if got := all.Rule(want.ID); got == nil || got.Version != want.Version {
				t.Errorf("rule %s is missing or another one", want.ID)
			}
		}
	}
	if len(all.Rules) != rules {
		t.Errorf("%d rules, want %d", len(all.Rules), rules)
	}
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

// Every example loads without a word of advice, and every rule shows what it is for and what it is not for.
func TestExamplesLoad(t *testing.T) {
	folders, err := fs.ReadDir(examples.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			set := load(t, f.Name(), "", nil)
			if len(set.Rules) < 3 {
				t.Errorf("%d rules", len(set.Rules))
			}
			for _, r := range set.Rules {
				silent, alerting := 0, 0
				for _, test := range r.Tests {
					if len(test.Expect) == 0 {
						silent++
					} else {
						alerting++
					}
				}
				if silent == 0 || alerting == 0 {
					t.Errorf("%s: %d tests that stay silent, %d that alert", r.ID, silent, alerting)
				}
			}
		})
	}
}

// Every test of every example holds: the engine gives the alerts that the test expects, in their order.
func TestExamplesHold(t *testing.T) {
	for _, name := range []string{"pizza", "payments", "logins", "sensors", "carts"} {
		for _, r := range load(t, name, "", nil).Rules {
			for i := range r.Tests {
				t.Run(r.ID+"/"+r.Tests[i].Name, func(t *testing.T) {
					set := load(t, name, r.ID, r.Tests[i].Lookups)
					rule := set.Rule(r.ID)
					compare(t, rule, rule.Tests[i].Expect, tell(t, set, rule.Source.Topic, rule.Tests[i].Steps))
				})
			}
		}
	}
}

// alert is what a test may expect of one.
type alert struct {
	State    string
	At       time.Time
	Summary  string
	Key      map[string]any
	Context  map[string]struct{ Value any }
	Position struct{ Offset int }
}

// tell gives the events of a test to new tasks and returns their alerts.
func tell(t *testing.T, set *rules.Set, topic string, steps []rules.Step) (got []alert) {
	t.Helper()
	c, err := chain.New(set, chain.Options{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	var out engine.Output
	b := ingest.Batch{Topic: topic}
	step := func() {
		if err := c.Step(&b, &out); err != nil {
			t.Fatal(err)
		}
		b.Records = nil
	}
	for _, s := range steps {
		if s.Event == 0 {
			step()
			if err := c.Pass(s.At, &out); err != nil {
				t.Fatal(err)
			}
			continue
		}
		b.Records = append(b.Records, ingest.Record{Offset: event.Offset(s.Event), Timestamp: s.At, Value: s.JSON})
		b.Next = event.Offset(s.Event) + 1
	}
	step()
	for _, d := range out.DeadLetters {
		t.Errorf("event %d: %s", d.Record.Offset, d.Message)
	}
	for _, a := range out.Alerts {
		var v alert
		if err := json.Unmarshal(a.Value, &v); err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	return got
}

func compare(t *testing.T, rule *rules.Rule, want []rules.Expect, got []alert) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d alerts, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		g := got[i]
		if g.Position.Offset != w.Event {
			t.Errorf("alert %d is of event %d, want %d", i+1, g.Position.Offset, w.Event)
		}
		if w.State != "" && g.State != w.State || w.At != event.NoTime && !g.At.Equal(w.At.Std()) {
			t.Errorf("alert %d is %s at %s, want %s at %s", i+1, g.State, g.At, w.State, w.At.Std())
		}
		for j, k := range w.Key {
			if name := rule.Source.Fields[rule.GroupBy[j]].Name; fmt.Sprint(g.Key[name]) != k.Text() {
				t.Errorf("event %d: %s is %v, want %s", w.Event, name, g.Key[name], k.Text())
			}
		}
		for _, c := range w.Context {
			name, member, several := strings.Cut(c.Name, ".")
			v := g.Context[name].Value
			if several {
				v = v.(map[string]any)[member]
			}
			if fmt.Sprint(v) != c.Value.Text() {
				t.Errorf("event %d: %s is %v, want %s", w.Event, c.Name, v, c.Value.Text())
			}
		}
		if w.Summary != nil && g.Summary != *w.Summary {
			t.Errorf("event %d: summary %q, want %q", w.Event, g.Summary, *w.Summary)
		}
	}
}
