package task

import (
	"fmt"
	"strings"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// evaluation is what one uninterrupted evaluation of a task's log gives.
type evaluation struct {
	lines     []string // of the alerts and dead-letters topics
	rows      []string // for stages
	watermark event.Time

	s        *simulation
	e        *engine.Engine
	bundle   event.Offset
	out      engine.Output
	entries  []journal.Entry
	excluded map[event.Offset]bool
	ids      map[string]bool // of a mutation
	writer   *Task           // of dead letters
}

func (w *world) plan(n event.Offset) *rules.Plan { return w.plans[int(n)%len(w.plans)] }

// evaluate steps the log record by record, with the journal's entries at their places.
func (s *simulation) evaluate() (*evaluation, error) {
	first := s.journal[0]
	x := &evaluation{s: s, bundle: first.Bundle, entries: s.journal[1:], excluded: map[event.Offset]bool{}, ids: map[string]bool{}}
	x.writer = New(Options{App: "app", Topic: s.topic, Partition: s.partition, DeadLettersTopic: "dead", Logger: s.own.log})
	var err error
	x.e, err = engine.New(s.plan(first.Bundle), engine.Options{Partition: s.partition, Partitions: s.parts, Bundle: first.Bundle, Targets: (&port{w: s.world}).Targets})
	if err != nil {
		return nil, err
	}
	for i := range s.records {
		if s.records[i].Offset < first.From {
			continue
		}
		if err := x.step(&s.records[i], first.At.Offset); err != nil {
			return nil, err
		}
	}
	for i := range x.entries { // behind the last record
		if err := x.apply(&x.entries[i]); err != nil {
			return nil, err
		}
	}
	x.e.Cut(&x.out)
	x.watermark = x.e.Watermark()
	return x, x.flush()
}

// step takes the evaluation through one record. Before the one at begins there is no output.
func (x *evaluation) step(r *ingest.Record, begins event.Offset) error {
	for len(x.entries) > 0 && x.entries[0].At.Offset <= r.Offset {
		if err := x.apply(&x.entries[0]); err != nil {
			return err
		}
		x.entries = x.entries[1:]
	}
	batch := &ingest.Batch{Topic: x.s.topic, Partition: x.s.partition, Records: []ingest.Record{*r}, Next: r.Offset + 1}
	if x.s.mutation == "closure broken" {
		batch.Records[0].Value = sharing(x.ids, r.Value)
		r = &batch.Records[0]
	}
	if x.excluded[r.Offset] {
		if r.Offset >= begins {
			x.out.DeadLetters = append(x.out.DeadLetters, excludedLetter(r))
		}
		batch.Records = nil
	} else if x.e.Plan().Stage != nil {
		if err := x.follow(r); err != nil {
			return err
		}
	}
	step := x.e.Step
	if r.Offset < begins {
		step = x.e.History
	}
	if err := step(batch, &x.out); err != nil {
		return err
	}
	x.e.Cut(&x.out)
	return x.flush()
}

func (x *evaluation) apply(entry *journal.Entry) error {
	switch entry.Kind {
	case journal.Exclude:
		x.excluded[entry.Excluded] = true
	case journal.Tick:
		return x.e.Tick(entry.Time, &x.out)
	case journal.Bundle:
		return x.activate(entry.Bundle)
	}
	return nil
}

// follow activates the rules that a frame names.
func (x *evaluation) follow(r *ingest.Record) error {
	var f frame.Reader
	if err := f.Reset(r.Value); err != nil {
		return err
	}
	if f.Header.Bundle <= x.bundle {
		return nil
	}
	return x.activate(f.Header.Bundle)
}

func (x *evaluation) activate(bundle event.Offset) (err error) {
	x.e.Cut(&x.out) // what was due by a tick
	x.bundle = bundle
	x.e, err = x.e.Switch(x.s.plan(bundle), bundle)
	return err
}

func (x *evaluation) flush() error {
	for _, a := range x.out.Alerts {
		x.lines = append(x.lines, "alerts "+string(a.Key)+" "+string(a.Value))
	}
	for i := range x.out.DeadLetters {
		m := x.writer.deadLetter(&x.out.DeadLetters[i])
		x.lines = append(x.lines, "dead "+string(m.Key)+" "+string(m.Value))
	}
	for i := range x.out.Frames {
		f := &x.out.Frames[i]
		rows, err := rowsOf(f.Topic, f.Partition, f.Value)
		if err != nil {
			return err
		}
		x.rows = append(x.rows, rows...)
	}
	if len(x.out.Panics) > 0 {
		x.s.seen["a panic"] = true
	}
	x.out.Reset()
	return nil
}

// rowsOf describes the rows of a frame.
func rowsOf(topic string, partition event.Partition, value []byte) (rows []string, err error) {
	var f frame.Reader
	if err := f.Reset(value); err != nil {
		return nil, err
	}
	for f.Next() {
		var b strings.Builder
		h := &f.Header
		fmt.Fprintf(&b, "%s/%d gets %s/%d@%d.%d of %s at %d, bundle %d, history %t:", topic, partition, h.Topic, h.Partition, f.Offset, f.Ordinal, (*f.Layout)[f.Source].Name, f.At, h.Bundle, h.History)
		for i := range f.Values {
			fmt.Fprintf(&b, " %s", f.Values[i].Text())
		}
		rows = append(rows, b.String())
	}
	return rows, f.Err()
}
