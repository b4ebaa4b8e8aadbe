package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newDocs prints the page of all commands, docs/commands.md; a test keeps it in step.
func newDocs(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "docs",
		Short:   "Print the page of all commands",
		Example: "  detector docs > docs/commands.md",
		Hidden:  true,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root := cmd.Root()
			fmt.Fprintf(g.out, "# Commands\n\nThis page is made by `detector docs`; what it says stands in the commands themselves.\n\n%s\n", root.Long)
			fmt.Fprintf(g.out, "\nFlags that every command has:\n\n%s", flagList(root.PersistentFlags()))
			return writeCommands(g.out, root)
		},
	}
}

// writeCommands writes a section for each command below one.
func writeCommands(w io.Writer, parent *cobra.Command) error {
	for _, c := range parent.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" && parent.HasParent() {
			continue
		}
		fmt.Fprintf(w, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
		if c.Example != "" {
			fmt.Fprintf(w, "\n```sh\n%s\n```\n", dedent(c.Example))
		}
		fmt.Fprintf(w, "\nUsage: `%s`\n", c.UseLine())
		if c.Name() == "completion" {
			fmt.Fprintf(w, "\n`%s bash|zsh|fish|powershell --help` says how to load it.\n", c.CommandPath())
			continue
		}
		if c.Long != "" {
			fmt.Fprintf(w, "\n%s\n", paragraphs(c.Long))
		}
		if flags := flagList(c.NonInheritedFlags()); flags != "" {
			fmt.Fprintf(w, "\n%s", flags)
		}
		if err := writeCommands(w, c); err != nil {
			return err
		}
	}
	return nil
}

// flagList lists flags in their table.
func flagList(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" && f.DefValue != "-1" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
	})
	if b.Len() == 0 {
		return ""
	}
	return "| flag | |\n|---|---|\n" + b.String()
}

// dedent takes the two blanks away that help puts before its examples.
func dedent(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll(s, "\n  ", "\n"), "  ")
}

// paragraphs makes Markdown of help: a paragraph that is indented is shown as it is.
func paragraphs(s string) string {
	var b strings.Builder
	for block := range strings.SplitSeq(s, "\n\n") {
		if strings.HasPrefix(block, "  ") {
			block = "```\n" + dedent(block) + "\n```"
		}
		b.WriteString(block + "\n\n")
	}
	return strings.TrimSpace(b.String())
}
