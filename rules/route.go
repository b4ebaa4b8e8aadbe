package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"insolite/internal/event"
	"insolite/rules/expr"
)

// direct reports whether all that a key of the rule's is about is in one partition of one topic: the key has the fields by which the records
// of each source are keyed, all by the same ones.
func (r *Rule) direct() bool {
	own := keyed(r.Source)
	for _, s := range r.sources() {
		if s.Topic != r.Source.Topic || !slices.Equal(keyed(s), own) {
			return false
		}
	}
	for _, name := range own {
		if !slices.Contains(r.keyNames(), name) {
			return false
		}
	}
	return len(own) > 0
}

// keyed returns the names of the fields by which a source's records are keyed, sorted.
func keyed(s *event.Source) []string {
	var names []string
	for _, slot := range s.Key {
		names = append(names, s.Fields[slot].Name)
	}
	slices.Sort(names)
	return names
}

// topicMax is how long Kafka lets the name of a topic be.
const topicMax = 249

// stageTopic is the name of the topic of a stage. Names of fields have no hyphens.
func stageTopic(app string, fields []string, hop int) string {
	prefix, suffix := "by.", "."+strconv.Itoa(hop)
	if app != "" {
		prefix = app + "." + prefix
	}
	names := strings.Join(fields, "-")
	if len(prefix)+len(names)+len(suffix) > topicMax {
		sum := sha256.Sum256([]byte(names))
		names = hex.EncodeToString(sum[:16])
	}
	return prefix + names + suffix
}

// hop is how many topics the plan's events came through before.
func (p *Plan) hop() int {
	if p.Stage == nil {
		return 0
	}
	return p.Stage.Hop
}

// admit makes a source one of those that a stage is sent.
func (p *Plan) admit(s *event.Source, v *view) {
	if p.source(s) == nil {
		p.Sources = append(p.Sources, newSourcePlan(s, v))
	}
	if !slices.Contains(p.Stage.Upstreams, s.Topic) {
		p.Stage.Upstreams = append(p.Stage.Upstreams, s.Topic)
		slices.Sort(p.Stage.Upstreams)
	}
}

// route sends what a rule of a stage needs of a source's events.
func (p *Plan) route(stage *Plan, r *Rule, s *event.Source) {
	i := slices.IndexFunc(p.Routes, func(x *Route) bool { return x.Topic == stage.Topic })
	if i < 0 {
		i = len(p.Routes)
		p.Routes = append(p.Routes, &Route{Topic: stage.Topic})
	}
	p.source(s).need(r.needs(s)...)
	route := p.Routes[i]
	if slices.ContainsFunc(route.Sources, func(x *RouteSource) bool { return x.Source == s }) {
		return
	}
	x := &RouteSource{Source: s}
	for _, name := range stage.Stage.Fields {
		x.Key = append(x.Key, s.FieldSlot(name))
	}
	route.Sources = append(route.Sources, x)
}

// pack decides which rows travel, and which of their fields.
func (route *Route) pack(stage *Plan) {
	for _, x := range route.Sources {
		sp := stage.source(x.Source)
		for i, need := range sp.Needed {
			if need {
				x.Slots = append(x.Slots, event.Slot(i))
			}
		}
		x.Wheres = sp.passes()
	}
}

// passes returns the conditions of which one holds for every event that a rule or a feature sees, or more than those; none: for every event.
func (sp *SourcePlan) passes() (wheres []*expr.Expr) {
	all := false
	add := func(w *expr.Expr) {
		all = all || w == nil
		if w != nil && !slices.ContainsFunc(wheres, func(x *expr.Expr) bool { return x.Canonical() == w.Canonical() }) {
			wheres = append(wheres, w)
		}
	}
	for _, r := range sp.Rules {
		add(r.Where)
	}
	for _, st := range sp.Streams {
		for _, c := range st.Lent {
			if cell := st.Keyspace.Cells[c]; len(cell.Wheres) > 0 {
				add(st.Wheres[cell.Wheres[0]]) // all of them have to hold
			} else {
				add(nil)
			}
		}
	}
	if all {
		return nil
	}
	return wheres
}
