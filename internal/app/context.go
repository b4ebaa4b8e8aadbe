package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"insolite/ingest/kafka"
	"insolite/internal/event"
	"insolite/internal/task"
)

// ContextAnswer is what GET /context of the admin listener answers: what is remembered of one key, at each place where that may be.
//
//	keyspace   names of its fields with commas between; may be left out when there is only one
//	key        a value or field=value, once for each field of the keyspace
//	topic      only tasks of this topic
//	partition  only this one; else the one to which producers send the key
//	all        every partition
type ContextAnswer struct {
	Keyspace string         `json:"keyspace"`
	Key      map[string]any `json:"key"`
	Places   []ContextPlace `json:"places"`
}

// ContextPlace is one partition. Without From nobody was asked: Instance says who has to be.
type ContextPlace struct {
	Topic     string          `json:"topic"`
	Partition event.Partition `json:"partition"`
	Expected  bool            `json:"expected"`           // producers that partition as Java's do send the key there
	Instance  string          `json:"instance,omitempty"` // the admin address of the instance that has the partition; empty: it tells none, or nobody has
	Host      string          `json:"host,omitempty"`     // of that instance, as Kafka sees it
	From      string          `json:"from,omitempty"`     // memory, store or none
	Context   *Remembered     `json:"context,omitempty"`
	Problem   string          `json:"problem,omitempty"` // why it is not known, and what to do
}

// Bounds of what those who ask may cost the stream: a look is a millisecond of a task, at worst.
const (
	contextPace   = 20 * time.Millisecond // between two requests
	contextQueue  = time.Second           // how long a request waits for its turn
	contextWait   = 5 * time.Second       // for a task's answer, which may be in a long batch or commit
	contextErrors = 1 << 10               // bytes of an error's text
)

// turns spaces requests.
type turns struct {
	mu   sync.Mutex
	next time.Time
}

// turn returns how long a request has to wait; ok is false when that is too long.
func (p *turns) turn(now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	if wait = p.next.Sub(now); wait > contextQueue {
		return 0, false
	}
	p.next = p.next.Add(contextPace)
	return wait, true
}

// asked is an error of whoever asks.
type asked struct{ error }

func (s *Service) serveContext(w http.ResponseWriter, r *http.Request) {
	if s.rebound(r) {
		answerJSON(w, http.StatusForbidden, map[string]string{"error": "this listener is for its own machine; ask for localhost or the address"})
		return
	}
	wait, ok := s.looks.turn(time.Now())
	if !ok {
		answerJSON(w, http.StatusTooManyRequests, map[string]string{"error": "too many ask for contexts at once; ask again in a second"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), contextQueue+2*contextWait)
	defer cancel()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return
	}
	answer, err := s.contexts(ctx, r.URL.Query())
	var mine asked
	switch {
	case errors.As(err, &mine):
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	case err != nil:
		answerJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
	default:
		answerJSON(w, http.StatusOK, answer)
	}
}

// rebound reports whether a listener on loopback is asked by a name of the world outside: a page in a browser of this machine may have had it
// resolved to here.
func (s *Service) rebound(r *http.Request) bool {
	at, ok := s.bound.Addr().(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader has gone
}

// contexts answers a request.
func (s *Service) contexts(ctx context.Context, q url.Values) (*ContextAnswer, error) {
	set, err := s.bundles.set(ctx, s.bundles.Newest())
	if err != nil {
		return nil, err
	}
	found, err := seek(set, q.Get("keyspace"), q.Get("topic"), q["key"])
	if err != nil {
		return nil, asked{err}
	}
	answer := &ContextAnswer{Keyspace: found[0].keyspace.Name, Key: map[string]any{}, Places: []ContextPlace{}}
	for i, name := range found[0].keyspace.Fields {
		answer.Key[name] = PlainValue(&found[0].key[i])
	}
	var owners map[kafka.TopicPartition]kafka.Member
	for i := range found {
		places, err := s.places(&found[i], q)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			if !s.lookAt(ctx, &found[i], &p) {
				if owners == nil {
					if owners, err = s.owners(ctx); err != nil {
						return nil, err
					}
				}
				p.owner(owners)
			}
			answer.Places = append(answer.Places, p)
		}
	}
	return answer, nil
}

// places are the partitions of a topic that may have the key.
func (s *Service) places(x *sought, q url.Values) ([]ContextPlace, error) {
	s.mu.Lock()
	n := s.partitions[x.plan.Topic]
	s.mu.Unlock()
	likely := x.partition(n)
	place := func(p int) ContextPlace {
		return ContextPlace{Topic: x.plan.Topic, Partition: event.Partition(p), Expected: p == likely}
	}
	if text := q.Get("partition"); text != "" {
		p, err := strconv.Atoi(text)
		if err != nil || p < 0 || p >= n {
			return nil, asked{fmt.Errorf("topic %s has no partition %q; it has %d, from 0", x.plan.Topic, text, n)}
		}
		return []ContextPlace{place(p)}, nil
	}
	if likely >= 0 && q.Get("all") == "" {
		return []ContextPlace{place(likely)}, nil
	}
	var all []ContextPlace
	for p := range n {
		all = append(all, place(p))
	}
	return all, nil
}

// lookAt asks the task of a place, if it is of this instance.
func (s *Service) lookAt(ctx context.Context, x *sought, p *ContextPlace) (own bool) {
	s.mu.Lock()
	r := s.tasks[kafka.TopicPartition{Topic: p.Topic, Partition: p.Partition}]
	s.mu.Unlock()
	if r == nil {
		return false
	}
	p.Instance = s.told
	if phase := r.Status().Phase; phase != task.Live {
		p.Problem = fmt.Sprintf("its task is %s; ask again when it is live", phase)
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, contextWait)
	defer cancel()
	l, err := r.Look(ctx, x.keyspace.Name, x.bytes)
	if err != nil {
		text := err.Error()
		p.Problem = text[:min(len(text), contextErrors)]
		return true
	}
	p.From = l.From
	if l.Look != nil {
		p.Context = newRemembered(l.Look)
	}
	return true
}

// owners returns who has which partition.
func (s *Service) owners(ctx context.Context) (map[kafka.TopicPartition]kafka.Member, error) {
	members, err := s.client.Members(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[kafka.TopicPartition]kafka.Member{}
	for _, m := range members {
		for _, at := range m.Assigned {
			owners[at] = m
		}
	}
	return owners, nil
}

// owner says who has to be asked about a place.
func (p *ContextPlace) owner(owners map[kafka.TopicPartition]kafka.Member) {
	m, ok := owners[kafka.TopicPartition{Topic: p.Topic, Partition: p.Partition}]
	if !ok {
		p.Problem = "no instance has the partition at the moment; ask again when the consumer group has settled"
		return
	}
	p.Host = strings.TrimPrefix(m.Host, "/")
	if p.Instance = AdminURL(m); p.Instance == "" {
		p.Problem = fmt.Sprintf("the instance at %s that has the partition does not tell where its admin listener is; ask it with --admin", p.Host)
	}
}

// AdminURL returns the admin address of a member of the group, HOST:PORT; empty: it tells none. A member that listens on all addresses is
// reached at the one that Kafka sees.
func AdminURL(m kafka.Member) string {
	address, ok := kafka.AdminAddress(m.ClientID)
	if !ok {
		return ""
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = strings.TrimPrefix(m.Host, "/")
	}
	return net.JoinHostPort(host, port)
}

// bindAdmin takes the admin address before the group is told of it, so that a port that the system chooses is told too.
func (s *Service) bindAdmin() error {
	listener, err := net.Listen("tcp", s.config.Admin)
	if err != nil {
		return fmt.Errorf("admin.listen: %w; choose another address, or stop what listens there", err)
	}
	s.bound = listener
	s.onStop("admin address", func(context.Context) error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	host, _, _ := net.SplitHostPort(s.config.Admin) // it was listened on
	_, port, err := net.SplitHostPort(listener.Addr().String())
	s.told = net.JoinHostPort(host, port)
	return err
}

// Reachable is where an address to listen on is reached from the same machine.
func Reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}
