package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"insolite/internal/app"
	"insolite/internal/engine"
)

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program and of its engine",
		Long:    "Print the version of this program, and of its engine: that is raised when results change, see docs/delivery.md on upgrades.",
		Example: "  detector version\n  detector version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			version, revision := app.Version()
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
				Engine   uint32 `json:"engine"`
			}{version, revision, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, engine.Version}
			if g.output == "json" {
				return json.NewEncoder(g.out).Encode(v)
			}
			_, err := fmt.Fprintf(g.out, "detector %s (%s, %s, %s, engine %d)\n", v.Version, v.Revision, v.Go, v.Platform, v.Engine)
			return err
		},
	}
}
