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

// direct reports whether all events of a key of the rule's are in one partition of its source: the key has the fields by which the records
// are keyed.
func (r *Rule) direct() bool {
	for _, slot := range r.Source.Key {
		if !slices.Contains(r.GroupBy, slot) {
			return false
		}
	}
	return len(r.Source.Key) > 0
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

// route sends what a rule of a stage needs.
func (p *Plan) route(stage *Plan, r *Rule) {
	i := slices.IndexFunc(p.Routes, func(x *Route) bool { return x.Topic == stage.Topic })
	if i < 0 {
		i = len(p.Routes)
		p.Routes = append(p.Routes, &Route{Topic: stage.Topic})
	}
	p.source(r.Source).needRule(r)
	route := p.Routes[i]
	j := slices.IndexFunc(route.Sources, func(x *RouteSource) bool { return x.Source == r.Source })
	if j < 0 {
		x := &RouteSource{Source: r.Source}
		for _, name := range stage.Stage.Fields {
			x.Key = append(x.Key, r.Source.FieldSlot(name))
		}
		route.Sources = append(route.Sources, x)
	}
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
		for _, r := range sp.Rules {
			if r.Where == nil {
				x.Wheres = nil
				break
			}
			if !slices.ContainsFunc(x.Wheres, func(w *expr.Expr) bool { return w.Canonical() == r.Where.Canonical() }) {
				x.Wheres = append(x.Wheres, r.Where)
			}
		}
	}
}
