package store

import (
	"bytes"
	"unsafe"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

// Handle names a context of a keyspace until it is evicted or expires; then it may name another.
type Handle uint32

// Options configure a keyspace.
type Options struct {
	MemoryHint int // keys to reserve room for in the table; default: few
}

// meta is where a context's block is.
type meta struct {
	block block
	class uint8
	flags uint8
}

const (
	live   = 1 << iota // the handle names a context
	dirty              // it changed since MarkClean
	listed             // the handle is in Keyspace.dirty
	recent             // it changed since Cold looked at it last
)

// Keyspace is the contexts of all keys in memory.
type Keyspace struct {
	layout  *Layout
	table   table
	metas   []meta
	free    []Handle
	slabs   []slab
	dirty   []Handle // in the order in which they became so; may have some that are clean again
	stale   int      // how many are dirty
	cursor  int      // of Expire
	hand    int      // of Cold
	swept   Ctx      // scratch of Expire
	used    int64    // bytes of the blocks in use
	known   map[uint64]*description
	handles [64]Handle // scratch of Touch
	blocks  [64][]byte
	due     deadlines
	evict   uint64
	expire  uint64
	moved   uint64
}

// New returns an empty keyspace.
func New(l *Layout, o Options) *Keyspace {
	k := &Keyspace{layout: l, table: newTable(o.MemoryHint), slabs: make([]slab, len(classes)), known: map[uint64]*description{}, due: deadlines{parted: event.Never}}
	for i := range k.slabs {
		k.slabs[i] = newSlab(classes[i])
	}
	if o.MemoryHint > 0 {
		k.metas = make([]meta, 0, o.MemoryHint)
	}
	return k
}

// Hash is the hash of a key that Find and Create want.
func Hash(key []byte) uint64 { return xxh3.Hash(key) }

// Layout returns the keyspace's layout.
func (k *Keyspace) Layout() *Layout { return k.layout }

// Len returns the number of contexts in memory.
func (k *Keyspace) Len() int { return k.table.n }

// Bytes returns the memory of the contexts: their blocks, handles and table.
func (k *Keyspace) Bytes() int64 {
	return k.used + int64(len(k.metas))*metaBytes + int64(len(k.table.places))*8 + k.due.bytes()
}

// Touch brings the contexts of keys into the cache. It only asks for memory where it can, so that the cache misses of a batch overlap.
func (k *Keyspace) Touch(hashes []uint64) {
	for len(hashes) > 0 {
		n := min(len(hashes), len(k.handles))
		k.touch(hashes[:n])
		hashes = hashes[n:]
	}
}

func (k *Keyspace) touch(hashes []uint64) {
	for _, hash := range hashes {
		prefetch((*byte)(unsafe.Pointer(&k.table.places[fingerprint(hash)&k.table.mask])), 8)
	}
	n := 0
	for _, hash := range hashes {
		if h := Handle(k.table.places[fingerprint(hash)&k.table.mask]); h != 0 {
			k.handles[n] = h - 1
			prefetch((*byte)(unsafe.Pointer(&k.metas[h-1])), int(unsafe.Sizeof(meta{})))
			n++
		}
	}
	fixed := k.layout.tails + 16 // a key of usual length
	for i, h := range k.handles[:n] {
		b := k.block(h)
		k.blocks[i] = b
		prefetch(unsafe.SliceData(b), min(fixed, len(b)))
	}
	for _, b := range k.blocks[:n] {
		k.layout.touchTails(b)
	}
}

// touchTails asks for the places in the tails that the next event changes most likely.
func (l *Layout) touchTails(b []byte) {
	for i := range l.hot {
		c := &l.hot[i]
		if at := int(le.Uint32(b[c.dir:])) + c.cell.Hot(b[c.head:]); at < len(b) {
			prefetch(&b[at], 1)
		}
	}
}

// Find returns the handle of a key's context in memory.
func (k *Keyspace) Find(hash uint64, key []byte) (Handle, bool) {
	fp := fingerprint(hash)
	for i := fp & k.table.mask; ; i = (i + 1) & k.table.mask {
		p := k.table.places[i]
		if p == 0 {
			return 0, false
		}
		if uint32(p>>32) == fp {
			h := Handle(uint32(p) - 1)
			if b := k.block(h); bytes.Equal(k.key(b), key) {
				return h, true
			}
		}
	}
}

// Create makes an empty context for a key, which is copied and must not have one.
func (k *Keyspace) Create(hash uint64, key []byte) Handle {
	l := k.layout
	tails := l.tails + round8(len(key))
	h, b := k.alloc(fingerprint(hash), tails+l.first)
	clear(b[:tails+l.first])
	le.PutUint64(b[8:], noTime)
	le.PutUint32(b[20:], uint32(len(key)))
	off := tails
	for i := range l.parts {
		le.PutUint32(b[headerSize+4*i:], uint32(off))
		off += l.parts[i].tail
	}
	le.PutUint32(b[headerSize+4*len(l.parts):], uint32(off))
	copy(b[l.tails:], key)
	return h
}

const noTime = 1 << 63 // the bits of event.NoTime

// alloc returns a new handle, entered in the table, with a block of at least n bytes.
func (k *Keyspace) alloc(fp uint32, n int) (Handle, []byte) {
	var h Handle
	if f := len(k.free); f > 0 {
		h = k.free[f-1]
		k.free = k.free[:f-1]
	} else {
		h = Handle(len(k.metas))
		k.metas = append(k.metas, meta{})
	}
	m := &k.metas[h]
	b := k.place(m, n)
	m.flags = m.flags&listed | live
	k.table.insert(fp, h)
	return h, b
}

// place gives a handle a block of at least n bytes.
func (k *Keyspace) place(m *meta, n int) []byte {
	class := classOf(n)
	id, b := k.slabs[class].get()
	k.used += int64(classes[class])
	m.block, m.class = id, uint8(class)
	return b
}

// remove frees a context.
func (k *Keyspace) remove(h Handle) {
	k.due.forget(h)
	m := &k.metas[h]
	k.table.remove(fingerprint(Hash(k.key(k.block(h)))), h)
	k.slabs[m.class].put(m.block)
	k.used -= int64(classes[m.class])
	if m.flags&dirty != 0 {
		k.stale--
	}
	m.flags &= listed
	k.free = append(k.free, h)
}

func (k *Keyspace) block(h Handle) []byte {
	m := &k.metas[h]
	return k.slabs[m.class].bytes(m.block)
}

func (k *Keyspace) key(b []byte) []byte {
	at, n := k.layout.tails, int(le.Uint32(b[20:]))
	return b[at : at+n : at+n]
}

// View returns the context of a handle. It is valid until another context is created, loaded or evicted.
func (k *Keyspace) View(h Handle) Ctx { return Ctx{keys: k, handle: h, b: k.block(h)} }

// All yields every context in memory, in the order of the handles.
func (k *Keyspace) All(yield func(Handle) bool) {
	for i := range k.metas {
		if k.metas[i].flags&live != 0 && !yield(Handle(i)) {
			return
		}
	}
}

// Dirty yields the contexts that changed since they were marked clean, in the order in which they did. They may be marked clean or evicted
// meanwhile, not changed. One that is marked clean at another time keeps its place when it changes again.
func (k *Keyspace) Dirty(yield func(Handle) bool) {
	kept, more := k.dirty[:0], true
	for i, h := range k.dirty {
		if !more {
			kept = append(kept, k.dirty[i:]...)
			break
		}
		if k.metas[h].flags&(dirty|live) == dirty|live {
			more = yield(h)
		}
		if k.metas[h].flags&(dirty|live) == dirty|live {
			kept = append(kept, h)
		} else {
			k.metas[h].flags &^= listed
		}
	}
	k.dirty = kept
}

// MarkClean says that the context is as in the checkpoint.
func (k *Keyspace) MarkClean(h Handle) {
	if m := &k.metas[h]; m.flags&dirty != 0 {
		m.flags &^= dirty
		k.stale--
	}
}

// DirtyLen returns how many contexts changed since they were marked clean.
func (k *Keyspace) DirtyLen() int { return k.stale }

// IsDirty reports whether the context changed since it was marked clean.
func (k *Keyspace) IsDirty(h Handle) bool { return k.metas[h].flags&dirty != 0 }

func (k *Keyspace) markDirty(h Handle) {
	m := &k.metas[h]
	m.flags |= recent
	if m.flags&dirty == 0 {
		m.flags |= dirty
		k.stale++
		if m.flags&listed == 0 {
			m.flags |= listed
			k.dirty = append(k.dirty, h)
		}
	}
}

// Cold looks at up to max contexts, going on where it last stopped, round and round, and yields those that have not changed since it looked
// at them last (or since they were loaded): they may be evicted when it has returned. It is the clock algorithm.
func (k *Keyspace) Cold(max int, yield func(Handle) bool) {
	for max = min(max, len(k.metas)); max > 0; max-- {
		if k.hand >= len(k.metas) {
			k.hand = 0
		}
		h := Handle(k.hand)
		k.hand++
		m := &k.metas[h]
		switch {
		case m.flags&live == 0:
		case m.flags&recent != 0:
			m.flags &^= recent
		default:
			if !yield(h) {
				return
			}
		}
	}
}

// Evict forgets a context; what is to survive was checkpointed before.
func (k *Keyspace) Evict(h Handle) {
	k.evict++
	k.due.parted = min(k.due.parted, k.Deadline(h))
	k.remove(h)
}

// Expire looks at up to max contexts, going on where it last stopped, and removes those that equal empty ones for every event at or after
// the watermark. Removed is told their keys, to take them out of the checkpoint too. It reports whether contexts are left in this round.
func (k *Keyspace) Expire(watermark event.Time, max int, removed func(key []byte)) (more bool) {
	for ; max > 0 && k.cursor < len(k.metas); max-- {
		h := Handle(k.cursor)
		k.cursor++
		if k.metas[h].flags&live == 0 || !k.expired(h, watermark) {
			continue
		}
		k.expire++
		if removed != nil {
			removed(k.key(k.block(h)))
		}
		k.remove(h)
	}
	if k.cursor < len(k.metas) {
		return true
	}
	k.cursor = 0
	return false
}

func (k *Keyspace) expired(h Handle, watermark event.Time) bool {
	x := &k.swept
	*x = k.View(h)
	if x.Newest().Add(k.layout.retention) >= watermark {
		return false
	}
	for _, p := range k.layout.pinning {
		if p.pins(x, watermark) {
			return false
		}
	}
	return true
}
