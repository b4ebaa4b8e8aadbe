package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"insolite/ingest"
	"insolite/ingest/frame"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/stagelog"
	"insolite/loadgen"
)

// settled is a source that nobody keys: every rule of it is one of a stage.
const settled = `  payment.settled:
    start: earliest
    topic: %s
    time: {field: at}
    lateness: 1m
    dedupe: {id: payment_id, for: 10m}
    fields:
      at: time
      payment_id: {type: string, optional: true}
      customer_id: string
      terminal_id: {type: string, optional: true}
      amount: number
`

// Rules by other keys than the customer. Two sources send to the stage of terminals.
const (
	terminalRule = `
- id: busy-terminal
  source: payment.made
  group_by: [terminal_id]
  where: channel != "online"
  context:
    n: {agg: count, window: 10m}
    people: {agg: distinct_count, field: customer_id, window: 10m}
    before: {agg: last, field: amount, window: 1h, exclude_current: true}
  condition: n >= 3 and amount > before
  suppress: {for: 20s}
  alert: {summary: "{n} payments of {people} at {terminal_id}", evidence: 2}
`
	settledRules = `
- id: settled-at-terminal
  source: payment.settled
  group_by: [terminal_id]
  context: {total: {agg: sum, field: amount, window: 10m}}
  condition: total > 200
  suppress: {for: 20s}
- id: settled-customer
  source: payment.settled
  group_by: [customer_id]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 3
  suppress: {for: 20s}
`
	twoKeyRule = `
- id: customer-at-terminal
  source: payment.settled
  group_by: [customer_id, terminal_id]
  context: {n: {agg: count, window: 1h}}
  condition: n >= 2
`
	// riskRules are on alerts: of the customer's own task and of both stages of terminals, and one on those of the other.
	riskRules = `
- id: customer-at-risk
  source: insolite.alert
  group_by: [customer_id]
  context:
    risks: {agg: sum, field: risk, window: 1h}
    kinds: {agg: distinct_count, field: rule, window: 1h, exact: true}
  condition: risks >= 90
  suppress: {for: 5s}
  alert: {summary: "{customer_id}: {risks} of {kinds}, now {rule} {id}"}
- id: many-at-risk
  source: insolite.alert
  where: rule == "customer-at-risk" or rule == "busy-terminal"
  group_by: [entity]
  context: {n: {agg: count, window: 10s}}
  condition: n >= 2
  suppress: {for: 1s}
`
	// crossRule has features of three keys and two sources: its events travel two hops.
	crossRule = `
- id: unusual-at-a-known-terminal
  source: payment.made
  group_by: [customer_id]
  where: channel != "online"
  context:
    usual: {agg: avg, field: amount, window: 1h, exclude_current: true, min_samples: 2}
    seen: {by: [terminal_id], agg: count, window: 10m}
    people: {by: [terminal_id], agg: distinct_count, field: customer_id, window: 10m, exclude_current: true}
    settled: {by: [terminal_id], agg: sum, field: amount, source: payment.settled, window: 10m}
    here: {by: [customer_id, terminal_id], agg: count, window: 1h}
  condition: seen >= 3 and settled > 50 and amount > usual and people >= 2 and here >= 1
  alert: {summary: "{amount} {usual} {seen} {people} {settled} {here}", evidence: 2}
`
)

// stageRig is a rig with a second source and rules of stages.
func stageRig(r *rig, more ...string) *rig {
	r.t.Helper()
	r.setting("lookups:\n", fmt.Sprintf(settled, r.settledTopic())+"lookups:\n")
	r.rules(func(text string) string { return text + strings.Join(more, "") })
	r.reload()
	if _, err := r.client.EnsureTopic(r.t.Context(), kafka.TopicSpec{Name: r.settledTopic(), Partitions: rigPartitions - 1}); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *rig) settledTopic() string { return "settled-" + r.project.Config.App }

// settle produces settlements at a pace, in any partition.
func (r *rig) settle(ctx context.Context, n int, perSecond float64) error {
	start, _ := event.TimeOf(time.Now())
	g, err := loadgen.New("payments", loadgen.Options{Seed: 8, Keys: 2000, Start: start, Rate: perSecond, Disorder: 0.05, Late: 0.002})
	if err != nil {
		return err
	}
	return r.paced(ctx, n, 200, perSecond, func(e *loadgen.Event) kafka.Message {
		g.Next(e)
		return kafka.Message{Topic: r.settledTopic(), Value: slices.Clone(e.Value), Timestamp: e.Due}
	})
}

// loadBoth is load for both sources.
func (r *rig) loadBoth(n int, perSecond float64) (end func()) {
	failed := make(chan error, 1)
	go func() { failed <- r.settle(r.t.Context(), n/2, perSecond/2) }()
	payments := r.load(n, perSecond, 0.001)
	return func() {
		r.t.Helper()
		payments()
		if err := <-failed; err != nil {
			r.t.Fatal(err)
		}
	}
}

// taskLog is the records of one partition with the rules that its task had in force.
type taskLog struct {
	topic     string
	partition event.Partition
	of        int
	records   []ingest.Record
	journal   []activation
}

// logs are those of every topic that has rules in any bundle: sources, then stages.
func (r *rig) logs() (all []taskLog, sets *bundles) {
	r.t.Helper()
	ctx := r.t.Context()
	sets = newBundles(r.client, nil, r.project.Config, discard)
	if err := sets.refresh(ctx); err != nil {
		r.t.Fatal(err)
	}
	var topics []string
	for number := range sets.manifests {
		set, err := sets.set(ctx, number)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, p := range set.Plans {
			if !slices.Contains(topics, p.Topic) {
				topics = append(topics, p.Topic)
			}
		}
	}
	slices.Sort(topics)
	for _, topic := range topics {
		records := r.read(topic)
		for p := range records {
			l := taskLog{topic, event.Partition(p), len(records), records[p], nil}
			g := &taskGroup{client: r.client, journal: r.project.Config.JournalTopic(), name: fmt.Sprintf("%s/%s/%d", r.project.Config.App, topic, p)}
			entries, err := g.Journal(ctx)
			if err != nil || len(entries) == 0 {
				r.t.Fatalf("the journal of %s has %d entries: %v", g.name, len(entries), err)
			}
			for _, e := range entries {
				if e.Kind == journal.Engine {
					continue
				}
				plan, err := topicBundles{sets, topic}.Plan(ctx, e.Bundle)
				if err != nil {
					r.t.Fatal(err)
				}
				l.journal = append(l.journal, activation{at: e.At, plan: plan, bundle: e.Bundle})
			}
			all = append(all, l)
		}
	}
	return all, sets
}

// results are what the tasks' logs give, sorted.
type results struct{ alerts, sent, recorded []string }

// evaluate steps every log once, in one goroutine.
func (r *rig) evaluate() *results {
	r.t.Helper()
	all, sets := r.logs()
	var out results
	for i := range all {
		l := &all[i]
		if isStage(r.project.Config.App, l.topic) {
			r.stageOf(l, sets, &out)
		} else {
			r.sourceOf(l, sets, &out)
		}
	}
	slices.Sort(out.alerts)
	slices.Sort(out.sent)
	slices.Sort(out.recorded)
	return &out
}

func (r *rig) engine(l *taskLog, sets *bundles) *engine.Engine {
	r.t.Helper()
	first := l.journal[0]
	e, err := engine.New(first.plan, engine.Options{Partition: l.partition, Partitions: int32(l.of), Bundle: first.bundle, Targets: topicBundles{sets, l.topic}.Targets})
	if err != nil {
		r.t.Fatal(err)
	}
	e.Restore(event.Position{Offset: first.at.Offset}, event.NoTime)
	return e
}

// sourceOf evaluates the log of a source: its alerts, and the rows that it sends.
func (r *rig) sourceOf(l *taskLog, sets *bundles, to *results) {
	r.t.Helper()
	e, next := r.engine(l, sets), l.journal[1:]
	var out engine.Output
	var err error
	for i := range l.records {
		for len(next) > 0 && next[0].at.Offset <= l.records[i].Offset {
			e.Leave(&out, next[0].bundle)
			e.Restore(event.Position{Offset: next[0].at.Offset, Step: next[0].at.Step + 1}, e.Watermark())
			if e, err = e.Switch(next[0].plan, next[0].bundle); err != nil {
				r.t.Fatal(err)
			}
			next = next[1:]
		}
		if err := e.Step(&ingest.Batch{Topic: l.topic, Records: l.records[i : i+1], Next: l.records[i].Offset + 1}, &out); err != nil {
			r.t.Fatal(err)
		}
	}
	r.taken(e, &out, to)
}

// stageOf evaluates the recorded log of a stage, and notes the rows in it.
func (r *rig) stageOf(l *taskLog, sets *bundles, to *results) {
	r.t.Helper()
	if from, err := r.client.Earliest(r.t.Context(), kafka.TopicPartition{Topic: l.topic, Partition: l.partition}); r.kept == nil && (err != nil || from != 0) {
		r.t.Fatalf("%s/%d begins at %d: what was before is gone, so nothing can be said of it (%v)", l.topic, l.partition, from, err)
	}
	e, bundle := r.engine(l, sets), l.journal[0].bundle
	var out engine.Output
	for i := range l.records {
		rec := &l.records[i]
		to.recorded = append(to.recorded, r.rows(l.topic, l.partition, rec.Value)...)
		number, err := engine.FrameBundle(rec.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if number > bundle {
			plan, err := topicBundles{sets, l.topic}.Plan(r.t.Context(), number)
			if err != nil {
				r.t.Fatal(err)
			}
			e.Leave(&out, number)
			if e, err = e.Switch(plan, number); err != nil {
				r.t.Fatal(err)
			}
			bundle = number
		}
		if err := e.Step(&ingest.Batch{Topic: l.topic, Records: l.records[i : i+1], Next: rec.Offset + 1}, &out); err != nil {
			r.t.Fatal(err)
		}
	}
	r.taken(e, &out, to)
}

// taken adds what an engine gave: alerts, and rows that go to stages.
func (r *rig) taken(e *engine.Engine, out *engine.Output, to *results) {
	e.Cut(out)
	for i := range out.Frames {
		f := &out.Frames[i]
		to.sent = append(to.sent, r.rows(f.Topic, f.Partition, f.Value)...)
	}
	for _, a := range out.Alerts {
		to.alerts = append(to.alerts, fmt.Sprintf("%s %s", a.Key, a.Value))
	}
}

// rows are the rows of a frame as lines: where they go, where they come from, and what they have.
func (r *rig) rows(topic string, partition event.Partition, value []byte) (lines []string) {
	r.t.Helper()
	var f frame.Reader
	if err := f.Reset(value); err != nil {
		r.t.Fatal(err)
	}
	for f.Next() {
		layout := (*f.Layout)[f.Source]
		line := fmt.Sprintf("%s/%d from %s/%d %d.%d at %d %s", topic, partition, f.Header.Topic, f.Header.Partition, f.Offset, f.Ordinal, f.At, layout.Name)
		for i, v := range f.Values {
			line += fmt.Sprintf(" %s=%q", layout.Fields[i].Name, event.AppendKeyPart(nil, &v))
		}
		lines = append(lines, line)
	}
	if err := f.Err(); err != nil {
		r.t.Fatal(err)
	}
	return lines
}

// judgeStages compares alerts and rows with what the logs give, each once.
func (r *rig) judgeStages() {
	r.t.Helper()
	want := r.evaluate()
	same(r.t, "alerts", r.visible(r.project.Config.Alerts), want.alerts)
	same(r.t, "rows", want.recorded, want.sent)
	r.ofStages(want.alerts)
	r.closedStages()
}

// ofStages sees that every rule of a stage that the tests have added has found something.
func (r *rig) ofStages(alerts []string) {
	r.t.Helper()
	for _, rule := range r.project.Set.Rules {
		if rule.Plan == nil || rule.Plan.Stage == nil || !strings.Contains(terminalRule+settledRules+twoKeyRule+riskRules, "- id: "+rule.ID+"\n") {
			continue
		}
		n := 0
		for _, a := range alerts {
			if strings.Contains(a, fmt.Sprintf("%q", rule.ID)) {
				n++
			}
		}
		if r.t.Logf("%d alerts of %s", n, rule.ID); n == 0 {
			r.t.Errorf("no alert of %s is expected: the test shows nothing of it", rule.ID)
		}
	}
}

// closedStages checks that no transaction is open on the topics of stages.
func (r *rig) closedStages() {
	r.t.Helper()
	for _, topic := range stagelog.Topics(r.project.Set) {
		r.stable(topic)
	}
}

// drop takes rules out of the file.
func (r *rig) drop(text string) {
	r.rules(func(all string) string { return strings.Replace(all, text, "", 1) })
}

// told is the program's log.
func (r *rig) told() string {
	r.t.Helper()
	b, err := os.ReadFile(r.log.Name())
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}
