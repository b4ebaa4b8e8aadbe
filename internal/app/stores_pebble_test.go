package app

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"insolite/internal/testsize"
)

func (r *rig) data() string { return filepath.Join(r.dir, "data") }

// keep copies the folder of the contexts.
func (r *rig) keep(to string) {
	r.t.Helper()
	if err := os.CopyFS(to, os.DirFS(r.data())); err != nil {
		r.t.Fatal(err)
	}
}

// put puts a copy of the folder of the contexts in its place.
func (r *rig) put(from string) {
	r.t.Helper()
	if err := os.RemoveAll(r.data()); err != nil {
		r.t.Fatal(err)
	}
	if err := os.CopyFS(r.data(), os.DirFS(from)); err != nil {
		r.t.Fatal(err)
	}
}

// An older copy of the folder is put back, twice, from before new rules.
func pebbleStale(t *testing.T, make func(state string) *rig) {
	r := make("")
	r.run()
	end := r.pour(1500)
	r.logged("msg=checkpoint", rigPartitions, patience)
	r.interrupt()
	old := t.TempDir()
	r.keep(old)
	for n := range 2 {
		r.run()
		r.rules(func(text string) string { return strings.Replace(text, "amount > 3", fmt.Sprint("amount > 2.", n), 1) })
		r.logged(`msg="rules activated"`, (n+1)*rigPartitions, patience)
		r.logged("msg=checkpoint", r.lines("msg=checkpoint")+rigPartitions, patience)
		r.kill()
		r.put(old)
	}
	r.run()
	end()
	r.finish()
}

// Files of the folder are cut off, or bytes in them turned. The service says so, or goes on rightly.
func pebbleTorn(t *testing.T, make func(state string) *rig) {
	r := make("")
	end := r.pour(1500)
	r.run()
	r.logged("msg=checkpoint", 2*rigPartitions, patience)
	time.Sleep(time.Second)
	r.kill()
	end()
	good := t.TempDir()
	r.keep(good)
	random := rand.New(rand.NewPCG(13, 14))
	refused := 0
	for range testsize.Rounds(4) {
		what := damage(t, r.data(), random)
		before := r.visible(r.project.Config.Alerts)
		r.start("drain")
		if err := r.await(patience); err == nil {
			t.Logf("%s: went on", what)
			r.judge()
			r.load(500, 5000, 0)()
		} else {
			refused++
			t.Logf("%s: %v", what, err)
			r.saidWhatToDo(what)
			if !slices.Equal(r.visible(r.project.Config.Alerts), before) && len(before) > 0 {
				r.within(what)
			}
		}
		r.put(good)
	}
	r.drain()
	r.judge()
}

// saidWhatToDo checks that the end of the program's log names a cure.
func (r *rig) saidWhatToDo(what string) {
	r.t.Helper()
	b, err := os.ReadFile(r.log.Name())
	if err != nil {
		r.t.Fatal(err)
	}
	tail := string(b[max(0, len(b)-4000):])
	for _, cure := range []string{"restore a copy", "restore the store", "state.on_missing: rebuild", "give the store a folder of its own"} {
		if strings.Contains(tail, cure) {
			return
		}
	}
	r.t.Errorf("%s: the refusal names no cure:\n%s", what, tail)
}

// within checks that nothing wrong is visible, though something may be missing yet.
func (r *rig) within(what string) {
	r.t.Helper()
	left := map[string]int{}
	alerts, _ := r.expected()
	for _, a := range alerts {
		left[a]++
	}
	for _, a := range r.visible(r.project.Config.Alerts) {
		if left[a]--; left[a] < 0 {
			r.t.Fatalf("%s: this alert is not expected, or not so often:\n%s", what, a)
		}
	}
}

// damage does something to a file of a folder, and tells what.
func damage(t *testing.T, dir string, random *rand.Rand) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return f.Name() == "LOCK" })
	for {
		path := filepath.Join(dir, files[random.IntN(len(files))].Name())
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			continue
		}
		at := random.IntN(len(b))
		what := fmt.Sprintf("%s of %d bytes cut at %d", filepath.Base(path), len(b), at)
		if random.IntN(2) == 0 {
			what = fmt.Sprintf("%s of %d bytes turned at %d", filepath.Base(path), len(b), at)
			b[at] ^= byte(1 + random.IntN(255))
			at = len(b)
		}
		if err := os.WriteFile(path, b[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		return what
	}
}

// The folder is deleted under the running service, or a copy is put there: the service ends, and does not go on without it. While it is
// stopped, the folder is deleted too.
func pebbleGone(t *testing.T, make func(state string) *rig) {
	r := make("")
	end := r.pour(1500)
	r.run()
	r.logged("msg=checkpoint", 2*rigPartitions, patience)
	r.interrupt()
	good := t.TempDir()
	r.keep(good)
	for _, replace := range []bool{false, true} {
		r.run()
		if replace {
			r.put(good)
		} else if err := os.RemoveAll(r.data()); err != nil {
			t.Fatal(err)
		}
		if err := r.await(patience); err == nil {
			t.Error("the service has ended without an error")
		}
		r.logged("the folder is not the one that was opened, stop the service before a copy is put there", 1, patience)
		if !replace {
			r.refusedDrain("its checkpoint is missing")
		}
		r.put(good)
	}
	r.run()
	end()
	r.finish()
	if err := os.RemoveAll(r.data()); err != nil {
		t.Fatal(err)
	}
	r.refusedDrain("restore the store (one in a folder belongs to one instance: if another instance ran this task, start that one again)")
}

// smallDisk gives the rig's folder of contexts a disk of its own, and returns where this process sees it. The mount is of a namespace that
// only the program is in.
func (r *rig) smallDisk(size string) string {
	r.t.Helper()
	if err := os.MkdirAll(r.data(), 0o700); err != nil {
		r.t.Fatal(err)
	}
	holder := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec sleep 1000`, r.data(), size)
	out, err := holder.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		r.t.Skipf("a disk that can be filled needs unshare, of util-linux: %v", err)
	}
	r.t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "mounted\n" {
		r.t.Skipf("a disk that can be filled needs user namespaces, which this machine does not allow: %v", err)
	}
	pid := strconv.Itoa(holder.Process.Pid)
	r.wrap = []string{"nsenter", "--preserve-credentials", "--user", "--mount", "--target", pid}
	return filepath.Join("/proc", pid, "root", r.data())
}

// The disk is full while the service runs: checkpoints and tasks pause, and go on when there is room. On a full disk nothing starts.
func pebbleFull(t *testing.T, make func(state string) *rig) {
	r := make("")
	disk := r.smallDisk("300m")
	end := r.pour(1500)
	r.run()
	r.logged("msg=checkpoint", rigPartitions, patience)
	ballast := filepath.Join(disk, "ballast")
	for _, left := range []int64{100 << 20, 0} {
		r.troubled(func() { fill(t, ballast, left) }, "free some space, work goes on then", func() { must(t, os.Remove(ballast)) })
	}
	r.kill()
	fill(t, ballast, 0)
	r.refusedStart("no room in the checkpoint store")
	must(t, os.Remove(ballast))
	r.run()
	end()
	r.finish()
}

// fill writes a file until its disk has so many bytes left.
func fill(t *testing.T, path string, left int64) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	for block := make([]byte, 1<<20); ; {
		var disk syscall.Statfs_t
		must(t, syscall.Fstatfs(int(f.Fd()), &disk))
		if int64(disk.Bavail)*disk.Bsize < left+int64(len(block)) && left > 0 {
			return
		}
		_, err := f.Write(block)
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		must(t, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
