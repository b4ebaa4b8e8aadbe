package app

import (
	"fmt"

	"insolite/context/store"
	"insolite/internal/engine"
	"insolite/rules"
)

// CostSamples is the number of events that a key is taken to have when its memory is estimated.
const CostSamples = 20

// RuleCost is what a rule remembers of one key.
type RuleCost struct {
	Rule     string `json:"rule"`
	Mode     string `json:"mode"`
	Keyspace string `json:"keyspace"` // empty: the rule is disabled
	Through  string `json:"through"`  // the topic through which its events come, because its key is not their records'; empty: none
	Bytes    int    `json:"bytes_per_key"`
}

// Costs estimates what each rule remembers of a key with CostSamples events, in the order of the set. State that rules share is counted for
// each of them.
func (p *Project) Costs() ([]RuleCost, error) {
	costs := make([]RuleCost, len(p.Set.Rules))
	for i, r := range p.Set.Rules {
		costs[i] = RuleCost{Rule: r.ID, Mode: r.Mode.String()}
	}
	layouts := map[*rules.Keyspace]*store.Layout{}
	for _, plan := range p.Set.Plans {
		e, err := engine.New(plan, engine.Options{})
		if err != nil {
			return nil, fmt.Errorf("estimate memory: %w", err)
		}
		for _, k := range e.Keyspaces() {
			layouts[k.Plan] = k.Contexts.Layout()
		}
	}
	for i, r := range p.Set.Rules {
		if !r.Enabled() {
			continue
		}
		costs[i].Keyspace = r.Keyspace.Name
		if r.Plan.Stage != nil {
			costs[i].Through = r.Plan.Topic
		}
		type cell struct {
			keyspace *rules.Keyspace
			index    int
		}
		if r.Timed() {
			costs[i].Bytes += store.TimerBytes
		}
		counted := map[cell]bool{}
		for _, f := range r.Features {
			c := cell{f.Read.Stream.Keyspace, f.Read.Cell}
			if !counted[c] {
				counted[c] = true
				costs[i].Bytes += partBytes(layouts[c.keyspace], c.keyspace, c.index)
			}
		}
		if r.NewValue != nil {
			costs[i].Bytes += store.NewValueBytes(CostSamples)
		}
		if q := r.Sequence; q != nil {
			costs[i].Bytes += store.SequenceBytes(q.Keep)
		}
	}
	return costs, nil
}

// partBytes estimates what a cell of a keyspace takes.
func partBytes(l *store.Layout, k *rules.Keyspace, cell int) int {
	place := 0
	isBaseline := func(c *rules.Cell) bool { return c.Baseline != nil }
	for _, c := range k.Cells[:cell] {
		if isBaseline(c) == isBaseline(k.Cells[cell]) {
			place++
		}
	}
	if isBaseline(k.Cells[cell]) {
		return l.BaselineBytes(place)
	}
	return l.CellBytes(place, CostSamples)
}
