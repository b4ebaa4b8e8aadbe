package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"insolite/ingest/kafka"
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
		s.refresh()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = s.registry.WritePrometheus(w) // the reader has gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.unhealthy(), nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, s.unready(r.Context()), s.notices()) })
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(showConfig(s.config)) // the reader has gone
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /context", s.serveContext)
	mux.HandleFunc("POST /reload", s.serveReload)
	a := &adminServer{http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, listener: s.bound}
	s.admin = a
	s.wait.Go(func() {
		if err := a.http.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
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

// answer is 200 without reasons, else 503 with them. Notices change nothing about that.
func answer(w http.ResponseWriter, reasons, notices []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) == 0 {
		reasons = []string{"ok"}
	} else {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, strings.Join(append(reasons, notices...), "\n"))
}

// present returns the tasks of this instance in the order of their partitions.
func (s *Service) present() []*running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.tasks), func(a, b *running) int { return compare(a.claim.TopicPartition, b.claim.TopicPartition) })
}

func compare(a, b kafka.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func (s *Service) membership() *kafka.Membership {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member
}

// unhealthy says which tasks stand still although nothing from outside keeps them from going on: a restart may help. While Kafka is away, or
// a person has to decide, it does not.
func (s *Service) unhealthy() []string {
	if m := s.membership(); m != nil && m.Trouble() != nil {
		return nil
	}
	now := s.now()
	var reasons []string
	for _, r := range s.present() {
		t := r.Status()
		still := now.Sub(t.Progress)
		if t.Phase == task.Refused || t.Phase == task.Stopped || t.Progress.IsZero() || still < progressLimit || r.log.trouble() != nil {
			continue
		}
		reasons = append(reasons, fmt.Sprintf("%s/%d is %s at %v of %d and has not moved for %s", t.Topic, t.Partition, t.Phase, t.Position, t.End, still.Round(time.Second)))
	}
	return reasons
}

// confirmWait is how long the group is waited for when it is asked whether a trouble is over.
const confirmWait = time.Second

// unready says why this instance does not do all of its work.
func (s *Service) unready(ctx context.Context) []string {
	var reasons []string
	all := s.present()
	switch m := s.membership(); {
	case m == nil || m.Rebalances() == 0:
		reasons = append(reasons, "the consumer group is not joined yet")
	case m.Trouble() != nil && !confirmed(ctx, all):
		reasons = append(reasons, fmt.Sprintf("the membership of the consumer group is in trouble: %v", m.Trouble()))
	}
	s.mu.Lock()
	for _, at := range slices.SortedFunc(maps.Keys(s.waiting), compare) {
		reasons = append(reasons, fmt.Sprintf("%v can't start: %v", at, s.waiting[at]))
	}
	s.mu.Unlock()
	for _, r := range all {
		if text := notWorking(r); text != "" {
			reasons = append(reasons, text)
		}
	}
	return reasons
}

// confirmed reports whether the group still has this member: what was in trouble may be over.
func confirmed(ctx context.Context, all []*running) bool {
	if len(all) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	return all[0].claim.Confirm(ctx) == nil
}

// notWorking says why a task does not do its work; empty: it does.
func notWorking(r *running) string {
	t := r.Status()
	name := fmt.Sprintf("%s/%d", t.Topic, t.Partition)
	switch {
	case t.Phase == task.Refused:
		return t.Err.Error()
	case t.Broken != nil:
		return fmt.Sprintf("%s waits: %v; correct the producer or the source's fields, or let them become dead letters with dead_letters.breaker: 0", name, t.Broken)
	case t.Phase == task.Live && r.log.trouble() != nil:
		return fmt.Sprintf("%s can't be read at the moment: %v", name, r.log.trouble())
	case t.Phase == task.Live:
		return ""
	case t.Phase == task.Replaying:
		return fmt.Sprintf("%s is replaying: it is at %v of %v", name, t.Position, t.Committed)
	case t.Err != nil:
		return fmt.Sprintf("%s is %s: %v", name, t.Phase, t.Err)
	}
	return fmt.Sprintf("%s is %s", name, t.Phase)
}
