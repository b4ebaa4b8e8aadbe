package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/deadletter"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/journal"
	"insolite/internal/stagelog"
	"insolite/loadgen"
	"insolite/rules"
)

// rig is a deployment on a real broker: a topic that is being filled, and the program, which may die.
type rig struct {
	t       *testing.T
	dir     string
	config  string
	program string
	wrap    []string // what runs the program; empty: nothing
	loads   uint64   // how often events were produced: other ones each time
	env     []string // of the program, beside the test's
	project *Project
	client  *kafka.Client
	process *exec.Cmd
	exited  chan error
	log     *os.File
	past    [][]ingest.Record                          // of the topic, by partition, from before records were deleted; nil: none were
	enough  chan struct{}                              // closed when no more is to be produced; nil: never
	kept    *stagelog.Log                              // of stages' topics, which are shortened while the test runs; nil: it is too short for that
	java    func(source string, args ...string) string // Kafka's own tools
}

const rigPartitions = 4

var discard = slog.New(slog.DiscardHandler)

// build makes the program.
func build(t *testing.T, flags ...string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "detector")
	args := append(append([]string{"build", "-o", program}, flags...), "insolite/cmd/detector")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// directRules takes out the rules by other keys than the customer, and those on alerts: what they give depends on the order in which partitions
// send to the stage, and is judged by the recorded topics of stages (see stageRig).
func directRules(text string) string {
	const begins = "\n- id: "
	all := strings.Split(text, begins)
	return strings.Join(slices.DeleteFunc(all, func(rule string) bool {
		return strings.Contains(rule, "\n  source: ") && (strings.Contains(rule, "\n  source: insolite.alert") || !strings.Contains(rule, "\n  group_by: [customer_id"))
	}), begins)
}

// newRig copies the example of payments and points it at the broker.
func newRig(t *testing.T, brokers []string, program, app, extra string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), program: program}
	if err := os.CopyFS(r.dir, os.DirFS("../../rules/examples/payments")); err != nil {
		t.Fatal(err)
	}
	r.config = filepath.Join(r.dir, "insolite.yaml")
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("app: payments"), []byte("app: "+app), 1)
	text = bytes.Replace(text, []byte("[localhost:9092]"), []byte("["+strings.Join(brokers, ", ")+"]\n  static_id: one\n  topics: {partitions: 3}"), 1)
	text = bytes.Replace(text, []byte("    topic: payments"), []byte("    start: earliest\n    topic: payments-"+app), 1)
	text = bytes.Replace(text, []byte("insolite.alerts"), []byte(app+".alerts"), 1)
	text = bytes.Replace(text, []byte("insolite.dead-letters"), []byte(app+".dead-letters"), 1)
	if !strings.Contains(extra, "state:") {
		extra += "state: {checkpoint_interval: 700ms}\n"
	}
	text = append(text, "\ndashboard: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n"+extra...)
	if err := os.WriteFile(r.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r.rules(directRules)
	r.reload()
	if r.client, err = kafka.Dial(t.Context(), kafka.Options{Brokers: brokers, App: "rig"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.client.Close() })
	if _, err := r.client.EnsureTopic(t.Context(), kafka.TopicSpec{Name: r.topic(), Partitions: rigPartitions}); err != nil {
		t.Fatal(err)
	}
	if r.log, err = os.Create(filepath.Join(r.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.process != nil {
			r.kill()
		}
		if t.Failed() {
			b, _ := os.ReadFile(r.log.Name())
			t.Logf("the end of the program's log:\n%s", b[max(0, len(b)-8000):])
		}
		_ = r.log.Close()
	})
	return r
}

func (r *rig) reload() {
	p, list := LoadProject(r.config, nil, rules.Options{})
	if p == nil {
		r.t.Fatal(list.Err())
	}
	r.project = p
}

func (r *rig) topic() string { return r.project.Config.Sources[0].Topic }

// start runs the program.
func (r *rig) start(command string, flags ...string) {
	r.t.Helper()
	line := append(append(slices.Clone(r.wrap), r.program, command, "--config", r.config, "--log-level", "debug"), flags...)
	c := exec.Command(line[0], line[1:]...)
	c.Stdout, c.Stderr, c.Env = r.log, r.log, append(os.Environ(), r.env...)
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.process, r.exited = c, make(chan error, 1)
	go func(c *exec.Cmd, exited chan error) { exited <- c.Wait() }(c, r.exited)
}

// kill ends the program as a power cut would.
func (r *rig) kill() {
	_ = r.process.Process.Kill() // it may have ended
	<-r.exited
	r.process = nil
}

// await waits until the program has ended by itself.
func (r *rig) await(limit time.Duration) error {
	select {
	case err := <-r.exited:
		r.process = nil
		return err
	case <-time.After(limit):
		return fmt.Errorf("the program has not ended after %s", limit)
	}
}

// produce writes events at a pace.
func (r *rig) produce(ctx context.Context, n int, perSecond, malformed float64) error {
	start, _ := event.TimeOf(time.Now())
	r.loads++
	g, err := loadgen.New("payments", loadgen.Options{Seed: 6 + r.loads, Keys: 3000, Start: start, Rate: perSecond, Anomalies: 0.001, Disorder: 0.05, Late: 0.002, Malformed: malformed})
	if err != nil {
		return err
	}
	return r.paced(ctx, n, 500, perSecond, func(e *loadgen.Event) kafka.Message {
		g.Next(e)
		return kafka.Message{Topic: r.topic(), Key: slices.Clone(e.Key), Value: slices.Clone(e.Value), Timestamp: e.Due}
	})
}

// paced produces n messages at a pace, some at once, unless it is enough before.
func (r *rig) paced(ctx context.Context, n, some int, perSecond float64, next func(e *loadgen.Event) kafka.Message) error {
	producer := r.client.NewProducer()
	defer producer.Close()
	var batch []kafka.Message
	var e loadgen.Event
	began := time.Now()
	for i := range n {
		batch = append(batch, next(&e))
		if len(batch) < some && i < n-1 {
			continue
		}
		if _, err := producer.Produce(ctx, batch...); err != nil {
			return err
		}
		batch = batch[:0]
		select {
		case <-r.enough:
			return nil
		default:
		}
		time.Sleep(time.Until(began.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
	}
	return nil
}

// read returns all committed records of a topic, by partition.
func (r *rig) read(topic string) [][]ingest.Record {
	r.t.Helper()
	d, err := r.client.DescribeTopic(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	all := make([][]ingest.Record, d.Partitions)
	for p := range all {
		at := kafka.TopicPartition{Topic: topic, Partition: event.Partition(p)}
		end, err := r.client.HighWatermark(r.t.Context(), at)
		if err != nil {
			r.t.Fatal(err)
		}
		if r.kept != nil && isStage(r.project.Config.App, topic) {
			all[p] = r.kept.UpTo(at, end)
			continue
		}
		from, err := r.client.Earliest(r.t.Context(), at)
		if err != nil {
			r.t.Fatal(err)
		}
		for rec, err := range r.client.ReadAll(r.t.Context(), at, from, end) {
			if err != nil {
				r.t.Fatal(err)
			}
			rec.Key, rec.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
			all[p] = append(all[p], rec)
		}
	}
	return all
}

// events returns all that the topic has ever had, by partition.
func (r *rig) events() [][]ingest.Record {
	r.t.Helper()
	all := r.read(r.topic())
	for p, past := range r.past {
		end := past[len(past)-1].Offset
		all[p] = append(slices.Clone(past), slices.DeleteFunc(all[p], func(rec ingest.Record) bool { return rec.Offset <= end })...)
	}
	return all
}

// visible returns the records of an output topic as lines, sorted.
func (r *rig) visible(topic string) []string {
	var lines []string
	for _, records := range r.read(topic) {
		for _, rec := range records {
			lines = append(lines, fmt.Sprintf("%s %s", rec.Key, rec.Value))
		}
	}
	slices.Sort(lines)
	return lines
}

// activation is where a partition's rules became others, a record was excluded, another version of the engine went on, or time passed without
// records.
type activation struct {
	at       event.Position
	plan     *rules.Plan // nil: one of the others
	bundle   event.Offset
	excluded event.Offset
	engine   uint32 // 0: one of the others
	tick     event.Time
	ticks    bool
}

// expected is the output of one engine a partition, each stepping its log once, with the rules that its journal tells.
func (r *rig) expected() (alerts, dead []string) {
	r.t.Helper()
	journalled := r.journalled()
	for p, records := range r.events() {
		next := journalled[p]
		if len(next) == 0 {
			continue // a partition that was added, and has not begun
		}
		e, err := engine.New(next[0].plan, engine.Options{Partition: event.Partition(p)})
		if err != nil {
			r.t.Fatal(err)
		}
		next = next[1:]
		var out engine.Output
		excluded := map[event.Offset]bool{}
		version, versions := engine.Version, []uint32(nil) // that gave each alert
		for i := range records {
			for len(next) > 0 && next[0].at.Offset <= records[i].Offset {
				e.Restore(event.Position{Offset: next[0].at.Offset, Step: next[0].at.Step + 1}, e.Watermark())
				if next[0].ticks {
					must(r.t, e.Tick(next[0].tick, &out))
				} else if next[0].engine > 0 {
					version = next[0].engine
				} else if next[0].plan == nil {
					excluded[next[0].excluded] = true
				} else if e, err = e.Switch(next[0].plan, 0); err != nil {
					r.t.Fatal(err)
				}
				next = next[1:]
			}
			if excluded[records[i].Offset] {
				out.DeadLetters = append(out.DeadLetters, engine.DeadLetter{Record: records[i], Stage: "journal", Reason: "excluded", Byte: -1,
					Message: "the record was excluded: the process died of it again and again; look at it, correct the rule or the program, and redrive it"})
				continue
			}
			if err := e.Step(&ingest.Batch{Topic: r.topic(), Records: records[i : i+1], Next: records[i].Offset + 1}, &out); err != nil {
				r.t.Fatal(err)
			}
			for len(versions) < len(out.Alerts) {
				versions = append(versions, version)
			}
		}
		for _, a := range next { // behind the last record
			if a.ticks {
				must(r.t, e.Tick(a.tick, &out))
			}
		}
		for len(versions) < len(out.Alerts) {
			versions = append(versions, version)
		}
		for i, a := range out.Alerts {
			alerts = append(alerts, fmt.Sprintf("%s %s", a.Key, ofVersion(versions[i], a.Value)))
		}
		for _, d := range out.DeadLetters {
			l := deadletter.Letter{App: r.project.Config.App, Topic: r.topic(), Partition: event.Partition(p), Record: d.Record, Stage: d.Stage, Reason: d.Reason, Source: d.Source, Field: d.Field, Byte: d.Byte, Message: d.Message}
			m := l.Encode()
			dead = append(dead, fmt.Sprintf("%s %s", m.Key, m.Value))
		}
	}
	slices.Sort(alerts)
	slices.Sort(dead)
	return alerts, dead
}

// journalled reads from the journal, by partition, which rules came into force where. The first ones are those of the first start.
func (r *rig) journalled() [][]activation {
	r.t.Helper()
	all := newBundles(r.client, nil, r.project.Config, discard)
	if err := all.refresh(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	topic, err := r.client.DescribeTopic(r.t.Context(), r.topic())
	if err != nil {
		r.t.Fatal(err)
	}
	out := make([][]activation, topic.Partitions)
	for p := range out {
		g := &taskGroup{client: r.client, journal: r.project.Config.JournalTopic(), name: fmt.Sprintf("%s/%s/%d", r.project.Config.App, r.topic(), p)}
		entries, err := g.Journal(r.t.Context())
		if err != nil || len(entries) == 0 && p < rigPartitions {
			r.t.Fatalf("the journal of partition %d has %d entries: %v", p, len(entries), err)
		}
		for _, e := range entries {
			if e.Kind == journal.Exclude || e.Kind == journal.Engine || e.Kind == journal.Tick {
				out[p] = append(out[p], activation{at: e.At, excluded: e.Excluded, engine: e.Engine, tick: e.Time, ticks: e.Kind == journal.Tick})
				continue
			}
			plan, err := topicBundles{all, r.topic()}.Plan(r.t.Context(), e.Bundle)
			if err != nil {
				r.t.Fatal(err)
			}
			out[p] = append(out[p], activation{at: e.At, plan: plan, bundle: e.Bundle})
		}
	}
	return out
}

// judge compares what is visible with what is expected.
func (r *rig) judge() {
	r.t.Helper()
	alerts, dead := r.expected()
	same(r.t, "alerts", r.visible(r.project.Config.Alerts), alerts)
	same(r.t, "dead letters", r.visible(r.project.Config.DeadLetters), dead)
	r.committed()
}

// interrupt ends the program in order.
func (r *rig) interrupt() {
	r.t.Helper()
	if err := r.process.Process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
	if err := r.await(patience); err != nil {
		r.t.Fatal("after an interrupt:", err)
	}
}

// leave ends the program in order, wherever it is: also before it listens to signals.
func (r *rig) leave() {
	r.t.Helper()
	if err := r.process.Process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
	err := r.await(patience)
	exit, _ := err.(*exec.ExitError)
	if err != nil && (exit == nil || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT) {
		r.t.Fatal("after an interrupt:", err)
	}
}

// drain reads to the end.
func (r *rig) drain() {
	r.t.Helper()
	r.start("drain")
	if err := r.await(2 * patience); err != nil {
		r.t.Fatal("drain:", err)
	}
}

// lines is how often the program has logged a text since the test began.
func (r *rig) lines(text string) int {
	r.t.Helper()
	b, err := os.ReadFile(r.log.Name())
	if err != nil {
		r.t.Fatal(err)
	}
	return bytes.Count(b, []byte(text))
}

// logged waits until the program has logged a text so often since the test began.
func (r *rig) logged(text string, times int, limit time.Duration) {
	r.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		if r.lines(text) >= times {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the log does not say %q %d times within %s", text, times, limit)
		}
	}
}

// same compares what is visible with what is expected.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if d := unequal(what, got, want); d != "" {
		t.Error(d)
		return
	}
	t.Logf("%d %s", len(got), what)
}

// unequal tells how what is visible differs from what is expected; empty: it does not.
func unequal(what string, got, want []string) string {
	if len(want) == 0 {
		return fmt.Sprintf("no %s are expected: the test shows nothing", what)
	}
	if slices.Equal(got, want) {
		return ""
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	line := func(s []string) string {
		if i < len(s) {
			return s[i]
		}
		return "nothing"
	}
	return fmt.Sprintf("%d %s are visible, %d expected; the first difference is at %d:\n got %s\nwant %s", len(got), what, len(want), i, line(got), line(want))
}

// committed checks that every partition is committed to its end, and that nothing is left open.
func (r *rig) committed() {
	r.t.Helper()
	app, err := kafka.Dial(r.t.Context(), kafka.Options{Brokers: r.project.Config.Kafka.Brokers, App: r.project.Config.App})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = app.Close() }()
	for p := range event.Partition(rigPartitions) {
		at := kafka.TopicPartition{Topic: r.topic(), Partition: p}
		end, err := r.client.HighWatermark(r.t.Context(), at)
		if err != nil {
			r.t.Fatal(err)
		}
		next, _, found, err := app.CommittedOffset(r.t.Context(), at.Topic, p)
		if err != nil || !found || next != end {
			r.t.Errorf("partition %d is committed up to %d (%v, %v), its end is %d", p, next, found, err, end)
		}
	}
}
