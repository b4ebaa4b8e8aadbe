package expr

import "insolite/internal/event"

// pick joins two codes of one kind: cond True gives a, False gives b, Unknown is unknown.
func pick(cond func(event.Row) Truth, a, b *code) *code {
	k := &code{kind: a.kind}
	switch {
	case a.truth != nil:
		k.truth = func(row event.Row) Truth {
			switch cond(row) {
			case True:
				return a.truth(row)
			case False:
				return b.truth(row)
			}
			return Unknown
		}
		return k
	case a.num != nil:
		k.num = pickOf(cond, a.num, b.num)
		return k
	case a.str != nil:
		k.str = pickOf(cond, a.str, b.str)
		return k
	case a.word != nil:
		k.word = pickOf(cond, a.word, b.word)
	}
	av, bv := a.boxed(), b.boxed() // a time keeps its offset
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

// coalesce is a ?? b for two codes of one kind: a where it is known, else b. Each is evaluated at most once.
func coalesce(a, b *code) *code {
	k := &code{kind: a.kind}
	switch {
	case a.truth != nil:
		k.truth = func(row event.Row) Truth {
			if t := a.truth(row); t != Unknown {
				return t
			}
			return b.truth(row)
		}
		return k
	case a.num != nil:
		k.num = coalesceOf(a.num, b.num)
		return k
	case a.str != nil:
		k.str = coalesceOf(a.str, b.str)
		return k
	case a.word != nil:
		k.word = coalesceOf(a.word, b.word)
	}
	av, bv := a.boxed(), b.boxed()
	k.val = func(row event.Row) event.Value {
		if v := av(row); v.Known() {
			return v
		}
		return bv(row)
	}
	return k
}

func coalesceOf[T any](a, b func(event.Row) (T, bool)) func(event.Row) (T, bool) {
	return func(row event.Row) (T, bool) {
		if x, ok := a(row); ok {
			return x, true
		}
		return b(row)
	}
}
