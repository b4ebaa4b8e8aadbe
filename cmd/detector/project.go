package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"insolite/internal/app"
	"insolite/internal/diag"
	"insolite/rules"
)

// configDefault is where the configuration is looked for.
const configDefault = "insolite.yaml"

// configFlag gives a command its --config.
func configFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("config", "c", configDefault, "the configuration, a `FILE`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // fails for an unknown flag only
	return path
}

// load reads a project for a command that needs one without errors; problems are told on standard error.
func (g *global) load(path string, rulePaths []string, o rules.Options) (*app.Project, error) {
	p, list := app.LoadProject(path, rulePaths, o)
	if p == nil {
		writeProblems(g.err, list, terminal(g.err))
		return nil, failed(exitUsage)
	}
	return p, nil
}

// writeProblems prints the problems, a line each, on a terminal with the line and a caret under the word.
func writeProblems(w io.Writer, list *diag.List, snippets bool) {
	for _, p := range list.Sorted() {
		word := ""
		if p.Severity == diag.Lint {
			word = "lint: "
		}
		fmt.Fprintf(w, "%s: %s%s\n", p.Position, word, p.Message)
		if caret := p.Caret(); snippets && caret != "" {
			fmt.Fprintln(w, caret)
		}
	}
	if n := list.Dropped(); n > 0 {
		fmt.Fprintf(w, "and %d more\n", n)
	}
}

// problem is a diag.Problem as scripts read it.
type problem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Snippet  string `json:"snippet,omitempty"`
}

func problems(list *diag.List) []problem {
	all := []problem{}
	for _, p := range list.Sorted() {
		severity := "error"
		if p.Severity == diag.Lint {
			severity = "lint"
		}
		all = append(all, problem{p.Position.File, p.Position.Line, p.Position.Col, severity, p.Message, p.Snippet})
	}
	return all
}

// writeJSON prints v, indented.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table aligns columns that are separated by tabs, on standard output.
func (g *global) table() *tabwriter.Writer { return tabwriter.NewWriter(g.out, 0, 8, 2, ' ', 0) }
