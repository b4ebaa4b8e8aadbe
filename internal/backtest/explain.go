package backtest

import (
	"errors"
	"fmt"
	"slices"

	"insolite/ingest"
	"insolite/ingest/replay"
	"insolite/internal/chain"
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
	if !r.files.Reads(f.Topic, 0) {
		return nil, fmt.Errorf("no enabled rule reads %s", f.Topic)
	}
	s := search{chain: r.files, at: at}
	err := replay.Read([]replay.File{f}, replay.Options{BatchMax: r.options.BatchMax}, func(_ int, b *ingest.Batch) error { return s.step(b) })
	return s.result(f.Name, err)
}

// ExplainPartition is [Runner.ExplainFile] for a record of a partition, with the partitions of its topic. Others than its own are read only if
// some rule is by another key than the source's; see [Runner.Partitions].
func (r *Runner) ExplainPartition(parts []Partition, p event.Partition, at event.Offset) (*Explained, error) {
	i := slices.IndexFunc(parts, func(x Partition) bool { return x.Partition == p })
	if i < 0 {
		return nil, fmt.Errorf("there is no partition %d", p)
	}
	topic := parts[i].Topic
	plan := r.set.Plan(topic)
	if plan == nil {
		return nil, fmt.Errorf("no enabled rule reads %s", topic)
	}
	if len(plan.Routes) == 0 {
		parts = parts[i : i+1]
	}
	c, err := r.chainOf(parts)
	if err != nil {
		return nil, err
	}
	s := search{chain: c, partition: p, at: at}
	return s.result(fmt.Sprintf("partition %d of %s", p, topic), r.merge(parts, s.step, s.end))
}

// search steps up to a record.
type search struct {
	chain     *chain.Chain
	partition event.Partition
	at        event.Offset
	first     event.Offset
	next      event.Offset // 0: nothing came
	out       engine.Output
	found     *Explained
}

func (s *search) end(topic string, p event.Partition) error {
	s.out.Reset()
	return s.chain.End(topic, p, &s.out)
}

func (s *search) step(b *ingest.Batch) error {
	s.out.Reset()
	if b.Partition != s.partition {
		return s.chain.Step(b, &s.out)
	}
	if s.next == 0 {
		s.first = b.Records[0].Offset
	}
	s.next = b.Next
	i := slices.IndexFunc(b.Records, func(r ingest.Record) bool { return r.Offset >= s.at })
	if i < 0 {
		return s.chain.Step(b, &s.out)
	}
	before := *b
	before.Records, before.Next = b.Records[:i], b.Records[i].Offset
	if err := s.chain.Step(&before, &s.out); err != nil || b.Records[i].Offset != s.at {
		return errors.Join(err, errFound)
	}
	s.out.Reset()
	x, err := s.chain.Explain(b.Topic, b.Partition, &b.Records[i], &s.out)
	if err != nil {
		return err
	}
	s.found = &Explained{Explanation: x, Value: slices.Clone(b.Records[i].Value), Summaries: map[string]string{}}
	for i := range x.Rules {
		if r := &x.Rules[i]; r.Outcome == engine.Fired {
			s.found.Summaries[r.Rule.ID] = string(r.Rule.Alert.Summary.Append(nil, r.Row))
		}
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
