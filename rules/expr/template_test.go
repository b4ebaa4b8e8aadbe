package expr

import (
	"slices"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"plain":                       "plain",
		"{amount} {amount:.2}":        "2.5 2.50",
		"{count}/{count:.1}/{big:.0}": "7/7.0/9223372036854775807",
		"{{{card}}} }}{{":             "{vïsa} }{",
		"{n} {n + 1:.2} {u}":          "n/a n/a n/a",
		"{ok} {t} {addr}":             "true 1970-01-01T01:00:01+01:00 10.1.2.3",
		`{duration("90s")}`:           "1m30s",
		`{"a:.2"} {'}'} {"\"}"}`:      `a:.2 } "}`,
		"{ok ? amount : 1 :.1}":       "2.5",
		"{ok ? 1 : 2}":                "1",
		"a\tb\n{\"c\\u0085\\x1bd\"}":  "abcd",
		"{geo.country}{1e300}":        "IT1e+300",
	} {
		var problems diag.List
		tm := CompileTemplate(text, names, nil, &problems)
		if tm == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		if got := string(tm.Append([]byte("> "), row)); got != "> "+want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestTemplateMax(t *testing.T) {
	for _, text := range []string{strings.Repeat("ï", 400), strings.Repeat("x", 298) + "{card}{card}", "{\"" + strings.Repeat("€", 301) + "\"}"} {
		got := string(CompileTemplate(text, names, nil, &diag.List{}).Append(nil, row))
		if n := len([]rune(got)); n != TemplateMax || strings.ContainsRune(got, '\uFFFD') {
			t.Errorf("%d characters: %q", n, got)
		}
	}
	bad := event.Row{{}, {}, event.StringValue("a\xffb\x00")}
	if got := string(CompileTemplate("{card}", names, nil, &diag.List{}).Append(nil, bad)); got != "a\uFFFDb" {
		t.Errorf("bad UTF-8 gives %q", got)
	}
}

func TestTemplateErrors(t *testing.T) {
	for text, want := range map[string]string{
		"ï {amuont}":  `:1:4: source payments has no field "amuont"`,
		"a } b":       ":1:3: } closes nothing",
		"a {card":     ":1:3: { is not closed",
		"{card:.2}":   ":1:6: a format applies to numbers, this is a string",
		"{count:.16}": ":1:7: at most 15 digits",
		"{}":          "syntax: ",
		"{amount:.}":  "syntax: ",
	} {
		var problems diag.List
		if CompileTemplate(text, names, nil, &problems) != nil {
			t.Errorf("%s compiles", text)
		} else if got := problems.Err().Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestTemplateSlots(t *testing.T) {
	for text, want := range map[string][]event.Slot{
		"": nil, "plain": nil, "{1 + 2}": nil, "{card} {count + amount} {count}": {0, 1, 2}, "{geo.country}{ok ? t : t}": {3, 6, 9},
	} {
		if got := CompileTemplate(text, names, nil, &diag.List{}).Slots(); !slices.Equal(got, want) {
			t.Errorf("%s reads %v, want %v", text, got, want)
		}
	}
}
