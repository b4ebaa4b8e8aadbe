package app

import (
	"context"
	"time"

	"insolite/internal/task"
)

// drainPoll is how often a draining service looks whether it is at the end.
const drainPoll = 200 * time.Millisecond

// drain ends the service when every assigned task has committed all that there is to read and its checkpoint has come as far, so that nothing
// is left to be replayed.
func (s *Service) drain(ctx context.Context) {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	quiet := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.refusal(); err != nil {
			s.end(err)
			return
		}
		if !s.drained() {
			quiet = 0
			continue
		}
		if quiet++; quiet == 5 { // an assignment may be on its way
			s.log.Info("drained")
			s.end(nil)
			return
		}
	}
}

func (s *Service) refusal() error {
	for _, t := range s.statuses() {
		if t.Phase == task.Refused {
			return t.Err
		}
	}
	return nil
}

func (s *Service) drained() bool {
	all := s.statuses()
	for _, t := range all {
		if t.Phase != task.Live || t.End < 0 || t.Committed.Offset < t.End || t.Swept != t.Committed {
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := 0
	for _, n := range s.partitions {
		want += n
	}
	return len(all) > 0 && len(all) == want
}
