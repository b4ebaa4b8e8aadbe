package engine

import (
	"cmp"
	"math/bits"
	"slices"

	"insolite/internal/event"
	"insolite/rules/expr"
)

const (
	filedMin = 16 // rules of a source; fewer are evaluated one after the other
	shelfMin = 4  // rules on a shelf; below, looking there costs as much as evaluating them
)

// filing finds the rules whose condition may be true or unknown for an event without evaluating the others, whose condition is false. Each
// rule is filed under one limit that its condition demands of a slot (see expr.Bound); rules over the same features share a shelf, sorted by
// limit, of which an event asks for the beginning only.
type filing struct {
	rest    []uint64 // bits of source.rules: those that are on no shelf
	chosen  []uint64 // for the present event
	shelves []shelf
	rules   int
}

// shelf is the rules of a stream with the same `where` and a limit on the same side of the same slot, the most lenient first.
type shelf struct {
	place  place
	limits []float64
	rules  []int // in source.rules
}

// place is what the rules of a shelf have in common.
type place struct {
	stream *stream
	where  int
	slot   event.Slot
	above  bool
}

// newFiling returns nil when there are too few rules for it to pay.
func newFiling(all []*rule) *filing {
	if len(all) < filedMin {
		return nil
	}
	words := (len(all) + 63) / 64
	f := &filing{rest: make([]uint64, words), chosen: make([]uint64, words), rules: len(all)}
	type filed struct {
		rule  int
		limit float64
	}
	byPlace := map[place][]filed{}
	var places []place // in the order of the rules, so that nothing depends on the order of a map
	for i, r := range all {
		b, ok := r.bound()
		if !ok {
			f.rest[i/64] |= 1 << (i % 64)
			continue
		}
		p := place{r.stream, r.WhereIndex, b.Slot, b.Above}
		if byPlace[p] == nil {
			places = append(places, p)
		}
		byPlace[p] = append(byPlace[p], filed{i, b.Limit})
	}
	for _, p := range places {
		list := byPlace[p]
		if len(list) < shelfMin {
			for _, x := range list {
				f.rest[x.rule/64] |= 1 << (x.rule % 64)
			}
			continue
		}
		slices.SortStableFunc(list, func(a, b filed) int {
			if p.above {
				return cmp.Compare(a.limit, b.limit)
			}
			return cmp.Compare(b.limit, a.limit)
		})
		s := shelf{place: p}
		for _, x := range list {
			s.limits, s.rules = append(s.limits, x.limit), append(s.rules, x.rule)
		}
		f.shelves = append(f.shelves, s)
	}
	return f
}

// bound returns the limit under which the rule is filed: of a feature, if there is one, which says more about a key than a field of one event.
func (r *rule) bound() (b expr.Bound, ok bool) {
	all := r.Condition.Bounds()
	if i := slices.IndexFunc(all, func(b expr.Bound) bool { return int(b.Slot) >= r.declared }); i >= 0 {
		return all[i], true
	}
	if len(all) == 0 {
		return b, false
	}
	return all[0], true
}

// choose finds the rules to evaluate for the present event.
func (f *filing) choose(row event.Row) {
	copy(f.chosen, f.rest)
	for i := range f.shelves {
		s := &f.shelves[i]
		if st := s.place.stream; st.state != open || s.place.where >= 0 && !st.ok[s.place.where] {
			continue
		}
		n := s.reach(&row[s.place.slot])
		for _, r := range s.rules[:n] {
			f.chosen[r/64] |= 1 << (r % 64)
		}
	}
}

// reach returns how many rules of the shelf are to be evaluated: all when the value is missing, for then their conditions may be unknown.
func (s *shelf) reach(v *event.Value) int {
	if v.Kind != event.KindNumber && v.Kind != event.KindInt {
		return len(s.rules)
	}
	x, n := v.Float(), 0
	if s.place.above {
		for n < len(s.limits) && x >= s.limits[n] {
			n++
		}
		return n
	}
	for n < len(s.limits) && x <= s.limits[n] {
		n++
	}
	return n
}

// next returns the first chosen rule from i on, or the number of rules. A nil filing chooses all.
func (f *filing) next(i int) int {
	if f == nil {
		return i
	}
	if i >= f.rules {
		return f.rules
	}
	word := f.chosen[i/64] >> (i % 64) << (i % 64)
	for w := i / 64; ; word = f.chosen[w] {
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
		if w++; w == len(f.chosen) {
			return f.rules
		}
	}
}
