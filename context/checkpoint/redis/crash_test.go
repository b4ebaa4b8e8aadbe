package redis

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"insolite/context/checkpoint"
	"insolite/context/checkpoint/checkpointtest"
	"insolite/internal/event"
	"insolite/internal/redistest"
)

// What an owner does: in round n it writes some contexts at position n, in a few chunks, and flips to Y = n. A round depends on its number
// only, so an owner that recovers at Y repeats the rounds behind it.

const crashKeys = 24

var crashID = checkpoint.TaskID{App: "crash", Topic: "t"}

func roundItems(n int64) []checkpoint.Item {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var items []checkpoint.Item
	for _, k := range r.Perm(crashKeys)[:1+r.IntN(crashKeys)] {
		it := checkpoint.Item{Keyspace: 1, Key: []byte{byte(k)}, Position: event.Position{Offset: event.Offset(n)}, Deadline: event.Never}
		if r.IntN(5) > 0 {
			if it.Deadline = event.Time(n*7%11 + int64(k)%3); r.IntN(3) == 0 {
				it.Deadline = event.Never // nothing waits
			}
			it.Blob = bytes.Repeat(fmt.Appendf(nil, "%d at %d;", k, n), 1+r.IntN(40))
		}
		items = append(items, it)
	}
	return items
}

func playRound(t testing.TB, task checkpoint.Task, n int64) {
	t.Helper()
	for items := roundItems(n); len(items) > 0; {
		m := min(len(items), 1+int(n+int64(len(items)))%7)
		must(t, task.Write(t.Context(), items[:m]))
		items = items[m:]
	}
	must(t, task.Flip(t.Context(), upTo(int(n))))
}

// recovered opens the task anew, checks that it is a beginning of what was written, and returns its Y.
func recovered(t testing.TB, s *Store) (checkpoint.Task, int64) {
	t.Helper()
	task := mustOpen(t, s, crashID)
	m, err := task.Meta(t.Context())
	must(t, err)
	y := int64(0)
	if m != nil {
		y = int64(m.Y.Offset)
	}
	last := map[byte]checkpoint.Item{}
	for n := int64(1); n <= y; n++ {
		for _, it := range roundItems(n) {
			last[it.Key[0]] = it
		}
	}
	must(t, task.Scan(t.Context(), 1, func(c checkpoint.Context) error {
		written := roundItems(int64(c.Position.Offset))
		if !slices.ContainsFunc(written, func(it checkpoint.Item) bool { return bytes.Equal(it.Key, c.Key) && bytes.Equal(it.Blob, c.Blob) }) {
			t.Errorf("Y is %d: key %d at %s is not what was written", y, c.Key, c.Position)
		}
		if int64(c.Position.Offset) > y+1 {
			t.Errorf("Y is %d: key %d stands at %s, more than a round ahead", y, c.Key, c.Position)
		}
		if want := last[c.Key[0]]; c.Position.Before(want.Position) {
			t.Errorf("Y is %d: key %d stands at %s, it was written at %s", y, c.Key, c.Position, want.Position)
		}
		delete(last, c.Key[0])
		return nil
	}))
	checkpointtest.Index(t, task, 1)
	for k, it := range last {
		if len(it.Blob) > 0 {
			t.Errorf("Y is %d: key %d is missing, it was written at %s", y, k, it.Position)
		}
	}
	return task, y
}

// expectDoubt expects that a load tells the owner of a store that went back, once the server answers.
func expectDoubt(t testing.TB, task checkpoint.Task) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		err = task.Load(t.Context(), 1, [][]byte{{0}}, func(int, checkpoint.Context) error { return errors.New("a context of a store that went back") })
		if errors.Is(err, checkpoint.ErrDoubt) {
			return
		}
		if err == nil {
			break
		}
	}
	t.Fatalf("a load from a store that went back gives %v", err)
}

// The server is killed and loses more and more of its file's end. The owner notices, and the next one finds a beginning of what was written.
func TestKilledServerLosesItsTail(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	s, r, back := open(t, Options{Addresses: []string{server.Addr()}}), rand.New(rand.NewPCG(1, 1)), 0
	for range 12 {
		task, y := recovered(t, s)
		to := y + 1 + r.Int64N(4)
		for n := y + 1; n <= to; n++ {
			playRound(t, task, n)
		}
		server.Kill()
		files, err := filepath.Glob(filepath.Join(server.Dir(), "appendonlydir", "*.incr.aof"))
		if err != nil || len(files) != 1 {
			t.Fatalf("append-only files: %q, %v", files, err)
		}
		info, err := os.Stat(files[0])
		must(t, err)
		lost := r.Int64N(min(20_000, info.Size()))
		must(t, os.Truncate(files[0], info.Size()-lost))
		server.Restart()
		if lost > 0 {
			expectDoubt(t, task)
		}
		if _, y := recovered(t, s); y < to {
			back++
		}
	}
	if back == 0 {
		t.Error("the store never went back: the test shows nothing")
	}
}

// The replica takes the place of the master without the newest of what that was told.
func TestFailoverLosesTheTail(t *testing.T) {
	short(t)
	master, replica, sentinel := redistest.StartSentinel(t)
	s := open(t, Options{Addresses: []string{sentinel.Addr()}, SentinelMaster: redistest.MasterName})
	task, _ := recovered(t, s)
	for n := range int64(30) {
		playRound(t, task, n+1)
	}
	follow(t, master, replica)
	replica.CLI("REPLICAOF", "127.0.0.1", "1") // it hears nothing any more
	for n := range int64(7) {
		playRound(t, task, n+31)
	}
	master.Kill()
	expectDoubt(t, task)
	if err := task.Flip(t.Context(), upTo(100)); !errors.Is(err, checkpoint.ErrDoubt) {
		t.Errorf("a flip: %v", err)
	}
	task, y := recovered(t, s)
	if y != 30 {
		t.Errorf("Y is %d, the replica knew of 30", y)
	}
	for n := y + 1; n < 40; n++ {
		playRound(t, task, n)
	}
	recovered(t, s)
}

// With nothing lost a failover is hardly noticed.
func TestFailoverWithEverything(t *testing.T) {
	short(t)
	master, replica, sentinel := redistest.StartSentinel(t)
	s := open(t, Options{Addresses: []string{sentinel.Addr()}, SentinelMaster: redistest.MasterName})
	task, _ := recovered(t, s)
	for n := range int64(5) {
		playRound(t, task, n+1)
	}
	follow(t, master, replica)
	master.Kill()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err = task.Meta(t.Context()); err == nil {
			break
		}
	}
	must(t, err)
	playRound(t, task, 6)
	if _, y := recovered(t, s); y != 6 {
		t.Errorf("Y is %d, want 6", y)
	}
}

// follow waits until the replica has all that the master has now.
func follow(t testing.TB, master, replica *redistest.Server) {
	t.Helper()
	offset := func(s *redistest.Server, name string) int64 {
		n, err := strconv.ParseInt(parseInfo(s.CLI("INFO", "replication"))[name], 10, 64)
		must(t, err)
		return n
	}
	want := offset(master, "master_repl_offset")
	for end := time.Now().Add(10 * time.Second); offset(replica, "slave_repl_offset") < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the replica has not followed")
		}
	}
}
