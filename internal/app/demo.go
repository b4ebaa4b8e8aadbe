package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/loadgen"
	"insolite/rules"
	"insolite/rules/examples"
)

// DemoOptions configure a demonstration.
type DemoOptions struct {
	Pack   string        // of DemoPacks; empty: all of them in one deployment
	Dir    string        // keeps everything there; empty: a temporary folder that is removed at the end
	Listen string        // of the page; when it is taken, another port is
	Rate   float64       // events a second over all scenarios
	For    time.Duration // how long; 0: until the context ends
	Seed   uint64
	Out    io.Writer // what happens, for people
	Logger *slog.Logger
}

// demoScene is how much of a scenario the demonstration shows.
type demoScene struct {
	name      string
	keys      int
	history   time.Duration
	share     float64 // of the rate
	anomalies float64
}

var demoScenes = []demoScene{
	{"payments", 2000, 12 * 24 * time.Hour, 0.5, 0.1},
	{"logins", 1000, 4 * 24 * time.Hour, 0.2, 0.1},
	{"pizza", 1000, 40 * 24 * time.Hour, 0.15, 0.15},
	{"sensors", 30, 3 * 24 * time.Hour, 0.15, 0.05},
}

// DemoPacks returns the names of the examples that can be shown alone.
func DemoPacks() []string {
	var names []string
	for _, s := range demoScenes {
		names = append(names, s.name)
	}
	return names
}

const demoPartitions = 2

// Demo is the whole service in one process, with nothing else on the machine: an embedded broker, a store in a folder, the example rules,
// weeks of history, and then live events with anomalies among them.
type Demo struct {
	o       DemoOptions
	scenes  []demoScene
	dir     string
	config  string
	broker  *kfake.Cluster
	client  *kafka.Client
	service *Service
	alerts  int
	mu      sync.Mutex // of Out
}

// RunDemo runs a demonstration until its time is over or the context ends.
func RunDemo(ctx context.Context, o DemoOptions) (err error) {
	d := &Demo{o: o, scenes: demoScenes}
	if o.Pack != "" {
		i := slices.Index(DemoPacks(), o.Pack)
		if i < 0 {
			return fmt.Errorf("there is no demo of %q; take one of %s", o.Pack, strings.Join(DemoPacks(), ", "))
		}
		d.scenes = slices.Clone(demoScenes[i : i+1])
		d.scenes[0].share = 1
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	if err := d.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

func (d *Demo) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.o.Out, format+"\n", args...)
}

// prepare lays the examples out in the demo's folder.
func (d *Demo) prepare() (err error) {
	if d.dir = d.o.Dir; d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "insolite-demo-"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
	}
	d.config = filepath.Join(d.dir, "insolite.yaml")
	if _, err := os.Stat(d.config); err == nil {
		return nil // of an earlier demo: its rules may have been changed
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	if d.o.Pack == "" {
		err = os.CopyFS(d.dir, examples.FS)
	} else {
		err = d.layOut(d.o.Pack)
	}
	if err != nil {
		return fmt.Errorf("lay out the examples: %w", err)
	}
	return nil
}

// layOut lays one example out. Its context is built from the history before the start, which the example by itself does not ask for.
func (d *Demo) layOut(pack string) error {
	files, err := fs.Sub(examples.FS, pack)
	if err != nil {
		return err
	}
	if err := os.CopyFS(d.dir, files); err != nil {
		return err
	}
	text, err := os.ReadFile(d.config)
	if err != nil {
		return err
	}
	text = topicLine.ReplaceAll(text, []byte("$0\n    warm_up: 45d"))
	return os.WriteFile(d.config, text, 0o600)
}

// topicLine is the topic of a source in an example's configuration.
var topicLine = regexp.MustCompile(`(?m)^    topic: [a-z]+$`)

// same sees that a folder that was kept is of this demo.
func (d *Demo) same(app string) error {
	want := d.o.Pack
	if want == "" {
		want = "insolite"
	}
	if app != want {
		return fmt.Errorf("%s holds the demo of %q, not of %q; take another --dir, or its --pack", d.dir, app, want)
	}
	return nil
}

// topics are those of the scenes.
func (d *Demo) topics() []string {
	var topics []string
	for _, s := range loadgen.Scenarios() {
		if slices.ContainsFunc(d.scenes, func(x demoScene) bool { return x.name == s.Name }) {
			topics = append(topics, s.Topics...)
		}
	}
	return topics
}

// open starts the broker, and writes into the configuration where it is.
func (d *Demo) open(ctx context.Context) error {
	data := filepath.Join(d.dir, "kafka")
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(data), kfake.SeedTopics(demoPartitions, d.topics()...))
	if err != nil {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	d.broker = broker
	addresses := broker.ListenAddrs()
	if err := d.configure(addresses); err != nil {
		return err
	}
	d.client, err = kafka.Dial(ctx, kafka.Options{Brokers: addresses, App: "demo"})
	return err
}

// Settings of the demo's configuration that are its own begin behind this line.
const demoMark = "# The demo writes what follows, at each start.\n"

func (d *Demo) configure(brokers []string) error {
	text, err := os.ReadFile(d.config)
	if err != nil {
		return fmt.Errorf("read the demo's configuration: %w", err)
	}
	own, _, _ := strings.Cut(string(text), demoMark)
	lines := strings.Split(own, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  brokers:") {
			lines[i] = "  brokers: [" + strings.Join(brokers, ", ") + "]"
		}
	}
	own = strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n" + demoMark +
		fmt.Sprintf("state: {pebble: {path: state}, checkpoint_interval: 5s}\ncommit_interval: 50ms\ndashboard: {listen: %q}\nadmin: {listen: %q}\n",
			free(d.o.Listen), free("127.0.0.1:9090"))
	if err := os.WriteFile(d.config, []byte(own), 0o600); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	return nil
}

// free returns the address, or one with another port when that is taken.
func free(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		host, _, _ := net.SplitHostPort(address)
		return net.JoinHostPort(host, "0")
	}
	_ = l.Close() // it was opened to see whether it can be
	return address
}

// run lays the history, starts the service, and goes on with live events.
func (d *Demo) run(ctx context.Context) error {
	p, list := LoadProject(d.config, nil, rules.Options{})
	if p == nil {
		return fmt.Errorf("the demo's rules have errors:\n%w", list.Err())
	}
	if err := d.same(p.Config.App); err != nil {
		return err
	}
	start, _ := event.TimeOf(time.Now())
	again, err := d.again(ctx)
	if err != nil {
		return err
	}
	var writers []*demoWriter
	laid, began := 0, time.Now()
	for _, s := range d.scenes {
		w, err := d.newWriter(s, start)
		if err != nil {
			return err
		}
		defer w.producer.Close()
		n, err := w.history(ctx, !again)
		if err != nil {
			return fmt.Errorf("lay the history of %s: %w", s.name, err)
		}
		laid += n
		writers = append(writers, w)
	}
	d.service = NewService(ServiceOptions{Project: p, Logger: d.o.Logger})
	if err := d.service.Start(ctx); err != nil {
		return err
	}
	d.introduce(p, laid, time.Since(began))
	live, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	failed := make(chan error, len(writers)+1)
	group.Go(func() { failed <- d.tell(live, p) })
	for _, w := range writers {
		group.Go(func() { failed <- w.live(live) }) // what fails behind the end is not read
	}
	select {
	case <-ctx.Done():
	case <-d.service.Ended():
		err = d.service.Err()
	case err = <-failed:
	}
	stop()
	group.Wait()
	if ctx.Err() != nil {
		d.say("\n%d alerts. That was the demo.", d.alerts)
		return nil
	}
	return err
}

// again reports whether an earlier demo has left its events in the folder.
func (d *Demo) again(ctx context.Context) (bool, error) {
	end, err := d.client.LastStable(ctx, kafka.TopicPartition{Topic: d.topics()[0]})
	if err != nil {
		return false, fmt.Errorf("look at the demo's topics: %w", err)
	}
	return end > 0, nil
}

func (d *Demo) introduce(p *Project, laid int, took time.Duration) {
	keep := "all of it is gone afterwards; --dir keeps it"
	if d.o.Dir != "" {
		keep = "kept in " + d.dir
	}
	d.say("Insolite, all in this process (%s).", keep)
	d.say("  page       %s", d.service.page.URL())
	d.say("  metrics    %s/metrics", d.service.admin.URL())
	d.say("  Kafka      %s, for any client: topics %s; alerts on %s", strings.Join(p.Config.Kafka.Brokers, ", "), strings.Join(d.topics(), ", "), p.Config.Alerts)
	d.say("  rules      %d in %s; change one and it is in force seconds later", len(p.Set.Rules), d.dir)
	if laid == 0 {
		d.say("It goes on where the demo before ended; Ctrl-C ends it.\n")
		return
	}
	d.say("%d events of the weeks before lie in the topics, laid in %.1f s. From here on it is live; Ctrl-C ends it.\n", laid, took.Seconds())
}

// demoWriter makes the events of one scenario.
type demoWriter struct {
	producer  *kafka.Producer
	generator *loadgen.Generator
	pacer     loadgen.Pacer
	next      loadgen.Event // made, not written yet
	batch     []kafka.Message
}

func (d *Demo) newWriter(s demoScene, start event.Time) (*demoWriter, error) {
	g, err := loadgen.New(s.name, loadgen.Options{Seed: d.o.Seed, Keys: s.keys, Start: start, History: s.history, Rate: d.o.Rate * s.share, Anomalies: s.anomalies, Hasty: true, Malformed: 0.002})
	if err != nil {
		return nil, err
	}
	return &demoWriter{producer: d.client.NewProducer(), generator: g}, nil
}

// history goes through everything that is due before the present, and writes it unless it is there already.
func (w *demoWriter) history(ctx context.Context, write bool) (n int, err error) {
	for w.generator.Next(&w.next); w.next.History; w.generator.Next(&w.next) {
		if !write {
			continue
		}
		w.add()
		n++
		if len(w.batch) == 5000 {
			if err := w.flush(ctx); err != nil {
				return n, err
			}
		}
	}
	return n, w.flush(ctx)
}

func (w *demoWriter) add() {
	w.batch = append(w.batch, kafka.Message{Topic: w.next.Topic, Key: slices.Clone(w.next.Key), Value: slices.Clone(w.next.Value), Timestamp: w.next.Due})
}

func (w *demoWriter) flush(ctx context.Context) error {
	_, err := w.producer.Produce(ctx, w.batch...)
	w.batch = w.batch[:0]
	return err
}

// live writes each event when it is due.
func (w *demoWriter) live(ctx context.Context) error {
	for {
		now, _ := event.TimeOf(time.Now())
		if wait := w.pacer.Wait(w.next.Due, now); wait > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
				continue
			}
		}
		w.add()
		if err := w.flush(ctx); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		w.generator.Next(&w.next)
	}
}

// told is what the terminal says of an alert.
type told struct {
	Summary  string
	At       time.Time
	Source   string
	Rule     struct{ ID, Severity string }
	Position struct {
		Topic     string
		Partition int
		Offset    int64
	}
	Condition struct {
		Because []struct {
			Expr, Op     string
			Value, Limit any
		}
	}
}

// tell says each alert as a sentence with its reason.
func (d *Demo) tell(ctx context.Context, p *Project) error {
	fetcher := d.client.NewFetcher()
	defer fetcher.Close()
	topic, err := d.client.DescribeTopic(ctx, p.Config.Alerts)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	for n := range topic.Partitions {
		at := kafka.TopicPartition{Topic: topic.Name, Partition: event.Partition(n)}
		end, err := d.client.LastStable(ctx, at)
		if err != nil {
			return err
		}
		feed := fetcher.Add(at.Topic, at.Partition, end)
		group.Go(func() { d.follow(ctx, feed) })
	}
	group.Wait()
	return nil
}

func (d *Demo) follow(ctx context.Context, feed *kafka.Feed) {
	defer feed.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case b, ok := <-feed.Batches():
			if !ok {
				return
			}
			for i := range b.Records {
				d.sentence(b.Records[i].Value)
			}
			b.Release()
		}
	}
}

func (d *Demo) sentence(value []byte) {
	var a told
	if err := json.Unmarshal(value, &a); err != nil {
		d.say("an alert that is no JSON: %v", err)
		return
	}
	var because []string
	for _, b := range a.Condition.Because {
		if b.Op == "" {
			because = append(because, fmt.Sprintf("%s is %v", b.Expr, b.Value))
			continue
		}
		because = append(because, fmt.Sprintf("%s is %v, %s %v", b.Expr, short(b.Value), b.Op, short(b.Limit)))
	}
	d.say("%s  %-8s  %s\n                    %s: %s  (%s/%d, offset %d)", a.At.Local().Format(time.TimeOnly), a.Rule.Severity, a.Summary, a.Rule.ID, strings.Join(because, "; "),
		a.Position.Topic, a.Position.Partition, a.Position.Offset)
	d.mu.Lock()
	d.alerts++
	d.mu.Unlock()
}

// short is a number without decimals that nobody reads.
func short(v any) any {
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%.6g", f)
	}
	return v
}

// close ends everything, and removes what is not to be kept.
func (d *Demo) close() error {
	if d.service != nil {
		d.service.Stop()
	}
	if d.client != nil {
		_ = d.client.Close() // nothing is left to be sent
	}
	if d.broker != nil {
		d.broker.Close()
	}
	if d.o.Dir != "" {
		return nil
	}
	return os.RemoveAll(d.dir)
}
