package expr

import (
	"insolite/internal/event"
)

// code is a checked expression: the one closure that fits its kind is set.
type code struct {
	kind     event.Kind
	truth    func(event.Row) Truth           // bool
	num      func(event.Row) (float64, bool) // number
	word     func(event.Row) (int64, bool)   // int, time, duration
	str      func(event.Row) (string, bool)  // string
	val      func(event.Row) event.Value     // ip; also fields of every kind, because a time keeps its offset
	text     *string                         // the text of a string literal
	constant bool                            // it reads no slot
	form     form                            // what it is made of, for fusing
	slot     event.Slot                      // of a formSlot, formScaled
	factor   float64                         // of a formScaled
	parts    []func(event.Row) Truth         // of an and, or
	decides  Truth                           // of an and, or: what ends it
	bounds   []Bound                         // of a condition: while one is not kept, it is false
}

// form tells the codes that a parent can do without calling their closure.
type form uint8

const (
	formClosure form = iota
	formSlot         // the value of a slot
	formScaled       // a constant factor times the number or int of a slot
)

func boolCode(f func(event.Row) Truth) *code { return &code{kind: event.KindBool, truth: f} }

func numberCode(f func(event.Row) (float64, bool)) *code {
	return &code{kind: event.KindNumber, num: f}
}

func wordCode(k event.Kind, f func(event.Row) (int64, bool)) *code { return &code{kind: k, word: f} }

func stringCode(f func(event.Row) (string, bool)) *code { return &code{kind: event.KindString, str: f} }

// number reads a number or an int.
func number(row event.Row, slot event.Slot) (float64, bool) {
	v := &row[slot]
	return v.Float(), v.Kind == event.KindNumber || v.Kind == event.KindInt
}

func slotCode(slot event.Slot, kind event.Kind) *code {
	k := &code{kind: kind, form: formSlot, slot: slot, val: func(row event.Row) event.Value { return row[slot] }}
	switch kind {
	case event.KindBool:
		k.truth = func(row event.Row) Truth {
			v := &row[slot]
			if v.Kind != event.KindBool {
				return Unknown
			}
			return truthOf(v.Bool())
		}
	case event.KindNumber:
		k.num = func(row event.Row) (float64, bool) { return number(row, slot) }
	case event.KindInt, event.KindTime, event.KindDuration:
		k.word = func(row event.Row) (int64, bool) {
			v := &row[slot]
			return int64(v.N), v.Kind == kind
		}
	case event.KindString:
		k.str = func(row event.Row) (string, bool) {
			v := &row[slot]
			return v.S, v.Kind == event.KindString
		}
	}
	return k
}

// fold evaluates a code that reads no slot, once and for all.
func (k *code) fold() *code {
	folded := &code{kind: k.kind, text: k.text, constant: true}
	switch {
	case k.truth != nil:
		t := k.truth(nil)
		folded.truth = func(event.Row) Truth { return t }
	case k.num != nil:
		f, ok := k.num(nil)
		folded.num = func(event.Row) (float64, bool) { return f, ok }
	case k.word != nil:
		w, ok := k.word(nil)
		folded.word = func(event.Row) (int64, bool) { return w, ok }
	case k.str != nil:
		s, ok := k.str(nil)
		folded.str = func(event.Row) (string, bool) { return s, ok }
	default:
		v := k.val(nil)
		folded.val = func(event.Row) event.Value { return v }
	}
	return folded
}

func (k *code) numeric() bool { return k.kind == event.KindInt || k.kind == event.KindNumber }

// asNumber returns the number, or the int as a number.
func (k *code) asNumber() *code {
	if k.kind == event.KindNumber {
		return k
	}
	f := k.word
	n := &code{kind: event.KindNumber, constant: k.constant, form: k.form, slot: k.slot}
	n.num = func(row event.Row) (float64, bool) {
		i, ok := f(row)
		return float64(i), ok
	}
	if slot := k.slot; k.form == formSlot {
		n.num = func(row event.Row) (float64, bool) { return number(row, slot) }
	}
	return n
}

// unify gives two codes one kind: int and number mix to number.
func unify(a, b *code) (*code, *code, bool) {
	if a.kind == b.kind {
		return a, b, true
	}
	if a.numeric() && b.numeric() {
		return a.asNumber(), b.asNumber(), true
	}
	return a, b, false
}

// boxed returns the closure that yields a Value.
func (k *code) boxed() func(event.Row) event.Value {
	if k.val != nil {
		return k.val
	}
	switch k.kind {
	case event.KindBool:
		return func(row event.Row) event.Value {
			t := k.truth(row)
			if t == Unknown {
				return event.Value{}
			}
			return event.BoolValue(t == True)
		}
	case event.KindNumber:
		return func(row event.Row) event.Value {
			f, ok := k.num(row)
			if !ok {
				return event.Value{}
			}
			return event.NumberValue(f)
		}
	case event.KindString:
		return func(row event.Row) event.Value {
			s, ok := k.str(row)
			if !ok {
				return event.Value{}
			}
			return event.StringValue(s)
		}
	}
	return func(row event.Row) event.Value {
		w, ok := k.word(row)
		if !ok {
			return event.Value{}
		}
		return event.Value{N: uint64(w), Kind: k.kind}
	}
}

// known returns the closure of has(k).
func (k *code) known() func(event.Row) Truth {
	switch {
	case k.truth != nil:
		return func(row event.Row) Truth { return truthOf(k.truth(row) != Unknown) }
	case k.num != nil:
		return func(row event.Row) Truth { _, ok := k.num(row); return truthOf(ok) }
	case k.word != nil:
		return func(row event.Row) Truth { _, ok := k.word(row); return truthOf(ok) }
	case k.str != nil:
		return func(row event.Row) Truth { _, ok := k.str(row); return truthOf(ok) }
	}
	return func(row event.Row) Truth { v := k.val(row); return truthOf(v.Known()) }
}
