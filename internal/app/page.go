package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	if err := s.startAdmin(); err != nil {
		return err
	}
	page, err := dashboard.New(dashboard.Options{Listen: s.config.Dashboard, App: s.config.App, Status: s.pageStatus, Log: s.log})
	if err != nil {
		return err
	}
	if err := page.Start(); err != nil {
		return fmt.Errorf("dashboard.listen: %w; choose another address, or stop what listens there", err)
	}
	s.page = page
	s.onStop("page", page.Stop)
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
	for ctx.Err() == nil {
		err := s.followAlerts(ctx, at)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("the page lost the alerts topic and tries again", "partition", at.String(), "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *Service) followAlerts(ctx context.Context, at kafka.TopicPartition) error {
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
			for i := range b.Records {
				r := &b.Records[i]
				a := dashboard.Alert{Partition: int32(at.Partition), Offset: int64(r.Offset), Timestamp: r.Timestamp.Std(), Value: slices.Clone(r.Value)}
				if err := s.page.Publish(a); err != nil {
					s.log.Debug("not an alert", "partition", at.String(), "offset", int64(r.Offset), "error", err)
				}
			}
			b.Release()
		}
	}
}

// pagePhases are the page's words for a task's phases.
var pagePhases = [...]string{task.Recovering: "recovering", task.Replaying: "recovering", task.Live: "running", task.Stopped: "idle", task.Refused: "paused"}

// pageStatus is the pipeline as the page shows it.
func (s *Service) pageStatus() dashboard.Status {
	now := time.Now()
	st := dashboard.Status{At: now, Problems: s.unready()}
	s.mu.Lock()
	all := make([]*running, 0, len(s.tasks))
	for _, r := range s.tasks {
		all = append(all, r)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *running) int {
		if a.claim.Topic != b.claim.Topic {
			return cmp.Compare(a.claim.Topic, b.claim.Topic)
		}
		return int(a.claim.Partition - b.claim.Partition)
	})
	total := 0.0
	rules := map[string]ruleTotals{}
	for _, r := range all {
		p, t := pagePartition(r, now)
		st.Partitions = append(st.Partitions, p)
		total += t.perSecond
		for id, n := range t.rules {
			sum := rules[id]
			rules[id] = ruleTotals{sum.evaluated + n.evaluated, sum.alerts + n.alerts, sum.suppressed + n.suppressed}
		}
		for reason, n := range t.deadLetters {
			st.DeadLetters = append(st.DeadLetters, dashboard.DeadLetter{Reason: reason, Topic: r.claim.Topic, Count: n})
		}
	}
	st.EventsPerSecond = &total
	st.Rules = s.pageRules(rules)
	return st
}

func pagePartition(r *running, now time.Time) (dashboard.Partition, totals) {
	status, t := r.Status(), r.meter.read()
	end, lag := int64(status.End), max(0, int64(status.End-status.Position.Offset))
	p := dashboard.Partition{Topic: status.Topic, Partition: int32(status.Partition), Task: fmt.Sprintf("%s/%d", status.Topic, status.Partition),
		Phase: pagePhases[status.Phase], EventsPerSecond: &t.perSecond, End: &end, Lag: &lag, Late: t.late}
	if status.Watermark != event.NoTime {
		delay := now.Sub(status.Watermark.Std()).Seconds()
		p.WatermarkDelaySeconds = &delay
	}
	return p, t
}

func (s *Service) pageRules(counts map[string]ruleTotals) []dashboard.Rule {
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
