package store

import "insolite/internal/event"

// deadlines orders the contexts in memory by when something in them is due: a heap of places, of which those that say something else than
// queued says of their handle are passed over. Both are empty in a keyspace whose layout has nothing that waits.
type deadlines struct {
	heap    []due
	queued  []event.Time // by handle: the deadline of its place in the heap; event.Never: it has none
	places  int          // that are not passed over
	scratch Ctx
	parted  event.Time
}

// due is a context that may have something due.
type due struct {
	deadline event.Time
	handle   Handle
}

// Deadline returns the least instant at which something in a context is due; event.Never: nothing waits.
func (k *Keyspace) Deadline(h Handle) event.Time {
	least := event.Never
	if len(k.layout.waiting) == 0 {
		return least
	}
	x := &k.due.scratch
	*x = k.View(h)
	for _, p := range k.layout.waiting {
		least = min(least, p.Deadline(x))
	}
	return least
}

// Wait says that what waits in a context has changed. The parts say so themselves; it is for one that NextDue has returned.
func (k *Keyspace) Wait(h Handle) {
	d := &k.due
	deadline := k.Deadline(h)
	if deadline == event.Never {
		return
	}
	for len(d.queued) <= int(h) {
		d.queued = append(d.queued, event.Never)
	}
	if deadline >= d.queued[h] {
		return
	}
	if d.queued[h] == event.Never {
		d.places++
	}
	d.queued[h] = deadline
	if len(d.heap) > slackMin+2*d.places {
		d.tidy()
	}
	d.push(due{deadline, h})
}

// Earliest returns the least deadline of all contexts in memory; event.Never: nothing waits.
func (k *Keyspace) Earliest() event.Time {
	d := &k.due
	for len(d.heap) > 0 {
		top := d.heap[0]
		if d.queued[top.handle] != top.deadline {
			d.pop()
			continue
		}
		if k.Deadline(top.handle) == top.deadline {
			return top.deadline
		}
		d.pop() // it has moved to a later one
		d.forget(top.handle)
		k.Wait(top.handle)
	}
	return event.Never
}

// NextDue returns a context with the deadline that Earliest has returned. It is to be told to Wait when what was due is done.
func (k *Keyspace) NextDue() Handle {
	h := k.due.heap[0].handle
	k.due.pop()
	k.due.forget(h)
	return h
}

// WaitingLen returns in how many contexts in memory something waits.
func (k *Keyspace) WaitingLen() int { return k.due.places }

// Parted returns the least deadline of the contexts that were evicted since it was called last; event.Never: nothing waits in them.
func (k *Keyspace) Parted() event.Time {
	least := k.due.parted
	k.due.parted = event.Never
	return least
}

// forget takes a context that leaves memory out of the order.
func (d *deadlines) forget(h Handle) {
	if int(h) < len(d.queued) && d.queued[h] != event.Never {
		d.queued[h] = event.Never
		d.places--
	}
}

// slackMin is how many places may be passed over before they are taken out.
const slackMin = 1024

// tidy takes out the places that are passed over: contexts that come and go would leave ever more.
func (d *deadlines) tidy() {
	old := d.heap
	d.heap = d.heap[:0]
	for _, x := range old {
		if d.queued[x.handle] == x.deadline {
			d.push(x)
		}
	}
}

func (d *deadlines) bytes() int64 { return int64(len(d.heap))*16 + int64(len(d.queued))*8 }

func (d *deadlines) push(x due) {
	d.heap = append(d.heap, x)
	i := len(d.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if d.heap[parent].deadline <= x.deadline {
			break
		}
		d.heap[i] = d.heap[parent]
		i = parent
	}
	d.heap[i] = x
}

func (d *deadlines) pop() {
	last := len(d.heap) - 1
	x := d.heap[last]
	d.heap = d.heap[:last]
	if last == 0 {
		return
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && d.heap[child+1].deadline < d.heap[child].deadline {
			child++
		}
		if d.heap[child].deadline >= x.deadline {
			break
		}
		d.heap[i] = d.heap[child]
		i = child
	}
	d.heap[i] = x
}
