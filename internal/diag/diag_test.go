package diag

import (
	"errors"
	"strings"
	"testing"
)

func TestCaretStandsUnderTheWord(t *testing.T) {
	for _, c := range []struct{ snippet, want string }{
		{"  amout > 3", "  amout > 3\n  ^^^^^"},
		{"\tamout > 3", "\tamout > 3\n\t^^^^^"},
		{"éé: amo", "éé: amo\n    ^^^"},
	} {
		col := strings.Index(c.snippet, "am") + 1 - strings.Count(c.snippet, "é")
		p := Problem{Position: Position{"r.yaml", 1, col}, Length: 5, Snippet: c.snippet}
		if got := p.Caret(); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
	if got := (Problem{Position: Position{"r.yaml", 1, 3}}).Caret(); got != "" {
		t.Errorf("a caret without a line: %q", got)
	}
}

func TestListIsSortedAndTellsEveryProblemOnce(t *testing.T) {
	var l List
	l.Errorf(Position{"b.yaml", 2, 1}, "second")
	l.Errorf(Position{"a.yaml", 9, 4}, "first")
	l.Errorf(Position{"b.yaml", 2, 1}, "second")
	var e *ListError
	if err := l.Err(); !errors.As(err, &e) || err.Error() != "a.yaml:9:4: first\nb.yaml:2:1: second" {
		t.Errorf("got %v", err)
	}
}

func TestLintsAreNoError(t *testing.T) {
	var l List
	l.Add(Problem{Severity: Lint, Message: "advice"})
	if err := l.Err(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestListIsBoundedAndCountsTheRest(t *testing.T) {
	var l, all List
	for i := range ProblemsMax + 3 {
		l.Errorf(Position{"a.yaml", i + 1, 1}, "wrong")
	}
	all.Merge(&l)
	if len(all.Sorted()) != ProblemsMax || all.Dropped() != 3 || !strings.HasSuffix(all.Err().Error(), "\nand 3 more") {
		t.Errorf("%d kept, %d dropped", len(all.Sorted()), all.Dropped())
	}
}

func TestErrorsTakeThePlaceOfLints(t *testing.T) {
	var l, all List
	for range ProblemsMax + 1 {
		l.Add(Problem{Severity: Lint, Message: "advice"})
	}
	if l.HasErrors() || !l.Full(Lint) || l.Full(Error) {
		t.Errorf("errors %v, full %v", l.HasErrors(), l.Full(Lint))
	}
	l.Errorf(Position{"a.yaml", 1, 1}, "wrong")
	all.Merge(&l)
	if !all.HasErrors() || !strings.HasPrefix(all.Sorted()[1].Message, "wrong") || all.Dropped() != 2 {
		t.Errorf("got %v, %d dropped", all.Err(), all.Dropped())
	}
	for i := range ProblemsMax {
		l.Errorf(Position{"a.yaml", i, 2}, "wrong")
	}
	if !l.Full(Error) {
		t.Error("a list of errors is not full")
	}
}

func TestNearestForgivesATypingError(t *testing.T) {
	names := []string{"amount", "customer_id", "at"}
	for name, want := range map[string]string{"amout": "amount", "Amount": "amount", "amuont": "amount", "custmer_id": "customer_id", "ta": "at", "banana": "", "": ""} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := DidYouMean("brokerz", []string{"brokers"}); got != `; did you mean "brokers"?` {
		t.Errorf("got %q", got)
	}
}
