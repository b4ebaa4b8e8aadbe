package rules_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"insolite/ingest/decode"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules"
	"insolite/rules/lookup"
)

// FuzzLoad holds any file to what Load promises: a set, or an error at a place that is in the file, with a cure; the same for the same file.
func FuzzLoad(f *testing.F) {
	all, look := sources(f), lookups(f)
	for _, file := range files(f) {
		f.Add(string(file.Data))
	}
	for _, feature := range []string{"agg: count, window: 1h", "agg: last, fields: [amount], window: {events: 3}"} {
		f.Add("version: 1\nrules:\n" + rule("a", feature))
	}
	f.Add("version: 1\nrules:\n" + sound)
	f.Fuzz(func(t *testing.T, text string) { holdsPromises(t, text, all, look) })
}

// damaged is a file after careless hands and editors.
func damaged(r *rand.Rand, file []byte) string {
	words := []string{"{", "}", "[", "]", `"`, "'", ":", "- ", "\n", "\t", "  ", "#", "&a", "*a", "!", "|", ">", "?", "%", "(", ")", "1", "é", "\x00", ",", "not ", "and ", "==", "-", "{{", "..", "??", `\`}
	b := slices.Clone(file)
	for range 1 + r.IntN(6) {
		i := r.IntN(len(b))
		switch j := min(len(b), i+r.IntN(60)); r.IntN(4) {
		case 0:
			b = slices.Insert(b, i, []byte(strings.Repeat(words[r.IntN(len(words))], 1+r.IntN(40)*r.IntN(2)))...)
		case 1:
			b = slices.Delete(b, i, max(i, min(j, len(b)-1)))
		case 2:
			b = slices.Insert(b, j, b[i:j]...)
		case 3:
			b[i] = byte(r.IntN(256))
		}
	}
	return string(b)
}

func TestDamagedFiles(t *testing.T) {
	all, look, sound := sources(t), lookups(t), files(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		text := damaged(r, sound[r.IntN(len(sound))].Data)
		if holdsPromises(t, text, all, look); t.Failed() {
			t.Fatalf("of\n%s", text)
		}
	}
}

func TestDamagedSources(t *testing.T) {
	data, err := os.ReadFile("testdata/sources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		text := damaged(r, data)
		if sourcesHold(t, text); t.Failed() {
			t.Fatalf("of\n%s", text)
		}
	}
}

// holdsPromises loads a file twice.
func holdsPromises(t *testing.T, text string, all []*event.Source, look *lookup.Set) {
	t.Helper()
	load := func() (*rules.Set, *diag.List) {
		return rules.Load([]rules.File{{Path: "r.yaml", Data: []byte(text)}}, all, look, rules.Options{})
	}
	set, list := load()
	if (set == nil) != list.HasErrors() {
		t.Fatalf("set %v, %s", set, told(list))
	}
	lines := strings.Split(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n")
	for _, p := range list.Sorted() {
		at := p.Position
		if at.Line > len(lines) || at.Line > 0 && (at.Col < 1 || at.Col > utf8.RuneCountInString(lines[at.Line-1])+1) {
			t.Errorf("%s is not in the file", p)
		}
		if p.Severity == diag.Error && !cure.MatchString(p.Message) {
			t.Errorf("%s has no cure", p)
		}
	}
	again, list2 := load()
	if told(list) != told(list2) {
		t.Errorf("first\n%sthen\n%s", told(list), told(list2))
	}
	if set == nil {
		return
	}
	if set.Version != again.Version {
		t.Errorf("version %s, then %s", set.Version, again.Version)
	}
	checkLayouts(t, set)
	for _, r := range set.Rules {
		if r.Condition == nil || r.Alert.Summary == nil || len(r.GroupBy) == 0 || r.Keyspace == nil && r.Enabled() {
			t.Errorf("rule %s is not whole: %+v", r.ID, r)
		}
	}
}

// TestHostileFiles reads files that are one long line of mistakes. Each took minutes, or gigabytes, without the limit that it meets.
func TestHostileFiles(t *testing.T) {
	const rule = "- id: a\n  source: payment.authorized\n  group_by: customer_id\n  condition: amount > 1\n  "
	var names, rows strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&names, "l%d: a, ", i)
		fmt.Fprintf(&rows, "l%d: {c%d: a}, ", i, i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"unknown fields": {"- {id: a, " + names.String() + "}\n", `r.yaml:3:11: unknown field "l0"`},
		"exceptions":     {rule + "exceptions: [" + strings.Repeat("{name: a, where: amount},", 4000) + "]\n", "a rule has at most 64 exceptions"},
		"labels":         {rule + "alert: {labels: {" + names.String() + "}}\n", "an alert has at most 32 labels"},
		"features":       {rule + "context: {" + names.String() + "}\n", "a rule has at most 64 features"},
		"template":       {rule + "alert: {summary: '" + strings.Repeat("{amont}", 50_000) + "'}\n", "the text has 350000 bytes"},
		"columns":        {rule + "tests: [{name: a, events: [], expect: [], lookups: {merchants: {" + rows.String() + "}}}]\n", "at most 64 columns"},
		"rows":           {rule + "tests: [{name: a, events: [], expect: [], lookups: {merchants: {" + strings.ReplaceAll(names.String(), ": a", ": {c: a}") + "}}}]\n", "at most 1000 rows"},
		"events":         {rule + "tests: [{name: a, events: [" + strings.Repeat("{after: 1s},", 4000) + "], expect: []}]\n", "at most 2000 events"},
		"words":          {strings.Repeat("- {id: a}\n", 40_000), "more than 200000 words"},
	} {
		set, list := load(t, c.text, rules.Options{})
		if set != nil || !strings.Contains(told(list), c.want) {
			t.Errorf("%s: %.500s", name, told(list))
		}
	}
}

// TestLargestSets loads as much as the limits allow: nothing may grow with the square of it.
func TestLargestSets(t *testing.T) {
	var many strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&many, "- {id: r%d, source: payment.authorized, group_by: customer_id, where: items > %d, context: {f: {agg: count, window: %dm}}, condition: f > 1}\n", i, i, i+1)
	}
	set := mustLoad(t, many.String())
	k := set.Plans[0].Keyspaces[0]
	if len(k.Cells) != 1500 || len(k.Streams[0].Wheres) != 1500 || set.Plans[0].Sources[0].Width != 9+1500 {
		t.Errorf("%d cells, %d wheres", len(k.Cells), len(k.Streams[0].Wheres))
	}
}

// FuzzSources holds what is declared below sources to the same promises.
func FuzzSources(f *testing.F) {
	data, err := os.ReadFile("testdata/sources.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("a:\n  topic: t\n  fields: {id: {type: time, unit: ms, path: [a, b], optional: true}}\n")
	f.Fuzz(sourcesHold)
}

// sourcesHold reads sources: they are whole, so that a decoder can be made, or told with a cure.
func sourcesHold(t *testing.T, text string) {
	t.Helper()
	var list diag.List
	doc, ok := yamldoc.Parse("s.yaml", []byte(text), &list)
	if !ok {
		return
	}
	all := rules.ParseSources(doc.Root)
	for _, p := range list.Sorted() {
		if !cure.MatchString(p.Message) {
			t.Errorf("%s has no cure", p)
		}
	}
	if list.HasErrors() {
		return
	}
	for _, s := range all {
		if s.EventTime == event.NoSlot || s.Topic == "" || len(s.Fields) == 0 {
			t.Errorf("source %+v is not whole", s)
		}
		if _, err := decode.New(topicOf(all, s.Topic), nil); err != nil {
			t.Errorf("no decoder: %v", err)
		}
	}
}
