package engine

import "insolite/internal/event"

// Waits reports whether something is due before an instant. It is for a live task between steps, and brings stored contexts into memory for
// that.
func (e *Engine) Waits(before event.Time) (bool, error) {
	e.part()
	until, replay := e.until, e.replay
	e.until, e.replay = before, false
	at, err := e.earliest()
	e.until, e.replay = until, replay
	if err != nil || at < before {
		return err == nil, err
	}
	e.next = at
	for _, s := range e.timed {
		e.next = min(e.next, s.place.Deadline)
	}
	return false, nil
}
