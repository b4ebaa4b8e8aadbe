package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the sessions below run this very program as the command detector.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"detector": func() {
			os.Exit(run(context.Background(), os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
		},
	})
}

// TestSessions runs the sessions of testdata/script: what is typed, what is there before, what is printed. UPDATE=1 rewrites what they expect.
func TestSessions(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			examples, err := filepath.Abs("../../rules/examples")
			e.Setenv("EXAMPLES", examples)
			return err
		},
	})
}
