package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"insolite/ingest/kafka"
	"insolite/internal/config"
	"insolite/internal/deadletter"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/rules"
)

// stageTopics are the topics of stages. Its methods may be called concurrently.
type stageTopics struct {
	client *kafka.Client
	config *config.Config
	log    *slog.Logger

	making chan struct{} // held by one that makes topics; a channel, so that waiting for it ends with a context

	mu         sync.Mutex       // never held while anything is asked of a broker
	partitions map[string]int32 // of the topics that rules need. Tasks send by it, so it stays for the life of the process
	found      map[string]int32 // of others that are there: as many as their tasks began with; 0: none has begun
}

func newStageTopics(client *kafka.Client, c *config.Config, log *slog.Logger) *stageTopics {
	return &stageTopics{client: client, config: c, log: log, making: make(chan struct{}, 1), partitions: map[string]int32{}, found: map[string]int32{}}
}

// count returns how many partitions a topic has to which tasks send; 0: not known.
func (s *stageTopics) count(topic string) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partitions[topic]
}

// width returns how many partitions of a topic have a task, of those that there are: one that was added to the topic of a stage has none.
func (s *stageTopics) width(topic string, there int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := max(s.partitions[topic], s.found[topic]); n > 0 {
		return min(int(n), there)
	}
	return there
}

// names returns the topics that are known.
func (s *stageTopics) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(s.partitions)), maps.Keys(s.found))
}

// find looks for topics of stages that are there, whatever rules they were made for: rows may lie in them that nobody has read. None of them is
// one of another application whose name begins with this one's.
func (s *stageTopics) find(ctx context.Context) error {
	prefix := s.config.App + ".by."
	names, err := s.client.TopicsWith(ctx, prefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.Contains(strings.TrimPrefix(name, prefix), ".by.") || slices.Contains(s.names(), name) {
			continue
		}
		n, err := s.began(ctx, name)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.found[name] = n
		s.mu.Unlock()
	}
	return nil
}

// began returns how many partitions a topic had when its tasks began, as their journal says; 0: it does not.
func (s *stageTopics) began(ctx context.Context, name string) (of int32, err error) {
	journals, err := s.client.DescribeTopic(ctx, s.config.JournalTopic())
	if errors.Is(err, kafka.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	prefix := []byte(s.config.App + "/" + name + "/")
	for p := range journals.Partitions {
		at := kafka.TopicPartition{Topic: journals.Name, Partition: event.Partition(p)}
		first, err := s.client.Earliest(ctx, at)
		if err != nil {
			return 0, err
		}
		end, err := s.client.HighWatermark(ctx, at)
		if err != nil {
			return 0, err
		}
		for r, err := range s.client.ReadAll(ctx, at, first, end) {
			if err != nil {
				return 0, err
			}
			if r.Value == nil || !bytes.HasPrefix(r.Key, prefix) {
				continue
			}
			if e, err := journal.Parse(r.Value); err == nil && e.Kind == journal.First { // its task tells of one that can't be read
				of = max(of, e.Of)
			}
		}
	}
	return of, nil
}

// ensure makes the topics of a set's stages, unless they are there, and sees that those which are can be what they have to be.
func (s *stageTopics) ensure(ctx context.Context, set *rules.Set) error {
	if !s.lacks(set) {
		return nil
	}
	select {
	case s.making <- struct{}{}:
		defer func() { <-s.making }()
	case <-ctx.Done():
		return fmt.Errorf("create the topics of stages: %w", ctx.Err())
	}
	for _, p := range set.Plans { // lower hops come first
		if p.Stage == nil || s.count(p.Topic) > 0 {
			continue
		}
		n, err := s.make(ctx, p)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.partitions[p.Topic] = n
		s.mu.Unlock()
	}
	return nil
}

// lacks reports whether a set has stages whose topics are not known yet.
func (s *stageTopics) lacks(set *rules.Set) bool {
	for _, p := range set.Plans {
		if p.Stage != nil && s.count(p.Topic) == 0 {
			return true
		}
	}
	return false
}

// make makes the topic of one stage, with as many partitions as the largest of the topics that send to it, so that it can be worked on by as
// many tasks.
func (s *stageTopics) make(ctx context.Context, p *rules.Plan) (partitions int32, err error) {
	spec := stageSpec(s.config, p.Topic)
	for _, name := range p.Stage.Upstreams {
		t, err := s.client.DescribeTopic(ctx, name)
		if errors.Is(err, kafka.ErrNotFound) {
			return 0, fmt.Errorf("create topic %s: its events come from topic %q, which is not there; create that one, or correct the source's `topic`", p.Topic, name)
		}
		if err != nil {
			return 0, fmt.Errorf("create topic %s: %w", p.Topic, err)
		}
		spec.Partitions = max(spec.Partitions, t.Partitions)
	}
	created, err := s.client.EnsureTopic(ctx, spec)
	if errors.Is(err, kafka.ErrForbidden) {
		return 0, fmt.Errorf("create topic %s, which rules need whose group_by does not hold the key of their source: %w; allow the login to create it (see `detector doctor --acls`), or create it with %d partitions, cleanup.policy=delete and retention.ms=-1", p.Topic, err, spec.Partitions)
	}
	if err != nil {
		return 0, fmt.Errorf("create topic %s: %w", p.Topic, err)
	}
	t, err := s.client.DescribeTopic(ctx, p.Topic)
	if err != nil {
		return 0, err
	}
	if created {
		s.log.Info("topic created", "topic", p.Topic, "partitions", t.Partitions, "hop", p.Stage.Hop)
	}
	if problem, cure := stageTopicProblem(t); problem != "" {
		return 0, fmt.Errorf("topic %s: %s; %s", t.Name, problem, cure)
	}
	of, err := s.began(ctx, p.Topic)
	if err != nil {
		return 0, err
	}
	if of > 0 && int(of) < t.Partitions {
		s.log.Warn("partitions were added to the topic of a stage; they are not used: with more, keys would move away from their histories", "topic", p.Topic, "partitions", t.Partitions, "used", of)
		return of, nil
	}
	return int32(t.Partitions), nil
}

// stageBatchBytes is what the topic of a stage takes: Kafka's default, whatever the cluster's is.
const stageBatchBytes = 1<<20 + 12

// stageSpec is the topic of a stage, but for its partitions. Its tasks delete what they have no more need of; nothing else may delete from it.
func stageSpec(c *config.Config, name string) kafka.TopicSpec {
	return kafka.TopicSpec{Name: name, Replication: int(c.Kafka.Topics.Replication), Config: map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": strconv.Itoa(stageBatchBytes)}}
}

// stageTopicProblem says why a topic can't be that of a stage; empty: it can.
func stageTopicProblem(t *kafka.Topic) (problem, cure string) {
	switch {
	case !t.Keeps:
		return "it loses rows that its tasks may not have read", "set its cleanup.policy to delete, and its retention.ms and retention.bytes to -1"
	case t.MaxMessageBytes > 0 && t.MaxMessageBytes < deadletter.BatchBytesMax:
		return fmt.Sprintf("it takes batches of up to %d bytes, ours may have %d", t.MaxMessageBytes, deadletter.BatchBytesMax), fmt.Sprintf("set its max.message.bytes to %d", stageBatchBytes)
	}
	return "", ""
}

// isStage reports whether a topic has the name of a stage's of this application.
func isStage(app, topic string) bool { return strings.HasPrefix(topic, app+".by.") }
