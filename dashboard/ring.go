package dashboard

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// ring keeps the newest alerts in the order of arrival and wakes who waits for more. Sequence numbers start at 1.
type ring struct {
	epoch    string
	max      int
	bytesMax int
	mu       sync.RWMutex
	entries  []*entry // circular; the oldest is at head
	head, n  int
	bytes    int
	last     uint64 // sequence of the newest, 0: none yet
	byID     map[string]*entry
	changed  chan struct{} // closed at the next add
	repeated uint64
	evicted  uint64
}

func newRing(epoch string, max, bytesMax int) *ring {
	return &ring{epoch: epoch, max: max, bytesMax: bytesMax, entries: make([]*entry, max), byID: map[string]*entry{}, changed: make(chan struct{})}
}

// add appends an alert, unless it is there already, and drops the oldest beyond the limits.
func (r *ring) add(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[e.id] != nil {
		r.repeated++
		return
	}
	e.number(r.last + 1)
	for r.n > 0 && (r.n == r.max || r.bytes+e.bytes() > r.bytesMax) {
		r.evict()
	}
	r.entries[(r.head+r.n)%r.max] = e
	r.n, r.last, r.bytes, r.byID[e.id] = r.n+1, e.seq, r.bytes+e.bytes(), e
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *ring) evict() {
	e := r.entries[r.head]
	r.entries[r.head] = nil
	r.head, r.n, r.bytes, r.evicted = (r.head+1)%r.max, r.n-1, r.bytes-e.bytes(), r.evicted+1
	delete(r.byID, e.id)
}

// fill sets the counters that the ring keeps.
func (r *ring) fill(c *Counters) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c.Published, c.Repeated, c.Evicted, c.Kept = r.last, r.repeated, r.evicted, r.n
}

// newest is the sequence number of the last alert, 0 before the first.
func (r *ring) newest() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.last
}

func (r *ring) find(id string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

// newestFirst returns what is kept at this moment, and the newest sequence number.
func (r *ring) newestFirst() ([]*entry, uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*entry, r.n)
	for i := range all {
		all[i] = r.entries[(r.head+r.n-1-i)%r.max]
	}
	return all, r.last
}

// after appends the alerts that follow seq to dst, as many as fit its capacity. With none, more is closed when there are some.
// ok is false when some of them are no longer kept.
func (r *ring) after(seq uint64, dst []*entry) (found []*entry, more <-chan struct{}, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	first := r.last - uint64(r.n) + 1
	if seq+1 < first {
		return dst, nil, false
	}
	for next := seq + 1; next <= r.last && len(dst) < cap(dst); next++ {
		dst = append(dst, r.entries[(r.head+int(next-first))%r.max])
	}
	return dst, r.changed, true
}

// streamID is the id of a sequence number in the stream.
func (r *ring) streamID(seq uint64) string { return r.epoch + "-" + strconv.FormatUint(seq, 10) }

// resume reads the stream id that a client has seen last; the empty one is the newest. reset says why the stream cannot go on there,
// and then seq is the newest.
func (r *ring) resume(id string) (seq uint64, reset string, err error) {
	last := r.newest()
	if id == "" {
		return last, "", nil
	}
	epoch, digits, found := strings.Cut(id, "-")
	seq, err = strconv.ParseUint(digits, 10, 64)
	switch {
	case !found || err != nil:
		return 0, "", fmt.Errorf("%q is no stream id", id)
	case epoch != r.epoch || seq > last:
		return last, "epoch", nil
	}
	return seq, "", nil
}
