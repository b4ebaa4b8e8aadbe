package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"insolite/internal/app"
	"insolite/internal/diag"
	"insolite/rules"
	"insolite/rules/ruletest"
)

// testReport is what became of the tests, as scripts read it.
type testReport struct {
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"`
	Tests    []testResult `json:"tests"`
	Untested []string     `json:"untested"` // rules without tests
}

type testResult struct {
	Rule     string    `json:"rule"`
	Name     string    `json:"name"`
	File     string    `json:"file"`
	Line     int       `json:"line"`
	Col      int       `json:"col"`
	Passed   bool      `json:"passed"`
	Alerts   int       `json:"alerts"`
	Problems []problem `json:"problems"`

	result ruletest.Result
}

func newTest(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [--config FILE] [PATH…]",
		Short: "Run the tests that stand in the rules",
		Long: "Run the tests that stand beside the rules, each through the engine that runs live: timed events in, alerts out.\n" +
			"PATHs are rule files or folders to test in place of those that the configuration names.\n\n" +
			"What differs is told at the place of the expectation: what was wanted, what came, and why.\n\n" +
			"Exit code 0: all hold, 1: a test fails, 2: the configuration or the rules are invalid.",
		Example: "  detector test\n" +
			"  detector test --config insolite.yaml rules/payments.yaml\n" +
			"  detector test --run 'card-testing/|night'\n" +
			"  detector test -o junit > report.xml",
	}
	config := configFlag(cmd)
	run := cmd.Flags().String("run", "", "run only tests whose RULE/NAME matches this `REGEXP`")
	cmd.RunE = func(_ *cobra.Command, paths []string) error {
		match, err := regexp.Compile(*run)
		if err != nil {
			return invalid("--run: %w", err)
		}
		p, err := g.load(*config, paths, rules.Options{})
		if err != nil {
			return err
		}
		results, list := ruletest.Run(p.Files, p.Config.Sources, p.Lookups, ruletest.Options{
			Match: func(rule, test string) bool { return match.MatchString(rule + "/" + test) },
		})
		if list.HasErrors() { // unlike what was loaded before
			writeProblems(g.err, list, terminal(g.err))
			return failed(exitUsage)
		}
		if len(results) == 0 && *run != "" {
			return invalid("no test matches --run %s; RULE/NAME is matched, as `detector test -o json` lists them", *run)
		}
		return g.writeTests(newTestReport(p, results))
	}
	return cmd
}

func newTestReport(p *app.Project, results []ruletest.Result) *testReport {
	r := &testReport{Tests: []testResult{}, Untested: []string{}}
	for _, t := range results {
		r.Tests = append(r.Tests, testResult{
			t.Rule, t.Name, t.Position.File, t.Position.Line, t.Position.Col, t.Passed(), t.Alerts, asProblems(t.Problems), t,
		})
		if t.Passed() {
			r.Passed++
		} else {
			r.Failed++
		}
	}
	for _, rule := range p.Set.Rules {
		if len(rule.Tests) == 0 {
			r.Untested = append(r.Untested, rule.ID)
		}
	}
	return r
}

func (g *global) writeTests(r *testReport) error {
	var err error
	switch g.output {
	case "json":
		err = writeJSON(g.out, r)
	case "junit":
		err = writeJUnit(g.out, r)
	default:
		err = g.tellTests(r)
	}
	if err != nil || r.Failed == 0 {
		return err
	}
	return failed(exitFailed)
}

// tellTests prints a line for each rule, below it the tests that fail.
func (g *global) tellTests(r *testReport) error {
	p, width := paintFor(g.out), 0
	for _, t := range r.Tests {
		width = max(width, len(t.Rule))
	}
	rulesCount := 0
	for i := 0; i < len(r.Tests); {
		rule, from, bad := r.Tests[i].Rule, i, 0
		for ; i < len(r.Tests) && r.Tests[i].Rule == rule; i++ {
			if !r.Tests[i].Passed {
				bad++
			}
		}
		rulesCount++
		if bad == 0 {
			fmt.Fprintf(g.out, "%s    %-*s  %s\n", p.green("ok"), width, rule, count(i-from, "test"))
			continue
		}
		fmt.Fprintf(g.out, "%s  %-*s  %d of %s\n", p.red("FAIL"), width, rule, bad, count(i-from, "test"))
		for _, t := range r.Tests[from:i] {
			g.tellFailure(p, &t)
		}
		if i < len(r.Tests) {
			fmt.Fprintln(g.out)
		}
	}
	for _, id := range r.Untested {
		fmt.Fprintf(g.out, "%s  %s\n", p.yellow("none"), id)
	}
	bad := fmt.Sprintf("%d failed", r.Failed)
	if r.Failed > 0 {
		bad = p.red(bad)
	}
	if n := len(r.Untested); n > 0 {
		bad += fmt.Sprintf("; %s without any", count(n, "rule"))
	}
	_, err := fmt.Fprintf(g.out, "\n%s of %s: %d passed, %s\n", count(len(r.Tests), "test"), count(rulesCount, "rule"), r.Passed, bad)
	return err
}

func (g *global) tellFailure(p paint, t *testResult) {
	if t.Passed {
		return
	}
	fmt.Fprintf(g.out, "\n      %s\n", p.bold(t.Name))
	for _, x := range t.result.Problems {
		fmt.Fprintf(g.out, "      %s\n", x)
		if caret := x.Caret(); caret != "" {
			fmt.Fprintln(g.out, p.dim(indent("      ", caret)))
		}
	}
}

// asProblems are problems as scripts read them.
func asProblems(list []diag.Problem) []problem {
	all := []problem{}
	for _, p := range list {
		all = append(all, problem{p.Position.File, p.Position.Line, p.Position.Col, "error", p.Message, p.Snippet})
	}
	return all
}
