package decode

import (
	"encoding/binary"

	"insolite/internal/event"
)

// fast decodes a record that fits what was learnt and returns its plan, or -1 for whatever needs the strict scanner. It starts with the shapes
// of the last record's source; the field that names the source may send it to another, once.
func (d *Decoder) fast(b []byte, row event.Row) int {
	d.b = b
	plan := d.walk(d.last, b, row)
	if plan < 0 || plan == d.last {
		return plan
	}
	if d.walk(plan, b, row) == plan {
		return plan
	}
	return -1
}

// walk follows one plan's graph over the record. It returns the plan, -1 when the record leaves the graph or has a fault, or the plan that the
// record names.
func (d *Decoder) walk(plan int, b []byte, row event.Row) int {
	p := &d.plans[plan]
	if p.shapes == nil {
		return -1
	}
	if d.mark++; d.mark == 0 {
		clear(d.marks)
		d.mark = 1
	}
	at, i, required := p.shapes.root, 0, int32(0)
	for {
		st := at.likely
		if st == nil {
			return -1 // nothing learnt yet
		}
		end := -1
		if st.stands(b, i) {
			end = d.take(st, b, i+st.size, row)
		}
		if end < 0 {
			if st, end = d.unlikely(at, b, i, row); end < 0 {
				return -1
			}
		}
		if !d.pass(st) {
			return -1
		}
		if st.op >= opMatch {
			if st.op == opEnd {
				if required == p.required && d.finish(p, row) {
					return plan
				}
				return -1
			}
			if named := d.named(p, plan, b[i+st.size:end]); named != plan {
				return named
			}
		}
		required += st.required
		at, i = st, end
	}
}

// unlikely tries all followers of a step, also in the record's last bytes. The one that fits moves up.
func (d *Decoder) unlikely(at *step, b []byte, i int, row event.Row) (st *step, end int) {
	for k, st := range at.next {
		if !st.fits(b, i) {
			continue
		}
		if end := d.take(st, b, i+st.size, row); end >= 0 {
			if k > 0 {
				at.next[k], at.next[k-1] = at.next[k-1], st
				at.likely = at.next[0]
			}
			return st, end
		}
	}
	return nil, -1
}

// stands reports whether the bytes of st stand at i. It gives up in the last word of a record.
func (st *step) stands(b []byte, i int) bool {
	return i+wordSize <= len(b) && binary.LittleEndian.Uint64(b[i:])&st.mask == st.head && (st.size <= wordSize || st.tails(b, i))
}

// tails compares what is beyond a step's first word.
func (st *step) tails(b []byte, i int) bool {
	v := i + st.size
	return v <= len(b) && binary.LittleEndian.Uint64(b[v-wordSize:]) == st.tail &&
		(st.size <= 2*wordSize || string(b[i+wordSize:v-wordSize]) == st.bytes[wordSize:st.size-wordSize])
}

// fits compares a step without reading beyond it.
func (st *step) fits(b []byte, i int) bool {
	v := i + st.size
	return v <= len(b) && string(b[i:v]) == st.bytes
}

// pass marks the declared paths that a step is on; false when the record has one of them twice.
func (d *Decoder) pass(st *step) bool {
	if m := st.mark; m >= 0 {
		if d.marks[m] == d.mark {
			return false
		}
		d.marks[m] = d.mark
	}
	return !st.enters || d.enter(st)
}

func (d *Decoder) enter(st *step) bool {
	for _, m := range st.inner {
		if d.marks[m] == d.mark {
			return false
		}
		d.marks[m] = d.mark
	}
	return true
}

// finish empties the slots of optional fields that the record does not have; false when it does not say of which source it is.
func (d *Decoder) finish(p *plan, row event.Row) bool {
	if p.match >= 0 && d.marks[p.match] != d.mark {
		return false
	}
	for _, j := range p.optional {
		if f := &p.fields[j]; d.marks[f.node] != d.mark {
			row[f.slot] = event.Value{}
		}
	}
	return true
}

// named returns the plan of records whose match field has the given value, written as in the record.
func (d *Decoder) named(p *plan, plan int, value []byte) int {
	if value[0] != '"' {
		return d.rest
	}
	text := value[1 : len(value)-1]
	if p.match >= 0 && string(text) == p.source.Match.Equals {
		return plan
	}
	for i := range d.plans[:len(d.plans)-1] {
		if o := &d.plans[i]; o.match >= 0 && string(text) == o.source.Match.Equals {
			return i
		}
	}
	return d.rest
}
