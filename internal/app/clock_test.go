package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"insolite/internal/redistest"
	"insolite/internal/task"
	"insolite/rules"
)

// Instances whose clocks are two days apart hand partitions to each other, with rules by one key and by two. A clock decides when something is
// written, and nothing of what.
func TestClocksThatDiffer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds; run without -short")
	}
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	server := redistest.Start(t)
	r := stageRig(newRig(t, broker.ListenAddrs(), "", "clocks", "state: {store: redis, redis: {addresses: [\""+server.Addr()+"\"]}, checkpoint_interval: 300ms}\n"), terminalRule, settledRules)
	run := func(r *rig, skew time.Duration) *Service {
		p, list := LoadProject(r.config, nil, rules.Options{})
		if p == nil {
			t.Fatal(list.Err())
		}
		log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := NewService(ServiceOptions{Project: p, Logger: log, Now: func() time.Time { return time.Now().Add(skew) }})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		return s
	}
	end := r.loadBoth(4000, 3000)
	fast := run(r, 26*time.Hour)
	r.logged("msg=live", rigPartitions, patience)
	other := r.another("slow", func(text string) string { return strings.Replace(text, "static_id: one", "static_id: two", 1) })
	slow := run(other, -26*time.Hour)
	other.logged("msg=live", 2, patience)
	end()
	fast.Stop()
	r.caughtUp("with the slow clock alone")
	for _, s := range slow.statuses() {
		if s.Phase == task.Refused {
			t.Errorf("%s/%d: %v", s.Topic, s.Partition, s.Err)
		}
	}
	slow.Stop()
	r.judgeStages()
}
