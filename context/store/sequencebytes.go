package store

import "insolite/internal/event"

// record is an open match, or what a step of an unordered sequence captured.
type record []byte

func (r record) size() int         { return int(le.Uint16(r)) }
func (r record) step() int         { return int(r[2]) }
func (r record) countOf() int      { return int(le.Uint16(r[4:])) }
func (r record) start() event.Time { return event.Time(le.Uint64(r[8:])) }
func (r record) end() event.Time   { return event.Time(le.Uint64(r[16:])) }
func (r record) top() event.Time   { return event.Time(le.Uint64(r[24:])) }
func (r record) hits() []byte      { return r[recordHead : recordHead+int(r[3])*hitBytes] }

// captured returns the captured values, with the padding behind them left out.
func (r record) captured() []byte { return r[recordHead+int(r[3])*hitBytes : len(r)-int(r[6])] }

// progress orders records by how far they have come.
func (r record) progress() int { return r.step()<<16 | r.countOf() }

// finish writes the head of a record, and pads it.
func (r record) finish(step, hits, count int, start, end, top event.Time) record {
	padding := round8(len(r)) - len(r)
	for range padding {
		r = append(r, 0)
	}
	le.PutUint16(r, uint16(len(r)))
	r[2], r[3] = byte(step), byte(hits)
	le.PutUint16(r[4:], uint16(count))
	r[6], r[7] = byte(padding), 0
	le.PutUint64(r[8:], uint64(start))
	le.PutUint64(r[16:], uint64(end))
	le.PutUint64(r[24:], uint64(top))
	return r
}

func (q *Sequence) count(x *Ctx) int       { return int(le.Uint16(q.slot.head(x))) }
func (q *Sequence) setCount(x *Ctx, n int) { le.PutUint16(q.slot.head(x), uint16(n)) }
func (q *Sequence) used(x *Ctx) int        { return int(le.Uint32(q.slot.head(x)[4:])) }

// hitsOf returns how many hits ring i has.
func (q *Sequence) hitsOf(x *Ctx, i int) int {
	return int(le.Uint16(q.slot.head(x)[sequenceHead+2*i:]))
}

// ringAt returns where ring i begins.
func (q *Sequence) ringAt(x *Ctx, i int) int {
	at := 0
	for j := range i {
		at += q.hitsOf(x, j) * hitBytes
	}
	return at
}

// ring returns the hits of ring i, the first first.
func (q *Sequence) ring(x *Ctx, i int) []byte {
	at := q.ringAt(x, i)
	return q.slot.tail(x)[at : at+q.hitsOf(x, i)*hitBytes]
}

// push puts the event into ring i; of a full one the first hit gives way.
func (q *Sequence) push(x *Ctx, i int, f *Fit) {
	n := q.hitsOf(x, i)
	if n < q.rings[i] {
		q.splice(x, q.ringAt(x, i)+n*hitBytes, nil, make([]byte, hitBytes))
		n++
		le.PutUint16(q.slot.head(x)[sequenceHead+2*i:], uint16(n))
	} else {
		hits := q.ring(x, i)
		copy(hits, hits[hitBytes:])
	}
	last := q.ring(x, i)[(n-1)*hitBytes:]
	le.PutUint64(last, uint64(f.Offset))
	le.PutUint64(last[8:], uint64(f.At))
}

// records returns where the records begin.
func (q *Sequence) records(x *Ctx) int { return q.ringAt(x, len(q.rings)) }

// record returns the record at a place in the tail.
func (q *Sequence) record(x *Ctx, at int) record {
	r := record(q.slot.tail(x)[at:])
	return r[:r.size():r.size()]
}

// splice puts bytes in the place of others, which begin at a place in the tail.
func (q *Sequence) splice(x *Ctx, at int, old, now []byte) {
	used := q.used(x)
	grown := used + len(now) - len(old)
	if grown > len(q.slot.tail(x)) {
		from := len(old) // the block may move, and old with it
		q.slot.grow(x, grown)
		old = q.slot.tail(x)[at : at+from]
	}
	tail := q.slot.tail(x)
	copy(tail[at+len(now):grown], tail[at+len(old):used])
	copy(tail[at:], now)
	le.PutUint32(q.slot.head(x)[4:], uint32(grown))
}

// OpenMatch is how far a search has come.
type OpenMatch struct {
	Step  int // that it waits for
	Hits  int // of that step so far
	Start event.Time
}

// Open appends the open matches that an event at an instant may take further, the oldest first. Of an unordered sequence, and for the first step
// of one in order, it appends one for each step that has events.
func (q *Sequence) Open(dst []OpenMatch, x *Ctx, at event.Time) []OpenMatch {
	if !q.spec.Unordered {
		place := q.records(x)
		for range q.count(x) {
			r := q.record(x, place)
			if at <= r.start().Add(q.spec.Within) {
				dst = append(dst, OpenMatch{r.step(), r.countOf(), r.start()})
			}
			place += len(r)
		}
	}
	for i := range q.rings {
		m := OpenMatch{Step: i, Start: at}
		for hits := q.ring(x, i); len(hits) > 0; hits = hits[hitBytes:] {
			if t := event.Time(le.Uint64(hits[8:])); at <= t.Add(q.spec.Within) {
				m.Hits++
				m.Start = min(m.Start, t)
			}
		}
		if m.Hits > 0 {
			dst = append(dst, m)
		}
	}
	return dst
}
