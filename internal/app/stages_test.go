package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"insolite/ingest/frame"
	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/task"
	"insolite/rules"
)

const (
	byShop      = "- {id: shops, source: pay, group_by: [shop], context: {n: {agg: count, window: 1h}}, condition: n >= 2}\n"
	byShopTopic = "seen.by.shop.1"
)

// The topic of a stage is made with as many partitions as the largest that sends to it, by whoever is first; one that can't be what it has to be
// is told with the cure.
func TestStageTopicsAreMade(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.write("rules.yaml", servedRules+byShop)
	p := s.load()
	made := newStageTopics(s.client, p.Config, discard)
	var wait sync.WaitGroup
	for range 4 {
		other := newStageTopics(s.client, p.Config, discard)
		for _, x := range []*stageTopics{made, other} {
			wait.Go(func() {
				if err := x.ensure(t.Context(), p.Set); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	if got := made.count(byShopTopic); got != 2 {
		t.Errorf("%d partitions, the source has 2", got)
	}
	topic, err := s.client.DescribeTopic(t.Context(), byShopTopic)
	if err != nil || topic.Partitions != 2 || !topic.Keeps || topic.MaxMessageBytes != stageBatchBytes {
		t.Errorf("made %+v, %v", topic, err)
	}
	for name, c := range map[string]struct {
		config map[string]string
		want   string
	}{
		"compacted": {map[string]string{"cleanup.policy": "compact", "retention.ms": "-1"}, "set its cleanup.policy to delete"},
		"limited":   {map[string]string{"retention.ms": "1000000"}, "retention.ms and retention.bytes to -1"},
		"small":     {map[string]string{"retention.ms": "-1", "max.message.bytes": "100000"}, "set its max.message.bytes to 1048588"},
	} {
		app := strings.ToLower(name)
		if _, err := s.client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: app + ".by.shop.1", Partitions: 1, Config: c.config}); err != nil {
			t.Fatal(err)
		}
		config := *p.Config
		config.App = app
		set, list := rules.Load(p.Files, config.Sources, p.Lookups, rules.Options{App: app})
		if set == nil {
			t.Fatal(list.Err())
		}
		if err := newStageTopics(s.client, &config, discard).ensure(t.Context(), set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A bundle that has a stage no more has an empty plan for it, so that what was sent is read to its end; for another topic it has none.
func TestPlanOfAStageThatIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b := &bundles{app: "seen", stages: newStageTopics(s.client, s.load().Config, discard), sets: map[event.Offset]*rules.Set{1: s.load().Set}}
	plan, err := topicBundles{b, byShopTopic}.Plan(t.Context(), 1)
	if err != nil || plan.Stage == nil || len(plan.Stage.Upstreams) > 0 || len(plan.Sources) > 0 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	if plan, err := (topicBundles{b, "elsewhere"}).Plan(t.Context(), 1); err == nil {
		t.Errorf("a topic of another application has the plan %+v", plan)
	}
}

// What is read are the topics of the newest rules, of those that some task has in force, and of stages that were read before.
func TestWhatIsRead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.make()
	old := s.load().Set
	s.write("rules.yaml", servedRules+byShop)
	with := s.load().Set
	s.service.bundles = &bundles{app: "seen", stages: newStageTopics(s.client, s.load().Config, discard), sets: map[event.Offset]*rules.Set{3: old, 5: with, 7: old}}
	s.service.bundles.newest.Store(7)
	at := func(topic string) kafka.TopicPartition { return kafka.TopicPartition{Topic: topic} }
	for _, c := range []struct {
		name string
		told commits
		want reading
	}{
		{"nothing yet", commits{}, reading{newest: 7}},
		{"all on the newest", commits{at(servedTopic): {Bundle: 7}}, reading{newest: 7}},
		{"a source still sends", commits{at(servedTopic): {Bundle: 5}}, reading{newest: 7, others: []event.Offset{5}}},
		{"a stage was read", commits{at(servedTopic): {Bundle: 7}, at(byShopTopic): {Bundle: 7}}, reading{newest: 7, stages: []string{byShopTopic}}},
		{"a topic without rules stands still", commits{at("gone"): {Bundle: 5}}, reading{newest: 7}},
		{"a stage is there that nobody has read", commits{at(servedTopic): {Bundle: 7}}, reading{newest: 7, stages: []string{byShopTopic}}},
	} {
		if strings.Contains(c.name, "nobody has read") {
			for _, name := range []string{byShopTopic, "seen.by.night.by.shop.1", "seen.bystander"} { // the others are of other applications
				if _, err := s.client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: name, Partitions: 1}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.service.bundles.stages.find(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.service.reading(t.Context(), c.told); !got.equal(&c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A task waits when it is far ahead of a partition that sends to the same stage, has something to read, and moves.
func TestPace(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.make()
	s.service.client = s.client
	s.write("rules.yaml", servedRules+byShop)
	s.service.bundles = &bundles{app: "seen", sets: map[event.Offset]*rules.Set{1: s.load().Set}}
	s.service.bundles.newest.Store(1)
	for partition := range event.Partition(2) {
		for range 10 {
			if _, err := s.events.Produce(t.Context(), kafka.Message{Topic: servedTopic, Pinned: true, Partition: partition, Value: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	hours := func(n int) event.Time { return event.Time(int64(n) * int64(time.Hour)) }
	ask := s.service.pace.of(servedTopic)
	for _, c := range []struct {
		name  string
		slow  event.Offset // where the slow one stands; its log ends at 10
		later time.Duration
		own   event.Time
		want  time.Duration
	}{
		{"one without lag is not waited for", 10, 0, hours(100), 0},
		{"one that has something to read is", 3, 0, hours(100), paceWait},
		{"an hour is allowed", 4, 0, hours(11), 0},
		{"one that moves on is waited for", 5, paceStuck - time.Second, hours(12), paceWait},
		{"one that stands still is", 5, paceStuck - time.Second, hours(12), paceWait},
		{"not for ever", 5, 2 * time.Second, hours(12), 0},
	} {
		s.ahead.Add(int64(c.later))
		fast, slow := kafka.TopicPartition{Topic: servedTopic}, kafka.TopicPartition{Topic: servedTopic, Partition: 1}
		s.service.limitPace(t.Context(), commits{fast: {Watermark: hours(100)}, slow: {Watermark: hours(10)}}, map[kafka.TopicPartition]event.Offset{fast: 10, slow: c.slow})
		if got := ask(c.own); got != c.want {
			t.Errorf("%s: waits %v, want %v", c.name, got, c.want)
		}
		if asked := len(s.service.pace.asked) > 0; asked != (c.want > 0) {
			t.Errorf("%s: the group is asked how far the others are: %v, want %v", c.name, asked, !asked)
		} else if asked {
			<-s.service.pace.asked
		}
	}
	if got := s.service.pace.of("another")(hours(1000)); got != 0 {
		t.Errorf("a topic that sends to no stage waits %v", got)
	}
}

// A cluster that lets nobody delete is told of once.
func TestTrimForbidden(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.make()
	s.service.client = s.client
	if _, err := s.client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: "kept", Partitions: 1, Config: map[string]string{"cleanup.policy": "compact"}}); err != nil {
		t.Fatal(err)
	}
	l := newPartitionLog(s.service, kafka.TopicPartition{Topic: servedTopic})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := l.Trim(ctx, 1<<40); err != nil {
			t.Error(err)
		}
		cancel()
	}
	if n := strings.Count(s.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, s.log)
	}
}

// Rules by another key come while the service runs, go, and come back: their topic is read, to its end.
func TestStageComesAndGoes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start()
	s.untilStatus("/readyz", 200)
	topics := func() []string { return s.service.membership().Topics() }
	if got := topics(); !slices.Equal(got, []string{servedTopic}) {
		t.Fatalf("topics %q", got)
	}
	s.write("rules.yaml", servedRules+byShop)
	s.until("the stage to be read", func() (string, bool) {
		got := topics()
		return strings.Join(got, " "), slices.Equal(got, []string{servedTopic, byShopTopic})
	})
	s.until("the stage's tasks", func() (string, bool) {
		n := 0
		for _, st := range s.service.statuses() {
			if st.Topic == byShopTopic {
				n++
			}
		}
		return "", n == 2
	})
	for _, st := range s.service.statuses() {
		if st.Topic == servedTopic && st.Recoveries > 0 {
			t.Errorf("%s/%d was interrupted", st.Topic, st.Partition)
		}
	}
	for _, m := range []string{`sent_rows_total{topic="pays"}`, `sent_frames_total{topic="seen.by.shop.1"}`, `sent_bytes_total{topic="seen.by.shop.1"}`, `unsent_rows_total{source="pay"}`} {
		s.until(m, func() (string, bool) {
			s.pay("ann", fmt.Sprint(time.Now()), 1)
			s.pay("eve", "", 1, func(m *kafka.Message, at *time.Time) {
				m.Value = fmt.Appendf(nil, `{"at":%q,"type":"pay","who":"eve","id":"%d","amount":1}`, at.UTC().Format(time.RFC3339Nano), at.UnixNano())
			})
			_, text := s.admin("/metrics")
			_, value, found := strings.Cut(text, "insolite_stage_"+m+" ")
			return text, found && value[0] != '0'
		})
	}
	if _, text := s.admin("/metrics"); !strings.Contains(text, `insolite_stage_repeated_rows_total{topic="seen.by.shop.1"} 0`) {
		t.Error("rows are dropped as repeated")
	}
}

// A commit's metadata of another program is no rule in force.
func TestForeignCommits(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.make()
	s.service.client = s.client
	nobody := kafka.Generation{ID: -1}
	own := journal.Commit{Bundle: 4, Watermark: 5}
	if err := errors.Join(s.client.CommitOffset(t.Context(), nobody, servedTopic, 0, 7, "from another program"),
		s.client.CommitOffset(t.Context(), nobody, servedTopic, 1, 8, own.Text())); err != nil {
		t.Fatal(err)
	}
	told, next, err := s.service.readCommits(t.Context())
	at := kafka.TopicPartition{Topic: servedTopic, Partition: 1}
	if err != nil || len(told) != 1 || told[at] != own || len(next) != 1 || next[at] != 8 {
		t.Errorf("%v %v %v", told, next, err)
	}
}

// A stage came and went before any of its tasks ran: what was sent to it is read by the next start, and raises its alerts.
func TestStageIsReadAfterItsRuleIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	apply := func(text string) event.Offset {
		s.write("rules.yaml", text)
		number, err := Apply(t.Context(), s.load(), discard)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	number := apply(servedRules + byShop)
	w := frame.NewWriter(frame.Layout{{Name: "pay", Fields: []frame.Field{{Name: "at", Kind: event.KindTime}, {Name: "shop", Kind: event.KindString}}}}, 1<<10)
	w.Begin(frame.Header{Topic: servedTopic, Of: 2, Bundle: number})
	now, _ := event.TimeOf(time.Now())
	for i := range event.Offset(2) {
		w.Add(0, i, 0, now, []event.Value{event.TimeValue(now, 0), event.StringValue("s")})
	}
	sent := kafka.Message{Topic: byShopTopic, Pinned: true, Partition: 1, Value: w.End(event.Position{Offset: 2}, now, true)}
	if _, err := s.events.Produce(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if last := apply(servedRules); last <= number {
		t.Fatalf("bundle %d after %d", last, number)
	}
	s.start()
	s.until("the stage to be read to its end", func() (string, bool) {
		for _, st := range s.service.statuses() {
			if st.Topic == byShopTopic && st.Partition == 1 {
				return fmt.Sprintf("%+v", st), st.Committed.Offset == st.End && st.End > 0
			}
		}
		return "no task", false
	})
	if got := s.alertsOf("shops"); got != 1 {
		t.Errorf("%d alerts of the rule that is gone, want 1", got)
	}
}

// alertsOf counts the alerts of a rule.
func (s *served) alertsOf(rule string) (n int) {
	s.t.Helper()
	for p := range event.Partition(2) {
		at := kafka.TopicPartition{Topic: "seen.alerts", Partition: p}
		end, err := s.client.LastStable(s.t.Context(), at)
		if err != nil {
			s.t.Fatal(err)
		}
		for r, err := range s.client.ReadAll(s.t.Context(), at, 0, end) {
			if err != nil {
				s.t.Fatal(err)
			}
			if bytes.Contains(r.Value, []byte(`"rule":{"id":"`+rule+`"`)) {
				n++
			}
		}
	}
	return n
}

// Partitions that are added to the topic of a stage stay unused, before and after a restart: every key stays where its history is.
func TestPartitionsAddedToAStage(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.write("rules.yaml", servedRules+byShop)
	s.start()
	shops, payments := 8, 0
	pay := func() {
		for i := range shops {
			s.pay("ann", "", 1, func(m *kafka.Message, at *time.Time) {
				m.Value = fmt.Appendf(nil, `{"at":%q,"type":"pay","who":"ann","id":"%d-%d","shop":"shop %d","amount":1}`, at.UTC().Format(time.RFC3339Nano), payments, i, i)
			})
		}
		payments++
		want := shops * (payments - 1)
		s.until("the alerts of every shop", func() (string, bool) {
			n := s.alertsOf("shops")
			return fmt.Sprintf("%d of %d", n, want), n == want
		})
	}
	pay()
	pay()
	conf := sarama.NewConfig()
	conf.Net.SASL.Enable, conf.Net.SASL.User, conf.Net.SASL.Password = true, servedUser, servedPassword
	admin, err := sarama.NewClusterAdmin(s.broker.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	if err := admin.CreatePartitions(byShopTopic, 5, nil, false); err != nil {
		t.Fatal(err)
	}
	pay()
	s.service.Stop()
	s.start()
	s.until("the added partitions to be assigned", func() (string, bool) {
		text := s.log.String()
		return text, strings.Count(text, "a partition that was added to the topic of a stage is not used") >= 3
	})
	s.untilStatus("/readyz", 200)
	if !strings.Contains(s.log.String(), "partitions were added to the topic of a stage; they are not used") {
		t.Error("the start does not tell")
	}
	pay()
	for _, st := range s.service.statuses() {
		if st.Topic == byShopTopic && st.Partition > 1 || st.Phase == task.Refused {
			t.Errorf("there is a task %s/%d, %s", st.Topic, st.Partition, st.Phase)
		}
	}
	s.service.Stop()
	s.make().o.Drain = true
	if err := s.service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.service.Stop)
	select {
	case <-s.service.Ended():
		if err := s.service.Err(); err != nil {
			t.Error("drain:", err)
		}
	case <-time.After(patience):
		t.Error("a drain waits for partitions that have no task")
	}
}
