package app

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"insolite/internal/redistest"
	"insolite/internal/testsize"
)

// Two instances share their contexts in Redis. They are killed in turn, and so is Redis, which comes back without the newest of what it was
// told; what a reader sees is what one uninterrupted evaluation gives.
func redisKilled(t *testing.T, make func(state string) *rig) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	one := make(redisState(server.Addr(), ""))
	two := one.twin(func(text string) string { return strings.Replace(text, "static_id: one", "static_id: two", 1) })
	end := one.pour(2000)
	one.start("run")
	two.start("run")
	one.logged("msg=live", 1, patience)
	random := rand.New(rand.NewPCG(5, 6))
	for n := range testsize.Rounds(4) {
		r := []*rig{one, two}[n%2]
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
	one.leave()
	two.leave()
	one.drain()
	one.judge()
	for _, r := range []*rig{one, two} {
		r.logged("msg=live", 2, time.Second) // both had a share
	}
	if strings.Contains(one.told()+two.told(), "refused") {
		t.Error("a task was refused")
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
