package store

import "testing"

// TestWorkPerEvent guards by counts what the reference job costs, for a fixed log of few keys: windows of floats are folded anew when a pane
// leaves, those of counts are not. Folding at every read would merge NAIVE panes an event.
func TestWorkPerEvent(t *testing.T) {
	const batches = 300
	j := newJob(t, 500, benchFive)
	all := stages{true, true, true, true}
	before := j.keys.Stats()
	for range batches {
		j.batch(all)
	}
	after := j.keys.Stats()
	for what, c := range map[string]struct{ got, most float64 }{
		"panes merged an event":   {float64(after.Folded-before.Folded) / (batches * benchBatch), 28},
		"contexts moved an event": {float64(after.Moved-before.Moved) / (batches * benchBatch), 0.03},
		"bytes a key":             {float64(j.keys.Bytes()) / float64(j.keys.Len()), 1900},
	} {
		if c.got > c.most {
			t.Errorf("%.3f %s, at most %g", c.got, what, c.most)
		}
	}
	if n := testing.AllocsPerRun(50, func() { j.batch(all) }); n > 1 { // a block grows, rarely
		t.Errorf("%v allocations a batch of %d events, at most 1", n, benchBatch)
	}
}
