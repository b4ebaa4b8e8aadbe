package decode

import (
	"math"

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
	at, i, required := p.shapes.root, 0, 0
next:
	for {
		for k, st := range at.next {
			v := i + len(st.bytes)
			if v > len(b) || string(b[i:v]) != st.bytes {
				continue
			}
			if st.op == opEnd {
				if v < len(b) {
					continue
				}
				if d.pass(st) && required == p.required && d.finish(p, row) {
					return plan
				}
				return -1
			}
			end := d.take(st, b, v, row)
			if st.op == opMatch && end >= 0 {
				if named := d.named(p, plan, b[v:end]); named != plan {
					return named
				}
			}
			if end < 0 {
				continue
			}
			if !d.pass(st) {
				return -1
			}
			if k > 0 {
				at.next[k], at.next[k-1] = at.next[k-1], st
			}
			required += st.required
			at, i = st, end
			continue next
		}
		return -1
	}
}

// pass marks the declared paths that a step is on; false when the record has one of them twice.
func (d *Decoder) pass(st *step) bool {
	if m := st.mark; m >= 0 {
		if d.marks[m] == d.mark {
			return false
		}
		d.marks[m] = d.mark
	}
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

// take reads the value at v as its step says, into its slot if it has one. It returns the value's end, -1 if it is none that the step knows.
func (d *Decoder) take(st *step, b []byte, v int, row event.Row) int {
	if v >= len(b) {
		return -1
	}
	dst := &d.unread
	if st.slot >= 0 {
		dst = &row[st.slot]
	}
	switch st.op {
	case opAny:
		if b[v] == '"' {
			end, _ := scanString(b, v+1)
			return max(end+1, -1)
		}
		return d.value(v, st.depth, nil)
	case opInner:
		if b[v] == '{' {
			return -1
		}
		return d.value(v, st.depth, nil)
	case opMatch:
		return d.takeMatch(st, b, v, dst)
	case opString:
		return d.takeString(st, b, v, dst)
	case opNumber:
		mantissa, decimals, negative, end := plainNumber(b, v)
		if end < 0 || mantissa > exactMax {
			return d.takeOther(st, b, v, dst)
		}
		f := float64(mantissa) / pow10[decimals]
		if negative {
			f = -f
		}
		*dst = event.Value{N: math.Float64bits(f), Kind: event.KindNumber}
		return end
	case opInt:
		mantissa, decimals, negative, end := plainNumber(b, v)
		if end < 0 || decimals > 0 {
			return d.takeOther(st, b, v, dst)
		}
		if negative {
			mantissa = -mantissa
		}
		*dst = event.Value{N: mantissa, Kind: event.KindInt}
		return end
	default:
		return d.takeOther(st, b, v, dst)
	}
}

// takeMatch reads the field that names the record's source. With escapes it is left to the strict scanner.
func (d *Decoder) takeMatch(st *step, b []byte, v int, dst *event.Value) int {
	if b[v] != '"' {
		if b[v] == '{' || st.field != nil {
			return -1
		}
		return d.value(v, st.depth, nil)
	}
	end, plain := scanString(b, v+1)
	if !plain {
		return -1
	}
	if st.slot >= 0 {
		*dst = event.Value{S: view(b[v+1 : end]), Kind: event.KindString}
	}
	return end + 1
}

func (d *Decoder) takeString(st *step, b []byte, v int, dst *event.Value) int {
	if b[v] != '"' {
		return d.takeNull(st, b, v, dst)
	}
	end, plain := scanString(b, v+1)
	if end < 0 {
		return -1
	}
	if st.slot < 0 {
		return end + 1
	}
	t := tokenPlain
	if !plain {
		t = tokenEscaped
	}
	*dst = event.Value{S: d.text(b[v+1:end], t), Kind: event.KindString}
	return end + 1
}

// takeOther reads a declared field's value in any of its forms, with the strict scanner's own functions.
func (d *Decoder) takeOther(st *step, b []byte, v int, dst *event.Value) int {
	f := found{start: int32(v)}
	end := 0
	switch c := b[v]; {
	case c == '"':
		text, plain := scanString(b, v+1)
		if text < 0 {
			return -1
		}
		f = found{start: int32(v + 1), end: int32(text), token: tokenEscaped}
		if plain {
			f.token = tokenPlain
		}
		end = text + 1
	case c == 't' || c == 'f':
		f.token = tokenTrue
		if c == 'f' {
			f.token = tokenFalse
		}
		if end = d.value(v, st.depth, nil); end < 0 {
			return -1
		}
		f.end = int32(end)
	case c == '-' || isDigit(c):
		if end = scanNumber(b, v); end < 0 {
			return -1
		}
		f.end, f.token = int32(end), tokenNumber
	default:
		return d.takeNull(st, b, v, dst)
	}
	if d.convert(st.field, b, f, dst) != "" {
		return -1
	}
	return end
}

// takeNull reads the null of an optional field.
func (d *Decoder) takeNull(st *step, b []byte, v int, dst *event.Value) int {
	if st.required > 0 || len(b)-v < 4 || string(b[v:v+4]) != "null" {
		return -1
	}
	*dst = event.Value{}
	return v + 4
}
