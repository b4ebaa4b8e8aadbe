package store

import "insolite/context/window"

// Stats counts what happened to a keyspace, and what gave way to a limit.
type Stats struct {
	window.Drops        // by the cells
	IDs          uint64 // ids of dedupe that gave way while they could still have named a duplicate
	CoolDowns    uint64 // by values of suppress beyond 64
	Timers       uint64 // that found no room beside 4
	Values       uint64 // values of new_value that gave way while they were remembered
	Matches      uint64 // open matches of sequences that gave way
	Evicted      uint64 // contexts that were evicted
	Expired      uint64 // contexts that expired
	Moved        uint64 // contexts that outgrew their block
	Folded       uint64 // panes that were merged for sliding windows; see [window.Cell]
}

// Stats returns the counts since New.
func (k *Keyspace) Stats() Stats {
	s := Stats{Evicted: k.evict, Expired: k.expire, Moved: k.moved}
	for _, c := range k.layout.cells {
		d := c.w.Drops
		s.Panes += d.Panes
		s.Rows += d.Rows
		s.Sessions += d.Sessions
		s.Samples += d.Samples
		s.Text += d.Text
		s.Folded += c.w.Folded
	}
	for _, d := range k.layout.dedupe {
		s.IDs += d.dropped
	}
	for _, p := range k.layout.suppress {
		s.CoolDowns += p.dropped
	}
	for _, p := range k.layout.timers {
		s.Timers += p.dropped
	}
	for _, v := range k.layout.values {
		s.Values += v.dropped
	}
	for _, q := range k.layout.sequences {
		s.Matches += q.dropped
		s.Text += q.texts
	}
	return s
}
