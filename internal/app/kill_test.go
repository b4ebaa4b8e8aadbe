package app

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/internal/kafkatest"
	"insolite/loadgen"
	"insolite/rules"
)

// rig is a deployment on a real broker: a topic that is being filled, and the program, which may die.
type rig struct {
	t       *testing.T
	dir     string
	config  string
	program string
	project *Project
	client  *kafka.Client
	process *exec.Cmd
	exited  chan error
	log     *os.File
}

const rigPartitions = 4

// newRig copies the example of payments and points it at the broker.
func newRig(t *testing.T, brokers []string, app, extra string) *rig {
	r := &rig{t: t, dir: t.TempDir(), program: filepath.Join(t.TempDir(), "detector")}
	if out, err := exec.Command("go", "build", "-o", r.program, "insolite/cmd/detector").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
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
	text = append(text, "\ndashboard: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\nstate: {checkpoint_interval: 700ms}\n"+extra...)
	if err := os.WriteFile(r.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r.load()
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

func (r *rig) load() {
	p, list := LoadProject(r.config, nil, rules.Options{})
	if p == nil {
		r.t.Fatal(list.Err())
	}
	r.project = p
}

func (r *rig) topic() string { return r.project.Config.Sources[0].Topic }

// start runs the program.
func (r *rig) start(command string) {
	r.t.Helper()
	c := exec.Command(r.program, command, "--config", r.config, "--log-level", "debug")
	c.Stdout, c.Stderr = r.log, r.log
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

// produce writes events at a pace; done counts them.
func (r *rig) produce(ctx context.Context, n int, perSecond float64, done *atomic.Int64) error {
	start, _ := event.TimeOf(time.Now())
	g, err := loadgen.New("payments", loadgen.Options{Seed: 7, Keys: 3000, Start: start, Rate: perSecond, Anomalies: 0.001, Disorder: 0.05, Late: 0.002, Malformed: 0.001})
	if err != nil {
		return err
	}
	producer := r.client.NewProducer()
	defer producer.Close()
	var batch []kafka.Message
	var e loadgen.Event
	began := time.Now()
	for i := range n {
		g.Next(&e)
		batch = append(batch, kafka.Message{Topic: r.topic(), Key: slices.Clone(e.Key), Value: slices.Clone(e.Value), Timestamp: e.Due})
		if len(batch) < 500 && i < n-1 {
			continue
		}
		if _, err := producer.Produce(ctx, batch...); err != nil {
			return err
		}
		done.Add(int64(len(batch)))
		batch = batch[:0]
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
		for rec, err := range r.client.ReadAll(r.t.Context(), at, 0, end) {
			if err != nil {
				r.t.Fatal(err)
			}
			rec.Key, rec.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
			all[p] = append(all[p], rec)
		}
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

// expected is the output of one engine a partition, each stepping its log once; bundles maps a partition's offsets to new rules.
func (r *rig) expected(plans []*rules.Plan, bundles func(p event.Partition) map[event.Offset]*rules.Plan) (alerts, dead []string) {
	r.t.Helper()
	for p, records := range r.read(r.topic()) {
		e, err := engine.New(plans[0], engine.Options{Partition: event.Partition(p)})
		if err != nil {
			r.t.Fatal(err)
		}
		switches := bundles(event.Partition(p))
		var out engine.Output
		for i := range records {
			if plan := switches[records[i].Offset]; plan != nil {
				if e, err = e.Switch(plan); err != nil {
					r.t.Fatal(err)
				}
			}
			if err := e.Step(&ingest.Batch{Topic: r.topic(), Records: records[i : i+1], Next: records[i].Offset + 1}, &out); err != nil {
				r.t.Fatal(err)
			}
		}
		for _, a := range out.Alerts {
			alerts = append(alerts, fmt.Sprintf("%s %s", a.Key, a.Value))
		}
		for _, d := range out.DeadLetters {
			dead = append(dead, fmt.Sprintf("%s %s", d.Record.Key, d.Record.Value))
		}
	}
	slices.Sort(alerts)
	slices.Sort(dead)
	return alerts, dead
}

// same compares what is visible with what is expected.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("no %s are expected: the test shows nothing", what)
	}
	if slices.Equal(got, want) {
		t.Logf("%d %s", len(got), what)
		return
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
	t.Errorf("%d %s are visible, %d expected; the first difference is at %d:\n got %s\nwant %s", len(got), what, len(want), i, line(got), line(want))
}

// The alerts that a reader sees are those of one uninterrupted evaluation, although the program is killed again and again while the payments
// come in.
func TestKilledAgainAndAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and kills take a minute; run without -short")
	}
	cluster := kafkatest.Start(t, 1)
	r := newRig(t, cluster.Bootstrap(), "kills", "")
	const events, perSecond, kills = 300_000, 12_000, 10
	var produced atomic.Int64
	failed := make(chan error, 1)
	go func() { failed <- r.produce(t.Context(), events, perSecond, &produced) }()
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		r.start("run")
		time.Sleep(500*time.Millisecond + time.Duration(random.IntN(3000))*time.Millisecond)
		r.kill()
	}
	r.start("run")
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if err := r.process.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := r.await(12 * time.Second); err != nil {
		t.Fatal("after an interrupt:", err)
	}
	r.start("drain")
	if err := r.await(2 * time.Minute); err != nil {
		t.Fatal("drain:", err)
	}
	c := r.project.Config
	alerts, dead := r.expected([]*rules.Plan{r.project.Set.Plan(r.topic())}, func(event.Partition) map[event.Offset]*rules.Plan { return nil })
	same(t, "alerts", r.visible(c.Alerts), alerts)
	same(t, "dead letters", r.visible(c.DeadLetters), dead)
	r.committed()
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
