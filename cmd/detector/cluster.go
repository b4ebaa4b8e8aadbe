package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/config"
)

// clusterFlags say where to produce.
type clusterFlags struct {
	brokers []string
	config  string
	topic   string
	alerts  string
	create  int
}

func (c *clusterFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&c.brokers, "brokers", nil, "some brokers of the cluster, each `HOST:PORT`, with commas between them")
	f.StringVarP(&c.config, "config", "c", "", "take brokers, TLS, login and alerts topic from this `FILE` instead")
	f.StringVar(&c.topic, "topic", "", "the `TOPIC` that the events go to (default: the scenario's)")
	f.StringVar(&c.alerts, "alerts", "", "the alerts `TOPIC`, for --score (default: insolite.alerts)")
	f.IntVar(&c.create, "create", 0, "create missing topics with `N` partitions")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // fails for an unknown flag only
}

// dial connects as the flags say; the flags go before the configuration.
func (c *clusterFlags) dial(ctx context.Context, g *global) (*kafka.Client, error) {
	o := kafka.Options{App: "detector"}
	if c.config != "" {
		conf, list := config.Load(c.config, config.Options{})
		if conf == nil {
			writeProblems(g.err, list, terminal(g.err))
			return nil, failed(exitUsage)
		}
		o = app.KafkaOptions(conf)
		if c.alerts == "" {
			c.alerts = conf.Alerts
		}
	}
	if len(c.brokers) > 0 {
		o.Brokers = c.brokers
	}
	if c.alerts == "" {
		c.alerts = "insolite.alerts"
	}
	return kafka.Dial(ctx, o)
}

// partitions returns how many partitions a topic has; a missing one is created if that is wanted.
func (c *clusterFlags) partitions(ctx context.Context, client *kafka.Client, topic string) (int, error) {
	t, err := client.DescribeTopic(ctx, topic)
	if errors.Is(err, kafka.ErrNotFound) {
		if c.create <= 0 {
			return 0, fmt.Errorf("the brokers have no topic %s; create it, or let --create 6 do so with 6 partitions", topic)
		}
		if _, err := client.EnsureTopic(ctx, kafka.TopicSpec{Name: topic, Partitions: c.create}); err != nil {
			return 0, err
		}
		return c.create, nil
	}
	if err != nil {
		return 0, err
	}
	return t.Partitions, nil
}
