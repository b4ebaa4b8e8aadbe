package engine

import (
	"errors"
	"fmt"
	"maps"

	"insolite/context/store"
	"insolite/internal/event"
	"insolite/rules"
)

// Version is the version of what the engine computes. It is raised when a change of the code changes results, and only then: a log that one
// version has stepped is not replayed by another one.
const Version uint32 = 1 + next

// Since says from which position on a task remembers what: by part of a context, the position at which the rules that want it came into
// force. A part of the first rules has none. What a stored context holds of a part from before is void: a feature that was removed and comes
// back starts empty, in every key.
type Since map[uint64]event.Position

// identity returns a part's identity in layouts: one for each time that it came into force.
func (s Since) identity(k *rules.Keyspace, kind partKind, identity uint64) uint64 {
	if p, ok := s[partOf(k, kind, identity)]; ok {
		return mix(identity ^ mix(uint64(p.Offset)<<20+uint64(p.Step)))
	}
	return identity
}

// mix is the finalizer of splitmix64: it spreads a number over all bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// partKind keeps parts of different kinds apart that have one identity.
type partKind uint64

const (
	partCell partKind = iota + 1
	partDedupe
	partSuppress
	partEvidence
	partNewValue
	partTimers
	partSequence
)

// partOf names a part across keyspaces.
func partOf(k *rules.Keyspace, kind partKind, identity uint64) uint64 {
	return mix(mix(store.Hash([]byte(k.Name))^uint64(kind)) ^ identity)
}

// parts calls each for every part of the plan's contexts.
func parts(plan *rules.Plan, each func(part uint64)) {
	for _, k := range plan.Keyspaces {
		for _, c := range k.Cells {
			each(partOf(k, partCell, c.Spec.Identity))
		}
		for _, s := range k.Streams {
			if s.Source.Dedupe != nil {
				each(partOf(k, partDedupe, s.DedupeIdentity))
			}
			for _, e := range s.Evidence {
				each(partOf(k, partEvidence, e.Identity))
			}
		}
		for _, r := range k.Rules {
			if r.Suppress != nil {
				each(partOf(k, partSuppress, r.Suppress.Identity))
			}
			if r.NewValue != nil {
				each(partOf(k, partNewValue, r.NewValue.Identity))
			}
			if r.Timed() {
				each(partOf(k, partTimers, r.TimersIdentity))
			}
			if r.Sequence != nil {
				each(partOf(k, partSequence, r.Sequence.Identity))
			}
		}
	}
}

// Since returns from when the engine remembers what. It must not be changed.
func (e *Engine) Since() Since { return e.options.Since }

// RememberLayout tells of a layout whose contexts may be loaded.
func (e *Engine) RememberLayout(description []byte) error {
	for _, s := range e.spaces {
		if err := s.keys.RememberLayout(description); err != nil {
			return err
		}
	}
	e.layouts = append(e.layouts, description)
	return nil
}

// Switch returns an engine that goes on from here with other rules: what both remember is kept, what is new starts empty. The old engine is
// of no use afterwards.
func (e *Engine) Switch(plan *rules.Plan, bundle event.Offset) (*Engine, error) {
	if e.firing {
		return nil, errors.New("switch rules: timers are due that have not fired")
	}
	if e.uncut() > 0 {
		return nil, errors.New("switch rules: rows wait for a Cut")
	}
	old := map[uint64]bool{}
	parts(e.plan, func(p uint64) { old[p] = true })
	o := e.options
	o.Since, o.Bundle = maps.Clone(o.Since), bundle
	if o.Since == nil {
		o.Since = Since{}
	}
	kept := map[uint64]bool{}
	parts(plan, func(p uint64) {
		kept[p] = true
		if !old[p] {
			o.Since[p] = e.position
		}
	})
	maps.DeleteFunc(o.Since, func(p uint64, _ event.Position) bool { return !kept[p] })
	next, err := New(plan, o)
	if err != nil {
		return nil, err
	}
	next.Restore(e.position, e.watermark)
	next.limit = e.limit
	if next.stage != nil {
		next.stage.follow(e.Upstreams())
	}
	for _, s := range e.spaces {
		e.layouts = append(e.layouts, s.layout.Describe())
	}
	for _, d := range e.layouts {
		if err := next.RememberLayout(d); err != nil {
			return nil, fmt.Errorf("switch rules: %w", err)
		}
	}
	for _, to := range next.spaces {
		for _, from := range e.spaces {
			if from.plan.Name == to.plan.Name {
				to.keys.Take(from.keys)
			}
		}
	}
	return next, nil
}
