package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"insolite/alerts"
	"insolite/context/store"
	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules"
)

// Look is what is remembered of one key, for people. It holds no views.
type Look struct {
	Watermark event.Time     // of the task
	At        event.Time     // the instant as of which features are told: the watermark, or the key's newest event when that is later
	Newest    event.Time     // the key's newest event
	Position  event.Position // up to which the log has been applied to the context
	Bytes     int            // of the context
	Rules     []RuleLook     // those whose key it is, in their order
}

// RuleLook is what a rule has of a key.
type RuleLook struct {
	Rule      *rules.Rule
	Features  []alerts.Feature // in the rule's order, as an event at Look.At would find them before it is absorbed; those of other keys are unknown
	Begun     []event.Position // of each feature: where it came into force, with nothing of what was before; zero: with the task's first rules
	CoolDowns []store.CoolDown
	Evidence  []alerts.Seen     // events that the rule's next alert may name
	Waits     []Wait            // the first that began first
	Open      []store.OpenMatch // of a rule with a sequence
	Values    int               // that a rule with new_value remembers
	Since     event.Time        // when it began to learn about the key; NoTime: it has not, or it has forgotten all
}

// space returns the keyspace of a name, or nil.
func (e *Engine) space(name string) *space {
	for _, s := range e.spaces {
		if s.plan.Name == name {
			return s
		}
	}
	return nil
}

// Context returns a copy of a key's context in memory, as it would be stored; nil: there is none.
func (e *Engine) Context(keyspace string, key []byte) []byte {
	s := e.space(keyspace)
	if s == nil {
		return nil
	}
	h, ok := s.keys.Find(store.Hash(key), key)
	if !ok {
		return nil
	}
	return s.keys.Blob(nil, h)
}

// Look tells what a context of a keyspace says. It works on a copy, so that nothing depends on whether somebody looked.
func (e *Engine) Look(keyspace string, context []byte) (*Look, error) {
	s := e.space(keyspace)
	if s == nil {
		return nil, fmt.Errorf("there is no keyspace %s", keyspace)
	}
	key, err := store.BlobKey(context)
	if err != nil {
		return nil, err
	}
	aside := store.New(s.layout, store.Options{})
	for _, d := range e.layouts {
		if err := aside.RememberLayout(d); err != nil {
			return nil, err
		}
	}
	h, err := aside.Load(store.Hash(key), context)
	if err != nil {
		return nil, err
	}
	x := aside.View(h)
	l := &Look{Watermark: e.watermark, At: max(e.watermark, x.Newest()), Newest: x.Newest(), Position: x.Position(), Bytes: len(context)}
	for _, source := range e.sources {
		for _, r := range source.rules {
			if r.stream.space == s && r.Source == source.plan.Source {
				l.Rules = append(l.Rules, e.look(r, &x, l.At))
			}
		}
	}
	slices.SortStableFunc(l.Rules, func(a, b RuleLook) int { return cmp.Compare(a.Rule.Index, b.Rule.Index) })
	return l, nil
}

// look tells about one rule.
func (e *Engine) look(r *rule, x *store.Ctx, at event.Time) RuleLook {
	l := RuleLook{Rule: r.Rule, Since: event.NoTime}
	l.Waits = r.waiting(x)
	if r.value != nil {
		l.Values, l.Since = r.value.Values(x, at)
	}
	if r.pursuit != nil {
		l.Open = r.pursuit.part.Open(nil, x, at)
	}
	for i, f := range r.Features {
		values := make([]event.Value, len(f.Read.Results))
		reading := window.Reading{From: event.NoTime, To: event.NoTime} // of another key: it is not in this context
		if local := r.local[i]; local != nil && local.stream.space == r.stream.space {
			reading = local.lookAt(x, at, values)
		}
		shown := shown(f, r.windows[i], reading, at)
		if reading.Samples < f.Read.MinSamples {
			clear(values)
		}
		for j := range values {
			values[j].S = strings.Clone(values[j].S)
		}
		if f.Read.Several {
			for j, name := range f.Read.FieldNames {
				shown.Fields = append(shown.Fields, alerts.Named{Name: name, Value: values[j]})
			}
		} else {
			shown.Value = values[0]
		}
		l.Features = append(l.Features, shown)
		l.Begun = append(l.Begun, e.begun(f.Read))
	}
	if r.suppress != nil {
		l.CoolDowns = r.suppress.CoolDowns(nil, x, at)
	}
	l.Evidence = e.evidence(nil, r, x, at)
	return l
}

// begun returns where what is read came into force; zero: with the task's first rules, or in another task.
func (e *Engine) begun(r *rules.Read) event.Position {
	k := r.Stream.Keyspace
	return e.options.Since[partOf(k, partCell, k.Cells[r.Cell].Spec.Identity)]
}

// StagePartition returns the partition of a stage's topic, of so many, to which the events of a key are sent: the values of Stage.Fields, in
// their order.
func StagePartition(key []event.Value, partitions int) event.Partition {
	var b []byte
	for i := range key {
		b = event.AppendKeyPart(b, &key[i])
	}
	return event.Partition(partitionOf(b, partitions))
}
