package main

import (
	"insolite/internal/event"
	"insolite/internal/redrive"
)

// lettersReport is `dlq ls` for scripts.
type lettersReport struct {
	Letters []letterJSON `json:"letters"`
	More    int          `json:"more"`
}

// letterJSON is a dead letter for scripts.
type letterJSON struct {
	Letter   placeJSON  `json:"letter"` // in the dead-letters topic
	PutAside string     `json:"put_aside"`
	From     originJSON `json:"from"`
	Stage    string     `json:"stage"`
	Reason   string     `json:"reason"`
	Source   string     `json:"source,omitempty"`
	Field    string     `json:"field,omitempty"`
	Byte     *int       `json:"byte,omitempty"`
	Message  string     `json:"message"`
	Redriven bool       `json:"redriven"`
}

type placeJSON struct {
	Partition event.Partition `json:"partition"`
	Offset    event.Offset    `json:"offset"`
}

type originJSON struct {
	Topic string `json:"topic"`
	placeJSON
	Timestamp string `json:"timestamp,omitempty"`
}

func letters(items []redrive.Item) []letterJSON {
	all := []letterJSON{}
	for i := range items {
		x := &items[i]
		l := &x.Letter
		j := letterJSON{Letter: placeJSON{x.At.Partition, x.At.Offset}, PutAside: string(event.AppendTime(nil, x.Time, 0)),
			From:  originJSON{Topic: l.Topic, placeJSON: placeJSON{l.Partition, l.Record.Offset}},
			Stage: l.Stage, Reason: l.Reason, Source: l.Source, Field: l.Field, Message: l.Message, Redriven: x.Redriven}
		if l.Byte >= 0 {
			j.Byte = &l.Byte
		}
		if l.Record.Timestamp != event.NoTime {
			j.From.Timestamp = string(event.AppendTime(nil, l.Record.Timestamp, 0))
		}
		all = append(all, j)
	}
	return all
}

// redriveReport is `dlq redrive` for scripts.
type redriveReport struct {
	DryRun  bool         `json:"dry_run"`
	Sent    int          `json:"sent"`
	Already int          `json:"already"`
	Refused []refusal    `json:"refused"`
	More    int          `json:"more"`
	Letters []letterJSON `json:"letters,omitempty"` // of a dry run
}

type refusal struct {
	placeJSON
	Cause string `json:"cause"`
}

func (r *redriveReport) add(x redrive.Result) {
	switch {
	case x.Refused != nil:
		r.Refused = append(r.Refused, refusal{placeJSON{x.At.Partition, x.At.Offset}, x.Refused.Error()})
	case x.Already:
		r.Already++
	default:
		r.Sent++
	}
}
