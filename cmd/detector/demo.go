package main

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"insolite/internal/app"
)

func newDemo(g *global) *cobra.Command {
	o := app.DemoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole service on this machine, nothing else needed",
		Long: "Run an embedded Kafka broker, the service with the example rules, and generators of payments, log-ins, pizzas and sensor readings: weeks of history first,\n" +
			"then live events with anomalies among them. Alerts are told here and on the page. Ctrl-C ends it and leaves nothing behind.",
		Example: "  detector demo\n  detector demo --rate 200 --for 2m\n  detector demo --pack payments\n  detector demo --dir ./demo          # keeps it; change the rules there",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.Pack, "pack", "", "only the example of this `NAME`: "+strings.Join(app.DemoPacks(), ", "))
	f.StringVar(&o.Dir, "dir", "", "keep everything in this folder, and go on from it next time")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "where the page listens; another port when it is taken")
	f.Float64Var(&o.Rate, "rate", 20, "events a second")
	f.DurationVar(&o.For, "for", 0, "how long to run; until Ctrl-C when it is not given")
	f.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "of the events; the same seed makes the same ones")
	f.Lookup("seed").DefValue = "another one each time"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Pack != "" && !slices.Contains(app.DemoPacks(), o.Pack) {
			return invalid("--pack is one of %s, not %q", strings.Join(app.DemoPacks(), ", "), o.Pack)
		}
		if o.Rate <= 0 || o.Rate > 10_000 {
			return invalid("--rate is between 0 and 10000 events a second, not %v", o.Rate)
		}
		if !cmd.Flags().Changed("log-level") {
			g.logLevel = slog.LevelWarn.String()
		}
		o.Out, o.Logger = g.out, g.log()
		return app.RunDemo(cmd.Context(), o)
	}
	return cmd
}
