package engine

import (
	"encoding/hex"
	"slices"
	"strings"
	"unsafe"

	"insolite/alerts"
	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/expr"
)

// alertScratch is memory that alerts reuse.
type alertScratch struct {
	record  alerts.Alert
	key     []alerts.Named // of the entity
	members []alerts.Named // of features with several fields
	text    []byte         // of templates
	seen    []store.Seen
	because []expr.Operand
}

// occasion is what an alert is raised by.
type occasion struct {
	partition event.Partition // of the source's topic
	offset    event.Offset    // in it
	at        event.Value
	state     string
	joins     string // the correlation of the alert that this one belongs to; empty: it is the first
	timer     bool   // something was due; else the present event
	held      int    // alerts held back since the one before
	after     event.Offset
}

// present is the present event as an occasion.
func (e *Engine) present(held int) occasion {
	d := &e.recs[e.i]
	return occasion{partition: d.partition, offset: d.offset, at: e.row[e.source.plan.Source.EventTime], state: firing, held: held, after: d.offset}
}

// origin is what the alert of a rule is about.
func (e *Engine) origin(r *rule) alerts.Origin {
	o := &e.occasion
	x := alerts.Origin{Rule: r.ID, Version: r.Version, Partition: o.partition, Offset: o.offset, State: o.state, Joins: o.joins}
	of, row := r.Source, e.row
	if o.timer {
		x.Timer, x.Deadline, x.Key = true, o.at.Time(), string(alerts.AppendKey(nil, e.entity(r)))
	} else {
		var subject *source
		subject, row = e.subject()
		of = subject.plan.Source
	}
	x.Topic = of.Topic
	if rules.OnAlerts(of) {
		x.Topic, x.Of = strings.Clone(row[rules.AlertTopic].S), strings.Clone(row[rules.AlertID].S) // they outlive the row
	}
	return x
}

// joined is the correlation of an alert in the bytes that a context keeps.
func joined(o *alerts.Origin) (b [16]byte) {
	if _, err := hex.Decode(b[:], []byte(o.Correlation())); err != nil {
		panic("engine: a correlation is no hexadecimal number: " + err.Error()) // it is made of bytes
	}
	return b
}

// emit appends the alert of a rule for the present occasion to the output.
func (e *Engine) emit(r *rule) {
	rec := &e.occasion
	subject, row := e.subject()
	s := &e.scratch.alert
	s.members, s.text = s.members[:0], s.text[:0]
	a := &s.record
	a.Origin = e.origin(r)
	a.Rule = alerts.RuleInfo{Title: r.Title, Severity: r.Severity.String(), Mode: r.Mode.String(), Tags: r.Tags}
	a.Key = e.named(a.Key[:0], r.Source.Fields, r.GroupBy)
	a.At = rec.at
	a.Summary, a.Description, a.Runbook = computed(e.template(r.Alert.Summary)), e.template(r.Alert.Description), e.template(r.Alert.Runbook)
	a.Condition = r.says
	a.Because = e.because(a.Because[:0], r)
	a.Context = e.features(a.Context[:0], r)
	a.Event, a.Fields = nil, a.Fields[:0]
	switch {
	case rec.timer:
		a.Fields = e.carriedFields(a.Fields, r)
	case e.stage != nil || len(e.records[e.i].Value) > alerts.EventBytesMax:
		a.Fields = needed(a.Fields, subject.plan, row)
	default:
		a.Event = e.records[e.i].Value
	}
	a.Source = r.Source.Name
	if !rec.timer {
		a.Source = subject.plan.Source.Name
	}
	if a.Evidence = e.evidence(a.Evidence[:0], r, &r.stream.ctx, e.row[r.Source.EventTime].Time()); e.match != nil {
		a.Evidence = e.hits(a.Evidence, r)
	}
	a.Suppressed = rec.held
	a.Labels, a.Links = e.texts(a.Labels[:0], r.Alert.Labels), e.texts(a.Links[:0], r.Alert.Links)

	out := e.out
	from := len(out.arena)
	out.arena = alerts.AppendKey(out.arena, e.entity(r))
	to := len(out.arena)
	out.arena = a.AppendJSON(out.arena)
	end := len(out.arena)
	if len(e.raised) > 0 && r.Mode == rules.Live && e.frames != nil {
		e.forwardAlert(r, a, view(out.arena[from:to:to]))
	}
	out.Alerts = append(out.Alerts, Alert{Rule: r.Rule, Offset: rec.offset, At: a.At, Origin: a.Origin, Key: out.arena[from:to:to], Value: out.arena[to:end:end],
		Timer: rec.timer, Row: e.copyRow(r), After: rec.after})
}

// entity returns the key's fields in the keyspace's order, which does not depend on the rule: alerts about one entity share their record key.
func (e *Engine) entity(r *rule) []alerts.Named {
	s := &e.scratch.alert
	s.key = e.named(s.key[:0], r.Source.Fields, r.stream.plan.Key)
	return s.key
}

func (e *Engine) named(dst []alerts.Named, fields []event.Field, slots []event.Slot) []alerts.Named {
	for _, s := range slots {
		dst = append(dst, alerts.Named{Name: fields[s].Name, Value: e.row[s]})
	}
	return dst
}

// needed returns the fields that rules read, for an event that is too large to be shown.
func needed(dst []alerts.Named, p *rules.SourcePlan, row event.Row) []alerts.Named {
	for i, need := range p.Needed {
		if need && row[i].Known() {
			dst = append(dst, alerts.Named{Name: p.Source.Fields[i].Name, Value: row[i]})
		}
	}
	return dst
}

// carriedFields returns the fields of the event that a timer carries.
func (e *Engine) carriedFields(dst []alerts.Named, r *rule) []alerts.Named {
	for _, c := range r.Carried {
		if e.row[c.Slot].Known() {
			dst = append(dst, alerts.Named{Name: c.Name, Value: e.row[c.Slot]})
		}
	}
	return dst
}

// copyRow returns a copy of the present row, if alerts are to tell theirs.
func (e *Engine) copyRow(r *rule) event.Row {
	if !e.options.Rows {
		return nil
	}
	row := slices.Clone(e.row[:r.of.plan.Width])
	for i := range row {
		row[i].S = strings.Clone(row[i].S)
	}
	return row
}

// features returns the rule's context.
func (e *Engine) features(dst []alerts.Feature, r *rule) []alerts.Feature {
	s := &e.scratch.alert
	for i, f := range r.Features {
		reading := e.readingOf(r, i)
		shown := shown(f, r.windows[i], reading, e.at)
		if f.Read.Several {
			from := len(s.members)
			s.members = e.members(s.members, f.Read)
			shown.Fields = s.members[from:len(s.members):len(s.members)]
		} else {
			shown.Value = e.row[f.Read.Results[0]]
		}
		dst = append(dst, shown)
	}
	return dst
}

// readingOf returns what belongs to the value of a rule's feature: it was read here, or came with the row.
func (e *Engine) readingOf(r *rule, feature int) window.Reading {
	if e.recalled != nil {
		return e.recalled[feature]
	}
	if local := r.local[feature]; local != nil {
		return local.stream.space.readings[local.index]
	}
	return e.carried(r.Features[feature].Read.Carry)
}

func (e *Engine) members(dst []alerts.Named, r *rules.Read) []alerts.Named {
	for i, slot := range r.Results {
		dst = append(dst, alerts.Named{Name: r.FieldNames[i], Value: e.row[slot]})
	}
	return dst
}

// because returns what made the rule's condition true.
func (e *Engine) because(dst []alerts.Operand, r *rule) []alerts.Operand {
	if r.Always() {
		return dst
	}
	s := &e.scratch.alert
	s.because = r.Condition.Because(e.row, s.because[:0])
	for _, o := range s.because {
		dst = append(dst, alerts.Operand{Expr: o.Expr, Op: o.Op, Value: o.Value, Limit: o.Limit, HasLimit: o.Op != ""})
	}
	return dst
}

// evidence returns the positions of the last events that the rule saw before an instant, by a context.
func (e *Engine) evidence(dst []alerts.Seen, r *rule, x *store.Ctx, at event.Time) []alerts.Seen {
	if r.evidence == nil {
		return dst
	}
	s := &e.scratch.alert
	s.seen = r.evidence.Append(s.seen[:0], x, at, r.EvidenceWithin)
	for _, seen := range s.seen[max(0, len(s.seen)-r.Alert.Evidence):] {
		p, o := e.options.Partition, seen.Offset
		if e.stage != nil {
			p, o = unpacked(seen.Offset)
		}
		dst = append(dst, alerts.Seen{Topic: r.Source.Topic, Partition: p, Offset: o, At: seen.At})
	}
	return dst
}

// template returns a template's text, which is valid until the alert is written; empty without a template.
func (e *Engine) template(t *expr.Template) string {
	if t == nil {
		return ""
	}
	s := &e.scratch.alert
	from := len(s.text)
	s.text = t.Append(s.text, e.row)
	return view(s.text[from:])
}

func (e *Engine) texts(dst []alerts.Text, templates []rules.NamedTemplate) []alerts.Text {
	for _, t := range templates {
		dst = append(dst, alerts.Text{Name: t.Name, Text: e.template(t.Text)})
	}
	return dst
}

// keep copies text for the rest of the sub-batch.
func (e *Engine) keep(text string) string {
	from := len(e.text)
	e.text = append(e.text, text...)
	return view(e.text[from:])
}

// view returns bytes as text without a copy. What was given stays as it is: the buffers are appended to, and a buffer that grows leaves the
// old one behind.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
