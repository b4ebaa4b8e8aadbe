package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"insolite/ingest"
	"insolite/ingest/decode"
	"insolite/ingest/kafka"
	"insolite/internal/event"
)

// How many records of a topic are looked at: enough for a habit of its producers to show, few enough for seconds.
const (
	samplesMax       = 500
	samplesPartition = 100 // of one partition at most
	samplesLeast     = 5   // of one partition at least
)

// sample is what the newest records of a topic show.
type sample struct {
	topic     *kafka.Topic
	records   int
	empty     int // tombstones
	unmatched int // of no source
	refused   map[string]int
	refusal   string     // the first one
	newest    event.Time // timestamp; NoTime: no record

	keyed          int // records of sources that declare a key
	keyless        faults
	otherKey       faults
	otherPartition faults
	split          faults                     // the same declared key on another partition
	seen           map[string]event.Partition // by declared key
}

// faults counts records and keeps the place of the first.
type faults struct {
	count int
	first string
}

func (f *faults) add(place string) {
	if f.count++; f.count == 1 {
		f.first = place
	}
}

// sample reads the newest committed records of a topic, once.
func (p *patient) sample(ctx context.Context, t *kafka.Topic) (*sample, error) {
	if s := p.samples[t.Name]; s != nil {
		return s, nil
	}
	var sources []*event.Source
	for _, s := range p.Config.Sources {
		if s.Topic == t.Name {
			sources = append(sources, s)
		}
	}
	d, err := decode.New(sources, nil)
	if err != nil {
		return nil, err
	}
	s := &sample{topic: t, refused: map[string]int{}, newest: event.NoTime, seen: map[string]event.Partition{}}
	row := make(event.Row, d.Width())
	count := event.Offset(min(max(samplesMax/max(t.Partitions, 1), samplesLeast), samplesPartition))
	for n := range t.Partitions {
		tp := kafka.TopicPartition{Topic: t.Name, Partition: event.Partition(n)}
		first, err := p.client.Earliest(ctx, tp)
		if err != nil {
			return nil, err
		}
		end, err := p.client.LastStable(ctx, tp)
		if err != nil {
			return nil, err
		}
		for r, err := range p.client.ReadAll(ctx, tp, max(first, end-count), end) {
			if err != nil {
				return nil, err
			}
			d.Reset()
			s.add(tp, r, sources, d, row)
		}
	}
	p.samples[t.Name] = s
	return s, nil
}

func (s *sample) add(tp kafka.TopicPartition, r ingest.Record, sources []*event.Source, d *decode.Decoder, row event.Row) {
	s.records++
	s.newest = max(s.newest, r.Timestamp)
	if len(r.Value) == 0 {
		s.empty++
		return
	}
	place := fmt.Sprintf("%s at offset %d", tp, r.Offset)
	i, bad := d.Decode(r.Value, r.Timestamp, row)
	switch {
	case bad != nil:
		s.refuse(bad.Reason, place+": "+bad.Message)
	case i < 0:
		s.unmatched++
	default:
		source := sources[i]
		if row[source.EventTime].Time() > r.Timestamp.Add(source.MaxAhead) {
			s.refuse("max_ahead", place+": the event's time is further ahead of the record's timestamp than max_ahead")
		}
		s.key(tp, &r, source, row, place)
	}
}

func (s *sample) refuse(reason, first string) {
	if s.refused[reason]++; s.refusal == "" {
		s.refusal = first
	}
}

// key compares a record's key and partition with the declared key of its source.
func (s *sample) key(tp kafka.TopicPartition, r *ingest.Record, source *event.Source, row event.Row, place string) {
	if len(source.Key) == 0 {
		return
	}
	s.keyed++
	id := []byte(source.Name + "\x00")
	for _, slot := range source.Key {
		if !row[slot].Known() {
			return // a declared key that is missing: the rules skip it
		}
		id = event.AppendKeyPart(id, &row[slot])
	}
	if at, seen := s.seen[string(id)]; seen && at != tp.Partition {
		s.split.add(place)
	} else {
		s.seen[string(id)] = tp.Partition
	}
	switch {
	case r.Key == nil:
		s.keyless.add(place)
		return
	case len(source.Key) == 1 && string(r.Key) != row[source.Key[0]].Text():
		s.otherKey.add(place)
	}
	if kafka.PartitionOf(r.Key, s.topic.Partitions) != tp.Partition {
		s.otherPartition.add(place)
	}
}

// records tells what the samples show.
func (p *patient) records(ctx context.Context) {
	for _, name := range sourceTopics(p.Config) {
		t, err := p.describe(ctx, name)
		if err != nil {
			continue // told by topics
		}
		s, err := p.sample(ctx, t)
		if err != nil {
			p.fail(name, err.Error(), "allow the login to read the topic (see `detector doctor --acls`), and see that every partition has a leader")
			continue
		}
		if s.records == 0 {
			p.ok(name, "no records yet, so nothing to look at")
			continue
		}
		if told := p.tellDecoded(name, s); !p.tellKeys(name, s) && !told {
			p.ok(name, "%d of the newest records fit%s", s.records, s.others())
		}
	}
}

func (s *sample) others() string {
	text := ""
	if s.unmatched > 0 {
		text += fmt.Sprintf("; %d are of no source and passed over", s.unmatched)
	}
	if s.empty > 0 {
		text += fmt.Sprintf("; %d are tombstones", s.empty)
	}
	return text
}

// tellDecoded tells of records that are no events.
func (p *patient) tellDecoded(name string, s *sample) (told bool) {
	values := s.records - s.empty
	if values > 0 && s.unmatched == values {
		p.fail(name, fmt.Sprintf("none of the newest %d records is of any source", values), "correct the sources' match")
		return true
	}
	refused := 0
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(s.refused)) {
		refused += s.refused[reason]
		reasons = append(reasons, fmt.Sprintf("%d %s", s.refused[reason], reason))
	}
	if refused == 0 {
		return false
	}
	message := fmt.Sprintf("%d of the newest %d records are no events and would be put aside (%s), such as %s", refused, s.records, strings.Join(reasons, ", "), s.refusal)
	const cure = "correct the source's fields, or have the producers write what is declared; docs/dead-letters.md explains the reasons"
	if refused == values-s.unmatched {
		p.fail(name, message, cure)
	} else {
		p.warn(name, message, cure)
	}
	return true
}

// tellKeys tells of records that are not where the declared key wants them.
func (p *patient) tellKeys(name string, s *sample) (told bool) {
	for _, x := range []struct {
		faults
		what, cure string
	}{
		{s.keyless, "have no key, so that the events of one key lie on any partition, each with a context of its own", "have the producers use the text of the source's key field as the record's key"},
		{s.otherKey, "have another key than the source's key field", "have the producers use the text of the field as the record's key, or declare in `key` the field that they use"},
		{s.otherPartition, "do not lie on the partition that Java's producers choose for their key", "have all producers partition alike (librdkafka: partitioner=murmur2_random); when partitions were added, older records stay where they are"},
		{s.split, "lie on another partition than earlier events of the same key, whose context is split", "have the producers key and partition records by the source's key field"},
	} {
		if x.count > 0 {
			told = true
			p.warn(name, fmt.Sprintf("%d of %d sampled records %s, such as %s", x.count, s.keyed, x.what, x.first), x.cure)
		}
	}
	return told
}
