package rules_test

import (
	"testing"

	"insolite/rules"
)

// A feature of the rule's own key is read where the rule runs, also when another rule has the same one elsewhere.
func TestSharedFeaturesAreReadWhereTheRuleRuns(t *testing.T) {
	const rule = `
  source: payment.authorized
  group_by: [customer_id, terminal_id]
  context:
    n: {agg: count, window: 24h}
    m: {by: [customer_id], agg: count, window: 24h}
  condition: n + m > 1
`
	set, list := load(t, "- id: a"+rule+"- id: b"+rule+"  suppress: {for: 1h}\n", rules.Options{})
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Rules {
		if at := r.Features[0].Read.Stream.Keyspace; at != r.Keyspace {
			t.Errorf("%s runs in %s, and its feature is read in another keyspace", r.ID, r.Plan.Topic)
		}
	}
}
