package redis

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/checkpointtest"
	"insolite/internal/event"
	"insolite/internal/redistest"
)

func TestContract(t *testing.T) {
	server := redistest.Start(t)
	checkpointtest.Run(t, func(t *testing.T) checkpoint.Store {
		server.CLI("FLUSHALL")
		return open(t, Options{Addresses: []string{server.Addr()}})
	})
}

// Every script is sent twice, as a client does that has not seen the first answer. What it sees is the second.
func TestContractWithEveryScriptRunTwice(t *testing.T) {
	short(t)
	server := redistest.Start(t)
	checkpointtest.Run(t, func(t *testing.T) checkpoint.Store {
		server.CLI("FLUSHALL")
		s := open(t, Options{Addresses: []string{server.Addr()}})
		s.client.AddHook(twice{})
		return s
	})
}

func TestContractOnCluster(t *testing.T) {
	short(t)
	servers := redistest.StartCluster(t, 3)
	checkpointtest.Run(t, func(t *testing.T) checkpoint.Store {
		for _, s := range servers {
			s.CLI("FLUSHALL")
		}
		return open(t, Options{Addresses: []string{servers[1].Addr()}, Cluster: true})
	})
}

// twice sends every command twice.
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil {
			return err
		}
		script, ok := cmd.(*redis.Cmd)
		if !ok {
			return next(ctx, cmd)
		}
		first, _ := script.Slice()
		err := next(ctx, cmd)
		if second, _ := script.Slice(); text(second, 0) == "fence" && text(first, 0) != "fence" {
			script.SetVal(first) // another owner has come in between
		}
		return err
	}
}

func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// short skips a test that takes long.
func short(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds; run without -short")
	}
}

// open opens a store.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func mustOpen(t testing.TB, s *Store, id checkpoint.TaskID) *task {
	t.Helper()
	h, err := s.Open(t.Context(), id)
	must(t, err)
	return h.(*task)
}

var id = checkpoint.TaskID{App: "shop", Topic: "payments", Partition: 3}

func at(key string, offset int, blob string) checkpoint.Item {
	return checkpoint.Item{Keyspace: 1, Key: []byte(key), Position: event.Position{Offset: event.Offset(offset)}, Deadline: event.Never, Blob: []byte(blob)}
}

func upTo(offset int) *checkpoint.Meta {
	return &checkpoint.Meta{Y: event.Position{Offset: event.Offset(offset)}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
