package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"insolite/internal/event"
	"insolite/rules/expr"
)

// stop is a keyspace on the way of a rule's events.
type stop struct {
	hop    int      // 0: in the tasks of the source's topic
	fields []string // of its key, sorted
	way    string   // of a hop above 1: whose events come there, and by which keys they came; else empty
}

// way returns the keyspaces that the events of a rule travel: those of its features' keys, and then its own. As long as all that a key is about
// is in one partition of the source's topic, they need not travel. But a cool-down goes by what the condition was, and where its context has to
// catch up with the log while that of another key was stored later, what the rule read of that one can't be read again: so the event travels to a
// cool-down, and to what waits, with what was read.
func (r *Rule) way() []stop {
	var here, away [][]string
	for _, f := range r.Features {
		by := f.Read.By
		same := func(other []string) bool { return slices.Equal(other, by) }
		switch {
		case by == nil || slices.ContainsFunc(here, same) || slices.ContainsFunc(away, same):
		case r.direct(by):
			here = append(here, by)
		default:
			away = append(away, by)
		}
	}
	slices.SortFunc(here, slices.Compare)
	slices.SortFunc(away, slices.Compare)
	if own := r.keyNames(); len(away) == 0 && r.direct(own) && (len(here) == 0 || r.Suppress == nil && !r.Timed()) {
		here = append(here, own)
	} else {
		away = append(away, own)
	}
	var all []stop
	base := r.Level * hopsOfLevel
	for _, fields := range here {
		all = append(all, stop{fields: fields})
	}
	way := ""
	for i, fields := range away {
		all = append(all, stop{base + i + 1, fields, way})
		if way == "" {
			way = r.Source.Name
		}
		way += " " + strings.Join(fields, "-")
	}
	return all
}

// keyOf returns the names of the fields of a feature's key, sorted.
func (r *Rule) keyOf(f *Feature) []string {
	if f.Read.By != nil {
		return f.Read.By
	}
	return r.keyNames()
}

// sources returns the sources whose events the rule reads by some key: its own, and those of the features of that key; nil: of any key. By its
// own key it reads those of its sequence and those that end a wait, too.
func (r *Rule) sources(key []string) []*event.Source {
	all := []*event.Source{r.Source}
	for _, f := range r.Features {
		if (key == nil || slices.Equal(r.keyOf(f), key)) && !slices.Contains(all, f.Read.Source) {
			all = append(all, f.Read.Source)
		}
	}
	for _, s := range r.Absence.ends() {
		if (key == nil || slices.Equal(r.keyNames(), key)) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if r.Sequence != nil && (key == nil || slices.Equal(r.keyNames(), key)) {
		for _, s := range r.Sequence.sources() {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// direct reports whether all that a key is about is in one partition of the source's topic: the key has the fields by which the records of each
// source are keyed, all by the same ones.
func (r *Rule) direct(key []string) bool {
	own := keyed(r.Source)
	for _, s := range r.sources(key) {
		if s.Topic != r.Source.Topic || !slices.Equal(keyed(s), own) {
			return false
		}
	}
	for _, name := range own {
		if !slices.Contains(key, name) {
			return false
		}
	}
	return len(own) > 0
}

// travel puts a rule to work: its features along the way of its events, and the rule at its end.
func (s *Set) travel(r *Rule, topicOf func(*event.Source) *Plan, stageOf func(stop) *Plan, views map[*event.Source]*view) {
	from := func(source *event.Source) (plans []*Plan, raised bool) {
		if raised = OnAlerts(source) && source.Topic == ""; raised {
			return s.senders(r), true
		}
		return []*Plan{topicOf(source)}, false
	}
	at, raised := from(r.Source)
	way := r.way()
	var gathered []*Read
	for i, stop := range way {
		last := i == len(way)-1
		if stop.hop > 0 {
			stage := stageOf(stop)
			for _, source := range r.sources(stop.fields) {
				senders, raised := at, raised
				if source != r.Source {
					senders, raised = from(source)
				}
				for _, sender := range senders {
					stage.admit(source, views[source], sender.Topic)
					x := sender.route(stage, source, raised)
					x.Passed = x.Passed || source == r.Source && !last
					if !raised {
						sender.source(source).need(r.needs(source)...)
					}
				}
			}
			stage.source(r.Source).carry(gathered)
			at, raised = []*Plan{stage}, false
		}
		here := at[0]
		for _, source := range r.sources(stop.fields) {
			here.source(source).need(r.needs(source)...)
		}
		if last {
			here.add(r)
			return
		}
		gathered = append(gathered, here.gather(r, stop.fields)...)
	}
}

// gather reads the features of a rule that have a key, for a rule that is evaluated elsewhere, and returns them.
func (p *Plan) gather(r *Rule, key []string) []*Read {
	st := p.keyspace(key).stream(r.Source)
	pass := []*expr.Expr{r.Where}
	if r.Absence != nil && r.Absence.Of == r.Source {
		pass = append(pass, r.Absence.Where) // what ends a wait travels the same way
	}
	for _, w := range pass {
		where := -1
		if w != nil {
			where = st.where(w)
		}
		if !slices.Contains(st.Passing, where) {
			st.Passing = append(st.Passing, where)
		}
	}
	var reads []*Read
	for _, f := range r.Features {
		if slices.Equal(f.Read.By, key) {
			st.addRead(f.Read)
			reads = append(reads, f.Read)
		}
	}
	return reads
}

// carry notes that the values of features come with the rows.
func (sp *SourcePlan) carry(reads []*Read) {
	for _, r := range reads {
		if slices.Contains(sp.carried, r) {
			continue
		}
		sp.carried = append(sp.carried, r)
		column := func(what string, kind event.Kind, slot event.Slot) {
			sp.Carried = append(sp.Carried, Column{Name: fmt.Sprintf("=%s@%d %s", r.ID, r.hop, what), Kind: kind, Slot: slot})
		}
		for i, slot := range r.Results {
			column(strconv.Itoa(i), r.Kinds[i], slot)
		}
		column("samples", event.KindInt, r.Carry.Samples)
		column("from", event.KindTime, r.Carry.From)
		column("to", event.KindTime, r.Carry.To)
	}
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

// stageTopic is the name of the topic of a stage. Names of fields have no hyphens. Behind another stage it has what came the same way only: else
// an event that comes by two ways would be there twice, each time without the features of the other way.
func stageTopic(app string, at stop) string {
	prefix, suffix := "by.", "."+strconv.Itoa(at.hop)
	if app != "" {
		prefix = app + "." + prefix
	}
	if at.way != "" {
		sum := sha256.Sum256([]byte(at.way))
		suffix += "." + hex.EncodeToString(sum[:4])
	}
	names := strings.Join(at.fields, "-")
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

// admit makes a source one of those that a stage is sent, by the tasks of a topic.
func (p *Plan) admit(s *event.Source, v *view, from string) {
	if p.source(s) == nil {
		p.Sources = append(p.Sources, newSourcePlan(s, v))
	}
	if !slices.Contains(p.Stage.Upstreams, from) {
		p.Stage.Upstreams = append(p.Stage.Upstreams, from)
		slices.Sort(p.Stage.Upstreams)
	}
}

// route sends events of a source to a stage: those that come to the plan's tasks, or alerts that they raise.
func (p *Plan) route(stage *Plan, s *event.Source, raised bool) *RouteSource {
	i := slices.IndexFunc(p.Routes, func(x *Route) bool { return x.Topic == stage.Topic })
	if i < 0 {
		i = len(p.Routes)
		p.Routes = append(p.Routes, &Route{Topic: stage.Topic})
	}
	route := p.Routes[i]
	for _, x := range route.Sources {
		if x.Source == s {
			return x
		}
	}
	x := &RouteSource{Source: s, Raised: raised}
	for _, name := range stage.Stage.Fields {
		x.Key = append(x.Key, s.FieldSlot(name))
	}
	route.Sources = append(route.Sources, x)
	return x
}

// pack decides which rows travel, and which of their values.
func (p *Plan) pack(route *Route, stage *Plan) {
	for _, x := range route.Sources {
		sp := stage.source(x.Source)
		for i, need := range sp.Needed {
			if f := &x.Source.Fields[i]; need {
				x.Columns = append(x.Columns, Column{f.Name, f.Kind, event.Slot(i)})
			}
		}
		x.Columns = append(x.Columns, sp.Carried...)
		for _, c := range x.Columns {
			x.Slots = append(x.Slots, c.Slot)
		}
		for _, r := range sp.carried {
			if slices.Contains(p.Keyspaces, r.Stream.Keyspace) {
				x.Reads = append(x.Reads, r)
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
		if r.Source == sp.Source {
			add(r.Where)
			continue
		}
		for _, w := range r.Sequence.wheres(sp.Source) {
			add(w)
		}
	}
	for _, st := range sp.Streams {
		for _, w := range st.Passing {
			if w < 0 {
				add(nil)
			} else {
				add(st.Wheres[w])
			}
		}
		for _, c := range st.Cancels {
			if c.Where < 0 {
				add(nil)
			} else {
				add(st.Wheres[c.Where])
			}
		}
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
