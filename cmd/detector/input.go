package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/ingest/replay"
	"insolite/internal/backtest"
	"insolite/internal/event"
	"insolite/rules"
)

// errInterrupted is told when the user has had enough.
var errInterrupted = errors.New("interrupted")

// inputs are the flags that say what is read: files or topics.
type inputs struct {
	files  []string
	topics []string
}

func inputFlags(cmd *cobra.Command) *inputs {
	in := &inputs{}
	cmd.Flags().StringArrayVar(&in.files, "input", nil, "events as lines of JSON: `NAME=FILE`, where NAME is a source or a topic and FILE may be - for standard input")
	cmd.Flags().StringArrayVar(&in.topics, "topic", nil, "read the topic of this `SOURCE` from Kafka instead")
	return in
}

// check looks at the flags before anything is read.
func (in *inputs) check() error {
	switch {
	case len(in.files) == 0 && len(in.topics) == 0:
		return invalid("nothing to read; name a file with --input SOURCE=FILE, or a topic with --topic SOURCE")
	case len(in.files) > 0 && len(in.topics) > 0:
		return invalid("--input and --topic exclude each other: files share one time, partitions have their own")
	}
	for _, f := range in.files {
		if name, file, ok := strings.Cut(f, "="); !ok || name == "" || file == "" {
			return invalid("--input %s: write SOURCE=FILE, as in --input payment.made=payments.ndjson", f)
		}
	}
	return nil
}

// opened are the files of --input. They are closed by close.
type opened struct {
	files   []replay.File
	topics  []string
	size    int64
	closers []io.Closer
}

func (o *opened) close() {
	for _, c := range o.closers {
		_ = c.Close() // only read
	}
}

// open opens the files; read is told how many bytes are read. When ctx ends, reading does.
func (in *inputs) open(ctx context.Context, g *global, r *backtest.Runner, read func(int)) (*opened, error) {
	o := &opened{}
	var list []backtest.Input
	for _, f := range in.files {
		name, path, _ := strings.Cut(f, "=")
		if path == "-" {
			list = append(list, backtest.Input{Name: name, File: "standard input", Lines: counted{g.in, ctx, read}})
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			o.close()
			return nil, invalid("--input %s: %w", f, err)
		}
		o.closers = append(o.closers, file)
		if info, err := file.Stat(); err == nil {
			o.size += info.Size()
		}
		list = append(list, backtest.Input{Name: name, File: path, Lines: counted{file, ctx, read}})
	}
	files, err := r.Files(list)
	if err != nil {
		o.close()
		return nil, invalid("--input: %w", err)
	}
	o.files = files
	for _, f := range files {
		if !slices.Contains(o.topics, f.Topic) {
			o.topics = append(o.topics, f.Topic)
		}
	}
	return o, nil
}

// ofTopics returns the topics of the sources that --topic names.
func (in *inputs) ofTopics(r *backtest.Runner) (topics []string, err error) {
	for _, name := range in.topics {
		topic, err := r.Topic(name)
		if err != nil {
			return nil, invalid("--topic: %w", err)
		}
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	return topics, nil
}

// counted tells how much is read.
type counted struct {
	io.Reader
	ctx  context.Context
	read func(int)
}

func (c counted) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, errInterrupted
	}
	n, err := c.Reader.Read(p)
	c.read(n)
	return n, err
}

// partition is one partition of a topic and what it holds now.
type partition struct {
	kafka.TopicPartition
	from, until event.Offset
}

// partitions finds the partitions of the topics, in their order, and what they hold. Only committed records are read.
func partitions(ctx context.Context, c *kafka.Client, topics []string) ([]partition, error) {
	var all []partition
	for _, topic := range topics {
		t, err := c.DescribeTopic(ctx, topic)
		if errors.Is(err, kafka.ErrNotFound) {
			return nil, fmt.Errorf("the brokers have no topic %s; correct the source's topic in the configuration, or create it", topic)
		}
		if err != nil {
			return nil, err
		}
		for i := range t.Partitions {
			p := partition{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: event.Partition(i)}}
			if p.from, err = c.Earliest(ctx, p.TopicPartition); err != nil {
				return nil, err
			}
			if p.until, err = c.LastStable(ctx, p.TopicPartition); err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// records reads a partition and tells how many records it has read.
func (p partition) records(ctx context.Context, c *kafka.Client, read func(int)) iter.Seq2[ingest.Record, error] {
	return func(yield func(ingest.Record, error) bool) {
		for rec, err := range c.ReadAll(ctx, p.TopicPartition, p.from, p.until) {
			read(1)
			if !yield(rec, err) {
				return
			}
		}
	}
}

// toRead are partitions as a backtest takes them; read is told how many records are read.
func toRead(ctx context.Context, c *kafka.Client, parts []partition, read func(int)) []backtest.Partition {
	var all []backtest.Partition
	for _, p := range parts {
		all = append(all, backtest.Partition{Topic: p.Topic, Partition: p.Partition, Records: p.records(ctx, c, read)})
	}
	return all
}

// passedOver names the topics among these that no enabled rule reads.
func passedOver(set *rules.Set, topics []string) []string {
	var none []string
	for _, t := range topics {
		if set.Plan(t) == nil {
			none = append(none, t)
		}
	}
	return none
}

// timeFlag is a flag that holds an instant.
type timeFlag struct{ at event.Time }

func (f *timeFlag) String() string {
	if f.at == event.NoTime {
		return ""
	}
	return string(event.AppendTime(nil, f.at, 0))
}

func (f *timeFlag) Set(s string) error {
	at, ok := parseTime(s)
	if !ok {
		return fmt.Errorf("write RFC 3339, as in 2026-10-15T12:00:00Z, or a day, as in 2026-10-15 (UTC)")
	}
	f.at = at
	return nil
}

func (f *timeFlag) Type() string { return "TIME" }
