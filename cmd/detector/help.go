package main

import (
	"github.com/spf13/cobra"
)

// helpTemplate shows examples first: most readers look for one to change.
const helpTemplate = `{{.Short}}.{{if .HasExample}}

Examples:
{{.Example}}{{end}}

Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .Long}}

{{.Long}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

` + "`{{.CommandPath}} COMMAND --help`" + ` tells more about a command.{{end}}
`

// withHelp gives a command and those below it the template, and the values that its global flags take to the shell's completion.
func withHelp(root *cobra.Command) *cobra.Command {
	root.SetHelpTemplate(helpTemplate)
	for flag, values := range map[string][]string{
		"output": {"human", "json", "junit"}, "log-level": {"debug", "info", "warn", "error"}, "log-format": {"text", "json"},
	} {
		_ = root.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails for an unknown flag only
	}
	return root
}
