package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"insolite/internal/diag"
)

// The exit codes that scripts rely on.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitLint   = 3
)

// stdio is what a command reads and writes; a test has its own.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// global holds the flags that every command has.
type global struct {
	stdio
	output    string
	logLevel  string
	logFormat string
}

// exitError is an error that names the exit code; a nil cause has been told already.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// failed ends a command whose result has been printed.
func failed(code int) error { return &exitError{code: code} }

// invalid is what is wrong with how the command was called or configured.
func invalid(format string, args ...any) error {
	return &exitError{code: exitUsage, cause: fmt.Errorf(format, args...)}
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	g := &global{stdio: io}
	root := newRoot(g)
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	code := exitFailed
	if errors.As(err, &exit) {
		code = exit.code
		if exit.cause == nil {
			return code
		}
	}
	fmt.Fprintln(io.err, "detector: "+err.Error())
	return code
}

func newRoot(g *global) *cobra.Command {
	root := &cobra.Command{
		Use:   "detector",
		Short: "Is that normal? Declarative rules over the history of every key in Kafka",
		Long: "Insolite answers one question for every event of a company, while it happens: is that normal?\n" +
			"Kafka in, declarative YAML rules over keyed, windowed, event-time context, explained alerts out.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return g.check(cmd)
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&g.output, "output", "o", "human", "`FORM` of the output: human or json (test: also junit)")
	flags.StringVar(&g.logLevel, "log-level", "info", "least `LEVEL` of what is logged: debug, info, warn or error")
	flags.StringVar(&g.logFormat, "log-format", "text", "`FORM` of the log: text or json")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return invalid("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(newDemo(g), newRun(g), newApply(g), newDrain(g), newDoctor(g), newDeadLetters(g), newContext(g))
	root.AddCommand(newCheck(g), newVersion(g))
	root.AddCommand(newTest(g), newBacktest(g), newGenerate(g), newExplain(g), newDocs(g))
	return withHelp(root)
}

// unknownCommand is cobra's argument check of the root with the nearest name as the cure.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Root().Commands() {
		names = append(names, c.Name())
	}
	return invalid("unknown command %q%s; see `detector --help`", args[0], diag.DidYouMean(args[0], names))
}

// check looks at the global flags' values.
func (g *global) check(cmd *cobra.Command) error {
	switch {
	case g.output == "junit" && cmd.Name() != "test":
		return invalid("only `detector test` writes junit; use human or json")
	case g.output != "human" && g.output != "json" && g.output != "junit":
		return invalid("unknown output %q; use human or json", g.output)
	}
	if _, err := g.level(); err != nil {
		return err
	}
	if g.logFormat != "text" && g.logFormat != "json" {
		return invalid("unknown log format %q; use text or json", g.logFormat)
	}
	return nil
}

func (g *global) level() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.logLevel)); err != nil {
		return 0, invalid("unknown log level %q; use debug, info, warn or error", g.logLevel)
	}
	return level, nil
}

// log returns the logger that the flags ask for; it writes to standard error.
func (g *global) log() *slog.Logger {
	level, err := g.level()
	if err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if g.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(g.err, options))
	}
	return slog.New(slog.NewTextHandler(g.err, options))
}

// terminal reports whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colour reports whether w should get colours: https://no-color.org.
func colour(w io.Writer) bool {
	return terminal(w) && os.Getenv("NO_COLOR") == "" && !strings.EqualFold(os.Getenv("TERM"), "dumb")
}
