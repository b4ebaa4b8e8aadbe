// Package chain runs all tasks of a set of rules in one process: those of the sources' topics, and those of the stages that see the same events
// by another key.
//
//	c, err := chain.New(set, chain.Options{Files: true})
//	var out engine.Output
//	for batch := range batches {
//		out.Reset()
//		err := c.Step(batch, &out) // of a topic of sources: alerts of its own task and of the stages behind it
//	}
//
// Nothing is evaluated here. A batch goes through the engine of its partition, the frames that this one would have produced go through the
// engines of the stages, hop by hop, and the alerts of all of them are told in the order of the batch's records: for each record those of the
// source's own task first, then those of the stages by hop and topic. So the result does not depend on how records are cut into batches. Where a
// stage is sent what comes from one topic by two ways, the short one would overtake the long one within a batch: such a topic is stepped record by
// record, which takes its time. So are all topics when a rule behind a stage waits for something. What is due behind a record is told behind its alerts.
//
// A stage has one partition here, and sees events in the order in which they are stepped. Live, it has many, and what comes from different
// partitions of a source arrives in an order that Kafka decides; whoever steps several partitions decides that order by the order of batches.
// Nothing is late at a stage: its time is the least of all partitions that may still give events.
package chain

import (
	"cmp"
	"fmt"
	"slices"

	"insolite/ingest"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// Options configure a Chain. The zero Options are of topics of one partition.
type Options struct {
	Files      bool                     // see engine.Options
	Partitions func(topic string) int32 // of topics of sources; nil: one each
	Rows       bool                     // see engine.Options
}

// Chain is the state of all tasks. It belongs to one goroutine.
type Chain struct {
	sources []*source // in the order in which they began
	stages  []*stage  // by hop and topic
	tasks   []*engine.Engine
	out     engine.Output // of explanations of which nobody wants it
}

// source is a partition of a topic of sources.
type source struct {
	*engine.Engine
	topic     string
	partition event.Partition
	next      event.Offset // behind the last record
	ended     bool
	single    bool // it is stepped record by record
}

// stage is the one partition of a stage's topic.
type stage struct {
	*engine.Engine
	plan *rules.Plan
	next event.Offset
	log  []ingest.Record // frames of the present step
}

// New returns the tasks of the set at the beginning of time. Topics of sources that no enabled rule reads have none.
func New(set *rules.Set, o Options) (*Chain, error) {
	c, chained := &Chain{}, slices.ContainsFunc(set.Rules, func(r *rules.Rule) bool { return r.Enabled() && r.Level > 0 })
	for _, p := range set.Plans {
		if p.Stage != nil {
			e, err := engine.New(p, engine.Options{Files: o.Files, Rows: o.Rows})
			if err != nil {
				return nil, err
			}
			c.stages, c.tasks = append(c.stages, &stage{Engine: e, plan: p}), append(c.tasks, e)
			continue
		}
		n := int32(1)
		if o.Partitions != nil {
			n = o.Partitions(p.Topic)
		}
		for i := range event.Partition(n) {
			e, err := engine.New(p, engine.Options{Files: o.Files, Rows: o.Rows, Partition: i, Partitions: n})
			if err != nil {
				return nil, err
			}
			single := forks(set, p.Topic) || waits(set) || chained
			c.sources, c.tasks = append(c.sources, &source{Engine: e, topic: p.Topic, partition: i, single: single}), append(c.tasks, e)
		}
	}
	return c, nil
}

// waits reports whether something waits behind a stage: when it is due depends on how far the stage's time has come, which is told with each batch.
func waits(set *rules.Set) bool {
	return slices.ContainsFunc(set.Rules, func(r *rules.Rule) bool { return r.Enabled() && r.Timed() && r.Plan.Stage != nil })
}

// forks reports whether what comes from a topic comes to some stage by two ways.
func forks(set *rules.Set, topic string) bool {
	ways := map[string]int{topic: 1}
	for _, p := range set.Plans { // stages stand behind those that send to them
		if p.Stage == nil {
			continue
		}
		for _, upstream := range p.Stage.Upstreams {
			ways[p.Topic] += ways[upstream]
		}
		if ways[p.Topic] > 1 {
			return true
		}
	}
	return false
}

// Tasks returns the engines: those of the sources' topics, by topic and partition, then those of the stages.
func (c *Chain) Tasks() []*engine.Engine { return c.tasks }

// Reads reports whether there is a task for that partition of a topic of sources.
func (c *Chain) Reads(topic string, p event.Partition) bool { return c.source(topic, p) != nil }

func (c *Chain) source(topic string, p event.Partition) *source {
	for _, s := range c.sources {
		if s.partition == p && s.topic == topic {
			return s
		}
	}
	return nil
}

// Step steps a batch of a topic of sources and appends what comes of it to out. A batch that no enabled rule reads is passed over.
func (c *Chain) Step(b *ingest.Batch, out *engine.Output) error {
	s := c.source(b.Topic, b.Partition)
	if s == nil {
		return nil
	}
	one := *b
	for s.single && len(one.Records) > 1 {
		rest := one.Records[1:]
		one.Records, one.Next = one.Records[:1], one.Records[0].Offset+1
		if err := c.step(s, &one, out); err != nil {
			return err
		}
		one.Records, one.Next = rest, b.Next
	}
	return c.step(s, &one, out)
}

func (c *Chain) step(s *source, b *ingest.Batch, out *engine.Output) error {
	frames, alerts := len(out.Frames), len(out.Alerts)
	c.rewind(s, b.Records, b.Next)
	if err := s.Step(b, out); err != nil {
		return err
	}
	s.Cut(out)
	for _, stage := range c.stages {
		if err := stage.deliver(out, frames); err != nil {
			return err
		}
	}
	return c.settle(s, out, frames, alerts)
}

// deliver takes a stage through those of the frames from one on that are for it.
func (s *stage) deliver(out *engine.Output, from int) error {
	if s.take(out.Frames[from:]) == 0 {
		return nil
	}
	if err := s.Step(s.batch(), out); err != nil {
		return fmt.Errorf("step %s: %w", s.plan.Topic, err)
	}
	s.Cut(out)
	return nil
}

// rewind lets stages forget how far they have seen a partition when its offsets begin again, as those of a second file of a topic do: to a stage
// they would be repeats.
func (c *Chain) rewind(s *source, records []ingest.Record, next event.Offset) {
	if len(records) > 0 && records[0].Offset < s.next {
		for _, stage := range c.stages {
			all := slices.Clone(stage.Upstreams())
			for i := range all {
				if all[i].Topic == s.topic && all[i].Partition == s.partition {
					all[i].Next = event.Position{}
				}
			}
			stage.RestoreUpstreams(all)
		}
	}
	s.next = next
}

// settle puts alerts into the order of records, drops frames that are stepped, and lets time pass in the stages.
func (c *Chain) settle(s *source, out *engine.Output, frames, alerts int) error {
	err := c.follow(out, len(out.Frames))
	for i := range out.Alerts[alerts:] {
		if a := &out.Alerts[alerts+i]; a.Rule.Level > 0 && !a.Timer { // what it came by may be older
			a.After = s.next - 1
		}
	}
	slices.SortStableFunc(out.Alerts[alerts:], func(a, b engine.Alert) int {
		if a.After != b.After || !a.Timer || !b.Timer {
			return cmp.Compare(a.After, b.After)
		}
		return cmp.Compare(c.place(a.Rule.Plan), c.place(b.Rule.Plan)) // some stages come to a time later than others behind them
	})
	out.Frames = out.Frames[:frames]
	return err
}

// place returns where the stage of a plan stands; -1: it is none.
func (c *Chain) place(p *rules.Plan) int {
	return slices.IndexFunc(c.stages, func(s *stage) bool { return s.plan == p })
}

// take makes those of the frames that are for the stage its log, and returns how many.
func (s *stage) take(frames []engine.Frame) int {
	s.log = s.log[:0]
	for i := range frames {
		if f := &frames[i]; f.Topic == s.plan.Topic {
			s.log = append(s.log, ingest.Record{Offset: s.next, Timestamp: event.NoTime, Value: f.Value})
			s.next++
		}
	}
	return len(s.log)
}

func (s *stage) batch() *ingest.Batch {
	return &ingest.Batch{Topic: s.plan.Topic, Records: s.log, Next: s.next}
}

// Pass lets time pass up to now for all sources, as an event of that time would: what one input shows to have passed has passed for all. What
// is due then is appended to out.
func (c *Chain) Pass(now event.Time, out *engine.Output) error {
	frames := len(out.Frames)
	for _, s := range c.sources {
		s.RaiseWatermark(now.Add(-s.Plan().Lateness))
		if err := s.Fire(out); err != nil {
			return err
		}
		s.Cut(out)
	}
	return c.follow(out, frames)
}

// Now returns how far the time of a partition has come; NoTime: nowhere yet.
func (c *Chain) Now(topic string, p event.Partition) event.Time {
	s := c.source(topic, p)
	if s == nil || s.Watermark() == event.NoTime {
		return event.NoTime
	}
	return s.Watermark().Add(s.Plan().Lateness)
}

// End says that a partition gives no more events: stages wait for its time no longer. What is due then is appended to out.
func (c *Chain) End(topic string, p event.Partition, out *engine.Output) error {
	s := c.source(topic, p)
	if s == nil {
		return nil
	}
	s.ended = true
	return c.follow(out, len(out.Frames))
}

// follow lets the time of each stage come as far as that of all that send to it, behind the frames from one on, which are dropped then.
func (c *Chain) follow(out *engine.Output, frames int) error {
	defer func() { out.Frames = out.Frames[:frames] }()
	for i, stage := range c.stages {
		if err := stage.deliver(out, frames); err != nil {
			return err
		}
		least, any := event.NoTime, false
		wait := func(topic string, e *engine.Engine) {
			if slices.Contains(stage.plan.Stage.Upstreams, topic) && (!any || e.Watermark() < least) {
				least, any = e.Watermark(), true
			}
		}
		for _, s := range c.sources {
			if !s.ended {
				wait(s.topic, s.Engine)
			}
		}
		for _, before := range c.stages[:i] {
			wait(before.plan.Topic, before.Engine)
		}
		if any {
			stage.RaiseWatermark(least)
			if err := stage.Fire(out); err != nil {
				return err
			}
			stage.Cut(out)
		}
	}
	return nil
}
