package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"insolite/internal/app"
	"insolite/rules"
)

func newRun(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [--config FILE]",
		Short: "Run the service: read events, raise alerts",
		Long: "Run the service: it joins the consumer group, reads the partitions, and writes alerts. Contexts in a folder (state.store: pebble) belong to one\n" +
			"instance, so a second one of the same app is refused. SIGTERM and Ctrl-C end it in order within ten seconds, also while it starts: what was read is committed,\n" +
			"contexts are checkpointed. SIGHUP, POST /reload on the admin listener and a change of the files read the rules again: what has changed is in force seconds later.",
		Example: "  detector run\n  detector run --config /etc/insolite/insolite.yaml --log-format json\n  INSOLITE_KAFKA_BROKERS=kafka:9092 detector run",
		Args:    cobra.NoArgs,
	}
	config := configFlag(cmd)
	accept := acceptFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return g.serve(cmd.Context(), *config, app.ServiceOptions{AcceptEngine: *accept})
	}
	return cmd
}

func acceptFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("accept-engine-change", false, "replay what another version of the engine has stepped, although results may differ")
}

func newDrain(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain [--config FILE]",
		Short: "Read to the end of every partition, checkpoint, and stop",
		Long: "Read what is there, to the end of every partition, write a complete checkpoint, and stop. Nothing has to be replayed afterwards, so that another\n" +
			"version of the engine can go on. Stop the other instances before. Stopped before it is done, it fails.",
		Example: "  detector drain --config insolite.yaml",
		Args:    cobra.NoArgs,
	}
	config := configFlag(cmd)
	accept := acceptFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return g.serve(cmd.Context(), *config, app.ServiceOptions{AcceptEngine: *accept, Drain: true})
	}
	return cmd
}

// serve runs a service until it ends by itself or the context does.
func (g *global) serve(ctx context.Context, config string, o app.ServiceOptions) error {
	hangUp := make(chan os.Signal, 1) // before anything else: unasked for, it would end the process
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	p, err := g.load(config, nil, rules.Options{})
	if err != nil {
		return err
	}
	o.Project, o.Logger = p, g.log()
	s := app.NewService(o)
	err = s.Start(ctx)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if err != nil {
		o.Logger.Info("stopped while it was starting", "at", err)
		return stopped(o)
	}
	awaitEnd(ctx, s, hangUp, o.Logger)
	s.Stop()
	select {
	case <-s.Ended():
		return s.Err()
	default:
		return stopped(o)
	}
}

// awaitEnd waits until the service ends by itself or the context does, and reads the rules again on each signal.
func awaitEnd(ctx context.Context, s *app.Service, hangUp <-chan os.Signal, log *slog.Logger) {
	for {
		select {
		case <-hangUp:
			if r := s.Reload(ctx, app.BySignal); r.Result == app.Failed {
				log.Warn("the rules could not be read again", "error", r.Error)
			}
		case <-ctx.Done():
			log.Info("stop")
			return
		case <-s.Ended():
			return
		}
	}
}

// stopped is what becomes of a service that was asked to stop.
func stopped(o app.ServiceOptions) error {
	if o.Drain {
		return errNotDrained
	}
	return nil
}

// errNotDrained is returned by a drain that is stopped: whoever called it must not go on as if it had succeeded.
var errNotDrained = errors.New("stopped before everything was drained: what is left is replayed by the next start; run `detector drain` again before another version of the engine")

func newApply(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply [--config FILE] [PATH…]",
		Short: "Put the rules on disk in force, for all instances",
		Long: "Publish the configuration's sources and lookups with its rules, or with the rules at PATH, as a new bundle. Every running instance activates it between\n" +
			"two commits; what it has in common with the rules before keeps its history. Also the way back to older rules.",
		Example: "  detector apply --config insolite.yaml\n  detector apply --config insolite.yaml rules/v2/",
	}
	config := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		p, err := g.load(*config, paths, rules.Options{})
		if err != nil {
			return err
		}
		number, err := app.Apply(cmd.Context(), p, g.log())
		if err != nil {
			return err
		}
		if g.output == "json" {
			return writeJSON(g.out, map[string]any{"bundle": number, "rules": len(p.Set.Rules)})
		}
		_, err = fmt.Fprintf(g.out, "bundle %d with %d rules is published\n", number, len(p.Set.Rules))
		return err
	}
	return cmd
}
