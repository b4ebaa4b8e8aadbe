package expr

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

var names = &Scope{Source: "payments", Names: map[string]Ref{
	"amount": {Slot: 0, Kind: event.KindNumber}, "count": {Slot: 1, Kind: event.KindInt}, "card": {Slot: 2, Kind: event.KindString},
	"ok": {Slot: 3, Kind: event.KindBool}, "u": {Slot: 4, Kind: event.KindBool, Optional: true}, "n": {Slot: 5, Kind: event.KindInt, Optional: true},
	"t": {Slot: 6, Kind: event.KindTime}, "addr": {Slot: 7, Kind: event.KindIP}, "big": {Slot: 8, Kind: event.KindInt}, "low": {Slot: 10, Kind: event.KindInt},
	"geo": {Members: map[string]Ref{"country": {Slot: 9, Kind: event.KindString}}},
}}

var row = event.Row{event.NumberValue(2.5), event.IntValue(7), event.StringValue("vïsa"), event.BoolValue(true), {}, {},
	event.TimeValue(1e9, 3600), event.IPValue(netip.MustParseAddr("10.1.2.3")), event.IntValue(math.MaxInt64), event.StringValue("IT"), event.IntValue(math.MinInt64)}

var truths = []struct {
	text string
	want Truth
}{
	{"u and false", False}, {"false and u", False}, {"u and true", Unknown}, {"true and u", Unknown}, {"u and u", Unknown},
	{"u or true", True}, {"true or u", True}, {"u or false", Unknown}, {"false or u", Unknown}, {"not u", Unknown}, {"not ok", False}, {"!false", True},
	{"true and true", True}, {"false or false", False}, {"true && false", False}, {"false || true", True}, {"u == u", Unknown}, {"ok != false", True},
	{"n > 1", Unknown}, {"n in [1]", Unknown}, {"has(n)", False}, {"has(amount)", True}, {"(n ?? 3) == 3", True}, {"u ?? true", True}, {"u ? true : true", Unknown},
	{"amount > 2", True}, {"count >= 7.5", False}, {"count in [1, 7]", True}, {"count in [1, 7.0]", True}, {"count not in [-7]", True}, {"card in [\"vïsa\"]", True},
	{"1 < count and count < 9", True}, {"card contains \"ïs\"", True}, {"card startsWith \"x\"", False}, {"card endsWith \"sa\"", True}, {"card matches \"^v.s\"", True},
	{"geo.country == \"IT\"", True}, {"addr in [\"10.0.0.0/8\", \"::1\"]", True}, {"addr == \"10.1.2.3\"", True}, {"addr != \"10.1.2.3\"", False},
	{"t - t < duration(\"5m\")", True}, {"t + duration(\"1s\") > t", True}, {"big + 1 > 0", Unknown}, {"low - 1 < 0", Unknown}, {"-low > 0", Unknown}, {"big * 2 > 0", Unknown},
	{"low * -1 > 0", Unknown}, {"abs(low) > 0", Unknown}, {"1 / 0 > 0", Unknown}, {"count % 0 == 0", Unknown}, {"log(0) < 0", Unknown}, {"log(-1) < 0", Unknown}, {"sqrt(-1) < 0", Unknown},
	{"addr in \"10.0.0.0/8\"", True}, {"addr not in \"11.0.0.0/8\"", True}, {"addr in \"10.1.2.3\"", True}, {"addr in [\"::ffff:10.1.0.0/118\"]", True}, {"addr in [\"::ffff:10.1.0.0/119\"]", False},
	{"addr in \"::ffff:10.1.2.3\"", True}, {"addr in \"::ffff:10.1.2.4/128\"", False}, {"addr in \"::/0\"", False}, {"addr in \"0.0.0.0/0\"", True}, {"\"10.1.2.3\" == addr", True},
	{"u ?? u", Unknown}, {"u ?? ok", True}, {"has(n ?? n)", False}, {"(n ?? count) == 7", True}, {"((n ?? n) ?? amount) == 2.5", True}, {"(ok ? t : t + duration(\"1s\")) == t", True},
	{"1_000 == 1000 and 0xff == 255 and 1e6 == 1000000", True}, {"card == 'vïsa' and card == `vïsa`", True},
	{`card in ["1", "2", "3", "4", "5", "6", "7", "8", "vïsa"]`, True}, {`card in ["1", "2", "3", "4", "5", "6", "7", "8", "9"]`, False},
	{"amount - 1e308 * amount < 0", Unknown}, {"amount + amount > 4.9 and amount - 2 * amount < -2.4", True},
	{"1 < count < 9 > 2", True}, {"1 < n < 9", Unknown}, {"count in []", False}, {"n in []", Unknown}, {"addr in []", False}, {"card in []", False},
	{"big + 0 == big", True}, {"low - 0 == low", True}, {"low + low < 0", Unknown}, {"amount * 1e308 > 0", Unknown}, {"amount * 1e308 + amount > 0", Unknown}, {"count < 1e308 * amount", Unknown},
	{"duration(\"1h\") / duration(\"30m\") == 2", True},
}

func compile(t *testing.T, text string, want event.Kind) *Expr {
	t.Helper()
	var problems diag.List
	e := Compile(text, want, names, nil, &problems)
	if e == nil {
		t.Fatalf("%s: %v", text, problems.Err())
	}
	return e
}

func TestTruth(t *testing.T) {
	for _, c := range truths {
		e := compile(t, c.text, event.KindBool)
		if got := e.Truth(row); got != c.want {
			t.Errorf("%s is %s, want %s", c.text, got, c.want)
		}
		if n := testing.AllocsPerRun(20, func() { e.Truth(row) }); n != 0 {
			t.Errorf("%s allocates %v times", c.text, n)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]float64{
		"7 / 2": 3.5, "count * 2 + 1": 15, "count % 4": 3, "amount - 1": 1.5, "-amount": -2.5, "min(3, amount, 9)": 2.5, "max(1, count)": 7, "round(2.5)": 3,
		"floor(amount)": 2, "ceil(amount)": 3, "sqrt(16)": 4, "log(1)": 0, "abs(-3)": 3, "abs(-2.5)": 2.5, "len(card)": 4, "ok ? 1 : 2.5": 1,
	} {
		e := compile(t, text, event.KindNumber)
		v := e.Value(row)
		if v.Kind != event.KindNumber || v.Float() != want {
			t.Errorf("%s is %v, want %v", text, v, want)
		}
		if n := testing.AllocsPerRun(20, func() { v = e.Value(row) }); n != 0 {
			t.Errorf("%s allocates %v times", text, n)
		}
	}
}

func TestExpr(t *testing.T) {
	e := compile(t, "count>1  and (amount > 1) and count < 9", event.KindBool)
	if s := e.Slots(); len(s) != 2 || s[0] != 0 || s[1] != 1 {
		t.Errorf("slots %v", s)
	}
	if e.Canonical() != compile(t, "count > 1 and amount>1 and count<9", event.KindBool).Canonical() {
		t.Errorf("canonical %s", e.Canonical())
	}
	if a, b := compile(t, "big * 2.0 > 1", event.KindBool), compile(t, "big * 2 > 1", event.KindBool); a.Canonical() != "big * 2.0 > 1" || b.Canonical() != "big * 2 > 1" {
		t.Errorf("2.0 and 2 mean different things, yet: %s, %s", a.Canonical(), b.Canonical())
	}
	v := compile(t, "t ?? t", event.KindTime)
	if got := v.Value(row); got.OffsetSeconds() != 3600 {
		t.Errorf("offset %d of t ?? t", got.OffsetSeconds())
	}
	v = compile(t, "t", event.KindTime)
	if got := v.Value(row); got.OffsetSeconds() != 3600 {
		t.Errorf("offset %d", got.OffsetSeconds())
	}
}

// A chain shares its middle, so nested chains would double at each level.
func TestChainsDoNotExplode(t *testing.T) {
	text := "count"
	for range 60 {
		text = "(1 < (" + text + ") < 9 ? 1 : 2)"
	}
	var problems diag.List
	if Compile(text, event.KindInt, names, nil, &problems) != nil {
		t.Fatal("2^60 parts compile")
	}
	if got := problems.Sorted(); len(got) != 1 || !strings.Contains(got[0].Message, "more than 4096 parts with its chained comparisons written out; split it into features") {
		t.Errorf("got %v", problems.Err())
	}
	compile(t, strings.Repeat("(", 500)+"count"+strings.Repeat(" + 1)", 500)+" > 1", event.KindBool)
}

// Each side of ?? is evaluated once, so that a chain of them costs what it is long.
func TestCoalesceEvaluatesOnce(t *testing.T) {
	calls := 0
	count := func(k *code) *code {
		return &code{kind: k.kind, truth: counted(&calls, k.truth), num: counted2(&calls, k.num), word: counted2(&calls, k.word), str: counted2(&calls, k.str), val: counted(&calls, k.val)}
	}
	for _, kind := range []event.Kind{event.KindBool, event.KindNumber, event.KindInt, event.KindString, event.KindIP, event.KindDuration} {
		k := count(slotCode(0, kind))
		if kind != event.KindIP {
			k.val = nil
		}
		calls = 0
		chain := coalesce(coalesce(coalesce(k, k), k), k)
		if v := chain.boxed()(event.Row{{}}); v.Known() || calls != 4 {
			t.Errorf("%s: %d evaluations, want 4", kind, calls)
		}
	}
}

func counted[T any](calls *int, f func(event.Row) T) func(event.Row) T {
	if f == nil {
		return nil
	}
	return func(row event.Row) T { *calls++; return f(row) }
}

func counted2[T any](calls *int, f func(event.Row) (T, bool)) func(event.Row) (T, bool) {
	if f == nil {
		return nil
	}
	return func(row event.Row) (T, bool) { *calls++; return f(row) }
}
