package expr

import (
	"math"

	"insolite/internal/event"
)

// arithmetic compiles + - * / %; nil when op does not apply.
func arithmetic(op string, a, b *code) *code {
	sum := op == "+" || op == "-"
	const span, instant = event.KindDuration, event.KindTime
	switch {
	case a.kind == event.KindInt && b.kind == event.KindInt && op != "/":
		return wordCode(event.KindInt, words(op, a.word, b.word))
	case a.numeric() && b.numeric() && op != "%":
		return numbers(op, a.asNumber(), b.asNumber())
	case a.kind == instant && b.kind == instant && op == "-", a.kind == span && b.kind == span && sum:
		return wordCode(span, words(op, a.word, b.word))
	case a.kind == instant && b.kind == span && sum, a.kind == span && b.kind == instant && op == "+":
		return wordCode(instant, words(op, a.word, b.word))
	case a.kind == span && b.kind == span && op == "/":
		return numberCode(lift(a.word, b.word, func(x, y int64) (float64, bool) { return divNum(float64(x), float64(y)) }))
	}
	return nil
}

// words compiles + - * % of int64; an overflow is unknown.
func words(op string, a, b func(event.Row) (int64, bool)) func(event.Row) (int64, bool) {
	switch op {
	case "+":
		return lift(a, b, addInt)
	case "-":
		return lift(a, b, subInt)
	case "*":
		return lift(a, b, mulInt)
	}
	return lift(a, b, modInt)
}

// numbers compiles + - * / of float64; what is no number is unknown. The closures spell the operations out, which spares a call.
func numbers(op string, a, b *code) *code {
	x, y := a.num, b.num
	if a.form == formSlot && b.form != formClosure && (op == "+" || op == "-") {
		factor := b.scale()
		if op == "-" {
			factor = -factor
		}
		return slotSum(a.slot, b.slot, factor)
	}
	switch op {
	case "+":
		return numberCode(func(row event.Row) (float64, bool) {
			f, ok := x(row)
			g, ok2 := y(row)
			h := f + g
			return h, ok && ok2 && finite(h)
		})
	case "-":
		return numberCode(func(row event.Row) (float64, bool) {
			f, ok := x(row)
			g, ok2 := y(row)
			h := f - g
			return h, ok && ok2 && finite(h)
		})
	case "/":
		return numberCode(lift(x, y, divNum))
	}
	switch {
	case a.constant && b.form == formSlot:
		return scaled(a, b.slot)
	case b.constant && a.form == formSlot:
		return scaled(b, a.slot)
	}
	return numberCode(func(row event.Row) (float64, bool) {
		f, ok := x(row)
		g, ok2 := y(row)
		h := f * g
		return h, ok && ok2 && finite(h)
	})
}

// slotSum is a slot plus a factor times a slot, such as usual + 4 * spread. The product is rounded before it is added, on every machine.
func slotSum(slot, other event.Slot, factor float64) *code {
	return numberCode(func(row event.Row) (float64, bool) {
		f, ok := number(row, slot)
		g, ok2 := number(row, other)
		h := f + float64(factor*g)
		return h, ok && ok2 && finite(h)
	})
}

// scaled is a constant times a slot.
func scaled(constant *code, slot event.Slot) *code {
	factor, known := constant.num(nil)
	k := numberCode(func(row event.Row) (float64, bool) {
		f, ok := number(row, slot)
		h := factor * f
		return h, known && ok && finite(h)
	})
	if known {
		k.form, k.slot, k.factor = formScaled, slot, factor
	}
	return k
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

func divNum(a, b float64) (float64, bool) {
	if b == 0 {
		return 0, false
	}
	return real(a / b)
}

// real makes what is not finite unknown: NaN, and an overflow as with ints.
func real(f float64) (float64, bool) { return f, finite(f) }

// finite reports whether f is a number that can be written: the difference is NaN for NaN and for infinities.
func finite(f float64) bool { return f-f == 0 }
