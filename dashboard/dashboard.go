// Package dashboard is the page that people watch: the alerts as they are committed, each with what proves it, and how the pipeline does.
//
// It is one HTTP server with a small JSON API, a stream of server-sent events and the page itself, which is embedded (dashboard/ui) and
// loads nothing from elsewhere. It only shows: the application feeds it with committed records of the alerts topic and answers for the
// pipeline's figures.
//
//	page, err := dashboard.New(dashboard.Options{Listen: "127.0.0.1:8080", App: "insolite", Status: status, Log: log})
//	err = page.Start()          // binds; page.URL() says where
//	err = page.Publish(dashboard.Alert{Partition: p, Offset: o, Timestamp: t, Value: v})
//	err = page.Stop(ctx)        // ends the streams, then waits for what is being answered
//
// # API
//
//	GET /api/v1/alerts?severity=&rule=&key=&source=&q=&before=&limit=   newest first; a parameter given twice means either of them
//	GET /api/v1/alerts/ID        the record as it is on the topic, its event indented as text, and where the record lies
//	GET /api/v1/status           what Options.Status gives, and this server's own counters
//	GET /api/v1/stream           server-sent events
//
// A list says in "stream" after which id a stream continues it without gap: /api/v1/stream?after=ID, or the Last-Event-ID header of a
// reconnecting browser. Ids are EPOCH-SEQUENCE; the epoch is another one in each process. The stream sends
//
//	event: alert   data: the alert as it stands in a list
//	event: reset   data: {"reason": "epoch" | "behind", "missed": N}; what lies between is not kept here any more, so load the list again
//	: heartbeat    every 15 s
//
// Errors are {"error": {"code", "message", "cure"}}.
//
// # Limits
//
// The newest 10,000 alerts or 64 MB of them are kept, whichever is less; older ones are on the topic only. A client that takes nothing for
// 10 s is dropped, and 64 may listen at once. What a limit did is counted in Counters. All methods may be called concurrently; alerts are
// shown in the order of Publish.
//
// The server has no log-in, so it belongs on loopback. There it answers only to a Host that is loopback or listed in Options.Hosts, which
// keeps other sites' pages from reading it by a name of theirs (DNS rebinding).
package dashboard

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	alertsMax      = 10_000           // kept; the list of an hour of a bad day
	alertBytesMax  = 64 << 20         // kept; alerts of 16 KiB events would need 160 MB otherwise
	clientsMax     = 64               // streams at once; each is a goroutine and a connection
	heartbeatEvery = 15 * time.Second // below the idle time-out of common proxies
	writeWithin    = 10 * time.Second // a client that takes nothing for so long is gone or stuck
	answerWithin   = 30 * time.Second // an answer of 500 alerts over a slow line
)

// Options is what a Server needs. Status is required.
type Options struct {
	Listen string           // host:port; port 0 takes a free one
	App    string           // shown in the page's title; default "insolite"
	Hosts  []string         // further names in the Host header that a server on loopback answers to, without port
	Status func() Status    // the pipeline's figures; called for each request of them, concurrently, so it must be cheap
	Log    *slog.Logger     // default: nothing is logged
	Now    func() time.Time // default time.Now; where the last hour of a list ends
}

// Alert is one committed record of the alerts topic. The server keeps Value, which nobody may change afterwards.
type Alert struct {
	Partition int32
	Offset    int64
	Timestamp time.Time // of the record: when the alert was emitted
	Value     []byte    // JSON as package alerts writes it
}

// Counters says what the server did since it was made.
type Counters struct {
	Published uint64 `json:"published"` // alerts taken
	Repeated  uint64 `json:"repeated"`  // not taken: an alert with this id is there already
	Malformed uint64 `json:"malformed"` // not taken: not an alert
	Evicted   uint64 `json:"evicted"`   // the oldest, to keep the limit
	Kept      int    `json:"kept"`      // alerts now
	Clients   int64  `json:"clients"`   // streams now
	Refused   uint64 `json:"refused"`   // streams beyond the limit
	Dropped   uint64 `json:"dropped"`   // streams whose client took nothing in time
	Resets    uint64 `json:"resets"`    // times that a stream could not go on where its client was
	Missed    uint64 `json:"missed"`    // alerts that a stream skipped because its client was behind what is kept
}

// Server serves the page, the API and the stream. Make it with New.
type Server struct {
	opts  Options
	ring  *ring
	http  *http.Server
	local bool // Listen is loopback

	writeWithin time.Duration
	tick        func(time.Duration) (<-chan time.Time, func()) // of the heartbeat

	malformed, refused, dropped, resets, missed atomic.Uint64
	clients                                     atomic.Int64

	ending    chan struct{} // closed by Stop: streams end
	endOnce   sync.Once
	mu        sync.Mutex
	listener  net.Listener
	served    chan struct{} // closed when Serve has returned
	clientMax int64
}

// New returns a server that is not listening yet. Alerts may be published already.
func New(opts Options) (*Server, error) {
	host, _, err := net.SplitHostPort(opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("dashboard: listen %q: %w; write host:port, like 127.0.0.1:8080", opts.Listen, err)
	}
	if opts.Status == nil {
		return nil, errors.New("dashboard: Options.Status is missing; give a function that returns the pipeline's figures")
	}
	if opts.App == "" {
		opts.App = "insolite"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Server{
		opts: opts, ring: newRing(newEpoch(), alertsMax, alertBytesMax), local: isLoopback(host),
		writeWithin: writeWithin, tick: systemTicks, clientMax: clientsMax, ending: make(chan struct{}),
	}
	handler, err := s.handler()
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Start binds the address and serves until Stop.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return errors.New("dashboard: started twice")
	}
	select {
	case <-s.ending:
		return errors.New("dashboard: started after Stop; make a new one")
	default:
	}
	listener, err := net.Listen("tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("dashboard: %w; free the address, or choose another one in dashboard.listen", err)
	}
	s.listener, s.served = listener, make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Log.Error("dashboard stopped serving", "err", err)
		}
	}()
	return nil
}

// Stop ends the streams and waits, until ctx is done, for other answers; then it cuts what is left. It may be called again, and before Start.
func (s *Server) Stop(ctx context.Context) error {
	s.endOnce.Do(func() { close(s.ending) })
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close() // the cause is told already
	}
	s.mu.Lock()
	served := s.served
	s.mu.Unlock()
	if served != nil {
		<-served
	}
	if err != nil {
		return fmt.Errorf("dashboard: stop: %w", err)
	}
	return nil
}

// URL is where the page is, empty before Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String() + "/"
}

// Publish shows an alert. Each partition's records are published in their order. An alert whose id is there already is the same alert
// delivered again, and is not shown twice. A record that is no alert is counted and its error returned; nothing else fails.
func (s *Server) Publish(a Alert) error {
	e, err := readAlert(a)
	if err != nil {
		s.malformed.Add(1)
		return fmt.Errorf("dashboard: record %d of the alerts topic's partition %d: %w", a.Offset, a.Partition, err)
	}
	s.ring.add(e)
	return nil
}

// Counters returns what the server did so far.
func (s *Server) Counters() Counters {
	c := Counters{
		Malformed: s.malformed.Load(), Clients: s.clients.Load(), Refused: s.refused.Load(), Dropped: s.dropped.Load(),
		Resets: s.resets.Load(), Missed: s.missed.Load(),
	}
	s.ring.fill(&c)
	return c
}

// newEpoch tells the ids of one process from those of another.
func newEpoch() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func systemTicks(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d)
	return t.C, t.Stop
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
