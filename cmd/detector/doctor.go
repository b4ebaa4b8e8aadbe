package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/config"
	"insolite/internal/doctor"
	"insolite/rules"
)

func newDoctor(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [--config FILE] [--acls]",
		Short: "Examine a deployment: what is wrong, why, and what to do",
		Long: "Examine rules, store, brokers and their releases, rights, topics, retention against what rules look back, the newest records (do they decode, are they\n" +
			"keyed and partitioned as declared), clocks, transactions and the consumer group. Each finding has its cure. Nothing is changed, so it may be called\n" +
			"while the service runs.\n\n" +
			"--acls prints the least that the login has to be allowed, as commands to be looked through and run by who administers Kafka.\n\n" +
			"Exit code 0: all is well, 1: a failure, 3: warnings only.",
		Example: "  detector doctor\n  detector doctor --config /etc/insolite/insolite.yaml -o json\n  detector doctor --acls --principal User:insolite",
		Args:    noArgs,
	}
	path := configFlag(cmd)
	acls := cmd.Flags().Bool("acls", false, "print the least-privilege ACLs instead")
	principal := cmd.Flags().String("principal", "User:insolite", "with --acls: who is allowed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, list := config.Load(*path, config.Options{})
		if conf == nil {
			writeProblems(g.err, list, terminal(g.err))
			return failed(exitUsage)
		}
		if *acls {
			return g.writeGrants(conf, *principal)
		}
		o := doctor.Options{Config: conf,
			Dial: func(ctx context.Context) (*kafka.Client, error) { return kafka.Dial(ctx, app.KafkaOptions(conf)) },
			Redis: func(ctx context.Context, warn func(string, ...any)) (io.Closer, error) {
				return app.OpenStore(ctx, conf, warn)
			}}
		p, list := app.LoadProject(*path, nil, rules.Options{})
		if o.Problems = list; p != nil {
			o.Set = p.Set
		}
		return g.examine(cmd.Context(), o)
	}
	return cmd
}

func (g *global) examine(ctx context.Context, o doctor.Options) error {
	found := []doctor.Finding{}
	counts := map[doctor.Status]int{}
	doctor.Run(ctx, o, func(f doctor.Finding) {
		found = append(found, f)
		counts[f.Status]++
	})
	if ctx.Err() != nil {
		return errInterrupted
	}
	status, code := doctor.OK, exitOK
	switch {
	case counts[doctor.Fail] > 0:
		status, code = doctor.Fail, exitFailed
	case counts[doctor.Warn] > 0:
		status, code = doctor.Warn, exitLint
	}
	var err error
	if g.output == "json" {
		err = writeJSON(g.out, map[string]any{"status": status, "findings": found})
	} else {
		writeFindings(g.out, paintFor(g.out), found)
		_, err = fmt.Fprintf(g.out, "\n%d ok, %s, %s\n", counts[doctor.OK], count(counts[doctor.Warn], "warning"), count(counts[doctor.Fail], "failure"))
	}
	if err == nil && code != exitOK {
		return failed(code)
	}
	return err
}

// writeFindings prints a line for each, in columns, and below it the cure.
func writeFindings(w io.Writer, p paint, found []doctor.Finding) {
	checks := 0
	for _, f := range found {
		checks = max(checks, len(f.Check))
	}
	marks := map[doctor.Status]string{doctor.OK: p.green("ok  "), doctor.Warn: p.yellow("warn"), doctor.Fail: p.red("fail")}
	margin := strings.Repeat(" ", len("warn  ")+checks+2)
	for _, f := range found {
		subject := ""
		if f.Subject != "" {
			subject = p.bold(printable(f.Subject)) + ": "
		}
		fmt.Fprintf(w, "%s  %-*s  %s%s\n", marks[f.Status], checks, f.Check, subject, strings.ReplaceAll(printableLines(f.Message), "\n", "\n"+margin))
		if f.Cure != "" {
			fmt.Fprintf(w, "%s→ %s\n", margin, printableLines(f.Cure))
		}
	}
}

// printableLines is printable, line by line.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (g *global) writeGrants(c *config.Config, principal string) error {
	grants := doctor.Grants(c)
	if g.output == "json" {
		return writeJSON(g.out, map[string]any{"principal": principal, "grants": grants})
	}
	bootstrap := strings.Join(c.Kafka.Brokers, ",")
	redrive := false
	fmt.Fprint(g.out, "# Look through these, then run them as an administrator; add --command-config FILE where the brokers want a login.\n\n")
	for i := range grants {
		if grants[i].Redrive && !redrive {
			redrive = true
			fmt.Fprint(g.out, "\n# Only for detector dlq, which may have a login of its own:\n")
		}
		if _, err := fmt.Fprintf(g.out, "# %s\n%s\n", grants[i].Why, grants[i].Command(bootstrap, principal)); err != nil {
			return err
		}
	}
	return nil
}
