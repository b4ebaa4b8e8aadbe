package tidy

import (
	"bytes"
	"fmt"
	"regexp"
)

// texts are the endings of the files that people write and read, beside those of Go.
var texts = []string{".md", ".yaml", ".yml", ".json", ".sh", ".ts", ".tsx", ".css", ".html"}

// words are what a repository that stands alone does not have, each with the cure.
var words = []struct {
	pattern *regexp.Regexp
	cure    string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "do it, or write it down where the project keeps its plans"},
	{regexp.MustCompile(`(^|[\s"'(=` + "`" + `])/(home|root|Users|work)/`), "a path of one machine; say it relative to the repository"},
	{regexp.MustCompile(`(?m)^(<{7}|>{7}) `), "a conflict that was not resolved"},
}

func checkWords(name string, src []byte) []string {
	var problems []string
	for _, w := range words {
		for _, at := range w.pattern.FindAllIndex(src, -1) {
			line := 1 + bytes.Count(src[:at[0]], []byte("\n"))
			problems = append(problems, fmt.Sprintf("%s:%d: %q: %s", name, line, bytes.TrimSpace(src[at[0]:at[1]]), w.cure))
		}
	}
	return problems
}
