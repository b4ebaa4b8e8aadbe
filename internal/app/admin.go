package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"insolite/internal/task"
)

// progressLimit is how long a task that has something to read may stand still before the process counts as ill.
const progressLimit = 2 * time.Minute

// adminServer tells machines how the service does.
type adminServer struct {
	http     *http.Server
	listener net.Listener
}

// URL returns where it listens.
func (a *adminServer) URL() string { return "http://" + a.listener.Addr().String() }

// startAdmin begins to listen.
func (s *Service) startAdmin() error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = s.registry.WritePrometheus(w) // the reader has gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.unhealthy(time.Now())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.unready()) })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	listener, err := net.Listen("tcp", s.config.Admin)
	if err != nil {
		return fmt.Errorf("admin.listen: %w; choose another address, or stop what listens there", err)
	}
	a := &adminServer{http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, listener: listener}
	s.admin = a
	s.wait.Go(func() {
		if err := a.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("admin server", "error", err)
		}
	})
	s.onStop("admin server", func(ctx context.Context) error {
		if err := a.http.Shutdown(ctx); err != nil {
			return a.http.Close()
		}
		return nil
	})
	return nil
}

// answer is 200 without reasons, else 503 with them.
func answer(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(reasons, "\n"))
}

// unhealthy says which tasks stand still although there is something to read: a restart may help.
func (s *Service) unhealthy(now time.Time) []string {
	var reasons []string
	for _, t := range s.statuses() {
		if t.Phase != task.Refused && !t.Progress.IsZero() && now.Sub(t.Progress) > progressLimit {
			reasons = append(reasons, fmt.Sprintf("%s/%d is %s and has not moved for %s", t.Topic, t.Partition, t.Phase, now.Sub(t.Progress).Round(time.Second)))
		}
	}
	return reasons
}

// unready says why this instance does not do its work.
func (s *Service) unready() []string {
	var reasons []string
	if s.member == nil {
		reasons = append(reasons, "not joined yet")
	} else if err := s.member.Trouble(); err != nil {
		reasons = append(reasons, fmt.Sprintf("the membership is in trouble: %v", err))
	}
	for _, t := range s.statuses() {
		switch {
		case t.Phase == task.Refused:
			reasons = append(reasons, t.Err.Error())
		case t.Phase != task.Live:
			reasons = append(reasons, fmt.Sprintf("%s/%d is %s", t.Topic, t.Partition, t.Phase))
		}
	}
	return reasons
}
