package store

import (
	"insolite/context/baseline"
	"insolite/internal/event"
)

// BaselineSpec describes a baseline.
type BaselineSpec struct {
	Identity uint64 // a stable hash of the definition; state is found by it
	Spec     baseline.Spec
}

// Baseline is what is usual of a key's values; see [baseline.Model]. A key without samples has no bytes of it.
type Baseline struct {
	m    baseline.Model
	spec baseline.Spec
	slot slot
}

// Spec returns what the baseline was made from.
func (b *Baseline) Spec() baseline.Spec { return b.spec }

// Read tells about a value, which may be NaN, at an instant, before Absorb. It changes nothing.
func (b *Baseline) Read(x *Ctx, q baseline.Query, at event.Time, v float64) baseline.Reading {
	return b.m.Read(b.slot.tail(x), q, at, v)
}

// Absorb learns from a value.
func (b *Baseline) Absorb(x *Ctx, at event.Time, v float64) {
	if len(b.slot.tail(x)) == 0 {
		b.slot.stretch(x, b.m.Size())
	}
	b.m.Absorb(b.slot.tail(x), at, v)
}
