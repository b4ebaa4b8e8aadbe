package task

import (
	"fmt"

	"insolite/ingest"
)

// History is what lies before the place where the first start's output begins: contexts are built from it, and what is sent to stages is
// marked, so that they do the same. It is stepped live and committed as it goes, so that a crash goes on where it was. Journals of versions
// that committed that place at once and replayed what lies before it lead to the same contexts.

// inHistory reports whether the task is live and has not come to where its output begins.
func (t *Task) inHistory() bool { return t.live && t.engine.Position().Offset < t.begins }

// history steps a batch that ends where the output begins, or before.
func (t *Task) history(b *ingest.Batch) error {
	if err := t.engine.History(b, &t.out); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if t.inHistory() {
		return nil
	}
	t.engine.Cut(&t.out) // a frame is history or is not
	t.log.Info("warmed up", "position", t.engine.Position().String())
	t.update(func(s *Status) { s.Phase = Live })
	return nil
}
