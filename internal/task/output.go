package task

import (
	"insolite/ingest"
	"insolite/internal/deadletter"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// What a dead letter says of a record that the journal excludes.
const (
	stageJournal   = "journal"
	reasonExcluded = "excluded"
)

// alertHeaders are those of a CloudEvent in Kafka's binary mode.
func (t *Task) alertHeaders(a *engine.Alert) []ingest.Header {
	at := event.AppendTime(nil, a.At.Time(), a.At.OffsetSeconds())
	return []ingest.Header{
		{Key: "content-type", Value: []byte("application/json")},
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_type", Value: []byte("insolite.alert." + a.Origin.State)},
		{Key: "ce_source", Value: []byte("/" + t.o.App)},
		{Key: "ce_id", Value: []byte(a.Origin.ID())},
		{Key: "ce_time", Value: at},
		{Key: "ce_subject", Value: []byte(a.Rule.ID)},
	}
}

// deadLetter is the record of the dead-letters topic. It is a copy: the record's bytes are gone before the commit.
func (t *Task) deadLetter(d *engine.DeadLetter) Message {
	l := deadletter.Letter{App: t.o.App, Topic: t.o.Topic, Partition: t.o.Partition, Record: d.Record, Stage: d.Stage, Reason: d.Reason, Source: d.Source, Field: d.Field, Byte: d.Byte, Message: d.Message}
	m := l.Encode()
	return Message{Topic: t.o.DeadLettersTopic, Key: m.Key, Value: m.Value, Headers: m.Headers}
}

// excludedLetter is the dead letter of a record that the journal excludes.
func excludedLetter(r *ingest.Record) engine.DeadLetter {
	return engine.DeadLetter{Record: *r, Stage: stageJournal, Reason: reasonExcluded, Byte: -1,
		Message: "the record was excluded: the process died of it again and again; look at it, correct the rule or the program, and redrive it"}
}

func ruleName(r *rules.Rule) string {
	if r == nil {
		return "a shared `where`"
	}
	return r.ID
}
