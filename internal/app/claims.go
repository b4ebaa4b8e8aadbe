package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/task"
)

// running is a task of this instance.
type running struct {
	*task.Task
	claim  *kafka.Claim
	log    *partitionLog
	meter  *taskMeter
	gauges *taskGauges
}

// runClaim runs the task of an assigned partition until the partition goes away.
func (s *Service) runClaim(ctx context.Context, claim *kafka.Claim) {
	if there := int(claim.Partition) + 1; s.bundles.stages.width(claim.Topic, there) < there {
		s.log.Warn("a partition that was added to the topic of a stage is not used: keys would move away from their histories", "topic", claim.Topic, "partition", int(claim.Partition))
		<-ctx.Done()
		return
	}
	start, ok := s.awaitStart(ctx, claim)
	if !ok {
		return
	}
	r := &running{claim: claim, meter: newTaskMeter(s.registry, claim.TopicPartition, s.now), gauges: newTaskGauges(s.registry, claim.TopicPartition),
		log: newPartitionLog(s, claim.TopicPartition)}
	r.Task = task.New(task.Options{
		App: s.config.App, Topic: claim.Topic, Partition: claim.Partition,
		Log:      r.log,
		Producer: s.producerOf(claim),
		Group:    &taskGroup{client: s.client, claim: claim, journal: s.config.JournalTopic(), name: fmt.Sprintf("%s/%s/%d", s.config.App, claim.Topic, claim.Partition)},
		Bundles:  topicBundles{s.bundles, claim.Topic},
		Store:    s.store,

		AlertsTopic: s.config.Alerts, ShadowTopic: s.config.ShadowTopic(), DeadLettersTopic: s.config.DeadLetters, JournalTopic: s.config.JournalTopic(),
		Memory: s.memoryShare, CommitInterval: s.config.CommitInterval, CheckpointInterval: s.checkpointInterval(),
		Rebuild: s.config.State.OnMissing == "rebuild", AcceptEngine: s.o.AcceptEngine, Start: start, Turn: s.turn,
		Breaker: s.config.Breaker, Eager: !s.config.ExactlyOnce, Pace: s.pace.of(claim.Topic),
		Now: s.now, Engine: engine.Version, Logger: s.log, Observer: r.meter,
	})
	s.mu.Lock()
	s.tasks[claim.TopicPartition] = r
	s.mu.Unlock()
	log := s.log.With("topic", claim.Topic, "partition", int(claim.Partition))
	err := r.Run(ctx)
	var refusal *task.Refusal
	switch {
	case errors.As(err, &refusal):
		log.Error("refused", "reason", refusal.Reason, "cure", refusal.Cure)
		<-ctx.Done() // as long as the claim is held, /readyz and the page tell of it
	case errors.Is(err, task.ErrLost) && ctx.Err() == nil:
		log.Warn("the partition was lost; join anew", "error", err)
		if m := s.membership(); m != nil { // it may not have returned from joining
			m.Rejoin()
		}
	}
	s.leave(r)
	log.Info("partition given up", "cause", cmp.Or(context.Cause(ctx), err))
}

// leave takes a task out; what it has counted stays.
func (s *Service) leave(r *running) {
	total, _ := r.meter.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past.add(&total)
	r.gauges.local.Close()
	if s.tasks[r.claim.TopicPartition] == r {
		delete(s.tasks, r.claim.TopicPartition)
	}
}

// startRetry is between two attempts to find out where a partition starts.
const startRetry = 2 * time.Second

// awaitStart returns where the claim's task begins; ok is false when the claim ends before that is known.
func (s *Service) awaitStart(ctx context.Context, claim *kafka.Claim) (start task.Start, ok bool) {
	told := ""
	for {
		start, err := s.start(ctx, claim.TopicPartition)
		if ctx.Err() != nil {
			err = nil
		}
		s.mu.Lock()
		if s.waiting[claim.TopicPartition] = err; err == nil {
			delete(s.waiting, claim.TopicPartition)
		}
		s.mu.Unlock()
		if err == nil {
			return start, ctx.Err() == nil
		}
		if text := err.Error(); text != told {
			s.log.Error("the task can't start yet", "topic", claim.Topic, "partition", int(claim.Partition), "error", err)
			told = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(startRetry):
		}
	}
}

func (s *Service) producerOf(claim *kafka.Claim) task.Producer {
	if s.config.ExactlyOnce {
		return &exactlyOnce{claim: claim, t: s.client.NewTransaction(claim.Topic, claim.Partition), registry: s.registry}
	}
	return &atLeastOnce{client: s.client, exactlyOnce: exactlyOnce{claim: claim, t: s.client.NewTransaction(claim.Topic, claim.Partition), registry: s.registry},
		p: s.client.NewProducer(), journal: s.config.JournalTopic()}
}

// drainCheckpoints is how often a service that drains checkpoints: it is over when that is complete.
const drainCheckpoints = time.Second

func (s *Service) checkpointInterval() time.Duration {
	if s.o.Drain {
		return min(drainCheckpoints, s.config.State.CheckpointInterval)
	}
	return s.config.State.CheckpointInterval
}

// start is where a partition's task begins when it has never run.
func (s *Service) start(ctx context.Context, of kafka.TopicPartition) (task.Start, error) {
	topic := of.Topic
	set, err := s.bundles.set(ctx, s.bundles.Newest())
	if err != nil {
		return task.Start{}, err
	}
	from, warmUp := startOf(set.Sources, topic)
	switch from {
	case "latest":
		return task.Start{From: task.FromLatest, WarmUp: warmUp}, nil
	case "earliest":
		return task.Start{From: task.FromEarliest}, nil
	}
	t, err := time.Parse(time.RFC3339, from)
	if err != nil {
		return task.Start{}, fmt.Errorf("start of topic %s: %w", topic, err)
	}
	at, ok := event.TimeOf(t)
	if !ok {
		return task.Start{}, fmt.Errorf("start of topic %s: %s is out of range", topic, from)
	}
	return task.Start{From: task.FromTime, At: at, WarmUp: warmUp}, nil
}

// statuses returns how the tasks of this instance stand.
func (s *Service) statuses() []task.Status {
	var all []task.Status
	for _, r := range s.present() {
		all = append(all, r.Status())
	}
	return all
}

// memoryShare is what one task's contexts may take: the tasks of this instance share the memory evenly.
func (s *Service) memoryShare() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.State.Memory / int64(max(1, len(s.tasks)))
}
