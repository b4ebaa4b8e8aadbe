package expr

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

var update = flag.Bool("update", false, "write the goldens and docs/rules/expressions.md anew")

// badConditions and badTemplates reach every message of the package.
var badConditions = []string{
	// names
	`amuont > 1`, `zzz > 1`, `ok and geo.contry == "IT"`, `geo.zzz == ""`, `geo == "IT"`, `amount.x > 1`, `geo[count] == ""`, `geo?.country == "IT"`, `(count + 1).x > 1`, `event == 1`,
	// kinds
	`amount`, `card`, `card == "ï" and card > 1`, `ok < ok`, `addr < addr`, `card + "x" == card`, `card - 1 > 1`, `amount % 2 == 0`, `t * 2 > t`, `t + t > t`, `ok and card`, `card contains 1`, `(n ?? card) == 1`, `addr == "10.0.0.0/8"`,
	`not count`, `!card`, `+card == ""`, `-card == ""`, `-t > t`, `count ? 1 : 2`, `(ok ? 1 : "a") == 1`,
	// syntax
	`1 +`, `amount = 1`, `ok AND ok`, `card is null`, `(ok`, `card == "x`, `count > 99999999999999999999`, "card == \"\xff\"", `count ** 2 > 1`, `nil == n`, `card.size() > 1`, `[1] == 1`, `let x = 1; x > 1`, `1..3 == 1`, `{"a": 1}.a == 1`,
	`count in 1..3`, strings.Repeat("ok and ", 600) + "ok",
	// in and matches
	`count in ["a"]`, `card in [1]`, `card in "IT"`, `count in count`, `ok in [true]`, `t in [1]`, `count in [count]`, `addr in [1]`, `addr in ["10.0.0/8"]`, `addr in "::ffff:0:0/90"`, `card matches "("`, `card matches card`, `count matches "1"`, `card matches "\\p{Foo}"`,
	// lists and tables
	`addr in list("vnp")`, `addr in list("countries")`, `addr in list("merchants")`, `addr in list(card)`, `addr in list()`, `amount in list("vpn")`, `list("vpn")`, `lookup("merchant", card).country == ""`, `lookup("zzz", card).country == ""`,
	`lookup("vpn", card).country == ""`, `lookup(card, card).country == ""`, `lookup("merchants", card).contry == ""`, `lookup("merchants", card).x == ""`, `lookup("merchants", card)[card] == ""`, `lookup("merchants", amount).country == ""`,
	`lookup("merchants", card) == ""`, `lookup("merchants").country == ""`,
	// functions
	`lenn(card) > 1`, `trim(card) == "A"`, `len() > 1`, `len(count) > 1`, `hour() > 1`, `hour(card) > 1`, `hour(t, card) > 1`, `hour(t, "Rome/Europe") > 1`, `weekday(t, "Local") > 1`, `lower(t) == ""`, `abs(t) > t`, `round(card) > 1`, `log(ok) > 1`,
	`max(1) > 1`, `max(1, card) > 1`, `duration("5x") > duration(card)`, `distance_km(prev) > 1`, `distance_km(prev, card) > 1`, `speed_kmh(prev, untimed) > 1`, `distance_km(prev, oslo) > 1`, `distance_km(prev, 1) > 1`, `has(zzz)`,
}

var badTemplates = []string{"ï {amuont}", "a } b", "a {card", "{card:.2}", "{count:.16}", "{}", "{amount:.}"}

func errorScope(t *testing.T) *Scope {
	s := &Scope{Source: "payments", TimeField: "at", Names: maps.Clone(names.Names), Lookups: lookups(t)}
	s.Names["prev"], s.Names["event"] = place(20), place(23)
	s.Names["untimed"] = Ref{Members: map[string]Ref{"lat": {Slot: 20, Kind: event.KindNumber}, "lon": {Slot: 21, Kind: event.KindNumber}}}
	return s
}

// TestErrors compares the place and the words of every message with testdata/errors.golden.
func TestErrors(t *testing.T) {
	scope := errorScope(t)
	var out strings.Builder
	var messages []string
	collect := func(text string, problems *diag.List, compiled bool) {
		if compiled || !problems.HasErrors() {
			t.Errorf("%s compiles: %v", text, problems.Err())
		}
		shown := text
		if len(text) > 100 {
			shown = text[:20] + "…"
		}
		fmt.Fprintf(&out, "%s\n", strings.ToValidUTF8(shown, "\uFFFD"))
		for _, p := range problems.Sorted() {
			messages = append(messages, p.Message)
			fmt.Fprintf(&out, "%s%s\n    %s\n", strings.Repeat(" ", p.Position.Col-1), strings.Repeat("^", min(p.Length, 60)), p.Message)
			if !strings.Contains(p.Message, "; ") {
				t.Errorf("%s: %q says no cure after a semicolon", text, p.Message)
			}
		}
	}
	for _, text := range badConditions {
		var problems diag.List
		collect(text, &problems, Compile(text, event.KindBool, scope, nil, &problems) != nil)
	}
	for _, text := range badTemplates {
		var problems diag.List
		collect(text, &problems, CompileTemplate(text, scope, nil, &problems) != nil)
	}
	golden(t, filepath.Join("testdata", "errors.golden"), out.String())

	for _, format := range errorFormats(t) {
		pattern := regexp.MustCompile(`(?s)^` + regexp.MustCompile(`%[a-z]`).ReplaceAllString(regexp.QuoteMeta(format), ".*") + `$`)
		reached := false
		for _, m := range messages {
			reached = reached || pattern.MatchString(m)
		}
		if !reached && !unreachable[format] {
			t.Errorf("no bad expression reaches %q", format)
		}
	}
}

// unreachable are messages that stand guard: against an error of the parser that has no place, and trees whose writing out is too long
// (which has a test of its own).
var unreachable = map[string]bool{
	"syntax: %s; check the quotes, brackets and operators":                                                   true,
	"the expression has more than %d parts with its chained comparisons written out; split it into features": true,
}

// errorFormats returns the formats of all calls of errorf in the package.
func errorFormats(t *testing.T) (formats []string) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if fun, ok := call.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "errorf" {
				if lit, ok := call.Args[1].(*ast.BasicLit); ok {
					format, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					formats = append(formats, format)
				}
			}
			return true
		})
	}
	if len(formats) < 30 {
		t.Errorf("only %d formats found", len(formats))
	}
	return formats
}

// golden compares got with a file, or writes the file with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; run go test ./rules/expr -update", err)
	}
	if string(want) != got {
		t.Errorf("%s differs; run go test ./rules/expr -update and read the diff. Now:\n%s", name, got)
	}
}

func TestErrorsAreToldTogether(t *testing.T) {
	var all diag.List
	Compile("amuont > 1 and crad == \"x\" and card + 1 > 2", event.KindBool, names, nil, &all)
	if n := len(all.Sorted()); n != 3 {
		t.Errorf("%d problems, want 3: %v", n, all.Err())
	}
}
