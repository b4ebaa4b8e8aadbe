package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/journal"
)

// commits are what all tasks of the group have committed.
type commits map[kafka.TopicPartition]journal.Commit

// readCommits asks for what the group has committed. What another program has committed is left out.
func (s *Service) readCommits(ctx context.Context) (commits, map[kafka.TopicPartition]event.Offset, error) {
	all, err := s.client.CommittedOffsets(ctx)
	if err != nil {
		return nil, nil, err
	}
	told, next := commits{}, map[kafka.TopicPartition]event.Offset{}
	for at, c := range all {
		if commit, err := journal.ParseCommit(c.Metadata); err == nil {
			told[at], next[at] = commit, c.Next
		}
	}
	return told, next, nil
}

// reading is which topics are to be read: those of the newest rules, of all rules that some task has still in force, and of all stages that
// are there, in which rows may be on their way that other rules have sent. A stage's topic stays until it is deleted: its committed offsets
// would expire otherwise, and its tasks could not go on when its rules come back.
type reading struct {
	newest event.Offset
	others []event.Offset // bundles that are in force somewhere, sorted
	stages []string       // sorted
}

func (r *reading) equal(o *reading) bool {
	return o != nil && r.newest == o.newest && slices.Equal(r.others, o.others) && slices.Equal(r.stages, o.stages)
}

// reading finds out which topics are to be read.
func (s *Service) reading(ctx context.Context, told commits) *reading {
	r := &reading{newest: s.bundles.Newest()}
	others, stages := map[event.Offset]bool{}, map[string]bool{}
	for _, name := range s.bundles.stages.names() {
		stages[name] = true
	}
	for at, c := range told {
		if isStage(s.config.App, at.Topic) {
			stages[at.Topic] = true
		}
		if c.Bundle == r.newest || others[c.Bundle] {
			continue
		}
		set, err := s.bundles.set(ctx, c.Bundle)
		if err != nil { // the task that has it in force tells
			s.log.Debug("rules that are in force can't be read", "task", at.String(), "bundle", c.Bundle, "error", err)
			continue
		}
		if set.Plan(at.Topic) != nil { // else the task has come to the end of what its last rules were
			others[c.Bundle] = true
		}
	}
	r.others, r.stages = slices.Sorted(maps.Keys(others)), slices.Sorted(maps.Keys(stages))
	return r
}

// errNoTopic is returned when there is nothing to read.
var errNoTopic = errors.New("no enabled rule reads any topic; add rules, or enable one")

// partitionsOf returns the topics that are to be read, with their partitions. A topic that is not there is left out, as nobody of the group
// would get an assignment with it; missing says which of them the newest rules read.
func (s *Service) partitionsOf(ctx context.Context, r *reading) (partitions map[string]int, missing error, err error) {
	set, err := s.bundles.set(ctx, r.newest)
	if err != nil {
		return nil, nil, err
	}
	if err := s.bundles.stages.ensure(ctx, set); err != nil {
		return nil, nil, err
	}
	now, names := map[string]bool{}, map[string]bool{}
	for _, p := range set.Plans {
		now[p.Topic], names[p.Topic] = true, true
	}
	for _, n := range r.others {
		if other, err := s.bundles.set(ctx, n); err == nil {
			for _, p := range other.Plans {
				names[p.Topic] = true
			}
		}
	}
	for _, name := range r.stages {
		names[name] = true
	}
	partitions = map[string]int{}
	for name := range names {
		topic, err := s.client.DescribeTopic(ctx, name)
		switch {
		case errors.Is(err, kafka.ErrNotFound) && now[name]:
			missing = errors.Join(missing, fmt.Errorf("there is no topic %q, which rules read; create it, or correct the source's `topic`", name))
		case errors.Is(err, kafka.ErrNotFound):
		case err != nil:
			return nil, nil, err
		default:
			partitions[name] = s.bundles.stages.width(name, topic.Partitions)
		}
	}
	return partitions, missing, nil
}

// groupPoll is how often the group's commits are looked at.
const groupPoll = 3 * time.Second

// watchGroup keeps what is read in step with what the group's tasks have in force, and tells the tasks that send to stages how far the
// slowest of them is.
func (s *Service) watchGroup(ctx context.Context) {
	tick := time.NewTicker(s.bundlePoll)
	defer tick.Stop()
	t := &trouble{log: s.log, what: "which topics are to be read can't be found out; what is read stays as it is", over: "which topics are to be read is known again"}
	var done *reading
	var last, paced time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.pace.asked:
			if time.Since(paced) >= paceWait {
				_, _ = s.repace(ctx) // where that can't be found out, those that wait ask again
				paced = time.Now()
			}
			continue
		case <-tick.C:
		}
		newest := s.bundles.Newest()
		if done != nil && done.newest == newest && (time.Since(last) < s.groupPoll || s.settled(ctx, done)) {
			continue
		}
		last = time.Now()
		r, err := s.follow(ctx, done)
		if ctx.Err() != nil {
			return
		}
		if t.is(err); r != nil {
			done = r
		}
	}
}

// repace reads what the group has committed, and finds out by it how far tasks may go.
func (s *Service) repace(ctx context.Context) (commits, error) {
	told, next, err := s.readCommits(ctx)
	if err == nil {
		s.limitPace(ctx, told, next)
	}
	return told, err
}

// settled reports whether nothing is to be seen from the group's commits: one set of rules is in force everywhere, and there are no stages.
func (s *Service) settled(ctx context.Context, done *reading) bool {
	set, err := s.bundles.set(ctx, done.newest)
	return err == nil && len(done.others) == 0 && len(done.stages) == 0 && !slices.ContainsFunc(set.Plans, hasRoutes)
}

// follow brings the topics that are read up to date, and the limits of those that send. It returns what it has found if all of it is there.
func (s *Service) follow(ctx context.Context, done *reading) (*reading, error) {
	if done == nil || done.newest != s.bundles.Newest() { // a topic is made before its rules are published
		if err := s.bundles.stages.find(ctx); err != nil {
			return nil, err
		}
	}
	told, err := s.repace(ctx)
	if err != nil {
		return nil, err
	}
	r := s.reading(ctx, told)
	if r.equal(done) {
		return r, nil
	}
	partitions, missing, err := s.partitionsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(partitions) == 0 {
		return r, nil // nothing can be read, but a member names a topic: it keeps those that it has, whose tasks have no rules
	}
	s.mu.Lock()
	before := s.partitions
	s.partitions = partitions
	s.mu.Unlock()
	if names := slices.Sorted(maps.Keys(partitions)); !slices.Equal(names, slices.Sorted(maps.Keys(before))) {
		s.log.Info("the topics that are read have changed", "topics", names, "before", slices.Sorted(maps.Keys(before)))
		s.membership().Subscribe(names)
	}
	if missing != nil {
		return nil, missing
	}
	return r, nil
}
