package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"insolite/dashboard"
	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/task"
)

// pageHistory is how many alerts of each partition the page begins with.
const pageHistory = 1000

// listen begins to listen for people and machines.
func (s *Service) listen(context.Context) error {
	page, err := dashboard.New(dashboard.Options{Listen: s.config.Dashboard, App: s.config.App, Status: s.pageStatus, Log: s.log, Now: s.now})
	if err != nil {
		return err
	}
	if err := page.Start(); err != nil {
		return fmt.Errorf("dashboard.listen: %w; choose another address, or stop what listens there", err)
	}
	s.page = page
	s.onStop("page", page.Stop)
	if err := s.startAdmin(); err != nil {
		return err
	}
	s.log.Info("listening", "page", page.URL(), "admin", s.admin.URL())
	return nil
}

// feedPage gives the page what is committed on the alerts topic, and its newest history first.
func (s *Service) feedPage(ctx context.Context) {
	topic, err := s.client.DescribeTopic(ctx, s.config.Alerts)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error("the page gets no alerts", "error", err)
		}
		return
	}
	for n := range topic.Partitions {
		at := kafka.TopicPartition{Topic: topic.Name, Partition: event.Partition(n)}
		s.spawn(func(ctx context.Context) { s.feedPartition(ctx, at) })
	}
}

func (s *Service) feedPartition(ctx context.Context, at kafka.TopicPartition) {
	lost := &trouble{log: s.log.With("topic", at.Topic, "partition", int(at.Partition)), what: "the page gets no alerts and tries again", over: "the page gets alerts again"}
	for ctx.Err() == nil {
		err := s.followAlerts(ctx, at, lost)
		if ctx.Err() != nil {
			return
		}
		lost.is(err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *Service) followAlerts(ctx context.Context, at kafka.TopicPartition, lost *trouble) error {
	earliest, err := s.client.Earliest(ctx, at)
	if err != nil {
		return err
	}
	end, err := s.client.LastStable(ctx, at)
	if err != nil {
		return err
	}
	feed := s.fetcher.Add(at.Topic, at.Partition, max(earliest, end-pageHistory))
	defer feed.Close()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-feed.Batches():
			if !ok {
				return feed.Err()
			}
			lost.is(nil)
			for i := range b.Records {
				r := &b.Records[i]
				a := dashboard.Alert{Partition: int32(at.Partition), Offset: int64(r.Offset), Timestamp: r.Timestamp.Std(), Value: slices.Clone(r.Value)}
				if err := s.page.Publish(a); err != nil {
					s.log.Debug("not an alert", "topic", at.Topic, "partition", int(at.Partition), "offset", int64(r.Offset), "error", err)
				}
			}
			b.Release()
		}
	}
}

// pagePhases are the page's words for a task's phases.
var pagePhases = [...]string{task.Recovering: "recovering", task.Replaying: "replaying", task.Live: "running", task.Stopped: "idle", task.Refused: "refused"}

// pagePhase is the page's word for how a task stands.
func pagePhase(t *task.Status) string {
	switch {
	case t.Phase != task.Live:
		return pagePhases[t.Phase]
	case t.Broken != nil:
		return "waiting"
	case t.Careful > 0:
		return "careful"
	case t.Warmth == task.Warming:
		return "warming"
	}
	return "running"
}

// carefully says why a task that works is slow; empty: it isn't.
func carefully(t *task.Status) string {
	if t.Phase != task.Live || t.Careful == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%d: the process has died here, so that what lies before offset %d is stepped a few records at a time; one that it dies of again and again becomes a dead letter",
		t.Topic, t.Partition, t.Careful)
}

// pageStatus is the pipeline as the page shows it.
func (s *Service) pageStatus() dashboard.Status {
	now := s.now()
	st := dashboard.Status{At: now, Kafka: strings.Join(s.config.Kafka.Brokers, ", "), Problems: few(append(s.unready(s.stopping), s.notices()...))}
	all := s.present()
	var sum tally
	s.mu.Lock()
	sum.add(&s.past)
	s.mu.Unlock()
	total := 0.0
	for _, r := range all {
		t, perSecond := r.meter.read()
		status := r.Status()
		p := pagePartition(&status, &t, perSecond, now)
		p.Stage, p.Why = isStage(s.config.App, status.Topic), cmp.Or(notWorking(r), carefully(&status))
		st.Partitions = append(st.Partitions, p)
		if !p.Stage { // its records are frames, of events that were counted when they came in
			total += perSecond
		}
		sum.add(&t)
		pageState(&st.State, &status, now)
	}
	if st.State.Bytes != nil {
		st.State.BytesMax = &s.config.State.Memory
	}
	st.Partitions = s.addOthers(st.Partitions)
	if len(all) > 0 {
		st.EventsPerSecond = &total
	}
	for why, n := range sum.refused {
		st.DeadLetters = append(st.DeadLetters, dashboard.DeadLetter{Reason: why.text, Topic: why.topic, Count: n.count, Last: n.last})
	}
	slices.SortFunc(st.DeadLetters, func(a, b dashboard.DeadLetter) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Reason, b.Reason))
	})
	st.Rules = s.pageRules(sum.rules)
	return st
}

// problemsMax is how many problems the page shows: what a broken store does to a hundred tasks is one thing to look at.
const problemsMax = 6

// few cuts a list of problems.
func few(problems []string) []string {
	if len(problems) <= problemsMax {
		return problems
	}
	return append(problems[:problemsMax:problemsMax], fmt.Sprintf("and %d more; /readyz on the admin address has all of them", len(problems)-problemsMax))
}

func pagePartition(status *task.Status, t *tally, perSecond float64, now time.Time) dashboard.Partition {
	p := dashboard.Partition{Topic: status.Topic, Partition: int32(status.Partition), Task: fmt.Sprintf("%s/%d", status.Topic, status.Partition),
		Phase: pagePhase(status), EventsPerSecond: &perSecond, Late: t.late}
	if status.End >= 0 {
		end, lag := int64(status.End), max(0, int64(status.End-max(status.Position.Offset, status.Committed.Offset)))
		p.End, p.Lag = &end, &lag
	}
	if seconds, ok := lagSeconds(status, now); ok {
		if *p.Lag == 0 {
			seconds = 0 // what is read and not yet committed is no lag to people
		}
		p.LagSeconds = &seconds
	}
	if status.Watermark != event.NoTime {
		delay := max(0, now.Sub(status.Watermark.Std()).Seconds())
		p.WatermarkDelaySeconds = &delay
	}
	return p
}

// pageState adds what a task remembers; the age of the copy is that of the oldest.
func pageState(st *dashboard.State, t *task.Status, now time.Time) {
	if !hasState(t) {
		return
	}
	keys, bytes := int64(t.Contexts), t.Bytes
	if st.Keys != nil {
		keys, bytes = keys+*st.Keys, bytes+*st.Bytes
	}
	st.Keys, st.Bytes = &keys, &bytes
	age := 0.0
	switch {
	case t.Swept == t.Committed: // nothing is newer than the copy
	case t.Checkpoint.IsZero():
		return // of an earlier life: when is not known
	default:
		age = now.Sub(t.Checkpoint).Seconds()
	}
	if st.CheckpointAgeSeconds == nil || *st.CheckpointAgeSeconds < age {
		st.CheckpointAgeSeconds = &age
	}
}

// addOthers adds the partitions that other instances read.
func (s *Service) addOthers(own []dashboard.Partition) []dashboard.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range slices.Sorted(maps.Keys(s.partitions)) {
		for n := range int32(s.partitions[topic]) {
			if !slices.ContainsFunc(own, func(p dashboard.Partition) bool { return p.Topic == topic && p.Partition == n }) {
				own = append(own, dashboard.Partition{Topic: topic, Partition: n, Stage: isStage(s.config.App, topic)})
			}
		}
	}
	return own
}

func (s *Service) pageRules(counts map[string]ruleTally) []dashboard.Rule {
	set, err := s.bundles.set(s.stopping, s.bundles.Newest())
	if err != nil {
		return nil
	}
	var all []dashboard.Rule
	for _, r := range set.Rules {
		if !r.Enabled() {
			continue
		}
		n := counts[r.ID]
		all = append(all, dashboard.Rule{ID: r.ID, Title: r.Title, Severity: r.Severity.String(), Mode: r.Mode.String(), Source: r.Source.Name,
			Evaluated: n.evaluated, Alerts: n.alerts, Suppressed: n.suppressed})
	}
	return all
}
