package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// logged is what a running service has logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(l.String(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in\n%s", want, l)
		}
	}
}

// SIGHUP reads the rules again, and ends nothing.
func TestHangUp(t *testing.T) {
	t.Parallel()
	hangUp := make(chan os.Signal, 1) // else one that comes late ends the tests
	signal.Notify(hangUp, syscall.SIGHUP)
	config := deployment(t, cluster(t, "payments", "insolite.alerts"))
	ctx, stop := context.WithCancel(t.Context())
	log := &logged{}
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"run", "--config", config}, stdio{out: log, err: log}) }()
	defer func() {
		stop()
		if code := <-ended; code != exitOK {
			t.Errorf("run: exit code %d\n%s", code, log)
		}
	}()
	log.await(t, "msg=joined")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log.await(t, "by=signal")
	if s := log.String(); strings.Contains(s, "msg=stop") || strings.Contains(s, "level=ERROR") {
		t.Errorf("it says\n%s", s)
	}
}
