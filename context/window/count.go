package window

import "insolite/internal/event"

// aggregate is the code of one family of fixed or bounded size. Its state starts with the number of samples; zero bytes are the empty
// state. Merging a, which is older, with b gives the state of both; where the order of samples matters, b's come after a's.
type aggregate interface {
	size() int                                               // bytes, a multiple of 8; for Distinct of the narrowest
	add(s []byte, v *event.Value)                            // absorb a sample
	merge(a, b []byte)                                       // a becomes a and b
	fold(a, entries []byte, stride int)                      // a becomes a and the states at every stride of entries, in order
	read(s []byte, agg Agg, v *event.Value)                  // the value
	both(a, b []byte, agg Agg, v *event.Value) (samples int) // the value of a and b, and their samples; both stay as they are
	commutes() bool                                          // the order of samples never shows in a bit, so that an older pane may change under a fold
}

// invertible is an aggregate that can take the oldest pane out of a fold, to the bit.
type invertible interface {
	aggregate
	unmerge(a, b []byte) bool // a, which starts with b, becomes a without b; false: a has to be folded anew
}

// rowAdder is an aggregate that absorbs many rows at once: their values are 8 bytes behind every stride of rows.
type rowAdder interface {
	addRows(s, rows []byte, stride int)
}

func newAggregate(s Spec) aggregate {
	switch s.Family {
	case Sum:
		if s.Kinds[0] == event.KindInt {
			return sumInts{}
		}
		return sumNumbers{}
	case Spread:
		return spread{}
	case Extremes:
		return extremes{kind: s.Kinds[0]}
	case Distinct:
		return distinct{}
	}
	return count{}
}

// The first word of a state is its number of samples in the lower 40 bits, a million a second for twelve days. The upper 24 are the
// caller's: a run of panes keeps their places there.
const (
	samplesBits = 40
	samplesMask = 1<<samplesBits - 1
)

func samples(s []byte) uint64       { return le.Uint64(s) & samplesMask }
func setSamples(s []byte, n uint64) { le.PutUint64(s, le.Uint64(s)&^samplesMask|n&samplesMask) }

// count is {n}. Empty: 0.
type count struct{}

func (count) size() int                    { return 8 }
func (count) commutes() bool               { return true }
func (count) add(s []byte, _ *event.Value) { setSamples(s, samples(s)+1) }
func (count) merge(a, b []byte)            { setSamples(a, samples(a)+samples(b)) }

func (count) unmerge(a, b []byte) bool {
	setSamples(a, samples(a)-samples(b))
	return true
}

func (count) fold(a, entries []byte, stride int) {
	n := samples(a)
	for len(entries) > 0 {
		n += samples(entries)
		entries = entries[min(stride, len(entries)):]
	}
	setSamples(a, n)
}

func (count) read(s []byte, _ Agg, v *event.Value) { *v = event.IntValue(int64(samples(s))) }

func (count) both(a, b []byte, _ Agg, v *event.Value) (n int) {
	n = int(samples(a) + samples(b))
	*v = event.IntValue(int64(n))
	return n
}
