package backtest

import (
	"iter"

	"insolite/ingest"
	"insolite/internal/chain"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// Partition is one partition of a topic, with what is to be read of it.
type Partition struct {
	Topic     string
	Partition event.Partition
	Records   iter.Seq2[ingest.Record, error]
}

// Partitions steps the records of all partitions that a backtest is of, as `run` does, and gives what comes of it to emit. Each is a task of its
// own, one after the other. Those of topics of which a rule by another key than the source's wants events meet at its stage, so they are stepped
// after the others and together, in the order of the records' timestamps: about that in which the stage would have seen them. Topics that no
// enabled rule reads are passed over.
func (r *Runner) Partitions(parts []Partition, emit func(*engine.Output) error) error {
	c, err := r.chainOf(parts)
	if err != nil {
		return err
	}
	step := func(b *ingest.Batch) error {
		r.out.Reset()
		if err := c.Step(b, &r.out); err != nil {
			return err
		}
		return emit(&r.out)
	}
	end := func(topic string, p event.Partition) error {
		r.out.Reset()
		if err := c.End(topic, p, &r.out); err != nil {
			return err
		}
		return emit(&r.out)
	}
	var meet []Partition
	for _, p := range parts {
		switch plan := r.set.Plan(p.Topic); {
		case plan == nil:
		case len(plan.Routes) > 0:
			meet = append(meet, p)
		default:
			if err := r.merge([]Partition{p}, step, end); err != nil {
				return err
			}
		}
	}
	return r.merge(meet, step, end)
}

// chainOf makes the tasks of the partitions, and those of stages.
func (r *Runner) chainOf(parts []Partition) (*chain.Chain, error) {
	n := map[string]int32{}
	for _, p := range parts {
		n[p.Topic] = max(n[p.Topic], int32(p.Partition)+1)
	}
	c, err := chain.New(r.set, chain.Options{Partitions: func(topic string) int32 { return n[topic] }})
	if err != nil {
		return nil, err
	}
	r.tasks = append(r.tasks, c.Tasks()...)
	for topic, n := range n { // those that are not read have ended
		for p := range event.Partition(n) {
			if !has(parts, topic, p) {
				if err := c.End(topic, p, &r.out); err != nil {
					return nil, err
				}
			}
		}
	}
	return c, nil
}

func has(parts []Partition, topic string, p event.Partition) bool {
	for i := range parts {
		if parts[i].Topic == topic && parts[i].Partition == p {
			return true
		}
	}
	return false
}

// merge gives the records of partitions batch by batch in the order of their timestamps; equal ones in the order of the partitions. Each keeps its
// own order: what has an earlier timestamp than the record before it comes directly after that.
func (r *Runner) merge(parts []Partition, step func(*ingest.Batch) error, end func(string, event.Partition) error) error {
	heads := make([]head, 0, len(parts))
	defer func() {
		for i := range heads {
			heads[i].stop()
		}
	}()
	for i := range parts {
		heads = append(heads, head{Partition: &parts[i]})
		h := &heads[i]
		h.pull, h.stop = iter.Pull2(parts[i].Records)
		if err := h.next(); err != nil {
			return err
		}
		if h.done {
			if err := end(h.Topic, h.Partition.Partition); err != nil {
				return err
			}
		}
	}
	for {
		i, until, all := first(heads)
		if i < 0 {
			return nil
		}
		h := &heads[i]
		for !h.done && (all || h.record.Timestamp < until) {
			if err := r.take(h, until, all, step); err != nil {
				return err
			}
		}
		if h.done {
			if err := end(h.Topic, h.Partition.Partition); err != nil {
				return err
			}
		}
	}
}

// take steps a batch of a partition: its records until that time, or all, at most as many as a batch has.
func (r *Runner) take(h *head, until event.Time, all bool, step func(*ingest.Batch) error) error {
	b := &r.batch
	b.Topic, b.Partition, b.Records = h.Topic, h.Partition.Partition, b.Records[:0]
	for !h.done && (all || h.record.Timestamp < until) && len(b.Records) < r.options.BatchMax {
		b.Records, b.Next = append(b.Records, h.record), h.record.Offset+1
		if err := h.next(); err != nil {
			return err
		}
	}
	return step(b)
}

// head is a partition and its next record.
type head struct {
	*Partition
	pull   func() (ingest.Record, error, bool)
	stop   func()
	record ingest.Record
	done   bool
}

func (h *head) next() error {
	rec, err, more := h.pull()
	h.record, h.done = rec, !more
	return err
}

// first returns the partition that is next, and until which time it is, exclusive, or that it is for all times; -1: none is.
func first(heads []head) (i int, until event.Time, all bool) {
	i, all = -1, true
	for k := range heads {
		switch h := &heads[k]; {
		case h.done:
		case i < 0:
			i = k
		case h.record.Timestamp < heads[i].record.Timestamp:
			i, until, all = k, heads[i].record.Timestamp, false // that one was before all others
		case all || h.record.Timestamp+1 < until:
			until, all = h.record.Timestamp+1, false // of equal times, the earlier partition is first
		}
	}
	return i, until, all
}
