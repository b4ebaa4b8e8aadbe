package loadgen

import (
	"time"

	"insolite/internal/event"
)

// Pacer keeps an open loop: every event is due at a time that does not depend on how fast the ones before it were taken, so a slow system
// is offered what a real one would be, and its delay is measured from when the event was due. The zero Pacer is right; it has no clock.
//
//	for {
//		g.Next(&e)
//		for wait := p.Wait(e.Due, now()); wait > 0; wait = p.Wait(e.Due, now()) {
//			sleep(wait)
//		}
//		write(&e)
//	}
//
// Events of the history are due long ago: ask for those of Event.History nothing, just write them.
type Pacer struct {
	Sent   uint64        // events that Wait let go
	Behind uint64        // of these, those that were let go more than BehindTolerance after they were due
	Worst  time.Duration // the longest delay of one
}

// BehindTolerance is how late an event may be without being counted as behind: a sleep of the operating system is not more exact.
const BehindTolerance = 10 * time.Millisecond

// Wait returns how long to wait until an event is due; when that is not positive the event is counted as sent.
func (p *Pacer) Wait(due, now event.Time) time.Duration {
	delay := time.Duration(now - due)
	if delay < 0 {
		return -delay
	}
	p.Sent++
	p.Worst = max(p.Worst, delay)
	if delay > BehindTolerance {
		p.Behind++
	}
	return 0
}
