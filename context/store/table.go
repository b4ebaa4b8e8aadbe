package store

// table finds handles by fingerprint: open addressing, linear probing, deletion by moving what follows back. A place is the fingerprint
// in the upper half and the handle plus one in the lower; 0 is free. The fingerprint alone says where a place belongs, so the table grows
// without touching a context.
type table struct {
	places []uint64
	mask   uint32
	n      int
}

const smallestTable = 16

func newTable(hint int) table {
	size := smallestTable
	for size*3/4 < hint {
		size *= 2
	}
	return table{places: make([]uint64, size), mask: uint32(size - 1)}
}

// fingerprint folds a hash to the 32 bits that a table keeps.
func fingerprint(hash uint64) uint32 { return uint32(hash ^ hash>>32) }

func (t *table) insert(fp uint32, h Handle) {
	if (t.n+1)*4 > len(t.places)*3 {
		t.grow()
	}
	t.n++
	t.put(uint64(fp)<<32 | uint64(h) + 1)
}

func (t *table) put(place uint64) {
	i := uint32(place>>32) & t.mask
	for t.places[i] != 0 {
		i = (i + 1) & t.mask
	}
	t.places[i] = place
}

func (t *table) grow() {
	old := t.places
	t.places = make([]uint64, 2*len(old))
	t.mask = uint32(len(t.places) - 1)
	for _, p := range old {
		if p != 0 {
			t.put(p)
		}
	}
}

// remove takes out the place of a handle.
func (t *table) remove(fp uint32, h Handle) {
	want := uint64(fp)<<32 | uint64(h) + 1
	i := fp & t.mask
	for t.places[i] != want {
		i = (i + 1) & t.mask
	}
	t.n--
	for j := i; ; {
		j = (j + 1) & t.mask
		p := t.places[j]
		if p == 0 {
			break
		}
		if home := uint32(p>>32) & t.mask; (j-home)&t.mask >= (j-i)&t.mask {
			t.places[i] = p
			i = j
		}
	}
	t.places[i] = 0
}
