package engine

import (
	"fmt"

	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
)

// tale is what a trigger that stands before the condition made of the present event, for an explanation.
type tale struct {
	text  string
	short bool             // it did not come to the condition
	guest *RuleExplanation // of an event of another source that did
}

// showing is what became of a value that an event shows.
type showing uint8

const (
	noValue  showing = iota // a field is missing
	known                   // the key has shown it
	learning                // it is new, the key is, too
	fresh                   // it is new
)

// show lets a key show the event's value, and goes on to the condition when that is new. Whatever comes behind it, the value is remembered.
func (e *Engine) show(r *rule) verdict {
	what, since := e.showing(r)
	if e.explaining {
		e.told = e.tellShowing(r, what, since)
	}
	switch what {
	case noValue:
		e.count.Rules[r.index].MissingField++
		return verdict{outcome: MissingField}
	case known:
		return verdict{outcome: NotFired}
	case learning:
		e.count.Rules[r.index].InsufficientData++
		return verdict{outcome: InsufficientData}
	}
	return e.judge(r)
}

// showing absorbs the event's value. Since is when the key began to learn.
func (e *Engine) showing(r *rule) (what showing, since event.Time) {
	b := e.scratch.id[:0]
	for _, s := range r.NewValue.Fields {
		if !e.row[s].Known() {
			return noValue, since
		}
		b = event.AppendKeyPart(b, &e.row[s])
	}
	e.scratch.id = b
	e.phase = phaseState
	isFresh, since := r.value.Show(&r.stream.ctx, store.Hash(b), e.at, e.watermark)
	e.phase = phaseRules
	switch {
	case !isFresh:
		return known, since
	case e.at < since.Add(r.NewValue.Learning):
		return learning, since
	}
	return fresh, since
}

func (e *Engine) tellShowing(r *rule, what showing, since event.Time) tale {
	history := window.DurationText(r.NewValue.History)
	switch what {
	case noValue:
		return tale{text: "a field of the value is missing", short: true}
	case known:
		return tale{text: "the key has shown this value within " + history, short: true}
	case learning:
		began := event.TimeValue(since, e.row[r.Source.EventTime].OffsetSeconds())
		return tale{text: fmt.Sprintf("the value is new, but so is the key: it is watched since %s and learns for %s", began.Text(), window.DurationText(r.NewValue.Learning)), short: true}
	}
	return tale{text: "the key has not shown this value within " + history, short: false}
}
