package window

// run is the sorted run of entries in a tail: count entries of stride bytes behind first free places. Entries leave at the front as time
// goes on, so dropping there only moves first.
type run struct {
	head, tail []byte
	stride     int
}

func (r run) first() int { return int(le.Uint16(r.head)) }
func (r run) len() int   { return int(le.Uint16(r.head[2:])) }
func (r run) set(first, count int) {
	le.PutUint16(r.head, uint16(first))
	le.PutUint16(r.head[2:], uint16(count))
}

// at returns entry i.
func (r run) at(i int) []byte {
	off := (r.first() + i) * r.stride
	return r.tail[off : off+r.stride : off+r.stride]
}

// key returns the first eight bytes of entry i.
func (r run) key(i int) int64 { return int64(le.Uint64(r.tail[(r.first()+i)*r.stride:])) }

// before returns how many entries have a key below k.
func (r run) before(k int64) int {
	lo, hi := 0, r.len()
	for lo < hi {
		if m := (lo + hi) / 2; r.key(m) < k {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// after returns the place behind the last entry with a key of at most k, looked for from the end, where it nearly always is.
func (r run) after(k int64) int {
	i := r.len()
	for i > 0 && r.key(i-1) > k {
		i--
	}
	return i
}

// dropFront forgets the first n entries.
func (r run) dropFront(n int) {
	if n == r.len() {
		r.set(0, 0)
		return
	}
	r.set(r.first()+n, r.len()-n)
}

// room makes sure that one more entry fits, or returns the bytes that the tail needs.
func (r run) room() (need int) {
	first, n := r.first(), r.len()
	if (first+n+1)*r.stride <= len(r.tail) {
		return 0
	}
	if first > 0 && first >= n/8 { // moving the rest is paid for by the entries that left
		copy(r.tail, r.tail[first*r.stride:(first+n)*r.stride])
		r.set(0, n)
		return 0
	}
	return (first + n + 1) * r.stride
}

// insert opens a zero entry at place i; there must be room.
func (r run) insert(i int) []byte {
	first, n := r.first(), r.len()
	off := (first + i) * r.stride
	copy(r.tail[off+r.stride:(first+n+1)*r.stride], r.tail[off:(first+n)*r.stride])
	r.set(first, n+1)
	e := r.tail[off : off+r.stride : off+r.stride]
	clear(e)
	return e
}

// remove closes entry i.
func (r run) remove(i int) {
	first, n := r.first(), r.len()
	off := (first + i) * r.stride
	copy(r.tail[off:], r.tail[off+r.stride:(first+n)*r.stride])
	r.set(first, n-1)
}

// widen spreads the entries to a larger stride, or returns the bytes that the tail needs for it. The new bytes of each entry are zero.
func (r run) widen(stride int) (need int) {
	first, n := r.first(), r.len()
	if n*stride > len(r.tail) {
		return n * stride
	}
	if first > 0 {
		copy(r.tail, r.tail[first*r.stride:(first+n)*r.stride])
		r.set(0, n)
	}
	for i := n - 1; i >= 0; i-- {
		copy(r.tail[i*stride:i*stride+r.stride], r.tail[i*r.stride:(i+1)*r.stride])
		clear(r.tail[i*stride+r.stride : (i+1)*stride])
	}
	return 0
}
