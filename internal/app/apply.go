package app

import (
	"context"
	"fmt"
	"log/slog"

	"insolite/ingest/kafka"
	"insolite/internal/event"
)

// Apply publishes a project's rules as the newest bundle, unless they are that already, and returns its number.
func Apply(ctx context.Context, p *Project, log *slog.Logger) (event.Offset, error) {
	client, err := kafka.Dial(ctx, KafkaOptions(p.Config))
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }() // what was published is acknowledged
	producer := client.NewProducer()
	defer producer.Close()
	topic := p.Config.BundlesTopic()
	if _, err := client.EnsureTopic(ctx, bundlesSpec(p.Config)); err != nil {
		return 0, fmt.Errorf("create topic %s: %w", topic, err)
	}
	b := newBundles(client, producer, p.Config, log)
	if err := b.refresh(ctx); err != nil {
		return 0, err
	}
	mine, err := p.Bundle()
	if err != nil {
		return 0, err
	}
	if is, err := b.inForce(mine); is || err != nil {
		return b.Newest(), err
	}
	if err := b.stages.ensure(ctx, p.Set); err != nil { // here, where somebody waits for the answer
		return 0, err
	}
	return b.publish(ctx, mine)
}
