package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"insolite/internal/kafkatest"
	"insolite/internal/redistest"
)

// Two instances share their contexts in Redis. They are killed in turn, and so is Redis, which comes back without the newest of what it was
// told; what a reader sees is what one uninterrupted evaluation gives.
func TestTwoInstancesOnRedisKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker and kills take a minute; run without -short")
	}
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	cluster := kafkatest.Start(t, 1)
	one := newRig(t, cluster.Bootstrap(), build(t), "shared",
		fmt.Sprintf("state: {store: redis, redis: {addresses: [%q]}, checkpoint_interval: 300ms}\n", server.Addr()))
	two := one.twin(func(text string) string { return strings.Replace(text, "static_id: one", "static_id: two", 1) })
	end := one.load(50_000, 5000, 0.001)
	one.start("run")
	two.start("run")
	one.logged("msg=live", 1, 20*time.Second)
	random := rand.New(rand.NewPCG(5, 6))
	for n, r := range []*rig{one, two, one, two} {
		time.Sleep(500*time.Millisecond + time.Duration(random.IntN(1500))*time.Millisecond)
		r.kill()
		if n%2 == 1 {
			server.Kill()
			cut(t, server, 300_000)
			server.Restart()
		}
		r.start("run")
	}
	end()
	one.interrupt()
	two.interrupt()
	one.drain()
	one.judge()
	for _, r := range []*rig{one, two} {
		r.logged("msg=live", 2, time.Second) // both had a share
	}
	b, err := os.ReadFile(one.log.Name())
	if err != nil || strings.Contains(string(b), "refused") {
		t.Errorf("a task was refused: %v", err)
	}
}

// cut takes bytes from the end of what a server that was killed has kept.
func cut(t *testing.T, server *redistest.Server, bytes int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(server.Dir(), "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the server's append-only files: %q, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d bytes are lost", min(bytes, info.Size()), info.Size())
	if err := os.Truncate(files[0], max(0, info.Size()-bytes)); err != nil {
		t.Fatal(err)
	}
}
