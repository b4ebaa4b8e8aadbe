// Package diag is how every user error is told: the place, what is wrong, the cure, and the line with a caret under the word.
//
// Whoever reads a file that people write (rules, configuration, rule tests) collects [Problem]s in a [List] and goes on, so that a
// person sees all of them at once. A List is for one goroutine.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Position is a place in a file: line and column from 1, the column in characters. Line 0 means the file as a whole.
type Position struct {
	File string
	Line int
	Col  int
}

// String returns file:line:col.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Severity sorts problems: an Error stops the load, a Lint is advice that prevents a wrong alert.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Lint
)

// Problem is one thing that is wrong.
type Problem struct {
	Position Position
	Severity Severity
	Message  string // what is wrong and, after a semicolon, the cure; lower case, no full stop
	Length   int    // characters to underline, at least 1
	Snippet  string // the line itself; empty when unknown
}

// String returns "file:line:col: message".
func (p Problem) String() string { return p.Position.String() + ": " + p.Message }

// Caret returns the snippet and below it a caret under the word; empty without a snippet. Tabs are kept so that the caret stays below its word.
func (p Problem) Caret() string {
	if p.Snippet == "" || p.Position.Col < 1 {
		return ""
	}
	var pad strings.Builder
	col := 1
	for _, r := range p.Snippet {
		if col >= p.Position.Col {
			break
		}
		if r == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteByte(' ')
		}
		col++
	}
	rest := utf8.RuneCountInString(p.Snippet) - p.Position.Col + 1
	return p.Snippet + "\n" + pad.String() + strings.Repeat("^", max(1, min(p.Length, rest)))
}

// ProblemsMax bounds a List: beyond it, a file is broken in a way that more lines don't explain.
const ProblemsMax = 200

// List collects problems.
type List struct {
	problems []Problem
	dropped  int
	failed   bool // there was an Error, maybe among those dropped
}

// Add appends a problem. Beyond ProblemsMax it is only counted, but an Error takes the place of a Lint.
func (l *List) Add(p Problem) {
	l.failed = l.failed || p.Severity == Error
	if len(l.problems) < ProblemsMax {
		l.problems = append(l.problems, p)
		return
	}
	l.dropped++
	if i := l.lint(); p.Severity == Error && i >= 0 {
		l.problems[i] = p
	}
}

// Full reports whether a problem of that severity would only be counted, so that its place need not be found.
func (l *List) Full(s Severity) bool {
	return len(l.problems) >= ProblemsMax && (s == Lint || l.lint() < 0)
}

// lint returns the index of a Lint, or -1.
func (l *List) lint() int {
	return slices.IndexFunc(l.problems, func(p Problem) bool { return p.Severity == Lint })
}

// Errorf appends an error at pos.
func (l *List) Errorf(pos Position, format string, args ...any) {
	l.Add(Problem{Position: pos, Length: 1, Message: fmt.Sprintf(format, args...)})
}

// Merge appends all of o.
func (l *List) Merge(o *List) {
	for _, p := range o.problems {
		l.Add(p)
	}
	l.dropped += o.dropped
	l.failed = l.failed || o.failed
}

// Sorted returns the problems by file, line and column, without repetitions.
func (l *List) Sorted() []Problem {
	s := slices.Clone(l.problems)
	slices.SortStableFunc(s, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Position.File, b.Position.File), a.Position.Line-b.Position.Line, a.Position.Col-b.Position.Col, strings.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(s, func(a, b Problem) bool { return a.Position == b.Position && a.Message == b.Message })
}

// Dropped returns how many problems did not fit.
func (l *List) Dropped() int { return l.dropped }

// HasErrors reports whether any problem is an Error.
func (l *List) HasErrors() bool { return l.failed }

// Err returns nil without errors, else one error that tells all of them.
func (l *List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return &ListError{Problems: l.Sorted(), Dropped: l.dropped}
}

// ListError is a List as an error.
type ListError struct {
	Problems []Problem
	Dropped  int
}

// Error returns one problem a line.
func (e *ListError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	if e.Dropped > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.Dropped)
	}
	return b.String()
}

// Nearest returns the candidate most like name, or "" when none is near: at most one edit for every three characters, and at least one.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(name, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean returns `; did you mean "x"?` for the nearest candidate, or "".
func DidYouMean(name string, candidates []string) string {
	if n := Nearest(name, candidates); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// distance is the Damerau-Levenshtein distance (optimal string alignment) over bytes, ignoring case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
