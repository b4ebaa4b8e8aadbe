package engine

import (
	"insolite/alerts"
	"insolite/internal/event"
	"insolite/rules"
)

// forwardAlert puts a row for an alert of a rule into the frames of the stages whose rules see it.
func (e *Engine) forwardAlert(r *rule, a *alerts.Alert, key string) {
	var row event.Row
	for _, x := range e.raised {
		if row == nil {
			row = e.alertRow(x.plan.Source, r, a, key)
		}
		if !passes(x.plan, row, false) {
			continue
		}
		to := e.target(x, row)
		if to == nil {
			continue // of a rule by another key
		}
		values := append(e.values(x, row), event.IntValue(int64(a.Origin.Partition)), event.IntValue(int64(a.Origin.Offset)))
		e.scratch.values = values
		at := event.Position{Offset: e.position.Offset}
		if !e.occasion.timer {
			at = e.rowAt()
		}
		e.send(x, to, at, a.At.Time(), values)
	}
}

// alertRow returns an alert as an event of the source of alerts.
func (e *Engine) alertRow(s *event.Source, r *rule, a *alerts.Alert, key string) event.Row {
	if len(e.raisedRow) != len(s.Fields) {
		e.raisedRow = make(event.Row, len(s.Fields))
	}
	row := e.raisedRow
	clear(row)
	row[rules.AlertRule], row[rules.AlertKey], row[rules.AlertEntity] = event.StringValue(r.ID), event.StringValue(key), event.StringValue(r.Keyspace.Name)
	row[rules.AlertSeverity], row[rules.AlertRisk] = event.StringValue(a.Rule.Severity), event.NumberValue(r.Severity.Risk())
	if a.Origin.State == resolved {
		row[rules.AlertRisk] = event.NumberValue(0)
	}
	row[rules.AlertState], row[rules.AlertAt], row[rules.AlertTopic] = event.StringValue(a.Origin.State), a.At, event.StringValue(a.Origin.Topic)
	row[rules.AlertID], row[rules.AlertCorrelation] = event.StringValue(a.Origin.ID()), event.StringValue(a.Origin.Correlation())
	row[rules.AlertSuppressed] = event.IntValue(int64(a.Suppressed))
	for i := range a.Key {
		if slot := s.FieldSlot(a.Key[i].Name); slot >= rules.AlertFields && s.Fields[slot].Kind == a.Key[i].Value.Kind {
			row[slot] = a.Key[i].Value
		}
	}
	return row
}
