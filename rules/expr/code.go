package expr

import (
	"math"

	"insolite/internal/event"
)

// code is a checked expression: the one closure that fits its kind is set.
type code struct {
	kind  event.Kind
	truth func(event.Row) Truth           // bool
	num   func(event.Row) (float64, bool) // number
	word  func(event.Row) (int64, bool)   // int, time, duration
	str   func(event.Row) (string, bool)  // string
	val   func(event.Row) event.Value     // ip; also fields of every kind, because a time keeps its offset
	text  *string                         // the text of a string literal
}

func boolCode(f func(event.Row) Truth) *code { return &code{kind: event.KindBool, truth: f} }

func numberCode(f func(event.Row) (float64, bool)) *code {
	return &code{kind: event.KindNumber, num: f}
}

func wordCode(k event.Kind, f func(event.Row) (int64, bool)) *code { return &code{kind: k, word: f} }

func stringCode(f func(event.Row) (string, bool)) *code { return &code{kind: event.KindString, str: f} }

func slotCode(slot event.Slot, kind event.Kind) *code {
	k := &code{kind: kind, val: func(row event.Row) event.Value { return row[slot] }}
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
		k.num = func(row event.Row) (float64, bool) {
			v := &row[slot]
			if v.Kind != event.KindNumber && v.Kind != event.KindInt {
				return 0, false
			}
			return v.Float(), true
		}
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

func (k *code) numeric() bool { return k.kind == event.KindInt || k.kind == event.KindNumber }

// float returns the number or the int as a number.
func (k *code) float() func(event.Row) (float64, bool) {
	if k.kind == event.KindNumber {
		return k.num
	}
	f := k.word
	return func(row event.Row) (float64, bool) {
		i, ok := f(row)
		return float64(i), ok
	}
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

// pick joins two codes of one kind: cond True gives a, False gives b, Unknown is unknown.
func pick(cond func(event.Row) Truth, a, b *code) *code {
	switch a.kind {
	case event.KindBool:
		return boolCode(func(row event.Row) Truth {
			switch cond(row) {
			case True:
				return a.truth(row)
			case False:
				return b.truth(row)
			}
			return Unknown
		})
	case event.KindNumber:
		return numberCode(pickOf(cond, a.num, b.num))
	case event.KindString:
		return stringCode(pickOf(cond, a.str, b.str))
	}
	k := &code{kind: a.kind}
	if a.word != nil {
		k.word = pickOf(cond, a.word, b.word)
	}
	av, bv := a.boxed(), b.boxed()
	k.val = func(row event.Row) event.Value {
		switch cond(row) {
		case True:
			return av(row)
		case False:
			return bv(row)
		}
		return event.Value{}
	}
	return k
}

func pickOf[T any](cond func(event.Row) Truth, a, b func(event.Row) (T, bool)) func(event.Row) (T, bool) {
	return func(row event.Row) (T, bool) {
		switch cond(row) {
		case True:
			return a(row)
		case False:
			return b(row)
		}
		var zero T
		return zero, false
	}
}

// lift applies op where both operands are known.
func lift[T, R any](a, b func(event.Row) (T, bool), op func(T, T) (R, bool)) func(event.Row) (R, bool) {
	return func(row event.Row) (R, bool) {
		x, ok := a(row)
		y, ok2 := b(row)
		if !ok || !ok2 {
			var zero R
			return zero, false
		}
		return op(x, y)
	}
}

// test applies a predicate where both operands are known.
func test[T any](a, b func(event.Row) (T, bool), op func(T, T) bool) *code {
	return boolCode(func(row event.Row) Truth {
		x, ok := a(row)
		y, ok2 := b(row)
		if !ok || !ok2 {
			return Unknown
		}
		return truthOf(op(x, y))
	})
}

func addInt(a, b int64) (int64, bool) { s := a + b; return s, (s > a) == (b > 0) }

func subInt(a, b int64) (int64, bool) { s := a - b; return s, (s < a) == (b > 0) }

func mulInt(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	if (a == -1 && b == math.MinInt64) || (b == -1 && a == math.MinInt64) {
		return 0, false
	}
	p := a * b
	return p, p/b == a
}

func modInt(a, b int64) (int64, bool) {
	if b == 0 {
		return 0, false
	}
	return a % b, true
}

func addNum(a, b float64) (float64, bool) { return real(a + b) }
func subNum(a, b float64) (float64, bool) { return real(a - b) }
func mulNum(a, b float64) (float64, bool) { return real(a * b) }

func divNum(a, b float64) (float64, bool) {
	if b == 0 {
		return 0, false
	}
	return real(a / b)
}

// real makes NaN unknown.
func real(f float64) (float64, bool) { return f, f == f }
