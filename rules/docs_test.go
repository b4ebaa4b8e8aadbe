package rules

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"insolite/context/baseline"
	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
	"insolite/rules/lookup"
)

func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../docs/rules/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// declared are the sources of testdata.
func declared(t *testing.T) []*event.Source {
	t.Helper()
	data, err := os.ReadFile("testdata/sources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list diag.List
	doc, ok := yamldoc.Parse("sources.yaml", data, &list)
	if !ok {
		t.Fatal(list.Err())
	}
	return ParseSources(doc.Root)
}

// TestDocsLoad loads every rule of the page, which gives no reason for advice either.
func TestDocsLoad(t *testing.T) {
	var list diag.List
	sources := declared(t)
	lookups := &lookup.Set{Lists: map[string]*lookup.List{"trusted": lookup.ParseList("trusted", []byte("groceries\n"), &list)}}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t), -1) {
		text := block[1]
		if !strings.HasPrefix(text, "version:") {
			text = "version: 1\nrules:\n" + text
		}
		set, list := Load([]File{{Path: "rules.md", Data: []byte(text)}}, sources, lookups, Options{})
		for _, p := range list.Sorted() {
			t.Errorf("%s\n%s", p, p.Caret())
		}
		if set != nil {
			n += len(set.Rules)
		}
	}
	if n < 2 {
		t.Errorf("%d rules", n)
	}
}

// TestDocsNameEverything holds the page's words and limits against the code's.
func TestDocsNameEverything(t *testing.T) {
	text := page(t)
	words := window.AggNames()
	words = append(append(append(words, baseline.SeasonNames()...), baseline.DirectionNames()...), baselineMembers...)
	for _, s := range severityNames {
		words = append(words, s)
	}
	for _, m := range modeNames {
		words = append(words, m)
	}
	for u := window.Minute; u <= window.Month; u++ {
		words = append(words, u.String())
	}
	for _, w := range words {
		if !strings.Contains(text, "`"+w+"`") && !strings.Contains(text, "calendar: "+w) {
			t.Errorf("the page does not name %s", w)
		}
	}
	for what, limit := range map[string]int{
		"rules of a set": RulesMax, "features of a rule": FeaturesMax, "fields of a `first` or `last`": MembersMax, "fields of a key": groupMax,
		"exceptions of a rule": exceptionsMax, "baselines of a rule": BaselinesMax, "labels, and links, of an alert": namedMax, "tests of a rule": TestsMax,
		"steps of a sequence": SequenceStepsMax, "events of a step": SequenceTimesMax, "fields of a sequence's named events": captureMax, "events of a test": StepsMax,
		"bytes of an expression or a text": expr.TextMax,
	} {
		if row := fmt.Sprintf("| %d | %s |", limit, what); !strings.Contains(text, row) {
			t.Errorf("the page has no row %s", row)
		}
	}
	for _, sentence := range []string{
		fmt.Sprintf("0 to %d, by default %d", EvidenceMax, EvidenceDefault), fmt.Sprintf("at most %d events", window.MaxRows),
		fmt.Sprintf("the last 50 events; at most %d", window.MaxEvents),
		fmt.Sprintf("only `value` is known; %d by default", BaselineSamples), fmt.Sprintf("a baseline of fewer than %d samples", baselineFewest),
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("the page does not say: %s", sentence)
		}
	}
}
