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

	// Which of several limits is seldom reached shows in the events: one in learnEvery is looked at, and the rules are filed anew after
	// learnFirst and learnLast events.
	learnEvery = 16
	learnFirst = 1 << 10
	learnLast  = 1 << 16
)

// filing finds the rules whose condition may be true or unknown for an event without evaluating the others, whose condition is false. Each
// rule is filed under one limit that its condition demands of a slot (see expr.Bound), the one that is reached most seldom; rules over the
// same features share a shelf, sorted by limit, of which an event asks for the beginning only. Results do not depend on how rules are filed.
type filing struct {
	rest    []uint64 // bits of source.rules: those that are on no shelf
	chosen  []uint64 // for the present event
	shelves []shelf
	rules   []filed
	events  int // until learnLast
}

// filed is a rule with the limits under which it may be filed, and how often each was not kept by the events that were looked at.
type filed struct {
	rule   *rule
	bounds []expr.Bound
	missed []int
	under  int // the one in use
}

// shelf is the rules of a stream with the same `where` and a limit on the same side of the same slot, the most lenient first.
type shelf struct {
	place  place
	read   *read // that fills the slot; nil: a declared field
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
	f := &filing{rest: make([]uint64, words), chosen: make([]uint64, words)}
	for _, r := range all {
		bounds := r.bounds()
		// A feature says more about a key than a field of one event, as long as nothing else is known.
		slices.SortStableFunc(bounds, func(a, b expr.Bound) int {
			return cmp.Compare(bit(int(a.Slot) < r.declared), bit(int(b.Slot) < r.declared))
		})
		f.rules = append(f.rules, filed{rule: r, bounds: bounds, missed: make([]int, len(bounds))})
	}
	f.file()
	return f
}

// bounds returns the limits under which a rule may be filed: none when it has to see every event.
func (r *rule) bounds() []expr.Bound {
	if r.value != nil || r.waits != nil || r.pursuit != nil {
		return nil
	}
	return r.Condition.Bounds()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// file puts every rule on its shelf.
func (f *filing) file() {
	clear(f.rest)
	f.shelves = nil
	places := map[place]int{} // in f.shelves, which are in the order of the rules, so that nothing depends on the order of a map
	for i := range f.rules {
		x := &f.rules[i]
		if len(x.bounds) == 0 {
			f.keep(i)
			continue
		}
		x.under = slices.Index(x.missed, slices.Max(x.missed))
		b := x.bounds[x.under]
		p := place{x.rule.stream, x.rule.WhereIndex, b.Slot, b.Above}
		k, ok := places[p]
		if !ok {
			k = len(f.shelves)
			places[p] = k
			f.shelves = append(f.shelves, shelf{place: p, read: x.rule.of.results[p.slot]})
		}
		f.shelves[k].rules = append(f.shelves[k].rules, i)
	}
	f.shelves = slices.DeleteFunc(f.shelves, func(s shelf) bool {
		if len(s.rules) >= shelfMin {
			return false
		}
		for _, i := range s.rules {
			f.keep(i)
		}
		return true
	})
	for k := range f.shelves {
		f.sort(&f.shelves[k])
	}
}

// keep leaves rule i on no shelf.
func (f *filing) keep(i int) { f.rest[i/64] |= 1 << (i % 64) }

// sort puts the most lenient rule of a shelf first.
func (f *filing) sort(s *shelf) {
	limit := func(i int) float64 { return f.rules[i].bounds[f.rules[i].under].Limit }
	slices.SortStableFunc(s.rules, func(a, b int) int {
		if s.place.above {
			return cmp.Compare(limit(a), limit(b))
		}
		return cmp.Compare(limit(b), limit(a))
	})
	for _, i := range s.rules {
		s.limits = append(s.limits, limit(i))
	}
}

// learn looks at an event now and then, and files the rules anew when enough were seen.
func (f *filing) learn(e *Engine) {
	if f.events++; f.events%learnEvery == 0 {
		e.ensureAll()
		for i := range f.rules {
			if x := &f.rules[i]; len(x.bounds) > 1 && x.rule.stream.sees(x.rule.WhereIndex) {
				for k, b := range x.bounds {
					v := &e.row[b.Slot]
					if known := v.Kind == event.KindNumber || v.Kind == event.KindInt; known && (b.Above && v.Float() < b.Limit || !b.Above && v.Float() > b.Limit) {
						x.missed[k]++
					}
				}
			}
		}
	}
	if f.events == learnFirst || f.events == learnLast {
		f.file()
	}
}

// sees reports whether rules with a `where` see the present event; -1: no `where`.
func (st *stream) sees(where int) bool {
	return st.state == open && (where < 0 || st.ok[where])
}

// choose finds the rules to evaluate for the present event.
func (f *filing) choose(e *Engine) {
	if f.events < learnLast {
		f.learn(e)
	}
	copy(f.chosen, f.rest)
	for i := range f.shelves {
		s := &f.shelves[i]
		if !s.place.stream.sees(s.place.where) {
			continue
		}
		if r := s.read; r != nil && r.event != e.serial {
			e.read(r)
		}
		n := s.reach(&e.row[s.place.slot])
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
	if i >= len(f.rules) {
		return len(f.rules)
	}
	word := f.chosen[i/64] >> (i % 64) << (i % 64)
	for w := i / 64; ; word = f.chosen[w] {
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
		if w++; w == len(f.chosen) {
			return len(f.rules)
		}
	}
}
