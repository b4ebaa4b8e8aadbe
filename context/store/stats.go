package store

import "insolite/context/window"

// Stats counts what happened to a keyspace, and what gave way to a limit.
type Stats struct {
	window.Drops        // by the cells
	IDs          uint64 // ids of dedupe that gave way while they could still have named a duplicate
	CoolDowns    uint64 // by values of suppress beyond 64
	Evicted      uint64 // contexts that were evicted
	Expired      uint64 // contexts that expired
}

// Stats returns the counts since New.
func (k *Keyspace) Stats() Stats {
	s := Stats{Evicted: k.evict, Expired: k.expire}
	for _, c := range k.layout.cells {
		d := c.w.Drops
		s.Panes += d.Panes
		s.Rows += d.Rows
		s.Sessions += d.Sessions
		s.Samples += d.Samples
		s.Text += d.Text
	}
	for _, d := range k.layout.dedupe {
		s.IDs += d.dropped
	}
	for _, p := range k.layout.suppress {
		s.CoolDowns += p.dropped
	}
	return s
}
