package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// alertSource is the name of the source whose events are alerts.
const alertSource = "insolite.alert"

// risks are what an alert adds to the risk of its entity.
var risks = map[string]int{"info": 1, "low": 21, "medium": 47, "high": 73, "critical": 99}

// AlertOptions hold mutations of the definition of alerts as events. The zero AlertOptions is right.
type AlertOptions struct {
	ResolvedRisk bool // an alert that is over adds to the risk, too
	OwnEntity    bool // the entity has its fields in the order of the rule
}

// Alerts returns the findings of a job as events of the source of alerts, in the order in which they are emitted, and the source. Names of the
// fields by which rules group are fields of it, unless a fixed one has the name.
func (j *Job) Alerts(findings []Finding, o AlertOptions) (Source, []string) {
	s := Source{Name: alertSource, Topic: alertSource, Lateness: 200 * 365 * 24 * time.Hour, Fields: []Field{
		{"rule", String, false}, {"key", String, false}, {"entity", String, false}, {"severity", String, false}, {"risk", Number, false},
		{"state", String, false}, {"at", Time, false}, {"suppressed", Int, false},
	}}
	rules := map[string]*Rule{}
	for i := range j.Rules {
		r := &j.Rules[i]
		rules[r.ID] = r
		for _, name := range r.GroupBy {
			if kind := j.of(r.Source).kindOf(name); s.kindOf(name) == Missing {
				s.Fields = append(s.Fields, Field{name, kind, true})
			}
		}
	}
	var lines []string
	for i := range findings {
		f := &findings[i]
		r := rules[f.Rule]
		var key map[string]json.RawMessage
		if err := json.Unmarshal([]byte(f.Key), &key); err != nil {
			panic("oracle: " + err.Error()) // it was written here
		}
		fields := slices.Sorted(slices.Values(r.GroupBy))
		text := string(key[fields[0]])
		if len(fields) > 1 {
			var parts []string
			for _, name := range fields {
				parts = append(parts, fmt.Sprintf("%q:%s", name, key[name]))
			}
			text = "{" + strings.Join(parts, ",") + "}"
		} else if text[0] == '"' {
			if err := json.Unmarshal(key[fields[0]], &text); err != nil {
				panic("oracle: " + err.Error())
			}
		}
		if o.OwnEntity {
			fields = r.GroupBy
		}
		severity := r.Severity
		if severity == "" {
			severity = "medium"
		}
		risk := risks[severity]
		if f.State == "resolved" && !o.ResolvedRisk {
			risk = 0
		}
		event := map[string]any{"rule": r.ID, "key": text, "entity": strings.Join(fields, ","), "severity": severity, "risk": risk, "state": f.State,
			"at": time.Unix(0, f.At).UTC().Format(time.RFC3339Nano), "suppressed": f.Suppressed}
		for name, value := range key {
			if _, fixed := event[name]; !fixed {
				event[name] = value
			}
		}
		line, err := json.Marshal(event)
		if err != nil {
			panic("oracle: " + err.Error()) // of sound values
		}
		lines = append(lines, string(line))
	}
	return s, lines
}

// RandomOnAlerts returns rules on alerts of a source. With names they see the alerts of these rules only.
func RandomOnAlerts(seed uint64, s Source, prefix string, names []string) Job {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x4a5011)), seed: seed, grain: time.Minute, units: []string{"hour", "day"}}
	var keys []string
	for _, f := range s.Fields[8:] {
		keys = append(keys, f.Name)
	}
	j := Job{Source: s}
	for i := range 4 {
		r := Rule{ID: fmt.Sprintf("%s-%d", prefix, i), GroupBy: pick(g, []string{"rule"}, []string{"entity", "key"}, []string{"key"}, []string{"state", "entity"})}
		if len(keys) > 0 && g.chance(0.6) {
			r.GroupBy = []string{pick(g, keys...)}
			if g.chance(0.3) {
				r.GroupBy = append(r.GroupBy, "rule")
			}
		}
		for _, name := range names {
			r.Where = either(r.Where, Op("==", Ref("rule"), Lit(Value{Kind: String, S: name})))
		}
		switch extra := Op("!=", Ref("severity"), Lit(Value{Kind: String, S: "info"})); {
		case r.Where == nil && g.chance(0.4):
			r.Where = extra
		case r.Where != nil && g.chance(0.4):
			r.Where = Op("and", r.Where, extra)
		}
		for k := range 2 {
			f, limit := g.ofAlerts(k)
			r.Features = append(r.Features, f)
			r.Condition = either(r.Condition, Op(pick(g, ">=", ">", "<="), Ref(f.Name), Lit(limit)))
		}
		if g.chance(0.3) {
			r.Suppress = &Suppress{For: g.grain * time.Duration(1+g.IntN(600))}
			if g.chance(0.5) {
				r.Suppress.By = []string{"rule"}
			}
		}
		j.Rules = append(j.Rules, r)
	}
	return j
}

func either(a, b *Expr) *Expr {
	if a == nil {
		return b
	}
	return Op("or", a, b)
}

// ofAlerts makes a feature, and a limit that it may reach.
func (g *generator) ofAlerts(k int) (Feature, Value) {
	f := Feature{Name: fmt.Sprintf("f%d", k), Window: g.window(pick(g, Windows[:]...)), ExcludeCurrent: g.chance(0.3)}
	switch f.Window.Kind {
	case "sliding", "exact", "session":
		f.Window.Span *= time.Duration(pick(g, 1, 10, 100))
	}
	limit := integer(int64(1 + g.IntN(6)))
	switch g.IntN(5) {
	case 0:
		f.Agg = "count"
	case 1:
		f.Agg, f.Field, limit = "sum", "risk", number(float64(20*(1+g.IntN(15))))
	case 2:
		f.Agg, f.Field = "distinct_count", "rule"
		f.Exact = canBeExact(f.Agg, f.Window.Kind)
	case 3:
		f.Agg, f.Field = "max", "suppressed"
	default:
		f.Agg, f.Field, f.Where = "sum", "suppressed", Op("==", Ref("state"), Lit(Value{Kind: String, S: "firing"}))
	}
	return f, limit
}
