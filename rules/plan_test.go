package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules"
)

// needed names the fields of a source that a decoder has to fill.
func needed(sp *rules.SourcePlan) string {
	var names []string
	for i, yes := range sp.Needed {
		if yes {
			names = append(names, sp.Source.Fields[i].Name)
		}
	}
	return strings.Join(names, " ")
}

func TestPlan(t *testing.T) {
	set := loadAll(t)
	var topics []string
	for _, p := range set.Plans {
		topics = append(topics, p.Topic)
	}
	if got := strings.Join(topics, " "); got != "logins payments pizzas" {
		t.Fatalf("plans of %s", got)
	}
	p := set.Plan("payments")
	if p.Lateness != 5*time.Minute {
		t.Errorf("lateness %v, want that of the source without rules", p.Lateness)
	}
	if len(p.Sources) != 2 || p.Sources[0].Source.Name != "payment.authorized" {
		t.Fatalf("sources %+v", p.Sources)
	}
	authorized, declined := p.Sources[0], p.Sources[1]
	if got := needed(authorized); got != "ts payment_id customer_id terminal_id amount items category merchant.id" {
		t.Errorf("of payment.authorized are needed: %s", got)
	}
	if got := needed(declined); got != "event_time" || len(declined.Streams)+len(declined.Rules) != 0 || declined.Width != 4 {
		t.Errorf("of payment.declined are needed: %s; %+v", got, declined)
	}
	if authorized.Width != 9+4 || len(authorized.Rules) != 2 {
		t.Errorf("payment.authorized is %+v", authorized)
	}
	var spaces []string
	for i, k := range p.Keyspaces {
		spaces = append(spaces, fmt.Sprintf("%s: %d cells, %d reads, %v", k.Name, len(k.Cells), len(k.Reads), k.Retention))
		if k.Index != i || authorized.Streams[i].Keyspace != k {
			t.Errorf("keyspace %s has index %d, stream %+v", k.Name, k.Index, authorized.Streams[i])
		}
	}
	if got := strings.Join(spaces, "; "); got != "customer_id: 2 cells, 2 reads, 732h0m0s; customer_id,terminal_id: 2 cells, 2 reads, -1ns" {
		t.Errorf("keyspaces are %s", got)
	}
	s := authorized.Streams[0]
	if len(s.Before) != 2 || len(s.After) != 0 || !slices.Equal(s.Cells, []int{0, 1}) || s.DedupeIdentity == 0 {
		t.Errorf("the stream is %+v", s)
	}
	checkLayouts(t, set)
}

// checkLayouts makes each keyspace's layout, which refuses specs that are not sound.
func checkLayouts(t *testing.T, set *rules.Set) {
	t.Helper()
	for _, p := range set.Plans {
		for _, k := range p.Keyspaces {
			var s store.Specs
			for _, c := range k.Cells {
				s.Cells = append(s.Cells, c.Spec)
			}
			for _, st := range k.Streams {
				if st.Source.Dedupe != nil {
					s.Dedupe = append(s.Dedupe, store.DedupeSpec{Identity: st.DedupeIdentity, For: st.Source.Dedupe.For})
				}
				for _, e := range st.Evidence {
					s.Evidence = append(s.Evidence, store.EvidenceSpec{Identity: e.Identity, N: e.Max, Within: e.Within})
				}
			}
			for _, r := range k.Rules {
				if r.Suppress != nil {
					s.Suppress = append(s.Suppress, store.SuppressSpec{Identity: r.Suppress.Identity, For: r.Suppress.For, Calendar: r.Suppress.Calendar})
				}
			}
			if _, err := store.NewLayout(s); err != nil {
				t.Errorf("keyspace %s of %s: %v", k.Name, p.Topic, err)
			}
		}
	}
}

// rule writes a rule over payments with one feature.
func rule(id, feature string) string {
	return fmt.Sprintf("- {id: %s, source: payment.authorized, group_by: customer_id, context: {f: {%s}}, condition: f > 1}\n", id, feature)
}

func TestFeaturesAreShared(t *testing.T) {
	for _, c := range []struct {
		a, b         string
		reads, cells int
	}{
		{"agg: sum, field: amount, window: 24h", "window: 1d, field: amount, agg: sum", 1, 1},
		{"agg: sum, field: amount, window: 24h", "agg: avg, field: amount, window: 24h", 2, 1},
		{"agg: percentile, p: 95, field: amount, window: 24h", "agg: percentile, p: 50, field: amount, window: 24h", 2, 1},
		{"agg: percentile, p: 95, field: amount, window: 24h", "agg: percentile, p: 95.0, field: amount, window: 24h", 1, 1},
		{"agg: percentile, p: 95, field: amount, window: 24h", "agg: percentile, p: 95, field: amount, window: 24h, exact: true", 2, 2},
		{"agg: min, field: amount, window: 24h", "agg: max, field: amount, window: 24h, min_samples: 3", 2, 1},
		{"agg: sum, field: amount, window: 24h", "agg: sum, field: amount, window: 24h, exclude_current: true", 2, 1},
		{"agg: sum, field: amount, window: 24h", "agg: sum, field: event.amount, window: 24h", 1, 1},
		{"agg: sum, field: amount, window: 24h", "agg: sum, field: amount, window: 25h", 2, 2},
		{"agg: sum, field: amount, window: 24h", "agg: sum, field: amount, window: 24h, exact: true", 2, 2},
		{"agg: sum, field: amount, window: 24h", "agg: sum, field: items, window: 24h", 2, 2},
		{"agg: sum, field: amount, window: 24h", "agg: sum, field: amount, window: 24h, where: amount > 3", 2, 2},
		{"agg: count, window: 24h, where: amount > 3", "agg: count, window: 24h, where: (amount) >  3", 1, 1},
		{"agg: count, window: {calendar: day}", "agg: count, window: {calendar: day, timezone: UTC}", 1, 1},
		{"agg: count, window: {calendar: day}", "agg: count, window: {calendar: day, timezone: Europe/Paris}", 2, 2},
		{"agg: count, window: 24h", "agg: count, field: category, window: 24h", 2, 2},
	} {
		set := mustLoad(t, rule("a", c.a)+rule("b", c.b))
		k := set.Plans[0].Keyspaces[0]
		if len(k.Reads) != c.reads || len(k.Cells) != c.cells {
			t.Errorf("%s and %s: %d reads, %d cells, want %d, %d", c.a, c.b, len(k.Reads), len(k.Cells), c.reads, c.cells)
		}
		same := set.Rules[0].Features[0].Read == set.Rules[1].Features[0].Read
		if same != (c.reads == 1) || set.Plans[0].Sources[0].Width != 9+c.reads {
			t.Errorf("%s and %s: the same read: %v, width %d", c.a, c.b, same, set.Plans[0].Sources[0].Width)
		}
		checkLayouts(t, set)
	}
}

func TestWheresOfRuleAndFeatureBothHaveToHold(t *testing.T) {
	set := mustLoad(t, `
- id: a
  source: payment.authorized
  where: items > 1
  group_by: customer_id
  context:
    n: {agg: count, window: 1h, where: amount > 3}
    m: {agg: count, window: 1h, where: items>1}
  condition: n > 1 and m > 1
`)
	r := set.Rules[0]
	s := r.Stream
	var texts []string
	for _, i := range r.Features[0].Read.Wheres {
		texts = append(texts, s.Wheres[i].Text())
	}
	slices.Sort(texts)
	if got := strings.Join(texts, "; "); got != "amount > 3; items > 1" {
		t.Errorf("n absorbs where %s", got)
	}
	if r.WhereIndex != 0 || len(s.Wheres) != 2 || len(r.Features[1].Read.Wheres) != 1 {
		t.Errorf("where %d of %d, m absorbs where %v", r.WhereIndex, len(s.Wheres), r.Features[1].Read.Wheres)
	}
}

func TestDisabledRulesTakeNothing(t *testing.T) {
	set := mustLoad(t, strings.Replace(rule("a", "agg: sum, field: amount, window: 24h"), "{id", "{mode: disabled, id", 1)+
		strings.Replace(rule("b", "agg: sum, field: items, window: 24h"), "{id", "{mode: shadow, id", 1))
	off, on := set.Rules[0], set.Rules[1]
	if off.Keyspace != nil || off.Stream != nil || on.Features[0].Read.Results[0] != 9 || set.Plans[0].Sources[0].Width != 10 {
		t.Errorf("got %+v, %+v", off, on)
	}
	if got := needed(set.Plans[0].Sources[0]); got != "ts payment_id customer_id items" {
		t.Errorf("needed are %s", got)
	}
	set = mustLoad(t, strings.Replace(rule("a", "agg: sum, field: amount, window: 24h"), "{id", "{mode: disabled, id", 1))
	if len(set.Plans) != 0 {
		t.Errorf("plans %+v", set.Plans)
	}
}

func TestEvidenceRings(t *testing.T) {
	const frame = "- {id: %s, source: payment.authorized, group_by: customer_id, context: {f: {agg: count, window: %s}}, condition: f > 1, alert: {evidence: %d}}\n"
	set := mustLoad(t, fmt.Sprintf(frame, "a", "60m", 4)+fmt.Sprintf(frame, "b", "1h", 4)+fmt.Sprintf(frame, "c", "1h", 16)+
		fmt.Sprintf(frame, "d", "{session: 10m}", 16)+fmt.Sprintf(frame, "e", "forever", 1)+fmt.Sprintf(frame, "f", "1h", 0)+
		"- {id: g, source: payment.authorized, group_by: customer_id, condition: amount > 3}\n")
	var index []int
	for _, r := range set.Rules {
		index = append(index, r.EvidenceIndex)
	}
	if !slices.Equal(index, []int{0, 0, 1, 1, 2, -1, -1}) {
		t.Errorf("rings %v", index)
	}
	rings := set.Rules[0].Stream.Evidence
	if rings[0].Within != 61*time.Minute || rings[1].Max != 16 || rings[1].Within != 160*time.Minute || set.Rules[2].EvidenceWithin != 61*time.Minute || rings[2].Within != 0 {
		t.Errorf("rings %+v", rings)
	}
}

func TestTimeSinceIsReadBefore(t *testing.T) {
	s := mustLoad(t, "- {id: a, source: pizza.purchased, group_by: customer_id, context: {f: {agg: time_since, window: 24h}}, condition: f > duration(\"1h\")}\n").Rules[0].Stream
	if len(s.Before) != 1 || s.Before[0].Agg != window.AggTimeSince || s.Before[0].Kinds[0] != event.KindDuration {
		t.Errorf("got %+v", s)
	}
}

const versioned = `
- id: a
  title: One
  severity: low
  source: payment.authorized
  where: items > 1
  group_by: customer_id
  context: {n: {agg: count, window: 1h}}
  condition: n > 1
  exceptions: [{name: x, where: amount < 3}]
  suppress: {for: 1h}
  alert: {summary: "{n}"}
`

func TestVersionIsOfWhatIsDetected(t *testing.T) {
	was := mustLoad(t, versioned)
	for _, c := range []struct {
		old, new string
		changes  bool
	}{
		{"title: One", "title: Two", false},
		{"severity: low", "severity: high", false},
		{"severity: low", "mode: shadow", false},
		{"title: One", "tags: [a]", false},
		{"{n}", "{n}!", false},
		{"name: x", "name: y", false},
		{"n > 1\n", "(n)  >  1\n", false},
		{"window: 1h", "window: 60m", false},
		{"n > 1\n", "n > 2\n", true},
		{"items > 1", "items > 2", true},
		{"window: 1h", "window: 2h", true},
		{"amount < 3", "amount < 4", true},
		{"suppress: {for: 1h}", "suppress: {for: 2h}", true},
		{"group_by: customer_id", "group_by: [customer_id, terminal_id]", true},
	} {
		is := mustLoad(t, strings.Replace(versioned, c.old, c.new, 1))
		if changed := is.Rules[0].Version != was.Rules[0].Version; changed != c.changes {
			t.Errorf("%s to %s: the version changes: %v", c.old, c.new, changed)
		}
		sameSet := !c.changes && !strings.Contains(c.new, "mode")
		if (is.Version == was.Version) != sameSet {
			t.Errorf("%s to %s: the set's version changes: %v", c.old, c.new, !sameSet)
		}
		if c.new != "group_by: [customer_id, terminal_id]" && is.Rules[0].Suppress.Identity != was.Rules[0].Suppress.Identity {
			t.Errorf("%s to %s: the cool-downs are lost", c.old, c.new)
		}
	}
}

// TestIdentitiesAreStable holds hashes against what they were: state on disk is found by them.
func TestIdentitiesAreStable(t *testing.T) {
	r := mustLoad(t, versioned).Rules[0]
	got := fmt.Sprintf("%s %s %s %x %x", r.Version, r.Features[0].Read.ID, r.Keyspace.Cells[0].ID, r.Suppress.Identity, r.Stream.Evidence[0].Identity)
	const want = "76c2ac75ce01f2a65473e654e7cf4ede 9825e2e6a84d330badc821ad18c9477a 07737b8e0c582378dd2cb96e0a50cee1 2f63d00070a31073 53293b552acc6d49"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
