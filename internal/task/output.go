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

// The values of headers that every alert has.
var (
	contentType = []byte("application/json")
	specVersion = []byte("1.0")
)

// alertHeaders are those of a CloudEvent in Kafka's binary mode. Producers only read them.
func (t *Task) alertHeaders(a *engine.Alert) []ingest.Header {
	b := make([]byte, 0, 128)
	value := func(text string) []byte {
		from := len(b)
		b = append(b, text...)
		return b[from:len(b):len(b)]
	}
	headers := append(make([]ingest.Header, 0, 7),
		ingest.Header{Key: "content-type", Value: contentType},
		ingest.Header{Key: "ce_specversion", Value: specVersion},
		ingest.Header{Key: "ce_type", Value: value("insolite.alert." + a.Origin.State)},
		ingest.Header{Key: "ce_source", Value: t.source},
		ingest.Header{Key: "ce_id", Value: value(a.Origin.ID())},
		ingest.Header{Key: "ce_subject", Value: value(a.Rule.ID)})
	from := len(b)
	b = event.AppendTime(b, a.At.Time(), a.At.OffsetSeconds())
	return append(headers, ingest.Header{Key: "ce_time", Value: b[from:]})
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
