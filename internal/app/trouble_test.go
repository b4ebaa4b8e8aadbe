package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// However often an attempt fails, a log at its usual level has two lines of it.
func TestTroubleIsToldOnce(t *testing.T) {
	var b bytes.Buffer
	x := &trouble{log: slog.New(slog.NewTextHandler(&b, nil)), what: "it fails", over: "it works again"}
	away := errors.New("away")
	for _, err := range []error{nil, away, away, errors.New("still away"), nil, nil} {
		x.is(err)
	}
	if got := b.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `level=WARN msg="it fails" error=away`) || !strings.Contains(got, `level=INFO msg="it works again"`) {
		t.Errorf("logged:\n%s", got)
	}
	b.Reset()
	x.is(away)
	if !strings.Contains(b.String(), "level=WARN") {
		t.Error("a new trouble is not told")
	}
}
