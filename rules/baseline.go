package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"insolite/context/baseline"
	"insolite/context/window"
	"insolite/internal/diag"
	"insolite/internal/event"
	"insolite/internal/yamldoc"
	"insolite/rules/expr"
)

// Limits and defaults of baselines.
const (
	BaselinesMax    = 8   // of a rule: each takes up to 1 KiB a key
	BaselineSamples = 20  // min_samples of one that says nothing of it
	baselineFewest  = 16  // samples, from which on a score has learned more than a median
	baselineModel   = "1" // of what is learned: another one starts empty
)

// baselines reads the baselines of a rule: features by other means.
func (d *draft) baselines() {
	n := d.m.Get("baseline")
	if n.Map("baseline") == nil {
		d.lost = d.lost || n != nil || diag.Nearest("baseline", d.m.Node.Names()) != "" && d.m.Get("context") == nil
		return
	}
	if d.m.Has("absence") {
		d.m.Key("baseline").Errorf("a baseline scores an event, and when an absence is due there is none; remove it")
	}
	for i, p := range n.Pairs {
		if i == BaselinesMax {
			p.Key.Errorf("a rule has at most %d baselines; split the rule", BaselinesMax)
			return
		}
		name := p.Key.Text
		free := d.checkName(p.Key)
		r := d.readBaseline(p.Value.Map("a baseline"))
		if d.m.Map("context", "context").Has(name) {
			p.Key.Errorf("%q stands in context, too; name the baseline differently", name)
			free = false
		}
		if r == nil || !free {
			d.broken = append(d.broken, name)
			continue
		}
		d.Features = append(d.Features, &Feature{Name: name, Position: p.Key.Position(), Read: r})
	}
}

// readBaseline reads a baseline's definition; nil when its field is not known.
func (d *draft) readBaseline(m *yamldoc.Map) *Read {
	if m == nil {
		return nil
	}
	b := &Baseline{Query: baseline.Query{MinSamples: BaselineSamples}}
	r := &Read{Source: d.Source, Several: true, FieldNames: baselineMembers, ExcludeCurrent: true, Baseline: b}
	for range baselineMembers {
		r.Kinds = append(r.Kinds, event.KindNumber)
	}
	if d.Where != nil {
		r.wheres = []*expr.Expr{d.Where}
	}
	known := d.baselineField(m, r)
	b.season(m)
	b.history(m)
	if v, ok := m.Int("min_samples", 1, MinSamplesMax); ok {
		b.Query.MinSamples = int(v)
	}
	r.MinSamples = b.Query.MinSamples
	b.Query.Direction = baseline.Direction(max(0, slices.Index(baseline.DirectionNames(), m.OneOf("direction", "both", baseline.DirectionNames()...))))
	b.deviation(m.Get("min_deviation"))
	m.Done()
	if !known {
		return nil
	}
	return r
}

// baselineField reads the field whose values are learned, and reports whether it is known.
func (d *draft) baselineField(m *yamldoc.Map, r *Read) bool {
	n := m.Required("field", "field: celsius")
	if _, ok := n.Str(); !ok || d.view == nil {
		return false
	}
	slot := fieldOf(d.Source, n, "baseline")
	if slot == event.NoSlot {
		return false
	}
	f := &d.Source.Fields[slot]
	if f.Kind != event.KindInt && f.Kind != event.KindNumber {
		n.Errorf("a baseline is of numbers, and %s is a %s; name a field of type int, number", f.Name, f.Kind)
		return false
	}
	r.Fields, r.kinds = []event.Slot{slot}, []event.Kind{f.Kind}
	return true
}

func (b *Baseline) season(m *yamldoc.Map) {
	b.Spec.Season, _ = baseline.ParseSeason(m.OneOf("season", "", baseline.SeasonNames()...))
	n := m.Get("timezone")
	b.Spec.Zone, _ = timezone(n)
	if n != nil && m.Get("season") == nil {
		n.Errorf("a time zone is of a season, and there is none; add season: hour_of_day, or remove timezone")
	}
}

// history reads how long the past counts.
func (b *Baseline) history(m *yamldoc.Map) {
	b.Spec.History = b.Spec.Season.History()
	n := m.Get("history")
	d, ok := n.Duration()
	switch least := b.Spec.Least(); {
	case !ok:
	case d < least && b.Spec.Season != baseline.None:
		n.Errorf("a history of %s is too short for the season %s; make it %s at least, two of its periods", n.Text, b.Spec.Season, window.DurationText(least))
	case d < least:
		n.Errorf("a history of %s is too short; make it %s at least", n.Text, window.DurationText(least))
	case d > baseline.HistoryMax:
		n.Errorf("a history of %s is longer than two years; state that old cannot be rebuilt from the topic, make it shorter", n.Text)
	default:
		b.Spec.History = d
	}
}

// deviation reads how far a value must be off at least: so much, or so many per cent of what is expected.
func (b *Baseline) deviation(n *yamldoc.Node) {
	if n == nil {
		return
	}
	text, percent := strings.CutSuffix(n.Text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if n.Kind > yamldoc.String || err != nil || !(v > 0 && v < baseline.Limit) || n.Kind == yamldoc.String && !percent {
		n.Errorf("min_deviation is a number above 0, or a share of what is expected; write it like 2.0 or 20%%")
		return
	}
	if percent {
		v /= 100
	}
	b.Query.MinDeviation, b.Query.Relative = v, percent
}

// text is how a baseline looks back, as alerts show it: "8w hour_of_week Europe/Paris".
func (b *Baseline) text() string {
	text := window.DurationText(b.Spec.History)
	if b.Spec.Season != baseline.None {
		text += " " + b.Spec.Season.String()
	}
	if b.Spec.Zone != nil {
		text += " " + b.Spec.Zone.String()
	}
	return text
}

// stateText tells apart what is learned.
func (b *Baseline) stateText() string {
	zone := ""
	if b.Spec.Zone != nil {
		zone = b.Spec.Zone.String()
	}
	return fmt.Sprintf("%s %d %s %d", baselineModel, b.Spec.Season, zone, b.Spec.History)
}

// baselineRef is what a baseline's name stands for.
func (r *Read) baselineRef() expr.Ref {
	g := expr.Ref{Members: map[string]expr.Ref{}}
	for i, name := range r.FieldNames {
		g.Members[name] = expr.Ref{Slot: r.Results[i], Kind: event.KindNumber, Optional: true}
	}
	return g
}

// lintBaseline finds what makes a baseline loud.
func lintBaseline(r *Read, m *yamldoc.Map) {
	if r.MinSamples < baselineFewest {
		m.Get("min_samples").Lintf("of fewer than %d samples little is known of what is usual; ask for %d", baselineFewest, BaselineSamples)
	}
}
