package decode

import "insolite/internal/event"

// op is how a step reads its value.
type op uint8

const (
	opAny    op = iota // no declared field: any value
	opInner            // a declared path goes on below: any value but an object
	opString           // opString … opIP: a declared field of that kind
	opNumber
	opInt
	opBool
	opTime
	opUnits // a time that is written as a number
	opIP
	opMatch // the field that says which source a record is of
	opEnd   // the end of the record, no value
)

// wordSize is how many bytes are compared at a time.
const wordSize = 8

// step is the bytes between two values, which fix where in the record we are, and what is known of the value behind them. The bytes' first
// and last words stand beside them, because most steps are no longer than that.
type step struct {
	// Read for every value, hence together in one cache line.
	head, mask, tail uint64
	likely           *step // next[0]; nil at a graph's start and at a record's end
	size             int   // of bytes
	mark             int32 // the value's node, -1: none
	slot             event.Slot
	required         int32 // 1: the value of a required field
	op               op
	enters           bool // inner is not empty

	inner []int32 // nodes of declared objects that the bytes enter
	next  []*step // what may follow, the likeliest first
	field *field  // nil without a declared field
	depth int     // containers around the value
	bytes string
}

// hold keeps the bytes of a new step.
func (st *step) hold(bytes string) {
	st.bytes, st.size = bytes, len(bytes)
	for i := range min(len(bytes), wordSize) {
		st.head |= uint64(bytes[i]) << (8 * i)
		st.mask |= 0xff << (8 * i)
	}
	if len(bytes) >= wordSize {
		for i := range wordSize {
			st.tail |= uint64(bytes[len(bytes)-wordSize+i]) << (8 * i)
		}
	}
}

// place is what makes a step: the innermost object of a declared path that is open before its bytes, and the bytes. All that follows from
// them is the same wherever they come.
type place struct {
	object int32
	bytes  string
}

// graph is what was learnt of one source's records: the steps that were seen, and which followed which. A walk over it is a valid record,
// even if no record took it before, as long as it passes no declared path twice.
type graph struct {
	root  *step
	steps map[place]*step
}

const (
	stepsMax     = 1024 // of a graph: some hundred keys in a few orders; a full graph is forgotten and learnt anew
	nextMax      = 16   // followers of a step: beyond it, a guess costs more than it saves
	stepBytesMax = 256  // of a step; longer keys are left to the strict scanner
)

func newGraph() *graph { return &graph{root: &step{mark: -1}, steps: map[place]*step{}} }

// budget bounds how often records are learnt, for topics whose records never look alike.
type budget struct{ credit, since int }

const (
	learnFirst = 64 // records at the start
	learnEvery = 64 // then one of so many
)

func newBudget() budget { return budget{credit: learnFirst} }

func (b *budget) take() bool {
	if b.credit > 0 {
		b.credit--
		return true
	}
	b.since++
	if b.since < learnEvery {
		return false
	}
	b.since = 0
	return true
}

// learner adds one record, which the strict scanner has accepted, to a graph.
type learner struct {
	d     *Decoder
	p     *plan
	b     []byte
	at    *step   // the last step
	from  int     // where its value ended
	start int32   // the innermost declared object open there
	inner []int32 // declared objects entered since
}

// learn adds a record of a plan to what is known of its shapes. The record has no declared path twice.
func (d *Decoder) learn(value []byte, plan int) {
	p := &d.plans[plan]
	if p.shapes == nil {
		return
	}
	if len(p.shapes.steps) >= stepsMax {
		p.shapes = newGraph()
	}
	l := learner{d: d, p: p, b: value, at: p.shapes.root}
	i := skipSpace(value, 0)
	if _, ok := l.object(i, 0, d.paths.root); ok {
		l.step(len(value), step{op: opEnd, mark: -1, slot: event.NoSlot})
	}
}

// object walks an object on a declared path; ok is false when the record can't be learnt.
func (l *learner) object(i, depth int, n *node) (end int, ok bool) {
	s := &l.d.scanner
	n.next = 0
	i = skipSpace(l.b, i+1)
	for l.b[i] != '}' {
		if l.b[i] == ',' {
			i = skipSpace(l.b, i+1)
		}
		text, plain := scanString(l.b, i+1)
		key := l.b[i+1 : text]
		if !plain {
			s.key = appendText(s.key[:0], key)
			key = s.key
		}
		child := n.child(key)
		i = skipSpace(l.b, text+1) // at the colon
		i = skipSpace(l.b, i+1)    // at the value
		i, ok = l.value(i, depth+1, n, child)
		if !ok {
			return 0, false
		}
		i = skipSpace(l.b, i)
	}
	return i + 1, true
}

// value walks a member's value: an object on a declared path becomes part of the bytes, everything else a step's value.
func (l *learner) value(i, depth int, parent, n *node) (end int, ok bool) {
	if n != nil && len(n.children) > 0 && l.b[i] == '{' {
		l.inner = append(l.inner, n.id)
		return l.object(i, depth, n)
	}
	st := step{op: opAny, mark: -1, slot: event.NoSlot, depth: depth}
	if n != nil {
		st.mark = n.id
		if !l.read(&st, n) {
			return 0, false
		}
	}
	if !l.step(i, st) {
		return 0, false
	}
	end = l.d.value(i, depth, nil)
	l.from, l.start, l.inner = end, parent.id, nil
	return end, true
}

// read fills in how the value of a declared path is read.
func (l *learner) read(st *step, n *node) bool {
	if len(n.children) > 0 {
		st.op = opInner
	}
	if j := l.p.byNode[n.id]; j >= 0 {
		f := &l.p.fields[j]
		st.field, st.op = f, opOf(f)
		if f.wanted {
			st.slot = f.slot
		}
		if !f.decl.Optional {
			st.required = 1
		}
		if n.id == l.p.looks && st.op != opString {
			return false
		}
	}
	if n.id == l.p.looks {
		st.op = opMatch
	}
	return true
}

// opOf returns how a declared field's value is read.
func opOf(f *field) op {
	switch f.decl.Kind {
	case event.KindString:
		return opString
	case event.KindNumber:
		return opNumber
	case event.KindInt:
		return opInt
	case event.KindBool:
		return opBool
	case event.KindTime:
		if f.decl.Unit != 0 {
			return opUnits
		}
		return opTime
	default:
		return opIP
	}
}

// step goes on to the step whose bytes end at i, adding it where it is new. It refuses bytes that are too long to be a shape.
func (l *learner) step(i int, st step) bool {
	b := l.b[l.from:i]
	if len(b) > stepBytesMax {
		return false
	}
	where := place{object: l.start, bytes: string(b)}
	next := l.p.shapes.steps[where]
	if next == nil {
		st.hold(where.bytes)
		st.inner, st.enters = l.inner, len(l.inner) > 0
		next = &st
		l.p.shapes.steps[where] = next
	}
	follows := false
	for _, c := range l.at.next {
		follows = follows || c == next
	}
	switch {
	case follows:
	case len(l.at.next) < nextMax:
		l.at.next = append(l.at.next, next)
		l.at.likely = l.at.next[0]
	default:
		l.at.next[nextMax-1] = next // the one that was right least often
	}
	l.at = next
	return true
}
