package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"insolite/internal/app"
)

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  detector version\n  detector version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			version, revision := app.Version()
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{version, revision, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if g.output == "json" {
				return json.NewEncoder(g.out).Encode(v)
			}
			_, err := fmt.Fprintf(g.out, "detector %s (%s, %s, %s)\n", v.Version, v.Revision, v.Go, v.Platform)
			return err
		},
	}
}
