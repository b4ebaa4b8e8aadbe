package task

import (
	"insolite/ingest"
)

// sendFrame adds a frame to what the transaction will deliver.
func (p *port) sendFrame(m *Message) {
	if p.w.eager || p.w.mutation == "read uncommitted" {
		p.w.deliver(m)
		return
	}
	p.frames = append(p.frames, *m)
}

// deliver puts a frame onto the log of a stage.
func (w *world) deliver(m *Message) {
	to := w.targets[m.Topic][m.Partition]
	to.gap()
	to.add(append([]byte{}, m.Value...))
}

// changed are records as the task reads them.
func (w *world) changed(from, to int) []ingest.Record {
	return append([]ingest.Record{}, w.records[from:to]...)
}
