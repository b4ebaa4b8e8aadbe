package task

import (
	"context"

	"insolite/internal/event"
	"insolite/internal/journal"
)

// The version of the engine is raised when it computes otherwise. What one version has stepped another one must not replay: it could come to
// other contexts than those that alerts were raised from. So a task changes the version only where nothing is to be replayed, at X = Y, and the
// journal says where that was. Every stop in order and `detector drain` bring Y to X.

// sameEngine checks that what is to be replayed was stepped by the same engine.
func (t *Task) sameEngine(x *committed, y event.Position) error {
	if x.Engine == t.o.Engine || !y.Before(x.position) || t.o.AcceptEngine {
		return nil
	}
	return t.refuse("run `detector drain` with the version that ran before, or pass --accept-engine-change to let results differ",
		"engine version %d ran up to %v, this is version %d and would have to replay from %v", x.Engine, x.position, t.o.Engine, y)
}

// tellEngine has the journal say that another version of the engine goes on than the one that came to X, before it steps anything.
func (t *Task) tellEngine(ctx context.Context) error {
	before := t.target.Engine
	if !t.live || before == t.o.Engine {
		return nil
	}
	t.target.Engine = t.o.Engine
	t.log.Info("engine changed", "engine", t.o.Engine, "before", before, "position", t.engine.Position().String())
	return t.journal(ctx, journal.Entry{Kind: journal.Engine, Engine: t.o.Engine})
}
