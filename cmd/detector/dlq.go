package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/config"
	"insolite/internal/event"
	"insolite/internal/redrive"
)

func newDeadLetters(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at dead letters, and send their records back",
		Long:  "A record that is no event of its source is put aside in the dead-letters topic; docs/dead-letters.md tells what is in it.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLettersList(g), newRedrive(g))
	return cmd
}

// lettersJob is one call of the commands below dlq.
type lettersJob struct {
	g      *global
	path   *string
	filter redrive.Filter
	since  timeFlag
	dryRun bool
	yes    bool
	config *config.Config
}

func (j *lettersJob) flags(cmd *cobra.Command, limit int) {
	j.path, j.since = configFlag(cmd), timeFlag{event.NoTime}
	f := cmd.Flags()
	f.StringVar(&j.filter.Reason, "reason", "", "only those that were put aside for this `WORD`, such as wrong_type")
	f.StringVar(&j.filter.Source, "source", "", "only those of this `SOURCE`")
	f.StringVar(&j.filter.Topic, "topic", "", "only those that came from this `TOPIC`")
	f.Var(&j.since, "since", "only those that were put aside at this `TIME` or later")
	f.IntVar(&j.filter.Limit, "limit", limit, "at most `N`")
}

func newLettersList(g *global) *cobra.Command {
	j := &lettersJob{g: g}
	cmd := &cobra.Command{
		Use:   "ls [--config FILE]",
		Short: "List dead letters, the newest first",
		Long: "List the application's dead letters, the newest first: when each was put aside, where it came from, why, and whether it was sent back. Keys and\n" +
			"values are not shown.",
		Example: "  detector dlq ls\n  detector dlq ls --reason wrong_type --since 2026-10-15 --limit 20\n  detector dlq ls --source payment.made -o json",
		Args:    noArgs,
	}
	j.flags(cmd, 100)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return j.with(cmd.Context(), j.list) }
	return cmd
}

func newRedrive(g *global) *cobra.Command {
	j := &lettersJob{g: g}
	cmd := &cobra.Command{
		Use:   "redrive [--config FILE] [--dry-run | --yes]",
		Short: "Send the records of dead letters back to their topics, each once",
		Long: "Send the original records of dead letters back to where they came from: same topic, partition, key, value, headers and timestamp, and one header\n" +
			"more, __insolite.redriven, that names the letter. The oldest go first. What was sent once is never sent again, however often and wherever the\n" +
			"command is called or interrupted: each record is one transaction with a mark in the dead-letters topic. First correct the cause, or they come back.",
		Example: "  detector dlq redrive --reason missing_field --dry-run\n  detector dlq redrive --source payment.made --since 2026-10-15T12:00:00Z\n  detector dlq redrive --yes -o json",
		Args:    noArgs,
	}
	j.flags(cmd, 10_000)
	cmd.Flags().BoolVar(&j.dryRun, "dry-run", false, "only list what would be sent")
	cmd.Flags().BoolVar(&j.yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if g.output == "json" && !j.yes && !j.dryRun {
			return invalid("-o json does not ask; say --yes, or --dry-run")
		}
		return j.with(cmd.Context(), j.redrive)
	}
	return cmd
}

// with connects and does work.
func (j *lettersJob) with(ctx context.Context, work func(context.Context, *kafka.Client) error) error {
	if j.filter.Limit < 1 {
		return invalid("--limit %d: name at least 1", j.filter.Limit)
	}
	conf, list := config.Load(*j.path, config.Options{})
	if conf == nil {
		writeProblems(j.g.err, list, terminal(j.g.err))
		return failed(exitUsage)
	}
	j.config, j.filter.App, j.filter.Since = conf, conf.App, j.since.at
	client, err := kafka.Dial(ctx, app.KafkaOptions(conf))
	if err != nil {
		return err
	}
	return errors.Join(work(ctx, client), client.Close())
}

// missing makes nothing of a topic that is not there yet: nothing was put aside.
func missing(found *redrive.Found, err error) (*redrive.Found, error) {
	if errors.Is(err, kafka.ErrNotFound) {
		return &redrive.Found{}, nil
	}
	return found, err
}

func (j *lettersJob) list(ctx context.Context, client *kafka.Client) error {
	found, err := missing(redrive.List(ctx, client, j.config.DeadLetters, j.filter))
	if err != nil {
		return err
	}
	if j.g.output == "json" {
		return writeJSON(j.g.out, lettersReport{Letters: letters(found.Items), More: found.More})
	}
	if len(found.Items) == 0 {
		_, err := fmt.Fprintln(j.g.out, "no dead letters")
		return err
	}
	if err := j.table(found.Items); err != nil {
		return err
	}
	if found.More > 0 {
		fmt.Fprintf(j.g.out, "\n%d more, older ones; see --limit\n", found.More)
	}
	return nil
}

func (j *lettersJob) table(items []redrive.Item) error {
	t := j.g.table()
	fmt.Fprintln(t, "PUT ASIDE\tLETTER\tCAME FROM\tSOURCE\tREASON\tMESSAGE")
	for i := range items {
		x := &items[i]
		l := &x.Letter
		message := printable(l.Message)
		if x.Redriven {
			message = "redriven; " + message
		}
		source := l.Source
		if source == "" {
			source = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s/%d@%d\t%s\t%s\t%s\n", event.AppendTime(nil, x.Time, 0), x.At, printable(l.Topic), l.Partition, l.Record.Offset, printable(source), printable(l.Reason), message)
	}
	return t.Flush()
}

// printable takes what moves a terminal's cursor out of text that came from elsewhere.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

func (j *lettersJob) redrive(ctx context.Context, client *kafka.Client) error {
	found, err := missing(redrive.Pending(ctx, client, j.config.DeadLetters, j.filter))
	if err != nil {
		return err
	}
	report := &redriveReport{DryRun: j.dryRun, More: found.More, Refused: []refusal{}}
	switch {
	case j.dryRun && j.g.output == "json":
		report.Letters = letters(found.Items)
		return writeJSON(j.g.out, report)
	case len(found.Items) == 0 && j.g.output != "json":
		_, err := fmt.Fprintln(j.g.out, "nothing to redrive")
		return err
	case j.dryRun:
		if err := j.table(found.Items); err != nil {
			return err
		}
		_, err := fmt.Fprintf(j.g.out, "\n%d records would be sent back%s\n", len(found.Items), more(found.More))
		return err
	case !j.yes && !j.ask(found):
		return invalid("nothing was sent; answer yes, or say --yes")
	}
	var topics []string
	for _, s := range j.config.Sources {
		if !slices.Contains(topics, s.Topic) {
			topics = append(topics, s.Topic)
		}
	}
	err = redrive.Send(ctx, client, j.config.DeadLetters, found.Items, topics, report.add)
	if err != nil {
		err = fmt.Errorf("%w; %d records were sent until then; run it again, nothing is sent twice", err, report.Sent)
	}
	return errors.Join(err, j.tell(report))
}

// ask shows what would be sent and asks for a yes.
func (j *lettersJob) ask(found *redrive.Found) bool {
	counts, order := map[string]int{}, []string{}
	for _, i := range found.Items {
		what := fmt.Sprintf("%s to %s", printable(i.Letter.Reason), printable(i.Letter.Topic))
		if counts[what]++; counts[what] == 1 {
			order = append(order, what)
		}
	}
	for _, what := range order {
		fmt.Fprintf(j.g.err, "%6d %s\n", counts[what], what)
	}
	fmt.Fprintf(j.g.err, "send these %d records back%s? [y/N] ", len(found.Items), more(found.More))
	answer, _ := bufio.NewReader(j.g.in).ReadString('\n') // what can't be read is no yes
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d more match; run it again for them, or see --limit)", n)
}

func (j *lettersJob) tell(r *redriveReport) error {
	var err error
	if j.g.output == "json" {
		err = writeJSON(j.g.out, r)
	} else {
		for _, x := range r.Refused {
			fmt.Fprintf(j.g.out, "letter %d/%d is not sent: %s\n", x.Partition, x.Offset, printable(x.Cause))
		}
		_, err = fmt.Fprintf(j.g.out, "%d records sent back, %d were already, %d refused%s\n", r.Sent, r.Already, len(r.Refused), more(r.More))
	}
	if err == nil && len(r.Refused) > 0 {
		return failed(exitFailed)
	}
	return err
}
