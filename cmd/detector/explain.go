package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/backtest"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// explainJob is one call of the command.
type explainJob struct {
	g         *global
	config    *string
	in        *inputs
	rule      string
	offset    int64
	partition int32
}

func newExplain(g *global) *cobra.Command {
	j := &explainJob{g: g}
	cmd := &cobra.Command{
		Use:   "explain [--config FILE] --rule ID --input SOURCE=FILE --at-offset N",
		Short: "Tell why an event raised an alert, or did not",
		Long: "Tell what a rule made of one event: the outcome, every feature with its window, samples and value, every part of the condition with its\n" +
			"value, the exceptions, and whether it was held back. All events before it are stepped first, as `detector run` does.\n\n" +
			"The event is a line of a file, counted from 0, or a record of a topic's partition: what `position` says in an alert. Without --rule all\n" +
			"enabled rules of the event's source tell. A rule that is named is told as if it were live, even when it is disabled.",
		Example: "  detector explain --rule two-pizzas-one-day --input pizza.purchased=pizzas.ndjson --at-offset 41\n" +
			"  detector explain --rule card-testing --topic payment.made --partition 3 --at-offset 18224\n" +
			"  detector explain --input payments=payments.ndjson --at-offset 7 -o json",
		Args: noArgs,
	}
	j.config, j.in = configFlag(cmd), inputFlags(cmd)
	cmd.Flags().StringVar(&j.rule, "rule", "", "the `ID` of the rule (default: all rules of the event's source)")
	cmd.Flags().Int64Var(&j.offset, "at-offset", -1, "the offset of the event: of a file, the number of its line from 0")
	cmd.Flags().Int32Var(&j.partition, "partition", -1, "with --topic: the partition of the event")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return j.run(cmd.Context()) }
	return cmd
}

// noArgs is the check of commands that take flags only.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return invalid("%s takes no arguments, but flags; what is %q?", cmd.CommandPath(), args[0])
	}
	return nil
}

func (j *explainJob) run(ctx context.Context) error {
	if err := j.in.check(); err != nil {
		return err
	}
	switch {
	case len(j.in.files)+len(j.in.topics) > 1:
		return invalid("one event is of one file or topic; name one --input or --topic")
	case j.offset < 0:
		return invalid("which event? Say --at-offset N, as in the position of an alert")
	case len(j.in.topics) > 0 && j.partition < 0:
		return invalid("which event? Say --partition N, as in the position of an alert")
	}
	p, err := j.g.load(*j.config, nil, rules.Options{})
	if err != nil {
		return err
	}
	set, err := j.only(p)
	if err != nil {
		return err
	}
	r, err := backtest.New(set, backtest.Options{})
	if err != nil {
		return err
	}
	x, err := j.explain(ctx, p, set, r)
	if err != nil {
		return err
	}
	if r := set.Rule(j.rule); r != nil && r.Level > 0 {
		x.Rules = slices.DeleteFunc(x.Rules, func(y engine.RuleExplanation) bool { return y.Rule != r })
		if len(x.Rules) == 0 && x.Admission == engine.Admitted {
			return fmt.Errorf("rule %s sees alerts, and none that it sees was raised by this event; explain the event without --rule to see what the others made of it", j.rule)
		}
	} else if j.rule != "" && x.Source != nil && x.Source != set.Rule(j.rule).Source {
		return invalid("rule %s reads %s, but the event is of %s", j.rule, set.Rule(j.rule).Source.Name, x.Source.Name)
	}
	if j.g.output == "json" {
		return writeJSON(j.g.out, newExplanation(x))
	}
	return tellExplained(j.g.out, paintFor(j.g.out), x)
}

// only returns the set with the one rule that is asked for, alone and live; it detects the same as among others, unless it sees their alerts.
func (j *explainJob) only(p *app.Project) (*rules.Set, error) {
	if j.rule == "" {
		return p.Set, nil
	}
	if p.Set.Rule(j.rule) == nil {
		var ids []string
		for _, r := range p.Set.Rules {
			ids = append(ids, r.ID)
		}
		return nil, invalid("there is no rule %q%s", j.rule, diag.DidYouMean(j.rule, ids))
	}
	if r := p.Set.Rule(j.rule); r.Level > 0 && r.Enabled() {
		return p.Set, nil
	} else if r.Level > 0 {
		return nil, invalid("rule %s is disabled, and what it would see are the alerts of others; say mode: shadow to have it evaluated", j.rule)
	}
	set, list := rules.Load(p.Files, p.Config.Sources, p.Lookups, rules.Options{Only: j.rule})
	if list.HasErrors() {
		return nil, list.Err()
	}
	return set, nil
}

func (j *explainJob) explain(ctx context.Context, p *app.Project, set *rules.Set, r *backtest.Runner) (*backtest.Explained, error) {
	if len(j.in.files) > 0 {
		o, err := j.in.open(ctx, j.g, r, func(int) {})
		if err != nil {
			return nil, err
		}
		defer o.close()
		if err := j.reads(set, o.files[0].Topic); err != nil {
			return nil, err
		}
		return r.ExplainFile(o.files[0], event.Offset(j.offset))
	}
	topics, err := j.in.ofTopics(r)
	if err == nil {
		err = j.reads(set, topics[0])
	}
	if err != nil {
		return nil, err
	}
	client, err := kafka.Dial(ctx, app.KafkaOptions(p.Config))
	if err != nil {
		return nil, err
	}
	x, err := j.explainTopic(ctx, client, r, topics)
	return x, errors.Join(err, client.Close())
}

// reads tells when the rule reads another topic.
func (j *explainJob) reads(set *rules.Set, topic string) error {
	if r := set.Rule(j.rule); r != nil && r.Level == 0 && r.Source.Topic != topic {
		return invalid("rule %s reads topic %s, not %s", r.ID, r.Source.Topic, topic)
	}
	return nil
}

func (j *explainJob) explainTopic(ctx context.Context, client *kafka.Client, r *backtest.Runner, topics []string) (*backtest.Explained, error) {
	parts, err := partitions(ctx, client, topics)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(parts, func(p partition) bool { return p.Partition == event.Partition(j.partition) })
	if i < 0 {
		return nil, invalid("%s has no partition %d; it has %d, from 0", topics[0], j.partition, len(parts))
	}
	return r.ExplainPartition(toRead(ctx, client, parts, func(int) {}), parts[i].Partition, event.Offset(j.offset))
}

// ended says what a rule made of an event, in a sentence.
func ended(x *ruleExplained) string {
	switch x.Outcome {
	case "not_evaluated":
		return "not evaluated: `where` does not hold, so the rule does not see the event"
	case "no_key":
		return "not evaluated: a field of group_by is missing"
	case "duplicate":
		return "not evaluated: the event's id was seen before"
	case "not_fired", "insufficient_data", "missing_field":
		if x.Condition == nil {
			return "did not fire: " + x.Trigger
		}
	}
	switch x.Outcome {
	case "not_fired":
		return "did not fire: the condition is false"
	case "insufficient_data":
		return "did not fire: the condition is unknown, because a feature has no value yet"
	case "missing_field":
		return "did not fire: the condition is unknown, because a field is missing"
	case "excepted":
		return fmt.Sprintf("did not fire: the exception %q holds", x.Exception)
	case "suppressed":
		return fmt.Sprintf("held back: the condition is true, but the rule is quiet until %s", x.SuppressedUntil)
	case "fired":
		return "fired"
	case "waits":
		return "waits: an alert comes when time has passed, or not at all"
	case "open":
		return "no alert: the condition holds, and one is open already"
	case "panicked":
		return "was off: the condition panicked on this event; its effect on features stands"
	}
	return x.Outcome
}
