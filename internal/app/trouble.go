package app

import "log/slog"

// trouble logs once what goes wrong again and again, and when that is over. It belongs to one goroutine.
type trouble struct {
	log        *slog.Logger
	what, over string // the lines
	told       bool
}

// is tells how the last attempt went.
func (t *trouble) is(err error) {
	switch {
	case err == nil && t.told:
		t.log.Info(t.over)
	case err != nil && t.told:
		t.log.Debug(t.what, "error", err)
	case err != nil:
		t.log.Warn(t.what, "error", err)
	}
	t.told = err != nil
}
