package app

import (
	"errors"
	"testing"

	"insolite/internal/task"
)

// A task that lives may still wait, or have contexts to read.
func TestPagePhase(t *testing.T) {
	t.Parallel()
	broken := errors.New("most records can't be decoded")
	for want, status := range map[string]task.Status{
		"running":    {Phase: task.Live, Warmth: task.Partly},
		"careful":    {Phase: task.Live, Warmth: task.Warming, Careful: 7},
		"warming":    {Phase: task.Live, Warmth: task.Warming},
		"waiting":    {Phase: task.Live, Warmth: task.Warming, Broken: broken},
		"recovering": {Phase: task.Recovering},
		"replaying":  {Phase: task.Replaying, Broken: broken},
		"refused":    {Phase: task.Refused, Err: broken},
		"idle":       {Phase: task.Stopped},
	} {
		if is := pagePhase(&status); is != want {
			t.Errorf("%+v is %s, want %s", status, is, want)
		}
	}
}
