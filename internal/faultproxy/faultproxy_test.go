package faultproxy

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// echo is a server that answers every frame with itself, and counts what it got.
func echo(t *testing.T) (addr string, served *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	served = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					f, err := readFrame(r)
					if err != nil {
						return
					}
					served.Add(1)
					if _, err := c.Write(f); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), served
}

func frame(k Key) []byte {
	b := binary.BigEndian.AppendUint32(nil, 12)
	b = binary.BigEndian.AppendUint16(b, uint16(k))
	return append(b, "0123456789"...)
}

func readFrame(r io.Reader) ([]byte, error) {
	b := make([]byte, 16)
	_, err := io.ReadFull(r, b)
	return b, err
}

// ask sends a request over a new connection, and returns how many bytes of the reply came before the connection ended or kept silent.
func ask(t *testing.T, addr string, keys ...Key) (bytes int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, k := range keys {
		if _, err := c.Write(frame(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(c)
	return len(got)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  Fault
		served int64 // of requests EndTxn, Fetch
		bytes  int
	}{
		"lose request": {LoseRequest, 0, 0},
		"lose reply":   {LoseReply, 2, 0},
		"cut reply":    {CutReply, 2, 8},
		"keep silent":  {KeepSilent, 2, 0},
		"none":         {none, 2, 32},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, served := echo(t)
			p := Kafka(t, addr)
			p.Arm(c.fault, 1, EndTxn)
			if got := ask(t, p.Addr(), EndTxn, Fetch); got != c.bytes {
				t.Errorf("%d bytes come back, want %d", got, c.bytes)
			}
			if got := served.Load(); got > c.served || c.served > 0 && got == 0 { // the second one may come too late
				t.Errorf("%d requests were served, want %d", got, c.served)
			}
			if got := p.Hits(); got != 1 {
				t.Errorf("%d requests met the fault, want 1", got)
			}
			if got := ask(t, p.Addr(), EndTxn, Fetch); got != 32 {
				t.Errorf("afterwards %d bytes come back, want 32", got)
			}
		})
	}
}

func TestOtherRequestsPass(t *testing.T) {
	t.Parallel()
	addr, _ := echo(t)
	p := Kafka(t, addr)
	p.Arm(LoseReply, 1, Produce)
	if got := ask(t, p.Addr(), EndTxn, Fetch); got != 32 || p.Hits() != 0 {
		t.Errorf("%d bytes come back, %d hits; want 32 and none", got, p.Hits())
	}
}

func TestPlainServer(t *testing.T) {
	t.Parallel()
	addr, served := echo(t)
	p := Plain(t, addr)
	p.Arm(LoseReply, 1, Any)
	if got := ask(t, p.Addr(), 7); got != 0 || served.Load() != 1 {
		t.Errorf("%d bytes come back of %d requests, want none of one", got, served.Load())
	}
	if got := ask(t, p.Addr(), 7); got != 16 {
		t.Errorf("afterwards %d bytes come back, want 16", got)
	}
}

// What was sent into the silence arrives when it is over, although nobody waits for the reply.
func TestSilence(t *testing.T) {
	t.Parallel()
	addr, served := echo(t)
	p := Kafka(t, addr)
	p.Silence()
	if got := ask(t, p.Addr(), Fetch); got != 0 || served.Load() != 0 {
		t.Errorf("in the silence %d bytes come back of %d requests, want none", got, served.Load())
	}
	p.Resume()
	for end := time.Now().Add(10 * time.Second); served.Load() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the request never arrives")
		}
	}
	if got := ask(t, p.Addr(), Fetch); got != 16 {
		t.Errorf("afterwards %d bytes come back, want 16", got)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	addr, _ := echo(t)
	p := Kafka(t, addr)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(frame(Fetch)); err != nil {
		t.Fatal(err)
	}
	if _, err := readFrame(c); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes come over a cut connection", n)
	}
}
