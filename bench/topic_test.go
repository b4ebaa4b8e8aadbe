package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"testing"

	"insolite/bench/reference"
	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/backtest"
	"insolite/internal/engine"
	"insolite/internal/event"
)

// alertSet is a set of alerts by number and checksum; the order does not matter.
type alertSet struct {
	Count int
	Sum   uint64
}

func (s *alertSet) add(rule string, partition int32, offset int64) {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d/%d", rule, partition, offset) // never fails
	s.Count++
	s.Sum += h.Sum64()
}

func (s alertSet) String() string { return fmt.Sprintf("%d alerts, checksum %016x", s.Count, s.Sum) }

// payload is what the topic holds.
type payload struct {
	events, bytes int64
	keys          int     // that have events
	busy          int     // that have more than 100
	busyShare     float64 // of the events that are theirs
	want          alertSet
}

// fill writes the payments to the topic and evaluates them in a backtest at the same time.
func fill(t *testing.T, client *kafka.Client, events int64, keys int) *payload {
	t.Helper()
	if _, err := client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: reference.Topic, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	judge := newJudge(t)
	producer := client.NewProducer()
	defer producer.Close()
	g := reference.New(reference.Options{Seed: 1, Keys: keys})
	counts := make(map[string]int, keys)
	p := &payload{events: events}
	const chunk = 8000
	var arena []byte
	var messages []kafka.Message
	for i := range events {
		r := g.Next()
		from := len(arena)
		arena = append(append(append(arena, r.Key...), r.Value...), '\n')
		key, line := arena[from:from+len(r.Key)], arena[from+len(r.Key):]
		judge.write(kafka.PartitionOf(key, partitions), line)
		messages = append(messages, kafka.Message{Topic: reference.Topic, Key: key, Value: line[:len(r.Value)], Timestamp: r.Timestamp})
		counts[string(key)]++
		p.bytes += int64(len(r.Value))
		if len(messages) < chunk && i+1 < events {
			continue
		}
		if _, err := producer.Produce(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
		arena, messages = arena[:0], messages[:0]
	}
	p.keys = len(counts)
	for _, n := range counts {
		if n > 100 {
			p.busy++
			p.busyShare += float64(n) / float64(events)
		}
	}
	p.want = judge.verdict()
	return p
}

// judge runs a backtest for each partition over the lines that are written to it.
type judge struct {
	t       *testing.T
	pipes   [partitions]*io.PipeWriter
	writers [partitions]*bufio.Writer
	sets    [partitions]alertSet
	errors  [partitions]error
	running sync.WaitGroup
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	p, err := project(contest{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{t: t}
	for i := range partitions {
		r, w := io.Pipe()
		j.pipes[i], j.writers[i] = w, bufio.NewWriterSize(w, 1<<20)
		j.running.Go(func() {
			j.errors[i] = j.run(p, i, r)
			_ = r.CloseWithError(j.errors[i]) // the writer notices
		})
	}
	return j
}

func (j *judge) run(p *app.Project, partition int, lines io.Reader) error {
	runner, err := backtest.New(p.Set, backtest.Options{})
	if err != nil {
		return err
	}
	files, err := runner.Files([]backtest.Input{{Name: reference.Topic, File: fmt.Sprint("partition ", partition), Lines: lines}})
	if err != nil {
		return err
	}
	return runner.Run(files, func(out *engine.Output) error {
		for i := range out.Alerts {
			j.sets[partition].add(out.Alerts[i].Rule.ID, int32(partition), int64(out.Alerts[i].Offset))
		}
		return nil
	})
}

func (j *judge) write(p event.Partition, line []byte) {
	if _, err := j.writers[p].Write(line); err != nil {
		j.t.Fatal(err)
	}
}

// verdict returns the alerts of all partitions.
func (j *judge) verdict() alertSet {
	j.t.Helper()
	var all alertSet
	for i := range partitions {
		if err := j.writers[i].Flush(); err != nil {
			j.t.Error(err)
		}
		_ = j.pipes[i].Close() // never fails
	}
	j.running.Wait()
	for i := range partitions {
		if j.errors[i] != nil {
			j.t.Error(j.errors[i])
		}
		all.Count += j.sets[i].Count
		all.Sum += j.sets[i].Sum
	}
	return all
}

// readAlerts returns what can be read as committed on an alerts topic.
func readAlerts(t *testing.T, client *kafka.Client, topic string) alertSet {
	t.Helper()
	var s alertSet
	for p := range event.Partition(partitions) {
		at := kafka.TopicPartition{Topic: topic, Partition: p}
		end, err := client.LastStable(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range client.ReadAll(t.Context(), at, 0, end) {
			if err != nil {
				t.Fatal(err)
			}
			var a alertRecord
			if err := json.Unmarshal(r.Value, &a); err != nil {
				t.Fatalf("%s at %d: %v", at, r.Offset, err)
			}
			s.add(a.Rule.ID, a.Position.Partition, a.Position.Offset)
		}
	}
	return s
}
