package oracle

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// task is where events come: the task of a topic of sources, or that of a stage.
type task struct {
	hop    int // how many topics they came through before
	topic  string
	spaces []string // the keys by which they are told apart there
}

// place is a key in a task.
type place struct {
	hop   int
	topic string
	space string
}

// way returns where the events of a rule come, one after the other: the keys of its features whose events are together in the source's own task,
// the other ones by name, each behind a stage, and the rule's own last, which is behind a stage if one of the others is, or if the rule has suppress
// or waits, beside features of other keys.
func (j *Job) way(r *Rule) []place {
	var here, away []string
	for i := range r.Features {
		space := spaceOf(r.Features[i].By)
		switch {
		case space == "" || slices.Contains(here, space) || slices.Contains(away, space):
		case j.together(r, space):
			here = append(here, space)
		default:
			away = append(away, space)
		}
	}
	slices.Sort(here)
	slices.Sort(away)
	others := slices.ContainsFunc(r.Features, func(f Feature) bool { return len(f.By) > 0 })
	if own := spaceOf(r.GroupBy); len(away) == 0 && j.together(r, own) && (r.Suppress == nil && !r.timed() || !others) {
		here = append(here, own)
	} else {
		away = append(away, own)
	}
	var all []place
	for _, space := range here {
		all = append(all, place{0, j.of(r.Source).Topic, space})
	}
	for i := range away {
		all = append(all, place{i + 1, stageName(j.of(r.Source).Name, away[:i+1]), away[i]})
	}
	return all
}

// stageName is the topic of the stage at the end of a way: behind another one a stage is of one source and one way.
func stageName(source string, way []string) string {
	fields := func(space string) string { return strings.ReplaceAll(space, ",", "-") }
	n := len(way) - 1
	name := fmt.Sprintf("by.%s.%d", fields(way[n]), n+1)
	if n == 0 {
		return name
	}
	for _, space := range way[:n] {
		source += " " + fields(space)
	}
	sum := sha256.Sum256([]byte(source))
	return name + "." + hex.EncodeToString(sum[:4])
}

// together reports whether all that the rule reads by a key is in one partition of its source's topic: that of one key is, when the key has the
// fields by which the records of each source are keyed.
func (j *Job) together(r *Rule, space string) bool {
	own := j.of(r.Source)
	for i := range r.Features {
		f := &r.Features[i]
		if f.Source == "" || f.space(r) != space {
			continue
		}
		if other := j.of(f.Source); other.Topic != own.Topic || spaceOf(other.Key) != spaceOf(own.Key) {
			return false
		}
	}
	for _, other := range j.ends(r) {
		if space == spaceOf(r.GroupBy) && (other.Topic != own.Topic || spaceOf(other.Key) != spaceOf(own.Key)) {
			return false
		}
	}
	if r.Sequence != nil && space == spaceOf(r.GroupBy) {
		for i := range r.Sequence.Steps {
			if other := j.stepSource(r, &r.Sequence.Steps[i]); other.Topic != own.Topic || spaceOf(other.Key) != spaceOf(own.Key) {
				return false
			}
		}
	}
	fields := strings.Split(space, ",")
	return len(own.Key) > 0 && !slices.ContainsFunc(own.Key, func(name string) bool { return !slices.Contains(fields, name) })
}

// space is the key of a feature of the rule.
func (f *Feature) space(r *Rule) string {
	if len(f.By) > 0 {
		return spaceOf(f.By)
	}
	return spaceOf(r.GroupBy)
}

// tasks returns the tasks of all rules: those of topics of sources by topic, then the stages by hop and topic.
func (j *Job) tasks() []*task {
	var all []*task
	for i := range j.Rules {
		r := &j.Rules[i]
		add := func(hop int, topic, space string) {
			n := slices.IndexFunc(all, func(t *task) bool { return t.hop == hop && t.topic == topic })
			if n < 0 {
				n, all = len(all), append(all, &task{hop: hop, topic: topic})
			}
			if space != "" && !slices.Contains(all[n].spaces, space) {
				all[n].spaces = append(all[n].spaces, space)
			}
		}
		add(0, j.of(r.Source).Topic, "")
		for k := range r.Features {
			if f := &r.Features[k]; f.Source != "" {
				add(0, j.of(f.Source).Topic, "")
			}
		}
		for _, s := range j.ends(r) {
			add(0, s.Topic, "")
		}
		if r.Sequence != nil {
			for k := range r.Sequence.Steps {
				add(0, j.stepSource(r, &r.Sequence.Steps[k]).Topic, "")
			}
		}
		for _, p := range j.way(r) {
			add(p.hop, p.topic, p.space)
		}
	}
	slices.SortFunc(all, func(a, b *task) int { return cmp.Or(cmp.Compare(a.hop, b.hop), cmp.Compare(a.topic, b.topic)) })
	return all
}

// Tasks returns the topics of the tasks in the order in which an event comes to them: those of sources by topic, then those of stages by hop and topic.
func (j *Job) Tasks() []string {
	var all []string
	for _, t := range j.tasks() {
		all = append(all, t.topic)
	}
	return all
}

// spaceOf names the keyspace of a key: its fields in alphabetical order.
func spaceOf(fields []string) string {
	return strings.Join(slices.Sorted(slices.Values(fields)), ",")
}
