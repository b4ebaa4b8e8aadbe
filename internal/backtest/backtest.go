// Package backtest runs a set of rules over files of events, through the engine that runs live.
//
//	r, err := backtest.New(set, backtest.Options{})
//	files, err := r.Files([]backtest.Input{{Name: "payment.authorized", File: "pay.ndjson", Lines: f}})
//	err = r.Run(files, func(out *engine.Output) error { … out.Alerts … })
//
// What the alerts say is what `run` would have put on the topic for a partition 0 with these records: a line's number is its offset. Files
// have no timestamps beside the event times, so max_ahead does not apply, and lateness is judged by event times alone. The inputs share one
// time: what one of them shows to have passed has passed for all.
//
// Rules by another key than their source's run behind stages, as they do live, in the order in which the records are stepped.
//
// [Runner.Partitions] does the same with the records of topics, which have their own timestamps; each partition has its own time.
// [Runner.ExplainFile] and [Runner.ExplainPartition] tell what becomes of a single record after all before it.
package backtest

import (
	"fmt"
	"io"
	"slices"

	"insolite/ingest"
	"insolite/ingest/replay"
	"insolite/internal/chain"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// Options configure a Runner. The zero Options are right.
type Options struct {
	BatchMax int // records stepped at once; 0: 1024. The result does not depend on it
}

// Input is a file that someone names: its records are those of a source's topic, or of a topic.
type Input struct {
	Name  string // of a source or of a topic
	File  string // for messages
	Lines io.Reader
}

// Runner is the state of all tasks.
type Runner struct {
	set     *rules.Set
	options Options
	files   *chain.Chain     // of the files' topics
	tasks   []*engine.Engine // all, those of files first
	out     engine.Output
	batch   ingest.Batch
}

// New returns a runner at the beginning of time.
func New(set *rules.Set, o Options) (*Runner, error) {
	if o.BatchMax <= 0 {
		o.BatchMax = batchMax
	}
	c, err := chain.New(set, chain.Options{Files: true})
	if err != nil {
		return nil, err
	}
	return &Runner{set: set, options: o, files: c, tasks: slices.Clone(c.Tasks())}, nil
}

const batchMax = 1024

// Tasks returns the engines: those of the files' topics that enabled rules read and of the stages behind them, then those of the partitions and of
// the stages behind these.
func (r *Runner) Tasks() []*engine.Engine { return r.tasks }

// Until lets the watermark of every task come to t, and gives what is due before to emit; what comes later than that is to be below nobody's
// watermark.
func (r *Runner) Until(t event.Time, emit func(*engine.Output) error) error {
	r.out.Reset()
	for _, e := range r.tasks {
		e.RaiseWatermark(t)
		if err := e.Fire(&r.out); err != nil {
			return err
		}
	}
	return emit(&r.out)
}

// Engine returns the engine of the files of a topic; nil when no enabled rule reads it.
func (r *Runner) Engine(topic string) *engine.Engine {
	for _, e := range r.files.Tasks() {
		if e.Plan().Topic == topic {
			return e
		}
	}
	return nil
}

// Files finds out what the inputs hold.
func (r *Runner) Files(inputs []Input) ([]replay.File, error) {
	var files []replay.File
	for _, in := range inputs {
		topic, err := r.Topic(in.Name)
		if err != nil {
			return nil, err
		}
		f := replay.File{Name: in.File, Topic: topic, Lines: in.Lines}
		for _, s := range r.set.Sources {
			if s.Topic == topic {
				f.Sources = append(f.Sources, s)
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// Topic returns the topic that a name stands for: that of the source, or the topic itself.
func (r *Runner) Topic(name string) (string, error) {
	var names []string
	for _, s := range r.set.Sources {
		if s.Name == name || s.Topic == name {
			return s.Topic, nil
		}
		names = append(names, s.Name, s.Topic)
	}
	slices.Sort(names)
	return "", fmt.Errorf("no source and no topic is named %q%s", name, diag.DidYouMean(name, slices.Compact(names)))
}

// Run steps the files and gives what comes of it to emit, in the order of emission. The output is valid until emit returns. Records of
// topics that no enabled rule reads are passed over. Run may be called again with later files.
func (r *Runner) Run(files []replay.File, emit func(*engine.Output) error) error {
	return replay.Read(files, replay.Options{BatchMax: r.options.BatchMax}, func(_ int, b *ingest.Batch) error {
		if !r.files.Reads(b.Topic, 0) {
			return nil
		}
		r.out.Reset()
		if err := r.files.Step(b, &r.out); err != nil {
			return err
		}
		if now := r.files.Now(b.Topic, 0); now != event.NoTime {
			if err := r.files.Pass(now, &r.out); err != nil {
				return err
			}
		}
		return emit(&r.out)
	})
}
