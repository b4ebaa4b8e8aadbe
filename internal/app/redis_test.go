package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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
	haveCheckpoints(one, two)
	kept := aof(t, server)
	random := rand.New(rand.NewPCG(5, 6))
	for n := range testsize.Rounds(4) {
		r := []*rig{one, two}[n%2]
		time.Sleep(500*time.Millisecond + time.Duration(random.IntN(1500))*time.Millisecond)
		r.kill()
		if n%2 == 1 {
			server.Kill()
			cut(t, server, 300_000, kept)
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
		r.logged("msg=live", 2, patience) // both had a share
	}
	if strings.Contains(one.told()+two.told(), "refused") {
		t.Error("a task was refused")
	}
}

// haveCheckpoints waits until the instances have written one of each task: who has lost the only one that a task ever had is refused, rightly.
func haveCheckpoints(all ...*rig) {
	r := all[0]
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for p := range rigPartitions {
		line := fmt.Sprintf("msg=checkpoint topic=%s partition=%d ", r.topic(), p)
		for !slices.ContainsFunc(all, func(r *rig) bool { return r.lines(line) > 0 }) {
			if time.Now().After(deadline) {
				r.t.Fatalf("there is no checkpoint of partition %d within %s", p, patience)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// cut takes bytes from the end of what a server that was killed has kept, and leaves some at the beginning.
func cut(t *testing.T, server *redistest.Server, bytes, kept int64) {
	t.Helper()
	size := aof(t, server)
	left := max(kept, size-bytes)
	t.Logf("%d of %d bytes are lost", size-left, size)
	must(t, os.Truncate(aofFile(t, server), left))
}

// aof is how many bytes a server has kept.
func aof(t *testing.T, server *redistest.Server) int64 {
	t.Helper()
	info, err := os.Stat(aofFile(t, server))
	must(t, err)
	return info.Size()
}

func aofFile(t *testing.T, server *redistest.Server) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(server.Dir(), "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the server's append-only files: %q, %v", files, err)
	}
	return files[0]
}
