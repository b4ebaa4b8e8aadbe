package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"insolite/internal/event"
	"insolite/loadgen"
)

// label is the truth about an anomaly: the rule that has to alert at this record.
type label struct {
	Rule      string `json:"rule"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`           // -1: stored, but where is not known
	Key       string `json:"key"`              // of the record
	Entity    string `json:"entity,omitempty"` // the key of the rule when it is not the record's: the alert is of it and about that time, at whichever event
	At        string `json:"at"`
}

func (l *label) line() []byte {
	b, _ := json.Marshal(l) // texts and numbers
	return b
}

func newLabel(e *loadgen.Event, topic string) *label {
	return &label{Rule: e.Label, Topic: topic, Key: string(e.Key), Entity: string(e.Entity), At: string(event.AppendTime(nil, e.At, 0))}
}

// readLabels reads what --labels has written, a label a line.
func readLabels(path string) ([]label, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var labels []label
	for n, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var l label
		err := json.Unmarshal(line, &l)
		if _, ok := parseTime(l.At); err != nil || !ok || l.Rule == "" || l.Topic == "" {
			return nil, fmt.Errorf(`%s:%d: a label is {"rule": ID, "topic": TOPIC, "partition": N, "offset": N, "at": TIME}`, path, n+1)
		}
		labels = append(labels, l)
	}
	return labels, nil
}

// lineSink prints events, and labels into a file.
type lineSink struct {
	out    *bufio.Writer
	file   *os.File // nil: no labels
	labels *bufio.Writer
	n      int64
}

func newLineSink(w io.Writer, labels string) (*lineSink, error) {
	s := &lineSink{out: bufio.NewWriterSize(w, 64<<10)}
	if labels != "" {
		f, err := os.Create(labels)
		if err != nil {
			return nil, invalid("--labels: %w", err)
		}
		s.file, s.labels = f, bufio.NewWriter(f)
	}
	return s, nil
}

func (s *lineSink) add(_ context.Context, e *loadgen.Event, _ event.Time) error {
	if e.Label != "" && s.labels != nil {
		l := newLabel(e, e.Topic)
		l.Offset = s.n
		if _, err := s.labels.Write(append(l.line(), '\n')); err != nil {
			return fmt.Errorf("write labels: %w", err)
		}
	}
	s.n++
	_, err := s.out.Write(append(e.Value, '\n'))
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

func (s *lineSink) idle(ctx context.Context, wait time.Duration) {
	_ = s.out.Flush() // an error stays and is told by the next write
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

func (s *lineSink) finish(context.Context, *generateReport) error {
	err := s.out.Flush()
	if s.file != nil {
		err = errors.Join(err, s.labels.Flush(), s.file.Close())
	}
	return err
}
