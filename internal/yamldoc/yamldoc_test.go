package yamldoc

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"insolite/context/window"
	"insolite/internal/diag"
)

// problems parses text and returns what is wrong with it, one problem a line.
func problems(t *testing.T, text string, read func(*Node)) string {
	t.Helper()
	var list diag.List
	doc, ok := Parse("f.yaml", []byte(text), &list)
	if ok && read != nil {
		read(doc.Root)
	}
	var b strings.Builder
	for _, p := range list.Sorted() {
		fmt.Fprintln(&b, p)
	}
	return strings.TrimSpace(b.String())
}

// broken are files outside the subset, each with the place and the first words of its problem.
var broken = []struct{ text, want string }{
	{"a: 1\na: 2\n", `f.yaml:2:1: "a" is given twice, first in line 1; keep one`},
	{"a: &x 1\nb: *x\n", "f.yaml:1:4: anchors and aliases are not allowed; write the value where it is used\nf.yaml:2:4: anchors and aliases are not allowed; write the value where it is used"},
	{"a: !!str 1\n", "f.yaml:1:4: tags are not allowed; write the plain value"},
	{"a:\n  <<: {b: 1}\n", "f.yaml:2:3: merge keys are not allowed; write the fields where they are used"},
	{"? a\n: 1\n", "f.yaml:1:1: a field's name is a plain word; write name: value"},
	{"a: 1\n---\nb: 2\n", "f.yaml:3:2: a second document; put everything in one document, or in another file"},
	{"a: b: c\n", "f.yaml:1:4: this is not valid YAML: mapping value is not allowed in this context; put text with a colon in quotes, or check the indentation"},
	{"a: [1\n", "f.yaml:1:4: this [ is not closed; write ] behind its last item"},
	{"a: {b: 1\n", "f.yaml:1:4: this { is not closed; write } behind its last field"},
	{"a: \"x\n", "f.yaml:1:4: this is not valid YAML: could not find end character of double-quoted text; close the text with a double quote"},
	{"\ta: 1\n", "f.yaml:1:2: this is not valid YAML: tab character cannot use as a map key directly; indent with spaces"},
	{"a:\n  - b\n c: 1\n", "f.yaml:3:2: this is not valid YAML: value is not allowed in this context; check the indentation: fields of one mapping start in one column"},
	{"a: \xff\n", "f.yaml:1:4: the file is not valid UTF-8; save it as UTF-8"},
	{"a: é\x01\n", "f.yaml:1:5: control character U+0001; remove it"},
	{"a: " + strings.Repeat("[", 60) + strings.Repeat("]", 60), "f.yaml:1:43: more than 40 levels of nesting; flatten it"},
	{strings.Repeat("- ", 60) + "a", "f.yaml:1:81: more than 40 levels of nesting; flatten it"},
	{"a: " + strings.Repeat("x", SizeMax), "f.yaml: the file has 1048579 bytes, the limit is 1048576; split it into several files"},
}

func TestBroken(t *testing.T) {
	for _, c := range broken {
		if got := problems(t, c.text, nil); got != c.want {
			t.Errorf("%.40q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestReadersReportEverythingAtOnce(t *testing.T) {
	text := "name: 12\nmoda: live\nmode: lve\nwait: 10\nlater: 5x\nsize: big\nnumber: 7\nflag: yes\nlist: {a: 1}\nrate: fast\nnone:\n"
	got := problems(t, text, func(n *Node) {
		m := n.Map("a thing")
		m.String("name")
		m.OneOf("mode", "live", "live", "shadow")
		m.Duration("wait", 0)
		m.Duration("later", 0)
		m.Bytes("size", 0)
		m.Int("number", 1, 5)
		m.Bool("flag")
		m.Get("list").List("words")
		m.Get("rate").Float()
		m.String("none")
		m.Required("id", "id: x")
		m.Done()
	})
	want := `f.yaml:1:1: a thing has no "id"; add it, as in id: x
f.yaml:1:7: "name" is a string, this is an int; put it in quotes: "12"
f.yaml:2:1: unknown field "moda" in a thing; did you mean "mode"?
f.yaml:3:7: unknown mode "lve"; did you mean "live"?
f.yaml:4:7: "wait" is a duration, this is an int; write it with a unit, as in 90s, 1h30m, 30d, 8w
f.yaml:5:8: "5x" is not a duration: a unit is missing or unknown; write it as in 90s, 1h30m, 30d, 8w
f.yaml:6:7: "big" is not a size; write it as in 512MiB or 1GiB
f.yaml:7:9: "number" is 7; it is between 1 and 5
f.yaml:8:7: "flag" is true or false, this is a string; write true
f.yaml:9:7: "list" is a list of words, this is a mapping; write [ ] around it or a dash before each item
f.yaml:10:7: "rate" is a number, this is the string "fast"; write it as in 12.5
f.yaml:11:1: "none" is a string, this is nothing; write text`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestLocate checks that each marked character of a scalar is found where it is written.
func TestLocate(t *testing.T) {
	for _, text := range []string{
		"a: one @two\n",
		"a: 'it''s @here'\n",
		"a: \"x\\t\\u00e9\\\"@y\"\n",
		"a: \"fold\n  two \\\n   é@z\"\n",
		"a: plain\n  goes @on\n",
		"# c\nb: 1\na: |\n  one\n    two @x\n",
		"a: >-\n  folded\n  te @xt\n\n  more\n",
		"a: >\n\n  é folded\n  text\n\n  m@ore\n",
		"x:\n- a: |2\n      one\n    t@wo\n",
		"é: {a: 'ü @x'}\n",
		"a: @\n",
		"a: '@'\r\n",
	} {
		var list diag.List
		quoted := strings.Replace(text, "a: @\n", "a: \"@\"\n", 1)
		doc, ok := Parse("f.yaml", []byte(quoted), &list)
		if !ok {
			t.Fatalf("%q: %v", quoted, list.Err())
		}
		n := find(doc.Root)
		if n == nil {
			t.Fatalf("%q: no scalar with a mark", quoted)
		}
		got := n.Locate(strings.IndexByte(n.Text, '@'))
		before, _, _ := strings.Cut(quoted, "@")
		line := 1 + strings.Count(before, "\n")
		col := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
		if got.Line != line || got.Col != col {
			t.Errorf("%q: located at %d:%d, is at %d:%d", quoted, got.Line, got.Col, line, col)
		}
	}
}

func find(n *Node) *Node {
	if strings.Contains(n.Text, "@") {
		return n
	}
	for _, p := range n.Pairs {
		if f := find(p.Value); f != nil {
			return f
		}
	}
	for _, i := range n.Items {
		if f := find(i); f != nil {
			return f
		}
	}
	return nil
}

func TestSecretsStayOutOfSnippets(t *testing.T) {
	for _, text := range []string{"password: [hunter2]\n", "password: hunter2\n", "password: \"x\n  hunter2\"\n", "password: |\n  x\n  hunter2\n", "sasl: {password: hunter2, user: 1}\n", "password: {hunter2: 1}\n"} {
		var list diag.List
		doc, ok := Parse("f.yaml", []byte(text), &list, "password")
		if !ok {
			t.Fatal(list.Err())
		}
		walk(doc.Root, func(n *Node) { n.Errorf("wrong") })
		for _, p := range list.Sorted() {
			if strings.Contains(p.Caret(), "hunter2") {
				t.Errorf("%q: the secret is shown: %s", text, p.Caret())
			}
		}
	}
}

func TestCaretIsUnderTheWord(t *testing.T) {
	var list diag.List
	doc, _ := Parse("f.yaml", []byte("a: {é: \"no\\\"t\", b: 1}\n"), &list)
	doc.Root.Map("f").Get("a").Map("a").Get("é").Errorf("wrong")
	want := "a: {é: \"no\\\"t\", b: 1}\n       ^^^^^^^"
	if got := list.Sorted()[0].Caret(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "8w": 56 * 24 * time.Hour, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "100ms": 100 * time.Millisecond, "1d12h": 36 * time.Hour,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if back, err := ParseDuration(window.DurationText(got)); err != nil || back != got {
			t.Errorf("%s is written as %s and read back as %v, %v", text, window.DurationText(got), back, err)
		}
	}
	for _, text := range []string{"", "0s", "-1h", "5", "5x", "30m1h", "1h1h", "999999999d", "1.2.3s", "h"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{"1GiB": 1 << 30, "512MiB": 512 << 20, "1.5kB": 1500, "100": 100, "2 MB": 2e6} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "1XB", "0", "99999999999GiB"} {
		if n, err := ParseBytes(text); err == nil {
			t.Errorf("%q is read as %d", text, n)
		}
	}
}

// TestHostileFilesAreCheap reads files at the size limit that are made to be slow.
func TestHostileFilesAreCheap(t *testing.T) {
	for name, text := range map[string]string{
		"dashes":  strings.Repeat("- ", 400_000),
		"braces":  strings.Repeat("{", 900_000),
		"colons":  strings.Repeat("a: ", 300_000),
		"quotes":  strings.Repeat("'", 900_000),
		"lines":   strings.Repeat("a\n", 400_000),
		"keys":    strings.Repeat("a:\n", 300_000),
		"indents": "a: |\n" + strings.Repeat("  x\n", 200_000),
		"plain":   "a: " + strings.Repeat("b c ", 200_000),
		"double":  "a: \"" + strings.Repeat("\\n", 400_000) + "\"",
		"comment": strings.Repeat("# c\n", 200_000),
		"flow":    "a: [" + strings.Repeat("1,", 90_000) + "1]",
		"fold":    "a: >\n" + strings.Repeat("  x\n\n", 150_000),
	} {
		start := time.Now()
		var list diag.List
		Parse(name, []byte(text), &list)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range broken {
		if len(c.text) < 1000 {
			f.Add(c.text)
		}
	}
	f.Add("a: {b: [1, 'x''y', \"z\\n\"], c: |\n  t\n}\nd: >-\n  x\n y\n")
	f.Add("- a\n-\n- - b\n  - c: d\n    e: ~\n")
	f.Fuzz(func(t *testing.T, text string) {
		var list diag.List
		doc, ok := Parse("f", []byte(text), &list)
		if !ok && !list.HasErrors() {
			t.Fatal("refused without a reason")
		}
		if !ok || doc.Root == nil {
			return
		}
		walk(doc.Root, func(n *Node) {
			if pos := n.Position(); pos.Line < 1 || pos.Col < 1 {
				t.Errorf("%q has no place: %v", n.Text, pos)
			}
			for _, at := range []int{-1, 0, 1, len(n.Text) / 2, len(n.Text), len(n.Text) + 5} {
				if pos := n.Locate(at); pos.Line < 1 || pos.Col < 1 {
					t.Errorf("offset %d of %q has no place: %v", at, n.Text, pos)
				}
				n.ErrorAt(at, 3, "x")
			}
			n.Errorf("x")
		})
		for _, p := range list.Sorted() {
			_ = p.Caret()
		}
	})
}

func walk(n *Node, visit func(*Node)) {
	visit(n)
	for _, p := range n.Pairs {
		visit(p.Key)
		walk(p.Value, visit)
	}
	for _, i := range n.Items {
		walk(i, visit)
	}
}
