package expr

import (
	"slices"

	"insolite/internal/event"
)

// Bound is a limit that a number or an int in a slot has to keep for a condition to be true. Where the slot has a value beyond it, the
// condition is false. It spares the evaluation of most conditions when there are many over the same features.
type Bound struct {
	Slot  event.Slot
	Above bool // the value must not be below the limit; else not above it
	Limit float64
}

// Bounds returns the bounds that stand in the condition's text as comparisons with constants.
func (e *Expr) Bounds() []Bound { return slices.Clone(e.code.bounds) }

// bounds returns what the comparison of a slot with a constant demands. That an int is rounded does not harm: its order with a limit stays.
func bounds(op string, a, b *code) []Bound {
	if a.form != formSlot || !b.constant || !a.numeric() || !b.numeric() {
		return nil
	}
	limit, known := b.asNumber().num(nil)
	above, below := Bound{a.slot, true, limit}, Bound{a.slot, false, limit}
	switch {
	case !known:
		return nil
	case op == ">" || op == ">=":
		return []Bound{above}
	case op == "<" || op == "<=":
		return []Bound{below}
	case op == "==":
		return []Bound{above, below}
	}
	return nil
}
