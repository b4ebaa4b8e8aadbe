package task

import (
	"bytes"
	"context"
	"fmt"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// sendFrames adds the frames among messages to what the transaction will deliver.
func (p *port) sendFrames(messages []Message) error {
	visible := p.w.eager || p.w.mutation == "frames before the commit"
	if p.w.mutation == "leave outside the transaction" {
		for i := range messages {
			visible = visible || messages[i].Pinned && leaves(&messages[i], p.task)
		}
	}
	for i := range messages {
		m := &messages[i]
		switch {
		case !m.Pinned:
		case visible:
			if p.w.deliver(m); p.w.chance("not sent", 0.01) {
				return errFault
			}
		default:
			p.frames = append(p.frames, *m)
		}
	}
	return nil
}

// leaves reports whether a frame names rules that are to follow.
func leaves(m *Message, t *Task) bool {
	bundle, err := engine.FrameBundle(m.Value)
	return err == nil && bundle > t.bundle
}

// deliver puts a frame onto the log of a stage.
func (w *world) deliver(m *Message) {
	to := w.targets[m.Topic][m.Partition]
	to.gap()
	to.add(bytes.Clone(m.Value))
}

// changed are records as the task reads them: those of the log, unless a mutation makes an engine of them that the protocol forbids.
func (f *feed) changed(log []ingest.Record, from, to int) []ingest.Record {
	w, records := f.w, append([]ingest.Record{}, log[from:to]...)
	if w.mutation == "closure broken" {
		for i := range records {
			records[i].Value = sharing(f.ids, records[i].Value)
		}
	}
	if w.targets[w.topic] == nil {
		return records
	}
	switch w.mutation {
	case "repeats are not dropped", "maximum of the watermarks", "rules after the frame", "offsets only":
		for i := range records {
			records[i].Value = w.rewritten(from + i)
		}
	}
	return records
}

// rewritten is a frame of the log as it would have to be for an engine that is right to do what one would that is wrong.
func (w *world) rewritten(i int) []byte {
	for n := len(w.rewrites); n <= i; n++ {
		b := w.records[n].Value
		var f frame.Reader
		if err := f.Reset(b); err != nil {
			panic(err) // the engine wrote it
		}
		h, shift, from := f.Header, event.Offset(0), event.Offset(0)
		switch w.mutation {
		case "repeats are not dropped": // they are told by other offsets than the rows that they repeat
			if h.From < w.most.Next.Offset {
				shift = event.Offset(n+1) << 32
			}
			if w.most.Next.Before(h.Next) {
				w.most.Next = h.Next
			}
			h.From += shift
		case "maximum of the watermarks":
			w.most.Watermark = max(w.most.Watermark, h.Watermark)
			h.Watermark = w.most.Watermark
		case "rules after the frame":
			h.Bundle, w.most.Bundle = max(w.most.Bundle, 0), max(w.most.Bundle, h.Bundle)
		case "offsets only": // of a record of which some rows came, the others seem to be repeats
			task := fmt.Sprint(h.Topic, h.Partition)
			from = w.passed[task]
			next := h.Next.Offset
			if h.Next.Step > 0 {
				next++
			}
			w.passed[task] = max(from, next)
		}
		w.rewrites = append(w.rewrites, encoded(&f, h, from, shift))
	}
	return w.rewrites[i]
}

// encoded is the frame of a reader with another header, with the rows from an offset on.
func encoded(f *frame.Reader, h frame.Header, from, shift event.Offset) []byte {
	w := frame.NewWriter(*f.Layout, 1<<20)
	w.Begin(h)
	for f.Next() {
		if f.Offset >= from {
			w.Add(f.Source, f.Offset+shift, f.Ordinal, f.At, f.Values)
		}
	}
	h.Next.Offset += shift
	return bytes.Clone(w.End(h.Next, h.Watermark, h.Idle))
}

// replayFrames sends what a replay would send if its frames were not dropped.
func (s *simulation) replayFrames(t *Task) error {
	meta, x := t.sweep.flipped, t.committed
	plan := t.engine.Plan()
	if s.mutation != "frames of a replay" || len(plan.Routes) == 0 || t.inHistory() {
		return nil
	}
	e, err := engine.New(plan, engine.Options{Partition: s.partition, Partitions: s.parts, Bundle: t.bundle, Targets: t.o.Bundles.Targets})
	if err != nil {
		return err
	}
	var out engine.Output
	for i := range s.records {
		if r := &s.records[i]; r.Offset >= meta.Offset && r.Offset < x.Offset {
			if err := e.Step(&ingest.Batch{Topic: s.topic, Partition: s.partition, Records: s.records[i : i+1], Next: r.Offset + 1}, &out); err != nil {
				return err
			}
		}
	}
	e.Cut(&out)
	for i := range out.Frames {
		f := &out.Frames[i]
		if err := t.o.Producer.Send(context.Background(), []Message{{Topic: f.Topic, Pinned: true, Partition: f.Partition, Value: f.Value}}); err != nil {
			return err
		}
	}
	return nil
}
