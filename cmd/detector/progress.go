package main

import (
	"fmt"
	"io"
	"time"

	"insolite/internal/event"
)

// progress is a line on a terminal that tells how far long work has come; elsewhere it says nothing. The nil progress is silent.
type progress struct {
	w     io.Writer
	begin time.Time
	shown time.Time
	drawn bool
}

// progressPace is how often the line changes: people read no faster.
const progressPace = 200 * time.Millisecond

func newProgress(w io.Writer) *progress {
	if !terminal(w) {
		return nil
	}
	return &progress{w: w, begin: time.Now()}
}

// tell shows a line, unless the last one is too young.
func (p *progress) tell(line func(elapsed time.Duration) string) {
	if p == nil {
		return
	}
	now := time.Now()
	if now.Sub(p.shown) < progressPace {
		return
	}
	p.shown, p.drawn = now, true
	fmt.Fprintf(p.w, "\r\x1b[K%s", line(now.Sub(p.begin)))
}

// end takes the line away and leaves another one in its place.
func (p *progress) end(line func(elapsed time.Duration) string) {
	if p == nil {
		return
	}
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	if s := line(time.Since(p.begin)); s != "" {
		fmt.Fprintln(p.w, s)
	}
}

// perSecond writes a rate.
func perSecond(n uint64, d time.Duration) string {
	return thousands(uint64(float64(n)/max(d.Seconds(), 1e-9))) + "/s"
}

// parseTime reads an instant as flags have it.
func parseTime(s string) (event.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err != nil {
			return 0, false
		}
	}
	return event.TimeOf(t)
}
