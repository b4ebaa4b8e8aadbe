package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/stagelog"
)

// fleet is several instances of one application, which keep their contexts in Redis. The first one has no part of its own.
type fleet struct {
	*rig
	instances []*rig
}

const (
	withStaticIDs    = true
	withoutStaticIDs = false
)

// newFleet makes instances, of which none runs, with rules by one key and by two.
func newFleet(r *rig, size int, static bool) *fleet {
	r.t.Helper()
	f := &fleet{rig: stageRig(r, terminalRule, settledRules, twoKeyRule)}
	f.enough, f.kept = make(chan struct{}), stagelog.Keep(r.t, r.client, r.project.Set)
	for n := range size {
		name := fmt.Sprintf("instance-%d", n+1)
		f.instances = append(f.instances, r.another(name, func(text string) string {
			if static {
				return strings.Replace(text, "static_id: one", "static_id: "+name, 1)
			}
			return strings.Replace(text, "  static_id: one\n", "", 1)
		}))
	}
	return f
}

func (f *fleet) startAll() {
	for _, r := range f.instances {
		r.start("run")
	}
}

// load produces for both sources until the function returned is called. All that was produced is committed when it returns, while instances run.
func (f *fleet) load(perSecond float64) (end func()) {
	wait := f.loadBoth(10_000_000, perSecond)
	return func() {
		f.t.Helper()
		close(f.enough)
		wait()
		f.caughtUp(f.t.Name())
	}
}

// end stops what still runs in order, and judges.
func (f *fleet) end() {
	f.t.Helper()
	for _, r := range f.instances {
		if r.process != nil {
			r.interrupt()
		}
	}
	f.drain()
	f.judgeStages()
	for i, r := range f.instances {
		if n := r.lines("msg=refused"); n > 0 {
			f.t.Errorf("instance %d refused %d tasks", i+1, n)
		}
	}
}

var committedLine = regexp.MustCompile(`msg=committed topic=(\S+) partition=(\d+) `)

// tasks are those of the present rules: sources first, then stages, in the order in which rows go. Their topics may still have to be made.
func (r *rig) tasks() (all []kafka.TopicPartition) {
	r.t.Helper()
	for _, plan := range r.project.Set.Plans {
		topic := plan.Topic
		d, err := r.client.DescribeTopic(r.t.Context(), topic)
		for deadline := time.Now().Add(patience); errors.Is(err, kafka.ErrNotFound) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			d, err = r.client.DescribeTopic(r.t.Context(), topic)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		for p := range d.Partitions {
			all = append(all, kafka.TopicPartition{Topic: topic, Partition: event.Partition(p)})
		}
	}
	return all
}

// live waits until every task has committed once more, and returns how long that took. It needs load.
func (f *fleet) live(after string) time.Duration {
	f.t.Helper()
	began := time.Now()
	tasks := f.tasks()
	files, seen := make([]*os.File, len(f.instances)), map[string]bool{}
	for i, r := range f.instances {
		file, err := os.Open(r.log.Name())
		if err != nil {
			f.t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if _, err := file.Seek(0, io.SeekEnd); err != nil {
			f.t.Fatal(err)
		}
		files[i] = file
	}
	for {
		for _, file := range files {
			b, err := io.ReadAll(file)
			if err != nil {
				f.t.Fatal(err)
			}
			for _, m := range committedLine.FindAllSubmatch(b, -1) {
				seen[string(m[1])+"/"+string(m[2])] = true
			}
		}
		if len(seen) >= len(tasks) {
			took := time.Since(began)
			f.t.Logf("%s: all %d tasks live within %s", after, len(tasks), took.Round(time.Millisecond))
			return took
		}
		if time.Since(began) > patience {
			f.t.Fatalf("%s: within %s only these are live: %v", after, patience, seen)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// caughtUp waits until the lag of every task is back to zero. Nothing may be produced meanwhile.
func (r *rig) caughtUp(after string) {
	r.t.Helper()
	began := time.Now()
	app, err := kafka.Dial(r.t.Context(), kafka.Options{Brokers: r.project.Config.Kafka.Brokers, App: r.project.Config.App})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = app.Close() }()
	for _, at := range r.tasks() {
		end, err := r.client.HighWatermark(r.t.Context(), at)
		if err != nil {
			r.t.Fatal(err)
		}
		for {
			next, _, _, err := app.CommittedOffset(r.t.Context(), at.Topic, at.Partition)
			if err == nil && next >= end {
				break
			}
			if time.Since(began) > patience {
				r.t.Fatalf("%s: after %s %v is committed up to %d of %d (%v)", after, patience, at, next, end, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	r.t.Logf("%s: no lag %s after the load", after, time.Since(began).Round(time.Millisecond))
}
