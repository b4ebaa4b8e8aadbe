package store

// ringEntry is the size of a ring's entry: two words of 8 bytes.
const ringEntry = 16

// ring is a part that keeps its last entries. Its head is the number of entries u16 and the place of the next u16; while it is not full,
// the two are equal.
type ring struct {
	slot slot
	max  int // entries
}

// entries returns the entries, the place of the next, and their bytes.
func (r *ring) entries(x *Ctx) (n, next int, tail []byte) {
	head := r.slot.head(x)
	return int(le.Uint16(head)), int(le.Uint16(head[2:])), r.slot.tail(x)
}

// push keeps an entry; in a full ring the oldest gives way.
func (r *ring) push(x *Ctx, a, b uint64) {
	n, next, tail := r.entries(x)
	if n < r.max {
		n++
		if n*ringEntry > len(tail) {
			r.slot.grow(x, n*ringEntry)
			tail = r.slot.tail(x)
		}
	}
	e := tail[next*ringEntry:]
	le.PutUint64(e, a)
	le.PutUint64(e[8:], b)
	head := r.slot.head(x)
	le.PutUint16(head, uint16(n))
	le.PutUint16(head[2:], uint16((next+1)%r.max))
}
