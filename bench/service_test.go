package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"insolite/bench/reference"
	"insolite/ingest/kafka"
	"insolite/internal/app"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// servicePoll is how often the service's committed offsets are looked at; what that costs is counted as the service's.
const servicePoll = 100 * time.Millisecond

// project is the reference job with the settings of a contest.
func project(o contest) (*app.Project, error) {
	dir := filepath.Join(o.Dir, "project")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	files := map[string][]byte{"insolite.yaml": reference.Config, "rules.yaml": reference.Rules}
	if o.TwoKeys {
		files["rules.yaml"] = reference.TwoKeys
	}
	if o.Run != "" {
		files["insolite.yaml"] = bytes.Replace(files["insolite.yaml"], []byte("app: reference"), []byte("app: "+o.Run), 1)
	}
	if o.Topic != "" {
		files["insolite.yaml"] = bytes.Replace(files["insolite.yaml"], []byte("topic: payments"), []byte("topic: "+o.Topic), 1)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	p, list := app.LoadProject(filepath.Join(dir, "insolite.yaml"), nil, rules.Options{})
	if p == nil {
		return nil, list.Err()
	}
	c := p.Config
	c.Kafka.Brokers, c.Alerts, c.State.Path = o.Brokers, o.Alerts, filepath.Join(o.Dir, "data")
	c.ExactlyOnce = !o.AtLeastOnce
	c.CommitInterval = cmp.Or(o.CommitInterval, c.CommitInterval)
	if o.NoCheckpoints {
		c.State.CheckpointInterval = 24 * time.Hour
	}
	c.Dashboard, c.Admin = "127.0.0.1:0", "127.0.0.1:0"
	return p, nil
}

// runService is `detector run` as it is: exactly once, checkpoints, metrics, page. What is seen of it are its commits, which lag behind what
// it has done; so it is measured between two looks while it works, and the lag is in both. With a stage, what it has not done at the second look
// is done before that look is taken.
func runService(ctx context.Context, o contest) (r result, err error) {
	p, err := project(o)
	if err != nil {
		return result{}, err
	}
	client, err := kafka.Dial(ctx, app.KafkaOptions(p.Config))
	if err != nil {
		return result{}, err
	}
	defer func() { _ = client.Close() }()
	s := app.NewService(app.ServiceOptions{Project: p, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err := s.Start(ctx); err != nil {
		return result{}, err
	}
	defer s.Stop()
	profile, err := profiler(o.Profile)
	if err != nil {
		return result{}, err
	}
	defer profile(false)
	tick := time.NewTicker(servicePoll)
	defer tick.Stop()
	var from, to sample
	for {
		select {
		case <-ctx.Done():
			return result{}, ctx.Err()
		case <-s.Ended():
			return result{}, fmt.Errorf("the service ended: %w", s.Err())
		case <-tick.C:
		}
		committed, err := committedOffsets(ctx, client, cmp.Or(o.Topic, reference.Topic))
		var behind int64
		if err == nil && committed == o.Events {
			behind, err = stageLag(ctx, client, p.Set)
		}
		switch {
		case err != nil:
			return result{}, err
		case committed == o.Events && behind > 0:
		case committed == o.Events:
			if o.TwoKeys {
				to = take(committed)
			}
			return from.until(to), nil
		case float64(committed) < warmShare*float64(o.Events):
		case from.events == 0:
			from = take(committed)
			to = from
			profile(true)
		default:
			to = take(committed)
		}
	}
}

func committedOffsets(ctx context.Context, client *kafka.Client, topic string) (sum int64, err error) {
	for p := range event.Partition(partitions) {
		next, _, found, err := client.CommittedOffset(ctx, topic, p)
		if err != nil {
			return 0, err
		}
		if found {
			sum += int64(next)
		}
	}
	return sum, nil
}

// stageLag returns how many records of the stages' topics have not been committed yet.
func stageLag(ctx context.Context, client *kafka.Client, set *rules.Set) (behind int64, err error) {
	for _, plan := range set.Plans {
		if plan.Stage == nil {
			continue
		}
		for p := range event.Partition(partitions) {
			end, err := client.LastStable(ctx, kafka.TopicPartition{Topic: plan.Topic, Partition: p})
			if err != nil {
				return 0, err
			}
			behind += int64(end)
		}
		done, err := committedOffsets(ctx, client, plan.Topic)
		if err != nil {
			return 0, err
		}
		behind -= done
	}
	return behind, nil
}

// profiler returns what begins and ends a CPU profile, each once, and leaves one of allocations beside it; without a path it does nothing.
func profiler(path string) (func(on bool), error) {
	if path == "" {
		return func(bool) {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	begun, ended := false, false
	return func(on bool) {
		switch {
		case on && !begun:
			begun = true
			_ = pprof.StartCPUProfile(f) // no other profile is running
		case !on && !ended:
			ended = true
			pprof.StopCPUProfile()
			_ = f.Close()
			if a, err := os.Create(path + ".allocs"); err == nil {
				_ = pprof.Lookup("allocs").WriteTo(a, 0)
				_ = a.Close()
			}
		}
	}, nil
}

// runEngine steps the fetched records through the engine and measures the engine's thread alone.
func runEngine(ctx context.Context, o contest) (result, error) {
	p, err := project(o)
	if err != nil {
		return result{}, err
	}
	client, err := kafka.Dial(ctx, app.KafkaOptions(p.Config))
	if err != nil {
		return result{}, err
	}
	defer func() { _ = client.Close() }()
	f := client.NewFetcher()
	defer f.Close()
	m := newMeter(o.Events)
	var feeds [partitions]*kafka.Feed
	var engines [partitions]*engine.Engine
	for i := range event.Partition(partitions) {
		if engines[i], err = engine.New(p.Set.Plans[0], engine.Options{Partition: i}); err != nil {
			return result{}, err
		}
		feeds[i] = f.Add(reference.Topic, i, 0)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var spent time.Duration
	var out engine.Output
	for m.done.Load() < o.Events {
		i, b := next(ctx, &feeds)
		if b == nil {
			return result{}, fmt.Errorf("partition %d ended: %w", i, feeds[i].Err())
		}
		began, _ := cpuTime(syscall.RUSAGE_THREAD)
		err := engines[i].Step(&b.Batch, &out)
		ended, _ := cpuTime(syscall.RUSAGE_THREAD)
		if err != nil {
			return result{}, err
		}
		if m.from.events > 0 { // it is warm
			spent += ended - began
		}
		out.Reset()
		n := int64(len(b.Records))
		b.Release()
		m.add(n)
	}
	r := m.result()
	r.CPUPerEvent, r.AllocsPerEvent = float64(spent.Nanoseconds())/float64(r.Events), 0 // the fetcher's are in it
	return r, nil
}

// next takes a batch of any partition.
func next(ctx context.Context, feeds *[partitions]*kafka.Feed) (int, *kafka.Batch) {
	select {
	case <-ctx.Done():
		return 0, nil
	case b := <-feeds[0].Batches():
		return 0, b
	case b := <-feeds[1].Batches():
		return 1, b
	case b := <-feeds[2].Batches():
		return 2, b
	case b := <-feeds[3].Batches():
		return 3, b
	}
}
