package expr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

func operandsText(operands []Operand) string {
	var b strings.Builder
	for _, o := range operands {
		fmt.Fprintf(&b, "[%s", o.Expr)
		if o.Op != "" {
			fmt.Fprintf(&b, " %s", o.Op)
		}
		fmt.Fprintf(&b, " value=%s", o.Value.Text())
		if o.Limit.Known() {
			fmt.Fprintf(&b, " limit=%s", o.Limit.Text())
		}
		b.WriteByte(']')
	}
	return b.String()
}

func TestBecause(t *testing.T) {
	for text, want := range map[string]string{
		"frauds >= 2": "[frauds >= value=3 limit=2]",
		"2 <= frauds": "[frauds >= value=3 limit=2]",
		"amount > 3 * usual and amount > usual + 4 * spread":  "[amount > value=500 limit=300][amount > value=500 limit=180]",
		"3.0 * usual < amount":                                "[3.0 * usual < value=300 limit=500]",
		"amount < 3 or frauds == 3 or seen > 100 or seen > 8": "[frauds == value=3 limit=3][seen > value=9 limit=8]",
		"not (frauds < 2 or amount == 1)":                     "[frauds >= value=3 limit=2][amount != value=500 limit=1]",
		"not (frauds >= 2 and amount == 1)":                   "[amount != value=500 limit=1]",
		"not not (frauds > 2)":                                "[frauds > value=3 limit=2]",
		"!(7 < frauds)":                                       "[frauds <= value=3 limit=7]",
		"not (frauds < 1) and not (frauds <= 1)":              "[frauds >= value=3 limit=1][frauds > value=3 limit=1]",
		"not (frauds > 9) and not (frauds >= 9)":              "[frauds <= value=3 limit=9][frauds < value=3 limit=9]",
		"not (frauds == 9) and not (frauds != 3)":             "[frauds != value=3 limit=9][frauds == value=3 limit=3]",
		"1 < frauds and 1 <= frauds and 3 == frauds":          "[frauds > value=3 limit=1][frauds >= value=3 limit=1][frauds == value=3 limit=3]",
		"9 > frauds and 9 >= frauds and 9 != frauds":          "[frauds < value=3 limit=9][frauds <= value=3 limit=9][frauds != value=3 limit=9]",
		"1 < frauds < 4":                                      "[frauds > value=3 limit=1][frauds < value=3 limit=4]",
		`country in ["IT"] and not (country in ["FR"])`:       `[country in ["IT"] value=true][country in ["FR"] value=false]`,
		`country not in ["FR"] && country startsWith "I"`:     `[country in ["FR"] value=false][country startsWith "I" value=true]`,
		`country matches "^I" and has(seen)`:                  `[country matches "^I" value=true][has(seen) value=true]`,
		`country == "IT"`:                                     `[country == value=IT limit=IT]`,
		"frauds > 2 ? amount > 1 : amount < 1":                "[frauds > value=3 limit=2][amount > value=500 limit=1]",
		"frauds > 9 ? amount > 1 : amount > 2":                "[frauds <= value=3 limit=9][amount > value=500 limit=2]",
		"not (frauds > 9 ? amount > 1 : amount < 2)":          "[frauds <= value=3 limit=9][amount >= value=500 limit=2]",
		"(none > 1) ?? (seen > 1)":                            "[seen > value=9 limit=1]",
		"(seen > 1) ?? (none > 1)":                            "[seen > value=9 limit=1]",
		"none > 1 or seen > 1":                                "[seen > value=9 limit=1]",
		"frauds >= 2.5":                                       "[frauds >= value=3 limit=2.5]",
		"(frauds > 2) == (seen > 2)":                          "[frauds > 2 == value=true limit=true]",
		"true":                                                "[true value=true]",
		"frauds > 5":                                          "",
		"none > 5":                                            "",
		"frauds":                                              "",
	} {
		var problems diag.List
		e := Compile(text, event.KindMissing, withNone, nil, &problems)
		if e == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		if got := operandsText(e.Because(withNoneRow, nil)); got != want {
			t.Errorf("%s because\n%s, want\n%s", text, got, want)
		}
	}
}

// withNone has a field without value beside those of payments.
var (
	withNone    = with(payments, "none", Ref{Slot: 6, Kind: event.KindInt, Optional: true})
	withNoneRow = append(slices.Clone(paymentRow), event.Value{})
)

func with(s *Scope, name string, ref Ref) *Scope {
	names := maps.Clone(s.Names)
	names[name] = ref
	return &Scope{Source: s.Source, Names: names, Lookups: s.Lookups}
}

// checkBecause judges the reasons of a condition one by one: what is compared has the value that is told, and the comparison holds.
func checkBecause(t *testing.T, e *Expr, row event.Row) {
	t.Helper()
	operands := e.Because(row, nil)
	if (len(operands) > 0) != (e.Truth(row) == True) {
		t.Errorf("%s is %s because of %s", e.Text(), e.Truth(row), operandsText(operands))
	}
	for _, o := range operands {
		side := Compile(o.Expr, event.KindMissing, vmScope, nil, &diag.List{})
		if side == nil {
			t.Errorf("%s because of %s, which does not compile", e.Text(), o.Expr)
			continue
		}
		if v := side.Value(row); !v.Equal(&o.Value) {
			t.Errorf("%s because %s is %s, but it is %s", e.Text(), o.Expr, o.Value.Text(), v.Text())
		}
		if o.Op != "" && !holds(&o) || o.Op == "" && (o.Limit.Known() || o.Value.Kind != event.KindBool) {
			t.Errorf("%s because of %s", e.Text(), operandsText([]Operand{o}))
		}
	}
}

func holds(o *Operand) bool {
	order := 0
	switch v, w := &o.Value, &o.Limit; v.Kind {
	case event.KindString:
		order = strings.Compare(v.S, w.S)
	case event.KindInt, event.KindNumber:
		order = cmp.Compare(v.Float(), w.Float())
	default:
		order = cmp.Compare(v.Int(), w.Int())
	}
	return map[string]bool{"<": order < 0, "<=": order <= 0, "==": order == 0, "!=": order != 0, ">": order > 0, ">=": order >= 0}[o.Op]
}

func TestBecauseAppendsWithoutAllocation(t *testing.T) {
	e := Compile(hotConditions[0], event.KindBool, payments, nil, nil)
	operands := make([]Operand, 0, 4)
	if n := testing.AllocsPerRun(100, func() { operands = e.Because(paymentRow, operands[:0]) }); n != 0 || len(operands) != 3 {
		t.Errorf("%v allocations, %d operands", n, len(operands))
	}
}

func nodeText(b *strings.Builder, n *Node, indent int) {
	fmt.Fprintf(b, "%s%s", strings.Repeat("  ", indent), n.Text)
	if n.Kind != event.KindMissing {
		fmt.Fprintf(b, " = %s", n.Value.Text())
	}
	b.WriteByte('\n')
	for i := range n.Nodes {
		nodeText(b, &n.Nodes[i], indent+1)
	}
}

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		"amount > 3.0 * usual and (none ?? 1) >= 2": `
amount > 3.0 * usual and (none ?? 1) >= 2 = false
  amount > 3.0 * usual = true
    amount = 500
    3.0 * usual = 300
      usual = 100
  (none ?? 1) >= 2 = false
    none ?? 1 = 1
      none = n/a
`,
		"frauds > 9 and none > 1": `
frauds > 9 and none > 1 = false
  frauds > 9 = false
    frauds = 3
  none > 1 = n/a
    none = n/a
`,
		"max(frauds, -seen) + len(country)": `
max(frauds, -seen) + len(country) = 5
  max(frauds, -seen) = 3
    frauds = 3
    -seen = -9
      seen = 9
  len(country) = 2
    country = IT
`,
	} {
		n := Compile(text, event.KindMissing, withNone, nil, nil).Explain(withNoneRow)
		var b strings.Builder
		if nodeText(&b, &n, 0); b.String() != want[1:] {
			t.Errorf("%s:\n%s, want\n%s", text, b.String(), want[1:])
		}
	}
	n := Compile(`speed_kmh(prev, event) > 900 and not (lookup("merchants", user).country in ["IT"]) and ip in list("vpn")`, event.KindBool, loginScope(t), nil, nil).Explain(loginRow)
	var b strings.Builder
	want := `
speed_kmh(prev, event) > 900 and not (lookup("merchants", user).country in ["IT"]) and ip in list("vpn") = false
  speed_kmh(prev, event) > 900 = false
    speed_kmh(prev, event) = 83.9
      prev
        prev.lat = 41
        prev.lon = 13
        prev.when = 1970-01-01T01:00:00Z
      event
        event.lat = 41
        event.lon = 12
        event.when = 1970-01-01T02:00:00Z
  not (lookup("merchants", user).country in ["IT"]) = true
    lookup("merchants", user).country in ["IT"] = false
      lookup("merchants", user).country = FR
        user = ann
  ip in list("vpn") = true
    ip = 10.1.2.3
`
	n.Nodes[0].Nodes[0].Value = event.NumberValue(83.9) // the exact figure is the business of another test
	if nodeText(&b, &n, 0); b.String() != want[1:] {
		t.Errorf("%s, want\n%s", b.String(), want[1:])
	}
}
