package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"insolite/internal/event"
)

var le = binary.LittleEndian

// Spec describes one cell: what of a key's samples is remembered, for how long.
type Spec struct {
	Identity uint64 // a stable hash of the definition (source, wheres, fields, window, family, exact); state is found by it
	Family   Family
	Window   Window
	Kinds    []event.Kind // of the sampled fields, in order; none for count and time_since without a field
	Exact    bool         // Distinct, Bins: at most MaxRows rows instead of registers, or bins
}

// Check returns what is wrong with s. Rules are checked long before, so it is a programming error.
func (s Spec) Check() error {
	w := s.Window
	switch {
	case s.Family < Count || s.Family > Bins:
		return fmt.Errorf("window: no family %d", s.Family)
	case w.Kind < Sliding || w.Kind > Forever:
		return fmt.Errorf("window: no kind of window %d", w.Kind)
	case w.Kind <= Session && w.Kind != Calendar && w.Length <= 0:
		return errors.New("window: the length is not positive")
	case w.Kind == Calendar && (w.Unit < Minute || w.Unit > Month):
		return fmt.Errorf("window: no unit %d", w.Unit)
	case w.Kind == Events && (w.N < 1 || w.N > MaxEvents):
		return fmt.Errorf("window: %d events, want 1 to %d", w.N, MaxEvents)
	case s.Family == Recent && len(s.Kinds) > maxFields:
		return fmt.Errorf("window: %d fields, at most %d can be kept", len(s.Kinds), maxFields)
	case s.Family == Count || s.Family == Recent:
		return nil
	case len(s.Kinds) != 1:
		return fmt.Errorf("window: %d fields for one aggregate", len(s.Kinds))
	}
	for a := AggCount; a <= AggPercentile; a++ {
		if a.Family() == s.Family && a.Accepts(s.Kinds[0]) {
			return nil
		}
	}
	return fmt.Errorf("window: family %d of a %s", s.Family, s.Kinds[0])
}

// Query is what is asked of a cell: an aggregate that its family serves.
type Query struct {
	Agg Agg
	P   Percent // of AggPercentile
}

// Reading says what a value was computed from.
type Reading struct {
	Samples  int
	From, To event.Time // the window's edges; NoTime where it is open
}

// Drops counts what gave way to a limit.
type Drops struct {
	Panes    uint64 // live panes beyond maxPanes or maxApart: events far ahead of the watermark
	Rows     uint64 // rows beyond MaxRows
	Sessions uint64 // sessions beyond maxSessions
	Samples  uint64 // samples of first, last, delta and time_since beyond 16 that a window could still have read
	Text     uint64 // strings beyond textMax bytes, which first and last read as unknown
}

// form is how a cell's tail is laid out.
type form uint8

const (
	formPanes form = iota
	formRows
	formSessions
	formRecent
	formGroups
	formGroupSessions
)

// Every head starts with the run of its entries: first u16, count u16, stride u16, flags u16.
const (
	headRun   = 8
	foldValid = 1 // flag: the head's fold holds
)

// Cell is the code of one feature's state. The zero head with an empty tail is the empty state.
type Cell struct {
	form     form
	distinct bool
	byValue  bool       // a state of panes may be by value
	folds    bool       // the head keeps the fold of all panes but the newest: a sliding window of aggregates of fixed size
	keyLen   int        // bytes of an entry before its aggregate (of a row: before its value)
	stride   int        // of an entry; for Distinct the narrowest
	max      int        // entries
	span     int64      // panes before the one that holds t
	reach    int64      // nanoseconds of those
	at       bucket     // the last one looked up
	agg      aggregate  // nil for Recent and Bins
	inverse  invertible // agg, when folds can lose an older pane to the bit

	horizon bucket // the last one looked up
	step    int64  // nanoseconds of a sliding window's pane
	spec    Spec
	acc     [wideSize]byte
	set     *hashSet    // of exact sets
	bins    *bins       // scratch of groups
	ordered []uint64    // scratch of exact percentiles
	key     []byte      // scratch of a hashed value
	panes   []byte      // scratch of toPanes
	sampled event.Value // its hash, or the sample of a row

	Drops  Drops  // what gave way so far
	Folded uint64 // panes that were merged for sliding windows so far: what reads cost beyond the event
}

// bucket is one pane's [from, to).
type bucket struct {
	from, to event.Time
	pane     int64
}

// NewCell returns the code for a spec.
func NewCell(s Spec) (*Cell, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	c := &Cell{spec: s, step: int64(s.Window.Step()), max: maxPanes, keyLen: 8, distinct: s.Family == Distinct}
	if s.Window.Kind == Sliding {
		c.span, c.reach = span, span*c.step
	}
	if s.Family == Recent {
		c.form, c.max = formRecent, recentMax
		if n := s.Window.N; s.Window.Kind == Events && n < recentMax {
			c.max = n
		}
		return c, nil
	}
	if s.Family != Bins {
		c.agg = newAggregate(s)
	}
	switch {
	case s.Window.Kind == Events:
		c.form, c.max = formRows, s.Window.N
	case s.Window.Kind == Exact, s.Exact && (s.Family == Distinct || s.Family == Bins):
		c.form, c.max = formRows, MaxRows
	case s.Window.Kind == Session:
		c.form, c.max, c.keyLen = formSessions, maxSessions, 16
	}
	if s.Family == Bins {
		c.newBins()
		return c, nil
	}
	c.folds = c.form == formPanes && c.span > 0 && s.Family != Distinct
	if c.folds {
		c.keyLen = 0
		c.inverse, _ = c.agg.(invertible)
	}
	c.byValue = c.form == formPanes && c.span > 0 && c.distinct
	c.stride = c.keyLen + c.agg.size()
	if c.form == formRows {
		c.stride = c.keyLen + rowBytes(s)
	}
	if s.Family == Distinct && c.form == formRows && s.Exact {
		c.set = &hashSet{}
	}
	return c, nil
}

// newBins completes a cell of percentiles.
func (c *Cell) newBins() {
	switch c.form {
	case formRows:
		c.stride = c.keyLen + rowBytes(c.spec)
		c.ordered = make([]uint64, 0, c.max)
		return
	case formSessions:
		c.form, c.keyLen = formGroupSessions, sessionHead
	default:
		c.form, c.keyLen = formGroups, groupHead
	}
	c.bins = &bins{}
}

// Spec returns what the cell was made from.
func (c *Cell) Spec() Spec { return c.spec }

// HeadSize is the size of the head in bytes, a multiple of 8.
func (c *Cell) HeadSize() int {
	switch {
	case c.folds:
		return foldState + c.agg.size()
	case c.form == formRecent:
		return recentHead
	case c.bins != nil:
		return groupsSize
	case c.byValue:
		return valuesHead
	}
	return headRun
}

// FirstTail is the size of the tail in bytes that a key's first sample needs, as far as it is known beforehand.
func (c *Cell) FirstTail() int {
	if c.form == formRecent {
		n := recentEntry
		for _, k := range c.spec.Kinds {
			n += 1 + valueBytes(k)
		}
		return (n + 7) &^ 7
	}
	if c.byValue {
		return valueEntry
	}
	if c.bins != nil {
		return (c.keyLen + 8 + 7) &^ 7
	}
	return c.stride
}

// TailBytes estimates the tail of a key with so many samples, each in a pane or session of its own.
func (c *Cell) TailBytes(samples int) int {
	live := c.max
	switch {
	case c.spec.Window.Kind == Calendar && c.form != formRows, c.spec.Window.Kind == Forever && c.form == formPanes:
		live = 1
	case c.form == formGroups && c.span == 0:
		return c.FirstTail() + 4*min(samples, binsMax) // one list
	case c.form == formPanes, c.form == formGroups:
		live = span + 1
	}
	return min(samples, live) * c.FirstTail()
}

// Empty reports whether the state is that of a key without samples, as far as it was told; expired panes may still be there.
func (c *Cell) Empty(head []byte) bool { return le.Uint16(head[2:]) == 0 }

// Add absorbs a sample at an instant, with one value per field. When the tail is too short, it returns how many bytes it has to have;
// the caller appends zeros and calls again. What no event at or after the watermark can read may be forgotten.
func (c *Cell) Add(head, tail []byte, at event.Time, values []event.Value, watermark event.Time) (need int) {
	switch c.form {
	case formPanes:
		return c.addPane(head, tail, at, values, watermark)
	case formRows:
		return c.addRow(head, tail, at, values, watermark)
	case formSessions:
		return c.addSession(head, tail, at, values, watermark)
	case formGroups:
		return c.addGroup(head, tail, at, values, watermark)
	case formGroupSessions:
		return c.addGroupSession(head, tail, at, values, watermark)
	}
	return c.addRecent(head, tail, at, values, watermark)
}

// Read writes the value for an event at an instant into dst: one value per field for first and last, else one. A value that is unknown is
// missing. Strings are views of the tail.
func (c *Cell) Read(head, tail []byte, q Query, at event.Time, dst []event.Value) Reading {
	switch c.form {
	case formPanes:
		return c.readPanes(head, tail, q.Agg, at, dst)
	case formRows:
		return c.readRows(head, tail, q, at, dst)
	case formSessions:
		return c.readSessions(head, tail, q.Agg, at, dst)
	case formGroups:
		return c.readGroups(head, tail, q, at, &dst[0])
	case formGroupSessions:
		return c.readGroupSession(head, tail, q, at, &dst[0])
	}
	return c.readRecent(head, tail, q.Agg, at, dst)
}

// Hot is where in the tail the newest entry is, which the next event most likely changes.
func (c *Cell) Hot(head []byte) int {
	if c.form == formRecent {
		return int(le.Uint32(head[recentLast:]))
	}
	if c.bins != nil {
		return int(le.Uint32(head[groupsLast:]))
	}
	if c.byValue && flags(head)&valuesForm != 0 {
		return 0
	}
	stride := c.stride
	if c.distinct {
		stride = max(stride, int(le.Uint16(head[4:])))
	}
	return max(0, int(le.Uint16(head))+int(le.Uint16(head[2:]))-1) * stride
}

// pane returns the pane of an instant: its number in a sliding window, the start of a calendar's bucket, 0 in a window that has one.
func (c *Cell) pane(at event.Time) int64 {
	if at >= c.at.from && at < c.at.to {
		return c.at.pane
	}
	c.at = c.lookup(at)
	return c.at.pane
}

// dead returns the first pane that an event at or after the watermark can read.
func (c *Cell) dead(watermark event.Time) int64 {
	if watermark == event.NoTime {
		return math.MinInt64
	}
	if watermark < c.horizon.from || watermark >= c.horizon.to {
		c.horizon = c.lookup(watermark)
	}
	return c.horizon.pane - c.span
}

func (c *Cell) lookup(at event.Time) bucket {
	switch c.spec.Window.Kind {
	case Sliding:
		p := floorDiv(int64(at), c.step)
		from := event.Time(p * c.step)
		return bucket{from, from + event.Time(c.step), p}
	case Calendar:
		start, end := c.spec.Window.Bucket(at)
		return bucket{start, end, int64(start)}
	}
	return bucket{event.NoTime, math.MaxInt64, 0}
}

// value returns the sample's value; count without a field has none.
func value(values []event.Value) *event.Value {
	if len(values) == 0 {
		return &noValue
	}
	return &values[0]
}

var noValue event.Value // never written
