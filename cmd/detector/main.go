// Command detector is Insolite: it answers for every event of a company, while it happens, whether that is normal.
//
//	detector demo                                  the whole thing on this machine, nothing else needed
//	detector check --config insolite.yaml rules/   every problem of configuration and rules, with place and cure
//	detector test  --config insolite.yaml rules/   run the tests that stand in the rules
//	detector run   --config insolite.yaml          the service
//
//	detector generate payments --stdout            realistic events with known anomalies
//	detector backtest --input SOURCE=FILE          the rules over events of the past
//	detector explain  --input SOURCE=FILE          why one of them raised an alert, or did not
//
// Data goes to standard output; progress and logs to standard error. Exit codes: 0 ok, 1 failed, 2 usage or invalid configuration,
// 3 lint only.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // rules name zones; the machine may have none
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	code := run(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
