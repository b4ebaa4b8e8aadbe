package app

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/testsize"
)

// load produces in the background; the function returned waits for its end.
func (r *rig) load(n int, perSecond, malformed float64) (end func()) {
	failed := make(chan error, 1)
	go func() { failed <- r.produce(r.t.Context(), n, perSecond, malformed) }()
	return func() {
		r.t.Helper()
		if err := <-failed; err != nil {
			r.t.Fatal(err)
		}
	}
}

// rules returns the rules on disk, changed.
func (r *rig) rules(change func(text string) string) {
	r.t.Helper()
	path := filepath.Join(r.dir, "rules.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(b))), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

const addedRule = `
- id: again-and-again
  source: payment.made
  group_by: [customer_id]
  context: {n: {agg: count, window: 10m}}
  condition: n >= 4
  suppress: {for: 10s}
`

// Rules are edited while the service runs and after a crash, and put back to the first ones, all under kills.
func rulesEdited(r *rig) {
	end := r.pour(3000)
	var first string
	r.run()
	r.rules(func(text string) string {
		first = text
		return strings.Replace(text, "amount > 3 * usual", "amount > 2 * usual", 1)
	})
	r.haveHad(2)
	r.kill()
	r.rules(func(text string) string { return text + addedRule })
	r.start("run")
	r.haveHad(3)
	r.kill()
	r.rules(func(string) string { return first })
	r.start("run")
	r.logged("the rules on disk are older than the ones in force", 1, patience)
	if _, err := Apply(r.t.Context(), r.project, discard); err != nil {
		r.t.Fatal(err)
	}
	r.haveHad(4)
	end()
	r.finish()
}

// haveHad waits until the journal of each partition tells of so many sets of rules.
func (r *rig) haveHad(sets int) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		least := slices.MinFunc(r.journalled(), func(a, b []activation) int { return len(a) - len(b) })
		if len(least) >= sets {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("a partition has had %d sets of rules within %s, want %d", len(least), patience, sets)
		}
	}
}

// With at_least_once alerts may come again: the same ones.
func atLeastOnceKilled(r *rig) {
	end := r.pour(3000)
	random := rand.New(rand.NewPCG(3, 4))
	for range testsize.Rounds(3) {
		r.start("run")
		time.Sleep(time.Second + time.Duration(random.IntN(1000))*time.Millisecond)
		r.kill()
	}
	end()
	r.drain()
	alerts, dead := r.expected()
	visible := r.visible(r.project.Config.Alerts)
	same(r.t, "different alerts", slices.Compact(slices.Clone(visible)), alerts)
	same(r.t, "different dead letters", slices.Compact(r.visible(r.project.Config.DeadLetters)), slices.Compact(dead))
	r.t.Logf("%d alerts were repeated", len(visible)-len(alerts))
	r.committed()
}

// SIGTERM ends the service in order: nothing is left open for others to wait for.
func stoppedInOrder(r *rig) {
	end := r.pour(3000)
	for range testsize.Rounds(2) {
		r.run()
		time.Sleep(time.Second)
		if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
			r.t.Fatal(err)
		}
		if err := r.await(patience); err != nil {
			r.t.Fatal("after SIGTERM:", err)
		}
		r.closed()
	}
	end()
	r.drain()
	r.judge()
}

// closed checks that no transaction is open on what the service writes.
func (r *rig) closed() {
	r.t.Helper()
	c := r.project.Config
	for _, topic := range []string{c.Alerts, c.DeadLetters, c.JournalTopic()} {
		r.stable(topic)
	}
}

// stable checks that no transaction is open on a topic.
func (r *rig) stable(topic string) {
	r.t.Helper()
	d, err := r.client.DescribeTopic(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	for p := range d.Partitions {
		at := kafka.TopicPartition{Topic: topic, Partition: event.Partition(p)}
		high, err := r.client.HighWatermark(r.t.Context(), at)
		if err != nil {
			r.t.Fatal(err)
		}
		if stable, err := r.client.LastStable(r.t.Context(), at); err != nil || stable != high {
			r.t.Errorf("%v is stable up to %d of %d: a transaction is open (%v)", at, stable, high, err)
		}
	}
}

// twin is another instance of the same application, with a folder of its own.
func (r *rig) twin(change func(config string) string) *rig {
	r.t.Helper()
	return r.another("twin", change)
}

// another is one more instance of the same application, with a folder and a log of its name.
func (r *rig) another(name string, change func(config string) string) *rig {
	r.t.Helper()
	w := *r
	w.process, w.config = nil, filepath.Join(r.dir, name+".yaml")
	b, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	text := strings.Replace(string(b), "state: {", fmt.Sprintf("state: {pebble: {path: %s}, ", name), 1)
	if err := os.WriteFile(w.config, []byte(change(text)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if w.log, err = os.Create(filepath.Join(r.dir, name+".log")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if w.process != nil {
			w.kill()
		}
		if r.t.Failed() {
			b, _ := os.ReadFile(w.log.Name())
			r.t.Logf("the end of the log of %s:\n%s", name, b[max(0, len(b)-4000):])
		}
		_ = w.log.Close()
	})
	return &w
}

// refusedStart starts the program and waits until it has given up.
func (r *rig) refusedStart(because string) {
	r.t.Helper()
	r.start("run")
	if err := r.await(patience); err == nil {
		r.t.Fatal("the start was not refused")
	}
	r.logged(because, 1, patience)
}

// An instance is stopped past its session and goes on afterwards. A second one cannot open its folder, and with a folder of its own it
// refuses the partitions, also when it takes over the static id.
func stoppedPastItsSession(r *rig) {
	end := r.pour(3000)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	time.Sleep(2 * time.Second) // checkpoints are made
	if err := r.process.Process.Signal(syscall.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	stopped := time.Now()
	same := r.twin(func(text string) string { return strings.Replace(text, "{path: twin}", "{path: data}", 1) })
	same.refusedStart("it is in use")
	other := r.twin(func(text string) string { return text })
	other.start("run")
	other.logged("its checkpoint is missing", rigPartitions, patience)
	other.logged("if another instance ran this task, start that one again", rigPartitions, patience)
	time.Sleep(7*time.Second - time.Since(stopped)) // past the session
	if err := r.process.Process.Signal(syscall.SIGCONT); err != nil {
		r.t.Fatal(err)
	}
	other.interrupt()
	end()
	r.logged("msg=live", 2*rigPartitions, patience)
	r.interrupt()
	r.drain()
	r.judge()
}

// A second instance with a folder of its own does not get into the group.
func secondInstance(r *rig) {
	end := r.pour(2000)
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	r.twin(func(text string) string { return strings.Replace(text, "static_id: one", "static_id: two", 1) }).refusedStart("contexts in a folder (state.store: pebble) belong to one instance; stop the other one")
	end()
	r.interrupt()
	r.drain()
	r.judge()
}

// Records that are no events, and some too large to be put aside whole, go to the dead letters once, whatever happens.
func malformedAndOversized(r *rig) {
	r.enough = make(chan struct{})
	end := r.load(10_000_000, 2000, 0.05)
	producer := r.client.NewProducer()
	defer producer.Close()
	for i := range testsize.Rounds(9) {
		if i%4 == 0 {
			if r.process != nil {
				r.kill()
			}
			r.start("run")
		}
		huge := kafka.Message{Topic: r.topic(), Key: fmt.Appendf(nil, "huge-%d", i), Value: bytes.Repeat([]byte{'a' + byte(i)}, 1_000_000), Timestamp: mustTime(r)}
		if _, err := producer.Produce(r.t.Context(), huge); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
	}
	close(r.enough)
	end()
	r.caughtUp("the last record")
	if peak := r.peak(); peak > memoryMax {
		r.t.Errorf("the program has had %d MiB of memory, of which there may be %d", peak>>20, memoryMax>>20)
	}
	r.interrupt()
	r.drain()
	r.judge()
}

// memoryMax is far more than the few contexts and fetched records of a test take, and far less than all of its records a few times over.
const memoryMax = 1 << 30

// peak is the most memory that the program that runs has had.
func (r *rig) peak() int {
	r.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.process.Process.Pid))
	must(r.t, err)
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		r.t.Fatal("the kernel does not tell VmHWM:", err)
	}
	r.t.Logf("the program has had %d MiB of memory", kib>>10)
	return kib << 10
}

func mustTime(r *rig) event.Time {
	now, ok := event.TimeOf(time.Now())
	if !ok {
		r.t.Fatal("the clock is out of range")
	}
	return now
}

// What a person has to decide is refused with the way out, which leads on.
func refusedAndCured(r *rig) {
	c := r.project.Config
	r.start("run")
	r.logged("msg=live", rigPartitions, patience)
	r.load(8_000, 2000, 0.001)() // long enough for checkpoints that a commit tells of
	r.interrupt()
	r.drain()
	state := filepath.Join(r.dir, "data")
	if err := os.RemoveAll(state); err != nil {
		r.t.Fatal(err)
	}
	before := len(r.visible(c.Alerts))
	refused := func(because string) {
		r.t.Helper()
		r.start("drain") // it ends with the refusal
		if err := r.await(patience); err == nil {
			r.t.Fatalf("%s: not refused", because)
		}
		r.logged(because, 1, patience)
		if n := len(r.visible(c.Alerts)); before >= 0 && n != before {
			r.t.Errorf("%s: %d alerts are visible, before there were %d", because, n, before)
		}
	}
	refused("its checkpoint is missing")
	r.setting("checkpoint_interval: 700ms", "checkpoint_interval: 700ms, on_missing: rebuild")
	r.drain()
	r.logged("rebuild it from the log, outside the promise of exactly-once", rigPartitions, patience)
	r.judge() // nothing had been deleted, so the rebuilt contexts are the old ones
	r.setting(", on_missing: rebuild", "")

	r.load(1_000, 4000, 0)()
	r.java("testdata/Admin.java", c.Kafka.Brokers[0], "trim", r.topic(), "0", "end")
	before = -1 // the other tasks go on
	refused("what lies between is gone")
	before = len(r.visible(c.Alerts))
	r.java("testdata/Admin.java", c.Kafka.Brokers[0], "grow", r.topic(), fmt.Sprint(rigPartitions+1))
	refused(fmt.Sprintf("the topic has %d partitions, at the checkpoint it had %d", rigPartitions+1, rigPartitions))
	r.java("testdata/Admin.java", c.Kafka.Brokers[0], "set", c.JournalTopic(), "cleanup.policy", "delete")
	refused("loses entries with time")
}

// setting changes the configuration.
func (r *rig) setting(from, to string) {
	r.t.Helper()
	b, err := os.ReadFile(r.config)
	if err != nil || !bytes.Contains(b, []byte(from)) {
		r.t.Fatalf("no %q in the configuration: %v", from, err)
	}
	if err := os.WriteFile(r.config, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600); err != nil {
		r.t.Fatal(err)
	}
}
