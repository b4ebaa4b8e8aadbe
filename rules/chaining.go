package rules

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// AlertSource is the name of the source whose events are the alerts of live rules: rules on alerts read it.
const AlertSource = "insolite.alert"

// The slots of AlertSource. Behind them come the fields of the rules' keys, by name, each with what the alert has of it.
const (
	AlertRule        event.Slot = iota // the rule's id
	AlertKey                           // the record key: the text of the one field of the rule's key, or of several a JSON object
	AlertEntity                        // the names of the fields of the rule's key, sorted, with commas
	AlertSeverity                      // as in the rule
	AlertRisk                          // Severity.Risk, of what has ended 0
	AlertState                         // firing or resolved
	AlertAt                            // the event time
	AlertID                            // the alert's identity
	AlertCorrelation                   // common to an alert and to what resolves it
	AlertSuppressed                    // how many were held back since the one before
	AlertTopic                         // of the record that the alert's position names
	AlertFields                        // behind them: the first of the key fields
)

var alertSchema = [AlertFields]event.Field{
	AlertRule:        {Name: "rule", Kind: event.KindString},
	AlertKey:         {Name: "key", Kind: event.KindString},
	AlertEntity:      {Name: "entity", Kind: event.KindString},
	AlertSeverity:    {Name: "severity", Kind: event.KindString},
	AlertRisk:        {Name: "risk", Kind: event.KindNumber},
	AlertState:       {Name: "state", Kind: event.KindString},
	AlertAt:          {Name: "at", Kind: event.KindTime},
	AlertID:          {Name: "id", Kind: event.KindString},
	AlertCorrelation: {Name: "correlation", Kind: event.KindString},
	AlertSuppressed:  {Name: "suppressed", Kind: event.KindInt},
	AlertTopic:       {Name: "topic", Kind: event.KindString},
}

// alertOrigin is what an alert about alerts says of the one that raised it.
var alertOrigin = []event.Slot{AlertRule, AlertID, AlertTopic}

// Risk is how much an alert adds to the risk of its entity: the default scores of Elastic's risk engine, and 1 for what only informs.
func (s Severity) Risk() float64 { return [...]float64{1, 21, 47, 73, 99}[s] }

// LevelsMax is how deep rules on alerts may stand above each other. Their stages stand behind all others: those of each level
// behind hopsOfLevel times it.
const (
	LevelsMax   = 8
	hopsOfLevel = 100 // more than a way has stops
)

// OnAlerts reports whether a source is that of alerts.
func OnAlerts(s *event.Source) bool { return s != nil && s.Name == AlertSource }

// alertSource declares the source of alerts, with the keys of the rules that stand in some files. A field that has two kinds in them is left
// out, and so is one that is called like what every alert has.
func (l *loader) alertSource(docs []*yamldoc.Doc) *event.Source {
	s := &event.Source{Name: AlertSource, Format: "json", Time: AlertAt, EventTime: AlertAt, Fields: slices.Clone(alertSchema[:])}
	for i := range s.Fields {
		s.Fields[i].Path = []string{s.Fields[i].Name}
	}
	if l.Only != "" {
		s.Topic = AlertSource // the rule is tested alone: its alerts come from elsewhere
	}
	kinds := map[string]event.Kind{}
	for _, doc := range docs {
		for _, rule := range doc.Root.Find("rules").Each() {
			name := rule.Find("source")
			if name == nil {
				continue
			}
			if of := l.sourceNamed(name.Text); of != nil {
				keyKinds(of, rule.Find("group_by"), kinds)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if kind := kinds[name]; kind != event.KindMissing && s.FieldSlot(name) == event.NoSlot && len(s.Fields) < FieldsMax {
			s.Fields = append(s.Fields, event.Field{Name: name, Kind: kind, Optional: true, Path: []string{name}})
		}
	}
	return s
}

// keyKinds notes the kinds of the fields that a rule groups by; KindMissing of a field that has two.
func keyKinds(of *event.Source, groupBy *yamldoc.Node, kinds map[string]event.Kind) {
	for _, item := range groupBy.Each() {
		slot := of.FieldSlot(strings.TrimPrefix(item.Text, "event."))
		if slot == event.NoSlot {
			continue
		}
		f := &of.Fields[slot]
		if had, known := kinds[f.Name]; known && had != f.Kind {
			kinds[f.Name] = event.KindMissing
		} else {
			kinds[f.Name] = f.Kind
		}
	}
}

// sight is which alerts a rule sees: it needs not name rules to see those of all rules on events.
type sight struct {
	chained bool     // it sees alerts
	all     bool     // of all rules on events
	named   []string // of these rules
	spelt   []string // rules that some condition names, whether it demands them or not
}

// sight finds out which alerts the rule sees in some place: those for which all of the conditions of the place hold.
func (r *Rule) sight() (s sight) {
	for _, place := range r.alertPlaces() {
		s.chained = true
		names, restricted := []string(nil), false
		for _, w := range place {
			if w == nil {
				continue
			}
			s.spelt = append(s.spelt, w.Equated(AlertRule)...)
			if only, ok := w.Only(AlertRule); ok && restricted {
				names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(only, name) })
			} else if ok {
				names, restricted = slices.Clone(only), true
			}
		}
		s.all = s.all || !restricted
		s.named = append(s.named, names...)
	}
	slices.Sort(s.named)
	slices.Sort(s.spelt)
	s.named, s.spelt = slices.Compact(s.named), slices.Compact(s.spelt)
	return s
}

// alertPlaces returns the places of the rule at which alerts come in, each with its conditions; nil ones are none.
func (r *Rule) alertPlaces() (places [][]*expr.Expr) {
	own := func(s *event.Source, more ...*expr.Expr) {
		switch {
		case !OnAlerts(s):
		case s == r.Source:
			places = append(places, append(more, r.Where))
		default:
			places = append(places, more)
		}
	}
	if r.Sequence == nil {
		own(r.Source)
	} else {
		for i := range r.Sequence.Steps {
			own(r.Sequence.Steps[i].Source, r.Sequence.Steps[i].Where)
		}
		for i := range r.Sequence.Bars {
			own(r.Sequence.Bars[i].Source, r.Sequence.Bars[i].Where)
		}
	}
	for _, f := range r.Features {
		if OnAlerts(f.Read.Source) {
			places = append(places, f.Read.wheres)
		}
	}
	if a := r.Absence; a != nil {
		if OnAlerts(a.Of) {
			places = append(places, []*expr.Expr{a.Where})
		}
		if OnAlerts(a.CancelOn) {
			places = append(places, nil)
		}
	}
	return places
}

// levels finds out on which level each rule stands: those on events on 0, those on their alerts on 1, and so on. A rule that would see what
// comes of its own alerts is refused.
func (l *loader) levels(drafts []*draft) {
	byID := map[string]*draft{}
	for _, d := range drafts {
		d.sees = d.sight()
		byID[d.ID] = d
	}
	for _, d := range drafts {
		if d.sees.chained && l.Only == "" {
			d.checkSight(drafts, byID)
		}
	}
	for _, d := range drafts {
		l.level(d, byID, nil)
	}
}

// level finds the level of a rule, on the way from others that see its alerts.
func (l *loader) level(d *draft, byID map[string]*draft, way []*draft) int {
	if d.Level > 0 || !d.sees.chained || l.Only != "" {
		return d.Level
	}
	if i := slices.Index(way, d); i >= 0 {
		var ids []string
		for _, x := range way[i:] {
			ids = append(ids, x.ID)
		}
		if !d.circular {
			d.head.Errorf("the rule would see what comes of its own alerts: %s, and so on; let one of them name other rules", strings.Join(append(ids, d.ID), " sees those of "))
		}
		for _, x := range way[i:] {
			x.circular = true
		}
		return 1
	}
	level := 1
	for _, name := range d.sees.named {
		if of := byID[name]; of != nil {
			level = max(level, 1+l.level(of, byID, append(way, d)))
		}
	}
	switch d.Level = level; {
	case d.circular:
	case level == LevelsMax+1:
		d.head.Errorf("rules on alerts stand at most %d deep above each other, this one is above that; let it see the alerts of other rules", LevelsMax)
	case level > 1 && d.sees.all:
		d.head.Errorf("the rule names a rule on alerts in one place, and sees the alerts of all rules in another; name there, too, which ones it is to see, as in where: rule in [%s]",
			strings.Join(quoted(d.sees.named), ", "))
	}
	return level
}

func quoted(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = `"` + name + `"`
	}
	return all
}

// checkSight checks that there are rules whose alerts the rule can see.
func (d *draft) checkSight(drafts []*draft, byID map[string]*draft) {
	place := cmp.Or(d.m.Get("where"), d.head)
	var ids []string
	seen, resolves := 0, ""
	for _, x := range drafts {
		ids = append(ids, x.ID)
		if x.Mode == Live && (d.sees.all && !x.sees.chained || slices.Contains(d.sees.named, x.ID)) {
			seen++
			if x.KeepFiring > 0 {
				resolves = cmp.Or(resolves, x.ID)
			}
		}
	}
	unknown := false
	for _, name := range d.sees.spelt {
		switch of := byID[name]; {
		case of == nil:
			place.Errorf("the alerts of rule %q are asked for, and no rule has that id%s", name, yamldoc.Hint(name, ids))
			unknown = true
		case of.sees.chained && !slices.Contains(d.sees.named, name):
			place.Errorf("rule %q is on alerts, which are seen only where each way for the condition to hold names the rules; say rule in [%q, …] and what else has to hold, or write a second rule", name, name)
			unknown = true
		case of.Mode != Live && d.Enabled():
			place.Lintf("rule %q is %s, and only alerts of live rules are seen; this rule waits for it in vain", name, of.Mode)
		}
	}
	switch {
	case !d.Enabled():
	case seen == 0 && !unknown:
		place.Errorf("no live rule gives the alerts that the rule is to see; name others, or say mode: disabled here, too")
	case resolves != "" && !d.asksState():
		place.Lintf("alerts of rule %q are told again when they are over; say state == \"firing\" in where, unless both are wanted", resolves)
	}
}

// asksState reports whether each place of the rule tells alerts from what resolves them.
func (d *draft) asksState() bool {
	for _, place := range d.alertPlaces() {
		if !slices.ContainsFunc(place, func(w *expr.Expr) bool { return w != nil && slices.Contains(w.Slots(), AlertState) }) {
			return false
		}
	}
	return true
}

// senders returns the plans of the rules whose alerts a rule sees, each once.
func (s *Set) senders(r *Rule) (plans []*Plan) {
	for _, x := range s.Rules {
		seen := x.Mode == Live && x.Plan != nil && (r.sees.all && x.Level == 0 || slices.Contains(r.sees.named, x.ID))
		if seen && !slices.Contains(plans, x.Plan) {
			plans = append(plans, x.Plan)
		}
	}
	return plans
}

// usualAlert gives what a test leaves out of an alert what it usually is.
func usualAlert(m *yamldoc.Map, s *Step) {
	usual := func(slot event.Slot, v event.Value) {
		if !s.Row[slot].Known() {
			s.Row[slot] = v
		}
	}
	usual(AlertState, event.StringValue("firing"))
	usual(AlertSeverity, event.StringValue(Medium.String()))
	severity := slices.Index(severityNames[:], s.Row[AlertSeverity].S)
	if n := m.Get("severity"); severity < 0 && n != nil {
		n.Errorf("unknown severity %q%s", n.Text, yamldoc.Hint(n.Text, severityNames[:]))
	}
	usual(AlertRisk, event.NumberValue(Severity(max(severity, 0)).Risk()))
	usual(AlertSuppressed, event.IntValue(0))
	id := placeholder(event.KindString, s)
	usual(AlertID, id)
	usual(AlertCorrelation, id)
	var key []int
	for i := int(AlertFields); i < len(s.Row); i++ {
		if s.Row[i].Known() {
			key = append(key, i)
		}
	}
	if len(key) == 1 { // of several it can't be told how the rule orders them
		usual(AlertEntity, event.StringValue(s.Source.Fields[key[0]].Name))
		usual(AlertKey, event.StringValue(s.Row[key[0]].Text()))
	}
}
