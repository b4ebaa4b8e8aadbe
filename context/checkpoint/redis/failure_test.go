package redis

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"insolite/context/checkpoint"
	"insolite/internal/redistest"
)

// A full server refuses a write as a whole, and goes on with all that is no growth; when there is room the same write succeeds.
func TestFullServer(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A"), at("b", 1, "")}))
	server.CLI("CONFIG", "SET", "maxmemory", "1mb")
	chunk := []checkpoint.Item{at("a", 2, "A2"), at("c", 2, "C")}
	if err := task.Write(t.Context(), chunk); !errors.Is(err, checkpoint.ErrFull) || !strings.Contains(err.Error(), "raise its maxmemory") {
		t.Fatalf("write: %v", err)
	}
	if err := task.AddLayout(t.Context(), 1, []byte("one")); !errors.Is(err, checkpoint.ErrFull) {
		t.Fatalf("layout: %v", err)
	}
	contains(t, task, "a 1 A, b 1 ")
	must(t, task.Flip(t.Context(), upTo(1)))
	contains(t, task, "a 1 A")
	task = mustOpen(t, s, id)
	server.CLI("CONFIG", "SET", "maxmemory", "0")
	must(t, task.Write(t.Context(), chunk))
	contains(t, task, "a 2 A2, c 2 C")
}

// Answers get lost after the script has run. The client sends it again, and it is done once; if no answer comes at all, that is doubt.
func TestLostAnswers(t *testing.T) {
	server := redistest.Start(t)
	wire := tap(t, server.Addr())
	task := mustOpen(t, open(t, Options{Addresses: []string{wire.addr}}), id)
	for n := 1; n <= 20; n++ {
		wire.lose.Store(int32(n % 3))
		must(t, task.Write(t.Context(), []checkpoint.Item{at("a", n, "A"), at("b", n, "")}))
		wire.lose.Store(int32(n % 2))
		must(t, task.Flip(t.Context(), upTo(n)))
		wire.lose.Store(int32(n % 2))
		must(t, task.AddLayout(t.Context(), uint64(n), []byte("layout")))
	}
	if wire.lost.Load() < 40 {
		t.Fatalf("%d answers were lost, the test shows nothing", wire.lost.Load())
	}
	contains(t, task, "a 20 A")
	if l, err := task.Layouts(t.Context()); err != nil || len(l) != 20 {
		t.Errorf("%d layouts, %v", len(l), err)
	}
	wire.lose.Store(1000)
	if err := task.Write(t.Context(), []checkpoint.Item{at("a", 21, "A")}); !errors.Is(err, checkpoint.ErrDoubt) {
		t.Errorf("write without an answer: %v", err)
	}
	wire.lose.Store(0)
	if err := task.Flip(t.Context(), upTo(21)); !errors.Is(err, checkpoint.ErrDoubt) {
		t.Errorf("flip after that: %v", err)
	}
	if _, err := task.Meta(t.Context()); !errors.Is(err, checkpoint.ErrDoubt) {
		t.Errorf("meta after that: %v", err)
	}
}

// A read without an answer says so, and changes nothing.
func TestReadWithoutAnAnswer(t *testing.T) {
	server := redistest.Start(t)
	wire := tap(t, server.Addr())
	task := mustOpen(t, open(t, Options{Addresses: []string{wire.addr}}), id)
	wire.lose.Store(1000)
	if _, err := task.Meta(t.Context()); err == nil || errors.Is(err, checkpoint.ErrDoubt) {
		t.Errorf("got %v", err)
	}
	wire.lose.Store(0)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A")}))
}

// The client gives up on a write whose outcome it does not know, the server refuses it as full; then the delayed first try arrives.
func TestDelayedTry(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	task := mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A")}))
	late := *task
	server.CLI("CONFIG", "SET", "maxmemory", "1mb")
	if err := task.Write(t.Context(), []checkpoint.Item{at("a", 2, "early")}); !errors.Is(err, checkpoint.ErrFull) {
		t.Fatal(err)
	}
	server.CLI("CONFIG", "SET", "maxmemory", "0")
	must(t, late.Write(t.Context(), []checkpoint.Item{at("a", 2, "early")})) // with the number that the refused one had
	if err := task.Write(t.Context(), []checkpoint.Item{at("a", 3, "lost?")}); !errors.Is(err, checkpoint.ErrDoubt) {
		t.Fatalf("a write after one that came late: %v", err)
	}
	task = mustOpen(t, s, id)
	must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 4, "A4")}))
	if err := late.Write(t.Context(), []checkpoint.Item{at("a", 5, "zombie")}); !errors.Is(err, checkpoint.ErrFenced) {
		t.Fatalf("a write by the older owner: %v", err)
	}
	contains(t, task, "a 4 A4")
}

// A store that is not the one that was written to is noticed by every call.
func TestStoreThatWentBack(t *testing.T) {
	for name, back := range map[string]func(s *redistest.Server){
		"emptied":                 func(s *redistest.Server) { s.CLI("FLUSHALL") },
		"an earlier write number": func(s *redistest.Server) { s.CLI("HSET", "insolite:{shop/payments/3}:head", "write", "2") },
		"an earlier epoch": func(s *redistest.Server) {
			s.CLI("HSET", "insolite:{shop/payments/3}:head", "counter", "0", "token", "5")
		},
	} {
		server := redistest.Start(t)
		task := mustOpen(t, open(t, Options{Addresses: []string{server.Addr()}}), id)
		must(t, task.Write(t.Context(), []checkpoint.Item{at("a", 1, "A")}))
		must(t, task.Flip(t.Context(), upTo(1)))
		back(server)
		for op, err := range map[string]error{
			"load":  task.Load(t.Context(), 1, [][]byte{[]byte("a")}, func(int, checkpoint.Context) error { return nil }),
			"scan":  task.Scan(t.Context(), 1, func(checkpoint.Context) error { return nil }),
			"write": task.Write(t.Context(), []checkpoint.Item{at("a", 2, "A")}),
			"flip":  task.Flip(t.Context(), upTo(2)),
			"drop":  task.Drop(t.Context()),
		} {
			if !errors.Is(err, checkpoint.ErrDoubt) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
	}
}

// Each kind of stored bytes, damaged, is an error that says where and what to do.
func TestDamageIsNoticed(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, Options{Addresses: []string{server.Addr()}})
	for name, c := range map[string]struct {
		damage []string
		what   string
		op     func(task *task) error
	}{
		"context, scanned": {[]string{"HSET", "BUCKET", "ann", "damaged"}, "context of key", func(task *task) error {
			return task.Scan(t.Context(), 1, func(checkpoint.Context) error { return nil })
		}},
		"context, loaded": {[]string{"HSET", "BUCKET", "ann", strings.Repeat("x", 40)}, "context of key", func(task *task) error {
			return task.Load(t.Context(), 1, [][]byte{[]byte("ann")}, func(int, checkpoint.Context) error { return nil })
		}},
		"meta":           {[]string{"HSET", "HEAD", "meta", strings.Repeat("x", 200)}, "meta", func(task *task) error { _, err := task.Meta(t.Context()); return err }},
		"layout":         {[]string{"HSET", "HEAD", "layout:1", "two"}, "layout", func(task *task) error { _, err := task.Layouts(t.Context()); return err }},
		"meta, replaced": {[]string{"HSET", "HEAD", "meta", strings.Repeat("x", 200)}, "meta", func(*task) error { return mustOpen(t, s, id).Flip(t.Context(), upTo(9)) }},
	} {
		server.CLI("FLUSHALL")
		task := mustOpen(t, s, id)
		must(t, task.AddLayout(t.Context(), 1, []byte("one")))
		must(t, task.Write(t.Context(), []checkpoint.Item{at("ann", 1, "A")}))
		must(t, task.Flip(t.Context(), upTo(1)))
		words := strings.NewReplacer("HEAD", task.headKey(), "BUCKET", task.bucketKey(1, bucketOf([]byte("ann"))))
		for i := range c.damage {
			c.damage[i] = words.Replace(c.damage[i])
		}
		server.CLI(c.damage...)
		var torn *checkpoint.TornError
		if err := c.op(task); !errors.As(err, &torn) || !strings.Contains(err.Error(), "damaged "+c.what) {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.CLI("HSET", mustOpen(t, s, checkpoint.TaskID{App: "new"}).headKey(), "format", "2")
	if _, err := s.Open(t.Context(), checkpoint.TaskID{App: "new"}); !errors.Is(err, checkpoint.ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
}

// contains compares keyspace 1 with "key offset blob, …".
func contains(t *testing.T, task checkpoint.Task, want string) {
	t.Helper()
	var got []string
	must(t, task.Scan(t.Context(), 1, func(c checkpoint.Context) error {
		got = append(got, string(c.Key)+" "+c.Position.String()+" "+string(c.Blob))
		return nil
	}))
	slices.Sort(got)
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

// wire is a connection on which answers get lost: so many, each with its connection.
type wire struct {
	addr string
	lose atomic.Int32
	lost atomic.Int32
}

func tap(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close() })
	w := &wire{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			go w.copy(out, in, false)
			go w.copy(in, out, true)
		}
	}()
	return w
}

// copy hands bytes on. Answers to a login are never lost: the command was not sent yet.
func (w *wire) copy(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if answers && !bytes.Contains(b[:n], []byte("proto")) && w.lose.Load() > 0 {
			w.lose.Add(-1)
			w.lost.Add(1)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
