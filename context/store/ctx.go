package store

import (
	"insolite/context/window"
	"insolite/internal/event"
)

// Ctx is a view of one key's context. It is a small value; its methods and those of the parts take its address because its block may move.
type Ctx struct {
	keys   *Keyspace
	handle Handle
	b      []byte
}

// Handle returns the context's handle.
func (x *Ctx) Handle() Handle { return x.handle }

// Key returns the context's key, as a view.
func (x *Ctx) Key() []byte { return x.keys.key(x.b) }

// Position returns how far the log has been applied to the context.
func (x *Ctx) Position() event.Position {
	return event.Position{Offset: event.Offset(le.Uint64(x.b)), Step: le.Uint32(x.b[16:])}
}

// Newest returns the newest time of the events applied to the context, or NoTime.
func (x *Ctx) Newest() event.Time { return event.Time(le.Uint64(x.b[8:])) }

// Advance notes that the log has been applied up to a position, with an event at that instant. It is called for each event of the key,
// absorbed or not, and marks the context dirty.
func (x *Ctx) Advance(p event.Position, at event.Time) {
	le.PutUint64(x.b, uint64(p.Offset))
	le.PutUint32(x.b[16:], p.Step)
	if at > x.Newest() {
		le.PutUint64(x.b[8:], uint64(at))
	}
	x.keys.markDirty(x.handle)
}

// slot is where a part is.
type slot struct {
	index    int
	from, to int // of the head
	dir      int // of the directory's entry
}

func (s *slot) place(l *Layout) {
	p := &l.parts[s.index]
	s.from, s.to = p.at, p.at+p.head
	s.dir = headerSize + 4*s.index
}

func (s *slot) head(x *Ctx) []byte { return x.b[s.from:s.to:s.to] }

func (s *slot) tail(x *Ctx) []byte {
	d := x.b[s.dir : s.dir+8]
	from, to := le.Uint32(d), le.Uint32(d[4:])
	return x.b[from:to:to]
}

// grow makes the part's tail at least need bytes long: half again while it is short, an eighth when it is long.
func (s *slot) grow(x *Ctx, need int) {
	s.stretch(x, grown(need))
}

// grown is how long a tail is made that has to have so many bytes.
func grown(need int) int { return round8(need + min(need/2, 64+need/8)) }

// stretch makes the part's tail so many bytes long, a multiple of 8.
func (s *slot) stretch(x *Ctx, size int) {
	parts := len(x.keys.layout.parts)
	from, to, end := le.Uint32(x.b[s.dir:]), le.Uint32(x.b[s.dir+4:]), int(le.Uint32(x.b[headerSize+4*parts:]))
	more := size - int(to-from)
	if end+more > len(x.b) {
		x.move(end, more)
	}
	copy(x.b[int(to)+more:end+more], x.b[to:end])
	clear(x.b[to : int(to)+more])
	for i := s.index + 1; i <= parts; i++ {
		d := x.b[headerSize+4*i:]
		le.PutUint32(d, le.Uint32(d)+uint32(more))
	}
}

// move puts the context's block, of which n bytes are in use, into one that has room for more.
func (x *Ctx) move(n, more int) {
	k := x.keys
	k.moved++
	m := &k.metas[x.handle]
	class := classOf(n + more)
	id, b := k.slabs[class].get()
	copy(b, x.b[:n])
	k.slabs[m.class].put(m.block)
	k.used += int64(classes[class] - classes[m.class])
	m.block, m.class = id, uint8(class)
	x.b = b
}

// Cell is a feature's state in a context; see [window.Cell].
type Cell struct {
	w    *window.Cell
	slot slot
}

// Spec returns what the cell was made from.
func (c *Cell) Spec() window.Spec { return c.w.Spec() }

// Window returns the cell's window.
func (c *Cell) Window() window.Window { return c.w.Spec().Window }

// Add absorbs a sample at an instant, with one value per field of the spec. No event before the watermark will be read for any more.
func (c *Cell) Add(x *Ctx, at event.Time, values []event.Value, watermark event.Time) {
	for {
		need := c.w.Add(c.slot.head(x), c.slot.tail(x), at, values, watermark)
		if need == 0 {
			return
		}
		c.slot.grow(x, need)
	}
}

// Read writes the value for an event at an instant into dst: one per field for first and last, else one. What is unknown is missing.
// Strings are views, valid until the context changes.
//
// With exclude_current, for an event that is no sample, and always for time_since, read before Add; else after it.
func (c *Cell) Read(x *Ctx, q window.Query, at event.Time, dst []event.Value) window.Reading {
	return c.w.Read(c.slot.head(x), c.slot.tail(x), q, at, dst)
}

func (c *Cell) pins(x *Ctx, _ event.Time) bool { return !c.w.Empty(c.slot.head(x)) }
