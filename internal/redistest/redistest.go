// Package redistest starts real Redis servers on random loopback ports for tests: single ones, a Cluster, a master with a replica and a
// Sentinel.
//
//	s := redistest.Start(t, "--appendonly", "yes")
//	s.Addr()                    // for clients
//	s.CLI("CONFIG", "SET", ...) // what redis-cli says
//	s.Kill(); s.Restart()       // SIGKILL; the same port and data again
//	s.Pause(); s.Resume()       // SIGSTOP, SIGCONT
//
// It needs redis-server and redis-cli. Where one of them is missing the test is skipped, but fails when CI=true, so that a build server
// cannot pass without the servers. `make deps` installs them.
package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	readyTimeout = 20 * time.Second
	pollEvery    = 10 * time.Millisecond
	attempts     = 3 // another process may take a port between the choice and the bind
)

// Server is a running redis-server. It is for the goroutine of its test.
type Server struct {
	t    testing.TB
	port int
	bus  int // of a Cluster node
	dir  string
	args []string
	cli  []string // what redis-cli needs to get in
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start starts a server with settings as on its command line, and returns when it is ready. Without settings it keeps nothing on disk. The
// end of the test ends it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	return start(t, func(s *Server) {
		s.args = append([]string{"--port", strconv.Itoa(s.port)}, settings...)
	})
}

// Need skips the test where there is no Redis to start, or fails it when CI=true.
func Need(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("redistest: %s is not in the PATH, and CI=true must test with a real server; run make deps", tool)
		}
		t.Skipf("redistest: %s is not in the PATH, so there is no real server to test with; run make deps", tool)
	}
}

// start starts a server that prepare has given its arguments.
func start(t testing.TB, prepare func(*Server)) *Server {
	t.Helper()
	Need(t)
	var err error
	for range attempts {
		s := &Server{t: t, dir: t.TempDir()} // before the clean-up: the process ends first, then its folder goes
		if s.port, err = freePort(); err != nil {
			break
		}
		if s.bus, err = freePort(); err != nil {
			break
		}
		prepare(s)
		t.Cleanup(s.Kill)
		if err = s.launch(); err == nil {
			return s
		}
		s.Kill()
		t.Logf("redistest: %v", err)
	}
	t.Fatalf("redistest: the server did not start: %v", err)
	return nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Dir returns the folder of its data.
func (s *Server) Dir() string { return s.dir }

// CLI sends one command by redis-cli and returns the answer. An error that the server answers fails the test.
func (s *Server) CLI(args ...string) string {
	s.t.Helper()
	out, err := s.cliOnce(args...)
	if err != nil {
		s.t.Fatalf("redistest: redis-cli %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (s *Server) cliOnce(args ...string) (string, error) {
	cmd := exec.Command("redis-cli", slices.Concat([]string{"-e", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)}, s.cli, args)...)
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return text, nil
}

// Await sends a command until the answer contains a text.
func (s *Server) Await(want string, args ...string) {
	s.t.Helper()
	var out string
	var err error
	for end := time.Now().Add(readyTimeout); time.Now().Before(end); time.Sleep(pollEvery) {
		if out, err = s.cliOnce(args...); err == nil && strings.Contains(out, want) {
			return
		}
	}
	s.t.Fatalf("redistest: redis-cli %s does not say %q in %s: %s %v", strings.Join(args, " "), want, readyTimeout, out, err)
}

// Kill ends the server with SIGKILL and returns when it is gone. One that does not run stays so.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("redistest: kill: %v", err)
	}
	<-s.done
	s.cmd = nil
}

// Pause stops the server with SIGSTOP: it answers nothing until Resume, and then all that it was asked meanwhile.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a server go on that Pause stopped.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("redistest: %v: %v", sig, err)
	}
}

// Restart starts a server that Kill ended, on its port and data, and returns when it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	if s.cmd != nil {
		s.t.Fatal("redistest: restart of a server that runs")
	}
	if err := s.launch(); err != nil {
		s.t.Fatalf("redistest: restart: %v", err)
	}
}

func (s *Server) launch() error {
	log, err := os.Create(filepath.Join(s.dir, "log")) // empties it: the ready line of an earlier start must not count
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor
	args := s.args
	if !strings.HasSuffix(args[0], ".conf") {
		args = append([]string{"--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--dir", s.dir}, args...)
	}
	cmd := exec.Command("redis-server", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}()
	return s.ready(log.Name())
}

// ready waits for the line that says so, the end of the process or the deadline.
func (s *Server) ready(log string) error {
	for end := time.Now().Add(readyTimeout); ; time.Sleep(pollEvery) {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte("Ready to accept connections")) || bytes.Contains(text, []byte("Sentinel ID is")) {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("ended before it was ready\n%s", text)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready in %v\n%s", readyTimeout, text)
		}
	}
}

// freePort returns a port that nobody listens on. It lies below the ephemeral range, so that no outgoing connection takes it before the
// server binds it, or while the server is down.
func freePort() (int, error) {
	for range 100 {
		port := 12000 + rand.IntN(20000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("found no free port")
}
