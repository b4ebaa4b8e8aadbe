package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"

	"insolite/context/baseline"
	"insolite/context/window"
	"insolite/internal/event"
)

var le = binary.LittleEndian

// Specs says what a context consists of. The identities of all parts of one kind differ.
type Specs struct {
	Cells     []window.Spec
	Dedupe    []DedupeSpec
	Suppress  []SuppressSpec
	Evidence  []EvidenceSpec
	Baselines []BaselineSpec
	Timers    []TimersSpec
	Values    []NewValueSpec
	Sequence  []SequenceSpec
}

// partKind distinguishes equal identities of different kinds of parts.
type partKind byte

const (
	partCell partKind = iota + 1
	partDedupe
	partSuppress
	partEvidence
	partBaseline
	partTimers
	partNewValue
	partSequence
)

// part is one piece of state with a head of fixed size and a tail.
type part struct {
	kind      partKind
	identity  uint64
	head      int // bytes, a multiple of 8
	tail      int // bytes, a multiple of 8: the tail's first size
	retention time.Duration
	at        int // of the head in the block
}

// Layout is what the contexts of a keyspace consist of.
type Layout struct {
	id        uint64
	parts     []part
	tails     int // where the key starts: behind header, directory and heads
	first     int // bytes of all first tails
	retention time.Duration
	cells     []*Cell
	hot       []hot
	dedupe    []*Dedupe
	suppress  []*Suppress
	evidence  []*Evidence
	baselines []*Baseline
	timers    []*Timers
	values    []*NewValue
	sequences []*Sequence
	waiting   []waiting // parts in which something may be due
	pinning   []pin     // parts that may keep a context for ever
}

// hot is what Touch needs of a cell.
type hot struct {
	dir, head int
	cell      *window.Cell
}

// pin reports whether a part keeps its context though all windows are past.
type pin interface {
	pins(x *Ctx, watermark event.Time) bool
}

const headerSize = 24

// NewLayout returns the layout of contexts with these parts.
func NewLayout(s Specs) (*Layout, error) {
	l := &Layout{}
	for i := range s.Cells {
		w, err := window.NewCell(s.Cells[i])
		if err != nil {
			return nil, fmt.Errorf("layout: cell %d: %w", i, err)
		}
		c := &Cell{w: w, slot: l.add(part{kind: partCell, identity: s.Cells[i].Identity, head: w.HeadSize(), tail: round8(w.FirstTail())})}
		l.cells = append(l.cells, c)
		l.retain(c.slot.index, c, s.Cells[i].Window)
	}
	for _, d := range s.Dedupe {
		l.dedupe = append(l.dedupe, &Dedupe{spec: d, ring: ring{max: maxIDs, slot: l.add(part{kind: partDedupe, identity: d.Identity, head: 8, tail: ringEntry, retention: d.For})}})
	}
	for i, d := range s.Suppress {
		if (d.For > 0) == (d.Calendar != nil) {
			return nil, fmt.Errorf("layout: suppress %d: want either a duration or a calendar", i)
		}
		p := &Suppress{spec: d, slot: l.add(part{kind: partSuppress, identity: d.Identity, head: 8, retention: d.For})}
		l.suppress = append(l.suppress, p)
		if d.Calendar != nil {
			l.parts[p.slot.index].retention, _ = d.Calendar.Retention()
		}
		l.pinning = append(l.pinning, p)
	}
	for i, e := range s.Evidence {
		if e.N < 1 || e.N > MaxEvidence {
			return nil, fmt.Errorf("layout: evidence %d: %d events, want 1 to %d", i, e.N, MaxEvidence)
		}
		p := &Evidence{spec: e, ring: ring{max: e.N, slot: l.add(part{kind: partEvidence, identity: e.Identity, head: 8, tail: ringEntry, retention: e.Within})}}
		l.evidence = append(l.evidence, p)
		if e.Within == 0 {
			l.pinning = append(l.pinning, p)
		}
	}
	for i, b := range s.Baselines {
		m, err := baseline.New(b.Spec)
		if err != nil {
			return nil, fmt.Errorf("layout: baseline %d: %w", i, err)
		}
		l.baselines = append(l.baselines, &Baseline{m: m, spec: b.Spec, slot: l.add(part{kind: partBaseline, identity: b.Identity, retention: b.Spec.History})})
	}
	for _, s := range s.Timers {
		p := &Timers{spec: s, slot: l.add(part{kind: partTimers, identity: s.Identity, head: timersHead})}
		l.timers, l.waiting, l.pinning = append(l.timers, p), append(l.waiting, p), append(l.pinning, p)
	}
	return l, l.patterns(s)
}

// patterns adds the parts of triggers, and places all.
func (l *Layout) patterns(s Specs) error {
	for i, spec := range s.Values {
		if spec.History <= 0 {
			return fmt.Errorf("layout: new value %d: want a history above 0", i)
		}
		v, p := newNewValue(spec)
		v.slot = l.add(p)
		l.values = append(l.values, v)
	}
	for i, spec := range s.Sequence {
		q, p, err := newSequence(spec)
		if err != nil {
			return fmt.Errorf("layout: sequence %d: %w", i, err)
		}
		q.slot = l.add(p)
		l.sequences = append(l.sequences, q)
	}
	return l.place()
}

func (l *Layout) add(p part) slot {
	l.parts = append(l.parts, p)
	return slot{index: len(l.parts) - 1}
}

func (l *Layout) retain(i int, c *Cell, w window.Window) {
	d, ends := w.Retention()
	l.parts[i].retention = d
	if !ends {
		l.pinning = append(l.pinning, c)
	}
}

// place decides where the heads are and checks that no two parts are the same.
func (l *Layout) place() error {
	seen := map[[2]uint64]bool{}
	at := headerSize + round8(4*(len(l.parts)+1))
	for i := range l.parts {
		p := &l.parts[i]
		k := [2]uint64{uint64(p.kind), p.identity}
		if seen[k] {
			return fmt.Errorf("layout: two parts of identity %#x", p.identity)
		}
		seen[k] = true
		p.at = at
		at += p.head
		l.first += p.tail
		l.retention = max(l.retention, p.retention)
	}
	l.tails = at
	for i := range l.cells {
		c := l.cells[i]
		c.slot.place(l)
		l.hot = append(l.hot, hot{c.slot.dir, c.slot.from, c.w})
	}
	for i := range l.dedupe {
		l.dedupe[i].slot.place(l)
	}
	for i := range l.suppress {
		l.suppress[i].slot.place(l)
	}
	for i := range l.evidence {
		l.evidence[i].slot.place(l)
	}
	for i := range l.baselines {
		l.baselines[i].slot.place(l)
	}
	for i := range l.timers {
		l.timers[i].slot.place(l)
	}
	for _, v := range l.values {
		v.slot.place(l)
	}
	for _, q := range l.sequences {
		q.slot.place(l)
	}
	l.id = xxh3.Hash(l.Describe())
	return nil
}

// Describe returns the layout's description: what is needed to convert its blobs to another layout.
func (l *Layout) Describe() []byte {
	b := []byte{blobVersion}
	b = binary.AppendUvarint(b, uint64(len(l.parts)))
	for i := range l.parts {
		p := &l.parts[i]
		b = append(b, byte(p.kind))
		b = le.AppendUint64(b, p.identity)
		b = binary.AppendUvarint(b, uint64(p.head))
	}
	return b
}

// ID returns the hash of the description.
func (l *Layout) ID() uint64 { return l.id }

// Cell returns the cell of Specs.Cells[i].
func (l *Layout) Cell(i int) *Cell { return l.cells[i] }

// Dedupe returns the part of Specs.Dedupe[i].
func (l *Layout) Dedupe(i int) *Dedupe { return l.dedupe[i] }

// Suppress returns the part of Specs.Suppress[i].
func (l *Layout) Suppress(i int) *Suppress { return l.suppress[i] }

// Evidence returns the part of Specs.Evidence[i].
func (l *Layout) Evidence(i int) *Evidence { return l.evidence[i] }

// Baseline returns the part of Specs.Baselines[i].
func (l *Layout) Baseline(i int) *Baseline { return l.baselines[i] }

// BaselineBytes returns the bytes that baseline i takes for a key with a sample.
func (l *Layout) BaselineBytes(i int) int { return 4 + l.baselines[i].m.Size() }

// Timers returns the part of Specs.Timers[i].
func (l *Layout) Timers(i int) *Timers { return l.timers[i] }

// NewValue returns the part of Specs.Values[i].
func (l *Layout) NewValue(i int) *NewValue { return l.values[i] }

// Sequence returns the part of Specs.Sequence[i].
func (l *Layout) Sequence(i int) *Sequence { return l.sequences[i] }

// CellBytes estimates the bytes that cell i takes for a key with so many samples, each in a pane of its own.
func (l *Layout) CellBytes(i, samples int) int {
	c := l.cells[i]
	return 4 + c.w.HeadSize() + max(round8(c.w.FirstTail()), round8(c.w.TailBytes(samples)))
}

// BytesPerKey estimates what a key with so many samples takes: block, handle and table, with a key of 16 bytes.
func (l *Layout) BytesPerKey(samples int) int {
	n := headerSize + 4 + 16
	for i := range l.cells {
		n += l.CellBytes(i, samples)
	}
	for _, p := range l.parts[len(l.cells):] {
		n += 4 + p.head
		switch p.kind {
		case partDedupe:
			n += min(max(samples, 1), maxIDs) * ringEntry
		case partEvidence:
			n += min(max(samples, 1), 4) * ringEntry
		case partTimers:
			n += TimerBytes - 4 - timersHead
		case partNewValue:
			n += min(max(samples, 1), ValuesMax) * valueEntry
		case partSequence:
			n += min(samples, 4) * ringEntry // most keys never come far
		}
	}
	for i := range l.baselines {
		n += l.baselines[i].m.Size() // its four bytes are counted
	}
	return classes[classOf(n)] + metaBytes + tableBytes
}

const (
	metaBytes  = 8
	tableBytes = 12 // 8 bytes a place, two thirds of the places in use
)

func round8(n int) int { return (n + 7) &^ 7 }
