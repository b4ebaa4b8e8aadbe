package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"insolite/internal/app"
	"insolite/rules"
)

func newCheck(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [--config FILE] [PATH…]",
		Short: "Tell every problem of configuration, lookups and rules",
		Long: "Tell every problem of the configuration, its lookups and its rules, each with place and cure. PATHs are rule files or folders to check in place\n" +
			"of those that the configuration names. Without problems, say what each rule remembers of a key.\n\n" +
			"Exit code 0: no problem, 1: errors, 3: advice only.",
		Example: "  detector check\n  detector check --config insolite.yaml rules/payments.yaml\n  detector check -o json",
	}
	config := configFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, paths []string) error {
		p, list := app.LoadProject(*config, paths, rules.Options{})
		if g.output == "json" {
			result := struct {
				Problems []problem      `json:"problems"`
				Rules    []app.RuleCost `json:"rules"`
			}{problems(list), []app.RuleCost{}}
			if p != nil {
				costs, err := p.Costs()
				if err != nil {
					return err
				}
				result.Rules = costs
			}
			if err := writeJSON(g.out, result); err != nil {
				return err
			}
		} else {
			writeProblems(g.out, list, terminal(g.out))
		}
		switch {
		case p == nil:
			return failed(exitFailed)
		case len(list.Sorted()) > 0:
			return failed(exitLint)
		case g.output == "json":
			return nil
		}
		return g.writeCosts(p)
	}
	return cmd
}

// writeCosts prints what the rules remember.
func (g *global) writeCosts(p *app.Project) error {
	costs, err := p.Costs()
	if err != nil {
		return err
	}
	w := g.table()
	fmt.Fprintf(w, "RULE\tKEY\tBYTES PER KEY\tMODE\n")
	through := 0
	for _, c := range costs {
		if c.Through != "" {
			through++
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", c.Rule, c.Keyspace, c.Bytes, c.Mode)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := g.writeThrough(costs, through); err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.out, "\n%s in %s, no problems. Bytes of a key with %d events; what rules share is counted for each.\n", count(len(costs), "rule"), count(len(p.Files), "file"), app.CostSamples)
	return err
}

// writeThrough tells of the rules whose events go through a topic of our own: each event is written and read once more for it.
func (g *global) writeThrough(costs []app.RuleCost, n int) error {
	if n == 0 {
		return nil
	}
	w := g.table()
	fmt.Fprintf(w, "\nRULE\tTHROUGH TOPIC, BECAUSE ITS KEY DOES NOT HOLD THE SOURCE'S\n")
	for _, c := range costs {
		if c.Through != "" {
			fmt.Fprintf(w, "%s\t%s\n", c.Rule, c.Through)
		}
	}
	return w.Flush()
}
