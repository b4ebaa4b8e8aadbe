package app

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"insolite/context/checkpoint"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/task"
	"insolite/internal/telemetry"
)

func TestWorkIsCounted(t *testing.T) {
	r := telemetry.New()
	m := newTaskMeter(r, kafka.TopicPartition{Topic: "pays", Partition: 1}, time.Now)
	unknown := fmt.Errorf("commit 5: %w", &kafka.DoubtError{Unknown: true, Err: errors.New("EOF")})
	for _, w := range []task.Work{
		{Kind: task.Began}, {Kind: task.Recovered, Took: 2 * time.Second},
		{Kind: task.Committed, Took: 3 * time.Millisecond}, {Kind: task.Committed, Took: 7 * time.Second}, {Kind: task.Committed, Err: unknown},
		{Kind: task.Committed, Err: &kafka.DoubtError{Err: errors.New("fenced")}}, {Kind: task.Committed, Err: errors.New("too large")},
		{Kind: task.Began, Err: unknown}, {Kind: task.Began, Err: fmt.Errorf("x: %w", kafka.ErrFenced)}, {Kind: task.Began, Err: checkpoint.ErrFenced},
		{Kind: task.Began, Err: &kafka.DoubtError{Err: kafka.ErrFenced}}, {Kind: task.Began, Err: checkpoint.ErrFull}, {Kind: task.Began, Err: &checkpoint.TornError{Err: errors.New("torn")}},
		{Kind: task.Began, Err: &kafka.OutOfRangeError{}}, {Kind: task.Began, Err: errors.New("something")},
		{Kind: task.Written, Contexts: 3, Bytes: 100}, {Kind: task.Written, Contexts: 2, Bytes: 50},
		{Kind: task.Swept, Took: time.Second}, {Kind: task.Swept, Err: checkpoint.ErrFull},
		{Kind: task.Ticked},
	} {
		m.Did(w)
	}
	var b bytes.Buffer
	if err := r.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`recoveries_total{topic="pays",reason="assigned"} 1`, `reason="doubt"} 1`, `reason="fenced"} 3`, `reason="store"} 2`, `reason="log"} 1`, `reason="other"} 1`,
		`insolite_recovery_seconds_count{topic="pays"} 1`, `insolite_output_commits_total{topic="pays"} 2`, `insolite_output_commit_seconds_sum{topic="pays"} 7.003`,
		`insolite_output_commit_failures_total{topic="pays"} 2`, `insolite_output_in_doubt_transactions_total{topic="pays"} 1`,
		`written_contexts_total{topic="pays"} 5`, `written_bytes_total{topic="pays"} 150`, `sweeps_total{topic="pays"} 1`, `checkpoint_failures_total{topic="pays"} 1`,
		`timers_ticks_total{topic="pays"} 1`,
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("there is no %s in\n%s", want, b.String())
		}
	}
}

func TestLagSeconds(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at, _ := event.TimeOf(now.Add(-12 * time.Second))
	position := event.Position{Offset: 5}
	for _, c := range []struct {
		name  string
		t     task.Status
		want  float64
		known bool
	}{
		{"nothing heard", task.Status{End: -1, Oldest: event.NoTime}, 0, false},
		{"all committed", task.Status{End: 5, Committed: position, Oldest: event.NoTime}, 0, true},
		{"not read yet", task.Status{End: 6, Committed: position, Oldest: event.NoTime}, 0, false},
		{"one not committed", task.Status{End: 6, Committed: position, Oldest: at}, 12, true},
		{"a producer's clock is ahead", task.Status{End: 6, Committed: position, Oldest: at.Add(time.Hour)}, 0, true},
	} {
		if got, known := lagSeconds(&c.t, now); got != c.want || known != c.known {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, got, known, c.want, c.known)
		}
	}
}

// The rate comes to the true one, whatever the periods, and falls when nothing more is heard.
func TestRate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r, n := rate{}, uint64(0)
	r.observe(7, now) // of before
	n = 7
	for i := range 200 {
		d := time.Duration(100+i%5*100) * time.Millisecond
		now = now.Add(d)
		n += uint64(d / time.Millisecond) // 1000 a second
		r.observe(n, now)
	}
	if got := r.now(now); math.Abs(got-1000) > 1 {
		t.Errorf("%v a second, want 1000", got)
	}
	if got := r.now(now.Add(time.Second)); math.Abs(got-1000) > 1 {
		t.Errorf("%v a second while a batch is waited for, want 1000", got)
	}
	if got := r.now(now.Add(30 * time.Second)); got > 5 {
		t.Errorf("%v a second after half a minute of silence", got)
	}
}

// Figures of engines that follow each other, and of several tasks, add up.
func TestTally(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	c := &engine.Counts{Records: 10, Sources: []engine.SourceCounts{{Late: 2}, {Late: 1}}, Refused: []engine.Refused{{Stage: "decode", Reason: "wrong_type", N: 4}}}
	var task1, sum tally
	task1.take("a", c, begin)
	task1.take("a", c, begin.Add(time.Minute)) // nothing new
	c.Refused[0].N++
	task1.take("a", c, begin.Add(2*time.Minute))
	var task2 tally
	task2.take("a", c, begin)
	sum.add(&task1)
	sum.add(&task2)
	if got := sum.refused[reason{"a", "wrong_type"}]; sum.records != 20 || sum.late != 6 || got.count != 10 || !got.last.Equal(begin.Add(2*time.Minute)) {
		t.Errorf("%+v", sum)
	}
}
