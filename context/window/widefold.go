package window

import "insolite/internal/event"

// A busy key's sliding window of distinct_count has 61 panes of hashes or registers, which cost more to merge than all else of an event. Once
// such a run has enough panes, the end of its tail is reserved for the fold of all panes but the newest: the pane before which it ends, a word
// that tells it from what else may lie there after the tail has grown, and the state. It holds as long as the flag foldValid is set and that
// word is there.
const (
	wideFoldMin   = 8  // panes of registers from which on the fold is kept: it takes as much as one of them
	narrowFoldMin = 24 // panes of hashes: a sparse key should not pay for it
	wideFoldHead  = 16
	wideFoldMark  = 0x646c6f6665646977 // "widefold"
)

// wideFoldSize returns the bytes that the fold of a run takes; 0 for one that has none.
func (c *Cell) wideFoldSize(r *run) int {
	if c.span == 0 || c.form != formPanes || r.n < wideFoldMin || r.n < narrowFoldMin && r.stride != c.keyLen+wideSize {
		return 0
	}
	return wideFoldHead + wideSize
}

// dropWideFold forgets the fold of a run that has become too short for one: its panes may take the place.
func (c *Cell) dropWideFold(r *run) {
	if c.distinct && r.reserve == 0 {
		setFlags(r.head, 0)
	}
}

// wideFold returns the fold of the panes p-span to p-1 when p is the newest pane, else nil.
func (c *Cell) wideFold(r *run, p int64) []byte {
	if r.reserve == 0 || r.key(r.n-1) != p || (r.first+r.n)*r.stride+r.reserve > len(r.tail) {
		return nil
	}
	s := r.tail[len(r.tail)-r.reserve:]
	fold := s[wideFoldHead:]
	if flags(r.head)&foldValid != 0 && le.Uint64(s[8:]) == wideFoldMark && int64(le.Uint64(s)) == p {
		return fold
	}
	clear(fold)
	if lo := r.before(p - c.span); lo < r.n-1 {
		c.Folded += uint64(r.n - 1 - lo)
		c.agg.fold(fold, r.states(lo, r.n-1, c.keyLen), r.stride)
	}
	le.PutUint64(s, uint64(p))
	le.PutUint64(s[8:], wideFoldMark)
	setFlags(r.head, foldValid)
	return fold
}

// addWideFold keeps the fold true after pane p has absorbed v.
func (c *Cell) addWideFold(r *run, p int64, v *event.Value) {
	if r.reserve == 0 || flags(r.head)&foldValid == 0 {
		return
	}
	s := r.tail[len(r.tail)-r.reserve:]
	if end := int64(le.Uint64(s)); p < end && p >= end-c.span && le.Uint64(s[8:]) == wideFoldMark {
		c.agg.add(s[wideFoldHead:], v)
	}
}
