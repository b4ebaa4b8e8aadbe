package app

import (
	"fmt"

	"insolite/internal/engine"
)

// CostSamples is the number of events that a key is taken to have when its memory is estimated.
const CostSamples = 20

// RuleCost is what a rule remembers of one key.
type RuleCost struct {
	Rule     string `json:"rule"`
	Mode     string `json:"mode"`
	Keyspace string `json:"keyspace"` // empty: the rule is disabled
	Bytes    int    `json:"bytes_per_key"`
}

// Costs estimates what each rule remembers of a key with CostSamples events, in the order of the set. State that rules share is counted for
// each of them.
func (p *Project) Costs() ([]RuleCost, error) {
	costs := make([]RuleCost, len(p.Set.Rules))
	for i, r := range p.Set.Rules {
		costs[i] = RuleCost{Rule: r.ID, Mode: r.Mode.String()}
	}
	for _, plan := range p.Set.Plans {
		e, err := engine.New(plan, engine.Options{})
		if err != nil {
			return nil, fmt.Errorf("estimate memory: %w", err)
		}
		for _, k := range e.Keyspaces() {
			layout := k.Contexts.Layout()
			for _, r := range k.Plan.Rules {
				c := &costs[r.Index]
				c.Keyspace = k.Plan.Name
				counted := map[int]bool{}
				for _, f := range r.Features {
					if !counted[f.Read.Cell] {
						counted[f.Read.Cell] = true
						c.Bytes += layout.CellBytes(f.Read.Cell, CostSamples)
					}
				}
			}
		}
	}
	return costs, nil
}
