package expr

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"insolite/internal/diag"
	"insolite/internal/event"
)

// The clauses of a condition make its truth in any order, read what they say, and are unknown without what they say they need.
func TestClauses(t *testing.T) {
	for text, want := range map[string]struct{ clauses, strict int }{
		"amount > 3 * usual and amount > usual + 4 * spread and frauds >= 2":               {3, 2 + 3 + 1},
		`country in ["IT", "FR"] and not (amount < 3)`:                                     {2, 0 + 1},
		"amount < usual < spread":                                                          {2, 2 + 2},
		"amount > 3 or usual > 3":                                                          {1, 0},
		"(frauds > 1 or seen > 1) and (frauds < 9 && amount != spread)":                    {3, 0 + 1 + 2},
		"has(usual) and (usual ?? 3) > amount":                                             {2, 0 + 1},
		"frauds % 2 == 0 and -amount < 3 and (amount > 3 ? usual : spread) > 10 and 2 > 1": {4, 1 + 1 + 0 + 0},
		`country != "IT" and seen >= 1`:                                                    {2, 1 + 1},
		"country == country":                                                               {1, 1},
		"true":                                                                             {1, 0},
	} {
		var problems diag.List
		e := Compile(text, event.KindBool, payments, nil, &problems)
		if e == nil {
			t.Fatalf("%s: %v", text, problems.Err())
		}
		clauses := e.Clauses()
		strict := 0
		var all []event.Slot
		for _, c := range clauses {
			strict += len(c.Strict)
			all = append(all, c.Slots...)
		}
		if slices.Sort(all); len(clauses) != want.clauses || strict != want.strict || !slices.Equal(slices.Compact(all), e.Slots()) {
			t.Errorf("%s has clauses %+v", text, clauses)
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 500 {
			checkClauses(t, e, randomPayment(r), randomPayment(r))
		}
	}
}

func randomPayment(r *rand.Rand) event.Row {
	row := slices.Clone(paymentRow)
	for i := range row {
		switch {
		case r.IntN(4) == 0:
			row[i] = event.Value{}
		case row[i].Kind == event.KindNumber:
			row[i] = event.NumberValue(float64(r.IntN(20)))
		case row[i].Kind == event.KindInt:
			row[i] = event.IntValue(r.Int64N(12))
		default:
			row[i] = event.StringValue([]string{"IT", "SE"}[r.IntN(2)])
		}
	}
	return row
}

// checkClauses evaluates the clauses from the last to the first. What a clause does not read is taken from another row.
func checkClauses(t *testing.T, e *Expr, row, other event.Row) {
	all := True
	for _, c := range slices.Backward(e.Clauses()) {
		mixed := slices.Clone(other)
		for _, s := range c.Slots {
			mixed[s] = row[s]
		}
		truth := c.Truth(mixed)
		for _, s := range c.Strict {
			if !row[s].Known() && truth != Unknown {
				t.Errorf("%s: a clause is %v without slot %d", e.Text(), truth, s)
			}
		}
		if truth == False || all == False {
			all = False
		} else {
			all = max(all, truth)
		}
	}
	if want := e.Truth(row); all != want {
		t.Errorf("%s of %v: %v by its clauses, want %v", e.Text(), row, all, want)
	}
}

// Which texts a field must have is told only when no other way makes the condition true.
func TestOnlyAndEquated(t *testing.T) {
	scope := &Scope{Source: "s", Names: map[string]Ref{"a": {Slot: 0, Kind: event.KindString}, "b": {Slot: 1, Kind: event.KindString}, "n": {Slot: 2, Kind: event.KindInt}}}
	for text, want := range map[string]string{
		`a == "x"`:                              "[x] true [x]",
		`"x" == a and n > 1`:                    "[x] true [x]",
		`a in ["x", "y"] and b == "z"`:          "[x y] true [x y]",
		`a == "x" or a in ["y"]`:                "[x y] true [x y]",
		`a == "x" and a in ["y", "x"]`:          "[x] true [x y x]",
		`a == "x" and a == "y"`:                 "[] true [x y]",
		`a == "x" or n > 1`:                     "[] false [x]",
		`not (a == "x")`:                        "[] false [x]",
		`a != "x"`:                              "[] false []",
		`a == b`:                                "[] false []",
		`b == "x"`:                              "[] false []",
		`n > 1 ? a == "x" : a == "y"`:           "[] false [x y]",
		`(a == "x" or b == "y") and a in ["z"]`: "[z] true [x z]",
		`a == "x" and (n == 1 or a == "y")`:     "[x] true [x y]",
	} {
		var problems diag.List
		e := Compile(text, event.KindBool, scope, nil, &problems)
		if e == nil {
			t.Errorf("%s: %v", text, problems.Err())
			continue
		}
		only, ok := e.Only(0)
		if got := fmt.Sprint(only, ok, e.Equated(0)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
