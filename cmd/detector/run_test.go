package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// A stop while the service starts is no failure, whatever does not answer; a drain that is stopped has not drained.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it is connected to, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	config := deployment(t, silent.Addr().String())
	for command, want := range map[string]struct {
		code int
		says string
	}{
		"run":   {exitOK, "stopped while it was starting"},
		"drain": {exitFailed, "run `detector drain` again"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, stop)
		var out, problems bytes.Buffer
		began := time.Now()
		code := run(ctx, []string{command, "--config", config}, stdio{in: strings.NewReader(""), out: &out, err: &problems})
		t.Logf("%s: ended after %s", command, time.Since(began).Round(time.Millisecond))
		if code != want.code || !strings.Contains(problems.String(), want.says) {
			t.Errorf("%s: exit code %d, want %d and %q: %s", command, code, want.code, want.says, &problems)
		}
	}
}
