package backtest

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"insolite/ingest"
	"insolite/ingest/replay"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// Explained is one record and what became of it.
type Explained struct {
	*engine.Explanation
	Value []byte // of the record
	// Summaries are those of the alerts that it raised, by rule id.
	Summaries map[string]string
}

// errFound ends the reading.
var errFound = errors.New("found")

// ExplainFile steps what is before the record of a file with that number, from 0, and tells what becomes of that one.
func (r *Runner) ExplainFile(f replay.File, at event.Offset) (*Explained, error) {
	s := search{engine: r.engines[f.Topic], at: at}
	if s.engine == nil {
		return nil, fmt.Errorf("no enabled rule reads %s", f.Topic)
	}
	err := replay.Read([]replay.File{f}, replay.Options{BatchMax: r.options.BatchMax}, func(_ int, b *ingest.Batch) error { return s.step(b) })
	return s.result(f.Name, err)
}

// ExplainPartition is [Runner.ExplainFile] for a record of a partition.
func (r *Runner) ExplainPartition(topic string, p event.Partition, records iter.Seq2[ingest.Record, error], at event.Offset) (*Explained, error) {
	e, err := r.task(topic, p)
	if e == nil {
		return nil, errors.Join(err, fmt.Errorf("no enabled rule reads %s", topic))
	}
	s := search{engine: e, at: at}
	return s.result(fmt.Sprintf("partition %d of %s", p, topic), r.batches(topic, p, records, s.step))
}

// search steps up to a record.
type search struct {
	engine *engine.Engine
	at     event.Offset
	first  event.Offset
	next   event.Offset // 0: nothing came
	out    engine.Output
	found  *Explained
}

func (s *search) step(b *ingest.Batch) error {
	if s.next == 0 {
		s.first = b.Records[0].Offset
	}
	s.next = b.Next
	i := slices.IndexFunc(b.Records, func(r ingest.Record) bool { return r.Offset >= s.at })
	if i < 0 {
		s.out.Reset()
		return s.engine.Step(b, &s.out)
	}
	s.out.Reset()
	before := *b
	before.Records, before.Next = b.Records[:i], b.Records[i].Offset
	if err := s.engine.Step(&before, &s.out); err != nil || b.Records[i].Offset != s.at {
		return errors.Join(err, errFound)
	}
	s.out.Reset()
	x, err := s.engine.Explain(&b.Records[i], &s.out)
	if err != nil {
		return err
	}
	s.found = &Explained{Explanation: x, Value: slices.Clone(b.Records[i].Value), Summaries: map[string]string{}}
	for _, a := range s.out.Alerts {
		summary := a.Rule.Alert.Summary.Append(nil, x.Row)
		s.found.Summaries[a.Rule.ID] = string(summary)
	}
	return errFound
}

func (s *search) result(name string, err error) (*Explained, error) {
	switch {
	case err != nil && !errors.Is(err, errFound):
		return nil, err
	case s.found != nil:
		return s.found, nil
	case s.next == 0:
		return nil, fmt.Errorf("%s has no records", name)
	case s.at >= s.next || s.at < s.first:
		return nil, fmt.Errorf("%s has no record at offset %d; its offsets are %d to %d", name, s.at, s.first, s.next-1)
	}
	return nil, fmt.Errorf("%s has no record at offset %d; in a file that is an empty line, in a topic a control record or one that was removed", name, s.at)
}
