package window

import "insolite/internal/event"

// extremes is {n, min, max} and for times {offset of min, offset of max}. A value that equals an extreme does not replace it; of two panes
// the older one's stays. Empty: unknown.
type extremes struct{ kind event.Kind }

func (extremes) commutes() bool { return false } // equal values may differ: times in their offsets, numbers in the sign of zero

func (e extremes) size() int {
	if e.kind == event.KindTime {
		return 40
	}
	return 24
}

func (e extremes) add(s []byte, v *event.Value) {
	n := samples(s)
	setSamples(s, n+1)
	if n == 0 || e.less(v.N, le.Uint64(s[8:])) {
		e.put(s, 8, v.N, v.M)
	}
	if n == 0 || e.less(le.Uint64(s[16:]), v.N) {
		e.put(s, 16, v.N, v.M)
	}
}

func (e extremes) merge(a, b []byte) {
	na, nb := samples(a), samples(b)
	if nb == 0 {
		return
	}
	setSamples(a, na+nb)
	if x := le.Uint64(b[8:]); na == 0 || e.less(x, le.Uint64(a[8:])) {
		e.put(a, 8, x, e.offset(b, 8))
	}
	if x := le.Uint64(b[16:]); na == 0 || e.less(le.Uint64(a[16:]), x) {
		e.put(a, 16, x, e.offset(b, 16))
	}
}

func (e extremes) fold(a, entries []byte, stride int) {
	if e.kind == event.KindTime {
		for len(entries) > 0 {
			e.merge(a, entries[:e.size()])
			entries = entries[min(stride, len(entries)):]
		}
		return
	}
	n, low, high := samples(a), le.Uint64(a[8:]), le.Uint64(a[16:])
	for ; len(entries) >= 24; entries = entries[min(stride, len(entries)):] { // none is empty
		if x := le.Uint64(entries[8:]); n == 0 || e.less(x, low) {
			low = x
		}
		if x := le.Uint64(entries[16:]); n == 0 || e.less(high, x) {
			high = x
		}
		n += samples(entries)
	}
	setSamples(a, n)
	le.PutUint64(a[8:], low)
	le.PutUint64(a[16:], high)
}

// unmerge can tell only when b has neither extreme.
func (e extremes) unmerge(a, b []byte) bool {
	setSamples(a, samples(a)-samples(b))
	return e.less(le.Uint64(a[8:]), le.Uint64(b[8:])) && e.less(le.Uint64(b[16:]), le.Uint64(a[16:]))
}

func (e extremes) both(a, b []byte, agg Agg, v *event.Value) int {
	var acc [40]byte
	s := acc[:e.size()]
	copy(s, a)
	e.merge(s, b)
	e.read(s, agg, v)
	return int(samples(s))
}

func (e extremes) read(s []byte, agg Agg, v *event.Value) {
	if samples(s) == 0 {
		*v = event.Value{}
		return
	}
	at := 8
	if agg == AggMax {
		at = 16
	}
	*v = event.Value{Kind: e.kind, N: le.Uint64(s[at:]), M: e.offset(s, at)}
}

func (e extremes) less(x, y uint64) bool {
	if e.kind == event.KindNumber {
		a, b := event.Value{N: x, Kind: e.kind}, event.Value{N: y, Kind: e.kind}
		return a.Float() < b.Float()
	}
	return int64(x) < int64(y)
}

func (e extremes) put(s []byte, at int, n, offset uint64) {
	le.PutUint64(s[at:], n)
	if e.kind == event.KindTime {
		le.PutUint64(s[at+16:], offset)
	}
}

func (e extremes) offset(s []byte, at int) uint64 {
	if e.kind != event.KindTime {
		return 0
	}
	return le.Uint64(s[at+16:])
}
