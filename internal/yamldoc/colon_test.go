package yamldoc

import (
	"testing"

	"insolite/internal/diag"
)

// A colon without a space behind it is part of the text, however deep in brackets it stands.
func TestColonsInBrackets(t *testing.T) {
	for _, text := range []string{
		"k: {b: [localhost:9092]}", "k: {b: [ localhost:9092 ]}", "k:\n  b: [localhost:9092]", "k: {b: [\"localhost:9092\"]}",
		"k: {b: [localhost:9092], c: 1}", "k: {b: [localhost:9092, other:1]}", "k: {b:\n  [localhost:9092,\n   other:1]}",
	} {
		var list diag.List
		doc, ok := Parse("f.yaml", []byte(text+"\n"), &list)
		if !ok || list.HasErrors() {
			t.Errorf("%s: %v", text, list.Err())
			continue
		}
		b := doc.Root.Map("f").Map("k", "k").Get("b")
		if b.Kind != Seq || b.Items[0].Kind != String || b.Items[0].Text != "localhost:9092" {
			t.Errorf("%s: the item is %v %q", text, b.Items[0].Kind, b.Items[0].Text)
		}
		if len(b.Items) > 1 && b.Items[1].Text != "other:1" {
			t.Errorf("%s: the second item is %q", text, b.Items[1].Text)
		}
	}
	var list diag.List
	doc, _ := Parse("f.yaml", []byte("k: {b: [a:b:c, {d: 1}, e: 2, \"f\":3]}\n"), &list)
	items := doc.Root.Map("f").Map("k", "k").Get("b").Items
	if got := items[0].Text; got != "a:b:c" {
		t.Errorf("a:b:c reads %q", got)
	}
	for i := 1; i < 4; i++ {
		if items[i].Kind != Mapping {
			t.Errorf("item %d is %s, want a mapping", i, items[i].Kind)
		}
	}
}
