package kafka

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/IBM/sarama"
)

// spareTopics is how many topics a session may come to read beside those with which it began. One that would need more is followed by another
// session, which interrupts the claims.
const spareTopics = 64

// errTopicsChanged is why a member joins again.
var errTopicsChanged = errors.New("the topics that are read have changed")

// subscription is which topics a member names when it joins. sarama takes a list for a whole session and sends it again at each join of it,
// but asks for user data just before, in the same goroutine: there the list is written anew. Its length must stay, so places that are not
// needed repeat the first topic; the assignment sees each once.
type subscription struct {
	mu      sync.Mutex
	wanted  []string // sorted, each once
	list    []string // what sarama has; written by the goroutine that joins
	session sarama.ConsumerGroupSession
}

func newSubscription(topics []string) *subscription { return &subscription{wanted: once(topics)} }

func once(topics []string) []string { return slices.Compact(slices.Sorted(slices.Values(topics))) }

// open returns the list of another session.
func (s *subscription) open() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session, s.list = nil, make([]string, len(s.wanted)+spareTopics)
	s.fill()
	return s.list
}

// rewrite brings the list up to date, for the join that follows.
func (s *subscription) rewrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wanted) <= len(s.list) {
		s.fill()
	}
}

func (s *subscription) fill() {
	for i := range s.list {
		s.list[i] = s.wanted[0]
	}
	copy(s.list, s.wanted)
}

// began notes the session that has joined; if the topics have changed while it joined, it joins again.
func (s *subscription) began(session sarama.ConsumerGroupSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session = session; !slices.Equal(once(s.list), s.wanted) {
		joinAgain(session)
	}
}

// set changes the topics; done is false when the present session can't follow.
func (s *subscription) set(topics []string) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := once(topics)
	if len(wanted) == 0 || slices.Equal(wanted, s.wanted) {
		return true
	}
	s.wanted = wanted
	return s.session == nil || len(wanted) <= len(s.list) && joinAgain(s.session) // without a session, the one that begins sees it
}

// joinAgain has a session join again without ending it. sarama does so only when the group rebalances or the leader sees new partitions; its
// signal for that is private.
func joinAgain(session sarama.ConsumerGroupSession) bool {
	v := reflect.ValueOf(session)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return false
	}
	f := v.Elem().FieldByName("rejoin")
	if !f.IsValid() || f.Type() != reflect.TypeFor[chan error]() {
		return false
	}
	select {
	case *(*chan error)(unsafe.Pointer(f.UnsafeAddr())) <- errTopicsChanged:
	default: // a join is due already
	}
	return true
}

// Subscribe changes the topics that the member reads, which must exist. Claims of topics that stay are not interrupted. An empty list changes
// nothing.
func (m *Membership) Subscribe(topics []string) {
	if !m.topics.set(topics) {
		m.Rejoin()
	}
}

// Topics returns the topics that the member reads, sorted.
func (m *Membership) Topics() []string {
	m.topics.mu.Lock()
	defer m.topics.mu.Unlock()
	return slices.Clone(m.topics.wanted)
}
