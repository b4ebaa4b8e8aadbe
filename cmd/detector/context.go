package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/config"
)

func newContext(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Look at what is remembered of a key",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newContextGet(g))
	return cmd
}

// contextJob is one call of the command.
type contextJob struct {
	g        *global
	path     *string
	keyspace string
	topic    string
	admin    string
	config   *config.Config
}

func newContextGet(g *global) *cobra.Command {
	j := &contextJob{g: g}
	cmd := &cobra.Command{
		Use:   "get [--config FILE] [--keyspace FIELDS] KEY…",
		Short: "Ask the running instances what they remember of a key",
		Long: "Ask what is remembered of a key: every feature with its window, samples and value, cool-downs, and the events that the next alert may name.\n" +
			"Features are told as of the watermark of the key's task, or as of the key's newest event when that is later.\n\n" +
			"KEY is one value for each field of the keyspace, in the order of their names, or field=value pairs. An instance is asked at admin.listen of\n" +
			"the configuration, or at what the consumer group tells; it says which instance has the key's partition, and that one is asked then. Where the\n" +
			"key is not in the partition to which Java's producers send it, all partitions are asked.",
		Example: "  detector context get ann\n" +
			"  detector context get --keyspace card_id,customer_id customer_id=ann card_id=4711\n" +
			"  detector context get --admin 10.0.0.7:9090 --keyspace customer_id ann -o json",
		RunE: func(cmd *cobra.Command, args []string) error { return j.run(cmd.Context(), args) },
	}
	j.path = configFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&j.keyspace, "keyspace", "", "the `FIELDS` by which rules group, with commas between (default: the only one)")
	f.StringVar(&j.topic, "topic", "", "only tasks of this `TOPIC` (default: of all that have the keyspace)")
	f.StringVar(&j.admin, "admin", "", "the admin `ADDRESS`, HOST:PORT, of an instance (default: as configured, then as the consumer group tells)")
	return cmd
}

func (j *contextJob) run(ctx context.Context, key []string) error {
	if len(key) == 0 {
		return invalid("whose context? Name a key, as in `detector context get ann`")
	}
	conf, list := config.Load(*j.path, config.Options{})
	if conf == nil {
		writeProblems(j.g.err, list, terminal(j.g.err))
		return failed(exitUsage)
	}
	j.config = conf
	query := url.Values{"key": key}
	for name, value := range map[string]string{"keyspace": j.keyspace, "topic": j.topic} {
		if value != "" {
			query.Set(name, value)
		}
	}
	answer, instance, err := j.first(ctx, query)
	if err != nil {
		return err
	}
	follow(ctx, answer, query)
	if answer.Places, err = widen(ctx, instance, answer.Places, query); err != nil {
		return err
	}
	if j.g.output == "json" {
		err = writeJSON(j.g.out, answer)
	} else {
		err = tellContexts(j.g.out, paintFor(j.g.out), answer)
	}
	for _, p := range answer.Places {
		if err == nil && p.Problem != "" {
			return failed(exitFailed)
		}
	}
	return err
}

// widen asks every partition of the topics whose expected partition has nothing.
func widen(ctx context.Context, instance string, places []app.ContextPlace, query url.Values) ([]app.ContextPlace, error) {
	var all []app.ContextPlace
	for _, p := range places {
		if p.From != "none" || !p.Expected {
			all = append(all, p)
			continue
		}
		q := maps.Clone(query)
		q.Set("topic", p.Topic)
		q.Set("all", "1")
		answer, err := askContext(ctx, instance, q)
		if err != nil {
			return nil, err
		}
		follow(ctx, answer, query)
		all = append(all, answer.Places...)
	}
	return all, nil
}

// first asks the instances until one answers, and returns its address, too.
func (j *contextJob) first(ctx context.Context, query url.Values) (*app.ContextAnswer, string, error) {
	var tried []string
	try := func(instance string) (*app.ContextAnswer, error) {
		answer, err := askContext(ctx, instance, query)
		var away *awayError
		if errors.As(err, &away) {
			tried = append(tried, err.Error())
			return nil, nil
		}
		return answer, err
	}
	instance := j.admin
	if instance == "" {
		instance = app.Reachable(j.config.Admin)
	}
	if answer, err := try(instance); answer != nil || err != nil {
		return answer, instance, err
	}
	if j.admin == "" {
		others, err := j.members(ctx)
		if err != nil {
			tried = append(tried, err.Error())
		}
		for _, other := range others {
			if other == instance {
				continue
			}
			if answer, err := try(other); answer != nil || err != nil {
				return answer, other, err
			}
		}
	}
	return nil, "", fmt.Errorf("no instance of %s can be asked:\n  %s\nstart one with `detector run`, or name the admin address of one with --admin", j.config.App, strings.Join(tried, "\n  "))
}

// members returns the admin addresses that the consumer group tells.
func (j *contextJob) members(ctx context.Context) ([]string, error) {
	client, err := kafka.Dial(ctx, app.KafkaOptions(j.config))
	if err != nil {
		return nil, err
	}
	members, err := client.Members(ctx)
	var all []string
	for _, m := range members {
		if url := app.AdminURL(m); url != "" {
			all = append(all, url)
		}
	}
	return all, errors.Join(err, client.Close())
}
