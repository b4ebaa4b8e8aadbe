package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"insolite/context/window"
	"insolite/ingest/kafka"
	"insolite/internal/deadletter"
	"insolite/internal/event"
	"insolite/rules"
)

// topics sees that the sources' topics are there, and that our own are, or can be made, what they have to be.
func (p *patient) topics(ctx context.Context) {
	for _, name := range sourceTopics(p.Config) {
		t, err := p.describe(ctx, name)
		switch {
		case errors.Is(err, kafka.ErrNotFound):
			p.fail(name, "there is no such topic, but a source reads it", "create it, or correct the source's topic")
		case err != nil:
			p.fail(name, err.Error(), kafka.Cure(err))
		default:
			stamps := "timestamps of the producers (CreateTime)"
			if t.LogAppendTime {
				stamps = "timestamps of the brokers (LogAppendTime)"
			}
			p.ok(name, "%d partitions, %s", t.Partitions, stamps)
		}
	}
	c := p.Config
	for _, own := range []struct {
		name    string
		problem func(*kafka.Topic) (message, cure string)
	}{{c.Alerts, kept}, {c.ShadowTopic(), kept}, {c.DeadLetters, kept}, {c.JournalTopic(), journal}, {c.BundlesTopic(), bundles}} {
		p.own(ctx, own.name, own.problem)
	}
	if p.Set == nil {
		return
	}
	for _, plan := range p.Set.Plans {
		if plan.Stage != nil {
			p.own(ctx, plan.Topic, stage)
			p.mayTrim(ctx, plan.Topic)
		}
	}
}

// mayTrim sees whether old rows may be deleted; where the brokers don't tell, a task does when it tries.
func (p *patient) mayTrim(ctx context.Context, topic string) {
	allowed, told, err := p.client.Allowed(ctx, kafka.TopicResource, topic)
	if err == nil && told && len(allowed) > 0 && !slices.Contains(allowed, "Delete") {
		p.warn(topic, "the login may not delete from it, so that rows stay which nobody needs, and it grows without end", "allow it Delete (see `detector doctor --acls`), or delete old records yourself")
	}
}

func stage(t *kafka.Topic) (message, cure string) {
	if !t.Keeps {
		return "it loses rows that its tasks may not have read", "set its cleanup.policy to delete, and its retention.ms and retention.bytes to -1"
	}
	return "", ""
}

func (p *patient) own(ctx context.Context, name string, problem func(*kafka.Topic) (message, cure string)) {
	t, err := p.describe(ctx, name)
	switch {
	case errors.Is(err, kafka.ErrNotFound):
		p.ok(name, "not there yet; the service creates it")
		return
	case err != nil:
		p.fail(name, err.Error(), kafka.Cure(err))
		return
	case t.MaxMessageBytes > 0 && t.MaxMessageBytes < deadletter.BatchBytesMax:
		p.fail(name, fmt.Sprintf("it takes batches of up to %d bytes, ours may have %d", t.MaxMessageBytes, deadletter.BatchBytesMax), fmt.Sprintf("set its max.message.bytes to %d", 1<<20+12))
		return
	}
	message, cure := problem(t)
	switch {
	case message == "":
		p.ok(name, "%d partitions, %s", t.Partitions, keeps(t))
	case name == p.Config.JournalTopic() || name == p.Config.BundlesTopic() || strings.HasPrefix(name, p.Config.App+".by."):
		p.fail(name, message, cure)
	default:
		p.warn(name, message, cure)
	}
}

func kept(t *kafka.Topic) (message, cure string) {
	if t.Compacted {
		return "it is compacted, so a later record deletes the ones before it of the same key", "set its cleanup.policy to delete"
	}
	return "", ""
}

func journal(t *kafka.Topic) (message, cure string) {
	switch {
	case !t.Compacted:
		return "it loses entries with time, without which tasks cannot be recovered", "set its cleanup.policy to compact"
	case t.Retention >= 0 || t.RetentionBytes >= 0:
		return "it is compacted but limited too, and loses entries without which tasks cannot be recovered", "set its cleanup.policy to compact alone"
	}
	return "", ""
}

func bundles(t *kafka.Topic) (message, cure string) {
	if !t.Keeps {
		return "it loses rules that a recovery may need", "set its cleanup.policy to delete, and its retention.ms and retention.bytes to -1"
	}
	return "", ""
}

func keeps(t *kafka.Topic) string {
	switch {
	case t.Compacted:
		return "keeps the newest record of each key"
	case t.Keeps:
		return "keeps everything"
	case t.RetentionBytes < 0:
		return "keeps " + window.DurationText(t.Retention)
	case t.Retention < 0:
		return fmt.Sprintf("keeps %d bytes of each partition", t.RetentionBytes)
	}
	return fmt.Sprintf("keeps %s, at most %d bytes of each partition", window.DurationText(t.Retention), t.RetentionBytes)
}

// retention compares what topics keep with how far back rules look: contexts that are lost with their store are rebuilt from the topic.
func (p *patient) retention(ctx context.Context) {
	for _, name := range sourceTopics(p.Config) {
		t, err := p.describe(ctx, name)
		if err != nil {
			continue // told by topics
		}
		need, why := p.reach(name)
		const lost = "contexts of a lost store, or of a first start with warm_up, cannot be built whole"
		switch {
		case why == "":
			p.ok(name, "%s; no rule looks back", keeps(t))
		case t.Compacted:
			p.warn(name, "it is compacted, so events vanish: "+lost+": "+why, "set its cleanup.policy to delete")
		case t.RetentionBytes >= 0:
			p.warn(name, keeps(t)+", so how far back it reaches depends on the traffic: "+why+", and "+lost, "set its retention.bytes to -1, or keep copies of the store")
		case need < 0 && t.Retention >= 0:
			p.warn(name, keeps(t)+", but "+why+": "+lost, "set its retention.ms to -1, or keep copies of the store")
		case t.Retention >= 0 && t.Retention < need:
			p.warn(name, keeps(t)+", but "+why+": "+lost, fmt.Sprintf("set its retention.ms to %d or more, look back less far, or keep copies of the store", need/time.Millisecond))
		default:
			p.ok(name, "%s; %s", keeps(t), why)
		}
	}
}

// reach is how far back what is done with a topic looks, -1: without end; and who does. Empty: nobody.
func (p *patient) reach(topic string) (need time.Duration, why string) {
	longer := func(d time.Duration, format string, args ...any) {
		if need >= 0 && (d < 0 || d > need) {
			need, why = d, fmt.Sprintf(format, args...)
		}
	}
	for _, s := range p.Config.Sources {
		if s.Topic == topic && s.WarmUp > 0 {
			longer(s.WarmUp, "source %s has a warm_up of %s", s.Name, window.DurationText(s.WarmUp))
		}
	}
	if p.Set == nil {
		return need, why
	}
	for _, r := range p.Set.Rules {
		if !r.Enabled() || r.Source.Topic != topic {
			continue
		}
		for _, f := range r.Features {
			looks(r, f, longer)
		}
		if s := r.Suppress; s != nil && s.For > 0 {
			longer(s.For, "rule %s is quiet for %s after an alert", r.ID, window.DurationText(s.For))
		}
	}
	return need, why
}

func looks(r *rules.Rule, f *rules.Feature, longer func(d time.Duration, format string, args ...any)) {
	w := f.Read.Window
	d, ends := f.Read.Retention()
	switch {
	case f.Read.Baseline != nil:
		longer(d, "rule %s learns over %s for %s", r.ID, window.DurationText(d), f.Name)
	case !ends:
		longer(-1, "rule %s looks back without end for %s", r.ID, f.Name)
	case w.Kind == window.Sliding || w.Kind == window.Exact:
		longer(w.Length, "rule %s looks back %s for %s", r.ID, window.DurationText(w.Length), f.Name)
	default:
		longer(d, "rule %s looks back up to %s for %s", r.ID, window.DurationText(d), f.Name)
	}
}

// clockSkewMax is what clocks that are kept may differ by, and a network be slow.
const clockSkewMax = time.Minute

// clock compares the newest records with this machine's clock.
func (p *patient) clock(ctx context.Context) {
	for _, name := range sourceTopics(p.Config) {
		t, err := p.describe(ctx, name)
		if err != nil {
			continue // told by topics
		}
		s, err := p.sample(ctx, t)
		if err != nil {
			continue // told by records
		}
		now, ok := event.TimeOf(p.Now())
		if s.newest == event.NoTime || !ok {
			p.ok(name, "no record, no clock to compare with")
			continue
		}
		ahead := time.Duration(s.newest - now)
		switch {
		case ahead <= clockSkewMax:
			p.ok(name, "the newest record is %s old", max(-ahead, 0).Round(time.Second))
		case t.LogAppendTime:
			p.warn(name, fmt.Sprintf("the newest record's timestamp is %s ahead of this machine's clock; it is a broker's", ahead.Round(time.Second)), "correct the clock that is wrong (NTP) of this machine or of the brokers")
		default:
			p.warn(name, fmt.Sprintf("the newest record's timestamp is %s ahead of this machine's clock; it is a producer's, and max_ahead trusts it: events that are really on time come out as late after it", ahead.Round(time.Second)),
				"correct the producers' clocks (NTP), or set the topic's message.timestamp.type to LogAppendTime")
		}
	}
}
