// Package faultproxy is a TCP proxy that makes the network before a server bad, for tests.
//
//	p := faultproxy.Kafka(t, broker)                    // or Plain, before any other server
//	p.Addr()                                            // for clients, and for the broker to advertise
//	p.Arm(faultproxy.LoseReply, 1, faultproxy.EndTxn)   // the next one is carried out, and nobody is told
//	p.Silence(); p.Resume()                             // connections are accepted, and nothing passes
//	p.Cut(); p.Delay(20 * time.Millisecond)
//
// Before Kafka it knows where a request begins and which one it is: the first bytes are the size and the API key. Replies come in the order
// of the requests; a produce request without acknowledgement has none, so a client must not send such ones through the proxy.
//
// What was under way when the silence began is delivered afterwards, also when the client has given up meanwhile, as a network does that was
// congested.
package faultproxy

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Key is the API key of a Kafka request.
type Key int16

// The requests that a service sends.
const (
	Produce            Key = 0
	Fetch              Key = 1
	ListOffsets        Key = 2
	Metadata           Key = 3
	OffsetFetch        Key = 9
	FindCoordinator    Key = 10
	JoinGroup          Key = 11
	Heartbeat          Key = 12
	SyncGroup          Key = 14
	InitProducerID     Key = 22
	AddPartitionsToTxn Key = 24
	AddOffsetsToTxn    Key = 25
	EndTxn             Key = 26
	TxnOffsetCommit    Key = 28
)

// Any is the key that a rule of a plain proxy has.
const Any Key = -1

// Fault is what becomes of a request and its reply.
type Fault int

// The faults.
const (
	none        Fault = iota
	LoseRequest       // the connection is cut instead of delivering the request
	LoseReply         // the request is delivered; the connection is cut when its reply comes
	CutReply          // as LoseReply, in the middle of the reply
	KeepSilent        // the request is delivered; nothing more comes back over the connection, which stays open
)

// Proxy stands before one server. Its methods may be called from any goroutine.
type Proxy struct {
	listener net.Listener
	target   string
	kafka    bool
	wait     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	armed  map[Key]*rule
	hits   int
	delay  time.Duration
	silent chan struct{} // closed when the silence is over; nil: there is none
}

// rule is what happens to the next requests.
type rule struct {
	fault Fault
	left  int
}

// Kafka starts a proxy before a broker. The end of the test ends it.
func Kafka(t testing.TB, target string) *Proxy { return start(t, target, true) }

// Plain starts a proxy before any server: a request is what comes at once, its reply what comes back at once. The end of the test ends it.
func Plain(t testing.TB, target string) *Proxy { return start(t, target, false) }

func start(t testing.TB, target string, kafka bool) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("faultproxy: %v", err)
	}
	p := &Proxy{listener: l, target: target, kafka: kafka, conns: map[net.Conn]bool{}, armed: map[Key]*rule{}}
	p.wait.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Arm has so many of the next requests of each key meet a fault. Zero takes it back.
func (p *Proxy) Arm(f Fault, times int, keys ...Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		p.armed[k] = &rule{f, times}
	}
}

// Hits is how many requests have met a fault.
func (p *Proxy) Hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// Delay holds every request and every reply up for so long.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut cuts all present connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // the other end sees it
	}
}

// Silence lets nothing pass until Resume. Connections are accepted.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil {
		p.silent = make(chan struct{})
	}
}

// Resume ends the silence.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}

func (p *Proxy) stop() {
	p.mu.Lock()
	p.closed = true
	p.delay = 0
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Resume()
	p.Cut()
	p.wait.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wait.Go(func() { p.serve(client) })
	}
}

// keep notes a connection, so that it can be cut.
func (p *Proxy) keep(c net.Conn) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// take returns what happens to a request.
func (p *Proxy) take(k Key) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.armed[k]
	if r == nil || r.left == 0 {
		return none
	}
	r.left--
	p.hits++
	return r.fault
}

// pass waits for as long as what comes is held up.
func (p *Proxy) pass() {
	p.mu.Lock()
	delay, silent := p.delay, p.silent
	p.mu.Unlock()
	time.Sleep(delay)
	if silent != nil {
		<-silent
	}
}
