package pebble

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

// What a crashing owner does: in round n it writes some contexts at position n, in a few chunks, and flips to Y = n. A round depends on
// its number only, so an owner that recovers at Y repeats the rounds behind it.

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
			it.Blob = bytes.Repeat(fmt.Appendf(nil, "%d at %d;", k, n), 1+r.IntN(400))
		}
		items = append(items, it)
	}
	return items
}

// playRound plays a round; said is told what has been done.
func playRound(t testing.TB, task checkpoint.Task, n int64, said func(string)) {
	items := roundItems(n)
	for len(items) > 0 {
		m := min(len(items), 1+int(n+int64(len(items)))%7)
		if err := task.Write(t.Context(), items[:m]); err != nil {
			t.Fatal(err)
		}
		items = items[m:]
		said("written")
	}
	if err := task.Flip(t.Context(), &checkpoint.Meta{Y: event.Position{Offset: event.Offset(n)}}); err != nil {
		t.Fatal(err)
	}
	said(strconv.FormatInt(n, 10))
}

// recovered checks what a crash has left, when the flip to acked was acknowledged and at most the next one begun, and returns Y.
func recovered(t testing.TB, task checkpoint.Task, acked int64) int64 {
	t.Helper()
	m, err := task.Meta(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	y := int64(0)
	if m != nil {
		y = int64(m.Y.Offset)
	}
	if y < acked || y > acked+1 {
		t.Fatalf("Y is %d after the flip to %d was acknowledged", y, acked)
	}
	got := map[byte]checkpoint.Context{}
	if err := task.Scan(t.Context(), 1, func(c checkpoint.Context) error {
		got[c.Key[0]] = checkpoint.Context{Position: c.Position, Blob: bytes.Clone(c.Blob)}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	indexed(t, task)
	for k, want := range lastBefore(y) {
		c, ok := got[k]
		switch {
		case !ok && len(want.Blob) > 0:
			t.Errorf("Y is %d: key %d is missing, it was written at %s", y, k, want.Position)
		case ok && c.Position.Before(want.Position):
			t.Errorf("Y is %d: key %d stands at %s, it was written at %s", y, k, c.Position, want.Position)
		}
	}
	for k, c := range got {
		at := int64(c.Position.Offset)
		ok := false
		for _, it := range roundItems(at) {
			ok = ok || it.Key[0] == k && bytes.Equal(it.Blob, c.Blob)
		}
		if !ok || at > y+1 {
			t.Errorf("Y is %d: key %d at %s is not what was written", y, k, c.Position)
		}
	}
	return y
}

// lastBefore returns the last write of each key in rounds up to y.
func lastBefore(y int64) map[byte]checkpoint.Item {
	last := map[byte]checkpoint.Item{}
	for n := int64(1); n <= y; n++ {
		for _, it := range roundItems(n) {
			last[it.Key[0]] = it
		}
	}
	return last
}

// Power fails at a random moment: of what was not synced, any part is lost. Each recovery goes on where the one before was cut.
func TestPowerFailure(t *testing.T) {
	for seed := range uint64(20) {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 2))
		disk, acked := vfs.NewCrashableMem(), int64(0)
		for range 10 {
			s, err := Open(Options{Dir: "data", fs: disk, memTable: 256 << 10})
			if err != nil {
				t.Fatal(err)
			}
			task := mustOpen(t, s, crashID)
			y := recovered(t, task, acked)
			var after *vfs.MemFS
			left := 1 + r.IntN(60)
			for n := y + 1; after == nil; n++ {
				playRound(t, task, n, func(what string) {
					if after != nil {
						return
					}
					if what != "written" {
						acked = n
					}
					if left--; left == 0 {
						after = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})
					}
				})
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			disk = after
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

func mustOpen(t testing.TB, s *Store, id checkpoint.TaskID) checkpoint.Task {
	t.Helper()
	task, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

const crashDirEnv = "INSOLITE_TEST_CRASH_DIR"

// TestKill kills a process that writes and flips, at random moments, and looks at what is left.
func TestKill(t *testing.T) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		crashChild(t, dir)
	}
	dir, r, acked := t.TempDir(), rand.New(rand.NewPCG(3, 3)), int64(0)
	for range 8 {
		acked = max(acked, killChild(t, dir, 1+r.IntN(60)))
		s, err := Open(Options{Dir: dir, MinFreeBytes: 1, memTable: 256 << 10})
		if err != nil {
			t.Fatal(err)
		}
		acked = recovered(t, mustOpen(t, s, crashID), acked)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killChild starts a process that goes on in the folder, kills it when it has said so many lines, and returns the last Y that it told of.
func killChild(t *testing.T, dir string, lines int) (acked int64) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKill$")
	child.Env = append(os.Environ(), crashDirEnv+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for in := bufio.NewScanner(out); in.Scan(); {
		said = append(said, in.Text())
		if y, err := strconv.ParseInt(in.Text(), 10, 64); err == nil {
			acked = y
		}
		if lines--; lines != 0 {
			continue
		}
		if _, err := Open(Options{Dir: dir, MinFreeBytes: 1, memTable: 256 << 10}); err == nil || !strings.Contains(err.Error(), "stop the other instance") {
			t.Errorf("the folder of a living process can be opened: %v", err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := child.Wait(); err == nil || lines > 0 {
		t.Fatalf("the child ended by itself: %v; it said %q", err, said)
	}
	return acked
}

// crashChild plays rounds until it is killed.
func crashChild(t *testing.T, dir string) {
	s, err := Open(Options{Dir: dir, MinFreeBytes: 1, memTable: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	task := mustOpen(t, s, crashID)
	m, err := task.Meta(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	if m != nil {
		n = int64(m.Y.Offset)
	}
	for n++; ; n++ {
		playRound(t, task, n, func(what string) { fmt.Println(what) })
	}
}
