package window

// run is the sorted run of entries in a tail: n entries of stride bytes behind first free places. Entries leave at the front as time goes
// on, so dropping there only moves first. First and n are read from the head once, and written back as they change.
//
// An entry's key is its first word, or base plus the upper bits of it.
type run struct {
	head, tail []byte
	stride     int
	first, n   int
	base       int64
	shift      uint8
	reserve    int // bytes at the tail's end that entries leave free
}

func (r *run) set(first, n int) {
	r.first, r.n = first, n
	le.PutUint16(r.head, uint16(first))
	le.PutUint16(r.head[2:], uint16(n))
}

// at returns entry i.
func (r *run) at(i int) []byte {
	off := (r.first + i) * r.stride
	return r.tail[off : off+r.stride : off+r.stride]
}

// key returns the key of entry i.
func (r *run) key(i int) int64 {
	return r.base + int64(le.Uint64(r.tail[(r.first+i)*r.stride:])>>(r.shift&63))
}

// states returns the entries lo to hi, without the bytes before the first one's state.
func (r *run) states(lo, hi, keyLen int) []byte {
	return r.tail[(r.first+lo)*r.stride+keyLen : (r.first+hi)*r.stride]
}

// before returns how many entries have a key below k.
func (r *run) before(k int64) int {
	lo, hi := 0, r.n
	for lo < hi {
		if m := (lo + hi) / 2; r.key(m) < k {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// upTo returns how many entries have a key below k, looked for from the end, where it nearly always is.
func (r *run) upTo(k int64) int {
	i := r.n
	for i > 0 && r.key(i-1) >= k {
		i--
	}
	return i
}

// after returns the place behind the last entry with a key of at most k, looked for from the end.
func (r *run) after(k int64) int {
	i := r.n
	for i > 0 && r.key(i-1) > k {
		i--
	}
	return i
}

// full reports whether there is no place behind the last entry.
func (r *run) full() bool { return (r.first+r.n+1)*r.stride+r.reserve > len(r.tail) }

// dropFront forgets the first n entries.
func (r *run) dropFront(n int) {
	if n == r.n {
		r.set(0, 0)
		return
	}
	r.set(r.first+n, r.n-n)
}

// room makes sure that one more entry fits, or returns the bytes that the tail needs.
func (r *run) room() (need int) {
	if !r.full() {
		return 0
	}
	if r.first > 0 && r.first >= r.n/8 && (r.n+1)*r.stride+r.reserve <= len(r.tail) { // moving the rest is paid for by the entries that left
		copy(r.tail, r.tail[r.first*r.stride:(r.first+r.n)*r.stride])
		r.set(0, r.n)
		return 0
	}
	return (r.first+r.n+1)*r.stride + r.reserve
}

// insert opens an entry at place i, zero but for its key; there must be room.
func (r *run) insert(i int, key int64) []byte {
	off := (r.first + i) * r.stride
	if i < r.n {
		copy(r.tail[off+r.stride:(r.first+r.n+1)*r.stride], r.tail[off:(r.first+r.n)*r.stride])
	}
	r.set(r.first, r.n+1)
	e := r.tail[off : off+r.stride : off+r.stride]
	clear(e)
	le.PutUint64(e, uint64(key-r.base)<<(r.shift&63))
	return e
}

// remove closes entry i.
func (r *run) remove(i int) {
	off := (r.first + i) * r.stride
	copy(r.tail[off:], r.tail[off+r.stride:(r.first+r.n)*r.stride])
	r.set(r.first, r.n-1)
}

// widen spreads the entries to a larger stride, or returns the bytes that the tail needs for it. The new bytes of each entry are zero.
func (r *run) widen(stride int) (need int) {
	if need := r.n*stride + r.reserve; need > len(r.tail) {
		return need
	}
	if r.first > 0 {
		copy(r.tail, r.tail[r.first*r.stride:(r.first+r.n)*r.stride])
		r.set(0, r.n)
	}
	for i := r.n - 1; i >= 0; i-- {
		copy(r.tail[i*stride:i*stride+r.stride], r.tail[i*r.stride:(i+1)*r.stride])
		clear(r.tail[i*stride+r.stride : (i+1)*stride])
	}
	r.stride = stride
	return 0
}
