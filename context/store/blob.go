package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"insolite/internal/event"
)

// A blob is the version u8, seven zero bytes, the layout's id u64, the number of parts u32, where the key starts u32, and the block's bytes
// in use.
const (
	blobVersion = 1
	blobHeader  = 24
)

var (
	errBlob     = errors.New("malformed context")
	errDescribe = errors.New("malformed description of a layout")

	// ErrNewer is returned for a context, or a description of a layout, that a newer version of the program has written.
	ErrNewer = errors.New("written by a newer version of the program")

	// ErrLayout is returned for a blob of a layout that the keyspace was never told of.
	ErrLayout = errors.New("context of an unknown layout")
)

// description is what is known of an older layout.
type description struct {
	parts []part
	tails int
	of    []int // by part of the keyspace's layout: which of these it is, -1: none; nil: not known yet
}

// RememberLayout tells the keyspace of a layout, as Describe wrote it, whose blobs may be loaded.
func (k *Keyspace) RememberLayout(desc []byte) error {
	id := xxh3.Hash(desc)
	if len(desc) == 0 {
		return fmt.Errorf("remember layout: %w", errDescribe)
	}
	if desc[0] != blobVersion {
		return fmt.Errorf("remember layout: format %d, this one reads %d: %w", desc[0], blobVersion, ErrNewer)
	}
	n, w := binary.Uvarint(desc[1:])
	if w <= 0 || n > uint64(len(desc)) {
		return fmt.Errorf("remember layout: %w", errDescribe)
	}
	b := desc[1+w:]
	d := &description{tails: headerSize + round8(4*(int(n)+1))}
	for range n {
		if len(b) < 10 {
			return fmt.Errorf("remember layout: %w", errDescribe)
		}
		p := part{kind: partKind(b[0]), identity: le.Uint64(b[1:]), at: d.tails}
		head, w := binary.Uvarint(b[9:])
		if w <= 0 || head > 1<<16 {
			return fmt.Errorf("remember layout: %w", errDescribe)
		}
		p.head = int(head)
		d.tails += p.head
		d.parts = append(d.parts, p)
		b = b[9+w:]
	}
	if len(b) != 0 {
		return fmt.Errorf("remember layout: %w", errDescribe)
	}
	k.known[id] = d
	return nil
}

// Blob appends the bytes of a context to dst: all that Load needs, and the same for the same history.
func (k *Keyspace) Blob(dst []byte, h Handle) []byte {
	l, b := k.layout, k.block(h)
	dst = le.AppendUint64(dst, blobVersion)
	dst = le.AppendUint64(dst, l.id)
	dst = le.AppendUint32(dst, uint32(len(l.parts)))
	dst = le.AppendUint32(dst, uint32(l.tails))
	return append(dst, b[:le.Uint32(b[headerSize+4*len(l.parts):])]...)
}

// Empty appends the blob of a context of a key that has none, in which nothing is, but which has seen the log up to a position.
func (k *Keyspace) Empty(dst, key []byte, p event.Position) []byte {
	h := k.Create(Hash(key), key)
	x := k.View(h)
	x.Advance(p, event.NoTime)
	dst = k.Blob(dst, h)
	k.remove(h)
	return dst
}

// blobBlock checks a blob's shape and returns its block, the number of its parts and where the key starts.
func blobBlock(blob []byte) (b []byte, parts, key int, err error) {
	if len(blob) < blobHeader+headerSize+4 {
		return nil, 0, 0, errBlob
	}
	if v := le.Uint64(blob); v != blobVersion {
		return nil, 0, 0, fmt.Errorf("context of format %d, this one reads %d: %w", v, blobVersion, ErrNewer)
	}
	parts, key = int(le.Uint32(blob[16:])), int(le.Uint32(blob[20:]))
	b = blob[blobHeader:]
	if parts > len(b)/4 || headerSize+4*(parts+1) > key || key > len(b) {
		return nil, 0, 0, errBlob
	}
	at := uint64(key) + uint64(le.Uint32(b[20:]))
	for i := range parts + 1 {
		off := uint64(le.Uint32(b[headerSize+4*i:]))
		if off < at || off > uint64(len(b)) {
			return nil, 0, 0, errBlob
		}
		at = off
	}
	if at != uint64(len(b)) {
		return nil, 0, 0, errBlob
	}
	return b, parts, key, nil
}

// BlobKey returns the key of a blob's context, as a view.
func BlobKey(blob []byte) ([]byte, error) {
	b, _, key, err := blobBlock(blob)
	if err != nil {
		return nil, fmt.Errorf("read key of a context: %w", err)
	}
	return b[key : key+int(le.Uint32(b[20:]))], nil
}

// BlobPosition returns how far the log has been applied to a blob's context.
func BlobPosition(blob []byte) (event.Position, error) {
	b, _, _, err := blobBlock(blob)
	if err != nil {
		return event.Position{}, fmt.Errorf("read position of a context: %w", err)
	}
	return event.Position{Offset: event.Offset(le.Uint64(b)), Step: le.Uint32(b[16:])}, nil
}

// deadline is that of a block of the layout: of all kinds of parts that wait.
func (d *description) deadline(b []byte) event.Time {
	least := event.Never
	for i := range d.parts {
		if p := &d.parts[i]; p.kind == partTimers {
			least = min(least, timersDeadline(b[p.at:]))
		}
	}
	return least
}

// Load brings a blob's context into memory; its key, with that hash, must not have one there. A blob of another layout is converted: parts are
// found by kind and identity, those that are new start empty. The context is clean, unless it has another deadline than the blob, by which it
// is found in the store.
func (k *Keyspace) Load(hash uint64, blob []byte) (Handle, error) {
	b, parts, key, err := blobBlock(blob)
	if err != nil {
		return 0, fmt.Errorf("load context: %w", err)
	}
	id := le.Uint64(blob[8:])
	if id == k.layout.id {
		if parts != len(k.layout.parts) || key != k.layout.tails {
			return 0, fmt.Errorf("load context: %w", errBlob)
		}
		h, dst := k.alloc(fingerprint(hash), len(b))
		copy(dst, b)
		k.Wait(h)
		return h, nil
	}
	d := k.known[id]
	if d == nil {
		return 0, fmt.Errorf("load context: %w", ErrLayout)
	}
	if parts != len(d.parts) || key != d.tails {
		return 0, fmt.Errorf("load context: %w", errBlob)
	}
	size := d.size(k.layout, b)
	h, to := k.alloc(fingerprint(hash), size)
	d.convert(k.layout, b, to[:size])
	k.settle(h, b, d)
	return h, nil
}

// Take takes over all contexts of another keyspace, which is of no use afterwards, into one that is empty: as they are when both layouts have the
// same parts, else converted as by Load. They stay as dirty as they were.
func (k *Keyspace) Take(from *Keyspace) {
	layout, known := k.layout, k.known
	if layout.id == from.layout.id {
		*k = *from
		k.layout, k.known = layout, known
		k.evict, k.expire, k.moved = 0, 0, 0
		return
	}
	k.table, k.free, k.dirty, k.stale = from.table, from.free, from.dirty, from.stale // handles stay what they are
	k.metas = slices.Clone(from.metas)
	d := &description{parts: from.layout.parts, tails: from.layout.tails}
	for h := range from.All {
		old := from.block(h)
		size := d.size(layout, old)
		b := k.place(&k.metas[h], size)
		d.convert(layout, old, b[:size])
		k.settle(h, old, d)
	}
}

// settle notes when something is due in a context that was converted.
func (k *Keyspace) settle(h Handle, old []byte, d *description) {
	k.Wait(h)
	if d.deadline(old) != k.Deadline(h) {
		k.markDirty(h)
	}
}

// size is how many bytes a block of a layout has that is made from one of this older one.
func (d *description) size(l *Layout, old []byte) int {
	if d.of == nil {
		d.match(l)
	}
	size := l.tails + round8(int(le.Uint32(old[20:])))
	for i := range l.parts {
		size += d.tail(l, i, old)
	}
	return size
}

// convert makes a block of a layout from one of this older one.
func (d *description) convert(l *Layout, old, b []byte) {
	key := old[d.tails : d.tails+int(le.Uint32(old[20:]))]
	tails := l.tails + round8(len(key))
	clear(b)
	copy(b, old[:headerSize])
	copy(b[l.tails:], key)
	at := tails
	for i := range l.parts {
		le.PutUint32(b[headerSize+4*i:], uint32(at))
		if j := d.of[i]; j >= 0 {
			p, q, dir := &l.parts[i], &d.parts[j], old[headerSize+4*j:]
			copy(b[p.at:p.at+p.head], old[q.at:])
			copy(b[at:], old[le.Uint32(dir):le.Uint32(dir[4:])])
		}
		at += d.tail(l, i, old)
	}
	le.PutUint32(b[headerSize+4*len(l.parts):], uint32(at))
}

// match finds the parts of a layout in this older one, by kind and identity.
func (d *description) match(l *Layout) {
	type name struct {
		kind     partKind
		identity uint64
		head     int
	}
	known := map[name]int{}
	for j := range d.parts {
		q := &d.parts[j]
		known[name{q.kind, q.identity, q.head}] = j
	}
	d.of = make([]int, len(l.parts))
	for i := range l.parts {
		p := &l.parts[i]
		d.of[i] = -1
		if j, ok := known[name{p.kind, p.identity, p.head}]; ok {
			d.of[i] = j
		}
	}
}

// tail is how many bytes the tail of a part of a layout takes that is made from a block of this older one.
func (d *description) tail(l *Layout, i int, old []byte) int {
	p, j := &l.parts[i], d.of[i]
	if j < 0 {
		return p.tail
	}
	dir := old[headerSize+4*j:]
	switch n := int(le.Uint32(dir[4:]) - le.Uint32(dir)); {
	case n <= p.tail:
		return p.tail
	case p.kind == partBaseline: // it grows no more
		return n
	default:
		return grown(n)
	}
}
