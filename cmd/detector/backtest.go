package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/backtest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// backtestJob is one call of the command.
type backtestJob struct {
	g         *global
	config    *string
	in        *inputs
	alerts    string
	labels    string
	from, to  timeFlag
	until     timeFlag
	project   *app.Project
	runner    *backtest.Runner
	topics    []string // that are read
	progress  *progress
	sink      *bufio.Writer // nil: alerts are counted only
	report    *backtestReport
	read, all int64 // how far: bytes of files, records of topics
}

func newBacktest(g *global) *cobra.Command {
	j := &backtestJob{g: g, from: timeFlag{event.NoTime}, to: timeFlag{event.NoTime}, until: timeFlag{event.NoTime}}
	cmd := &cobra.Command{
		Use:   "backtest [--config FILE] --input NAME=FILE… [PATH…]",
		Short: "Run the rules over events of the past",
		Long: "Run the rules over events of the past, through the engine that runs live, and tell how many alerts there would have been and for whom.\n" +
			"PATHs are rule files or folders in place of those that the configuration names.\n\n" +
			"A file holds one event a line, as JSON. One file is taken in its own order; several are merged by event time, equal times in the order of\n" +
			"the arguments. A line's number, from 0, is its offset in partition 0. Files have no timestamps beside the event times, so max_ahead does not\n" +
			"apply. With --topic the records come from Kafka, each partition as a task of its own, one after the other, up to where they end now. Where a\n" +
			"rule is by another key than its source's, partitions are read together instead, merged by the records' timestamps: about the order in which\n" +
			"the rule would have seen them live.\n\n" +
			"--alerts writes the records that `detector run` would have put on the alerts topic, to the byte, in order of emission; rules in shadow mode\n" +
			"are counted only. With --from and --to, alerts outside are neither written nor counted, but all events build context. What a rule by another\n" +
			"key finds depends on the order in which its events come together, which live is that of the commits of their tasks: its alerts are the same\n" +
			"to the byte only where the order is, as from one partition at a time.",
		Example: "  detector backtest --input payment.made=payments.ndjson\n" +
			"  detector backtest --input payments=october.ndjson --from 2026-10-08 --alerts alerts.ndjson rules/new.yaml\n" +
			"  zcat payments.ndjson.gz | detector backtest --input payments=- --alerts - | jq .summary\n" +
			"  detector backtest --topic payment.made -o json",
	}
	j.config, j.in = configFlag(cmd), inputFlags(cmd)
	cmd.Flags().StringVar(&j.alerts, "alerts", "", "write the alerts to this `FILE`, a record a line; -: standard output, with the summary on standard error")
	cmd.Flags().StringVar(&j.labels, "labels", "", "compare with the truth in this `FILE`, as `detector generate --labels` writes it: precision and recall of each rule")
	cmd.Flags().Var(&j.from, "from", "first event time of alerts that count; earlier events only build context")
	cmd.Flags().Var(&j.to, "to", "end of the event times of alerts that count, exclusive")
	cmd.Flags().Var(&j.until, "until", "let time pass until then behind the last event; what is due by then fires")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error { return j.run(cmd.Context(), paths) }
	return cmd
}

func (j *backtestJob) run(ctx context.Context, paths []string) (err error) {
	if err := j.in.check(); err != nil {
		return err
	}
	if j.from.at != event.NoTime && j.to.at != event.NoTime && j.from.at >= j.to.at {
		return invalid("--from is not before --to; nothing lies between them")
	}
	if j.project, err = j.g.load(*j.config, paths, rules.Options{}); err != nil {
		return err
	}
	if j.runner, err = backtest.New(j.project.Set, backtest.Options{}); err != nil {
		return err
	}
	read, err := j.prepare(ctx)
	if err != nil {
		return err
	}
	j.report, j.progress = newBacktestReport(), newProgress(j.g.err)
	if err := j.expect(); err != nil {
		return err
	}
	if err := j.step(ctx, read); err != nil {
		j.progress.end(func(time.Duration) string { return "" })
		return err
	}
	j.report.count(j.project.Set, j.runner.Tasks(), j.topics)
	j.progress.end(func(elapsed time.Duration) string {
		return fmt.Sprintf("%s in %s, %s", count(j.report.Records, "record"), elapsed.Round(time.Millisecond), perSecond(j.report.Records, elapsed))
	})
	out := j.g.out
	if j.alerts == "-" {
		out = j.g.err
	}
	if j.g.output == "json" {
		return writeJSON(out, j.report)
	}
	return j.report.tell(out, paintFor(out))
}

// counts reports whether an alert of that time is asked for.
func (j *backtestJob) counts(at event.Time) bool {
	return at >= j.from.at && (j.to.at == event.NoTime || at < j.to.at)
}

// expect reads the labels.
func (j *backtestJob) expect() error {
	if j.labels == "" {
		return nil
	}
	labels, err := readLabels(j.labels)
	if err != nil {
		return invalid("--labels: %w", err)
	}
	t := newTally()
	for i := range labels {
		if at, ok := parseTime(labels[i].At); ok && j.counts(at) && slices.Contains(j.topics, labels[i].Topic) {
			t.expect(&labels[i], at)
		}
	}
	j.report.tally = &t
	return nil
}

// openAlerts makes the file for the alerts.
func (j *backtestJob) openAlerts() (done func() error, err error) {
	var file io.WriteCloser
	switch j.alerts {
	case "":
		return func() error { return nil }, nil
	case "-":
		j.sink = bufio.NewWriter(j.g.out)
		return j.sink.Flush, nil
	}
	if file, err = os.Create(j.alerts); err != nil {
		return nil, invalid("--alerts: %w", err)
	}
	j.sink = bufio.NewWriter(file)
	return func() error { return errors.Join(j.sink.Flush(), file.Close()) }, nil
}

// step reads everything, with the alerts going where they are wanted.
func (j *backtestJob) step(ctx context.Context, read func() error) error {
	done, err := j.openAlerts()
	if err != nil {
		return err
	}
	err = read()
	if err == nil && j.until.at != event.NoTime {
		err = j.runner.Until(j.until.at, j.emit(ctx))
	}
	return errors.Join(err, done())
}

// prepare looks at what is to be read, before any file is made, and returns what reads it.
func (j *backtestJob) prepare(ctx context.Context) (read func() error, err error) {
	if len(j.in.files) > 0 {
		o, err := j.in.open(ctx, j.g, j.runner, j.advance)
		if err != nil {
			return nil, err
		}
		j.topics, j.all = o.topics, o.size
		return func() error {
			defer o.close()
			return j.runner.Run(o.files, j.emit(ctx))
		}, nil
	}
	if j.topics, err = j.in.ofTopics(j.runner); err != nil {
		return nil, err
	}
	client, err := kafka.Dial(ctx, app.KafkaOptions(j.project.Config))
	if err != nil {
		return nil, err
	}
	parts, err := partitions(ctx, client, j.topics)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return func() error { return errors.Join(j.readTopics(ctx, client, parts), client.Close()) }, nil
}

func (j *backtestJob) readTopics(ctx context.Context, client *kafka.Client, parts []partition) error {
	for _, p := range parts {
		j.all += int64(p.until - p.from)
	}
	return j.runner.Partitions(toRead(ctx, client, parts, j.advance), j.emit(ctx))
}

// advance notes how much more has been read.
func (j *backtestJob) advance(n int) {
	j.read += int64(n)
	j.progress.tell(func(elapsed time.Duration) string {
		far := fmt.Sprintf("%s MB", thousands(uint64(j.read)>>20)) // of standard input
		if j.all > 0 {
			far = fmt.Sprintf("%3.0f %%", 100*float64(j.read)/float64(max(j.all, j.read)))
		}
		return fmt.Sprintf("%s  %s  %.0fs", far, count(j.report.Alerts, "alert"), elapsed.Seconds())
	})
}

// emit takes what a batch gives.
func (j *backtestJob) emit(ctx context.Context) func(*engine.Output) error {
	return func(out *engine.Output) error {
		for i := range out.Alerts {
			a := &out.Alerts[i]
			if !j.counts(a.At.Time()) {
				continue
			}
			j.report.alert(a)
			if j.sink == nil || a.Rule.Mode != rules.Live {
				continue
			}
			if _, err := j.sink.Write(append(a.Value, '\n')); err != nil {
				return fmt.Errorf("write alerts: %w", err)
			}
		}
		for i := range out.DeadLetters {
			j.report.deadLetter(&out.DeadLetters[i])
		}
		if ctx.Err() != nil {
			return errInterrupted
		}
		return nil
	}
}
