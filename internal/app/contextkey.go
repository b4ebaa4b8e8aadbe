package app

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"insolite/ingest/kafka"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
)

// sought is a key in a keyspace of one topic's tasks.
type sought struct {
	plan     *rules.Plan
	keyspace *rules.Keyspace
	key      []event.Value // in the order of the keyspace's fields
	bytes    []byte        // as contexts have it
}

// seek finds the topics whose tasks have a keyspace, and reads the key as each of them does. At least one is returned without an error.
func seek(set *rules.Set, name, topic string, texts []string) ([]sought, error) {
	var names, topics []string
	for _, p := range set.Plans {
		for _, k := range p.Keyspaces {
			if !slices.Contains(names, k.Name) {
				names = append(names, k.Name)
			}
		}
	}
	slices.Sort(names)
	switch {
	case name == "" && len(names) == 1:
		name = names[0]
	case name == "":
		return nil, fmt.Errorf("which keyspace? Name one of: %s", strings.Join(names, "; "))
	}
	name = sortedFields(name)
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("there is no keyspace %q%s; the rules in force group by: %s", name, diag.DidYouMean(name, names), strings.Join(names, "; "))
	}
	var found []sought
	for _, p := range set.Plans {
		for _, k := range p.Keyspaces {
			if k.Name != name {
				continue
			}
			if topics = append(topics, p.Topic); topic != "" && p.Topic != topic {
				continue
			}
			x := sought{plan: p, keyspace: k}
			if err := x.read(texts); err != nil {
				return nil, err
			}
			found = append(found, x)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no task of topic %q has the keyspace %s%s; it is of: %s", topic, name, diag.DidYouMean(topic, topics), strings.Join(topics, ", "))
	}
	return found, nil
}

// sortedFields is a keyspace's name with its fields in their order.
func sortedFields(name string) string {
	fields := strings.Split(name, ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	slices.Sort(fields)
	return strings.Join(fields, ",")
}

// read reads the key: values in the order of the keyspace's fields, or each with its field's name.
func (x *sought) read(texts []string) error {
	fields := x.keyspace.Fields
	given := make(map[string]string, len(texts))
	for _, text := range texts {
		if name, value, ok := strings.Cut(text, "="); ok && slices.Contains(fields, name) {
			if _, twice := given[name]; twice {
				return fmt.Errorf("%s is given twice", name)
			}
			given[name] = value
		}
	}
	switch {
	case len(given) > 0 && len(given) < len(texts):
		return errors.New("give every value with its field, as in " + x.example() + ", or none")
	case len(texts) != len(fields):
		return fmt.Errorf("a key of keyspace %s is %d values, not %d: %s", x.keyspace.Name, len(fields), len(texts), x.example())
	}
	stream := x.keyspace.Streams[0] // all have the same kinds
	for i, name := range fields {
		text, ok := given[name]
		if !ok {
			text = texts[i]
		}
		v, err := parseValue(text, stream.Source.Fields[stream.Key[i]].Kind)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		x.key = append(x.key, v)
		x.bytes = event.AppendKeyPart(x.bytes, &v)
	}
	return nil
}

// example shows how a key is written.
func (x *sought) example() string {
	var parts []string
	for _, f := range x.keyspace.Fields {
		parts = append(parts, f+"=…")
	}
	return strings.Join(parts, " ")
}

// parseValue reads a value of a key as people write it.
func parseValue(text string, k event.Kind) (event.Value, error) {
	switch k {
	case event.KindString:
		return event.StringValue(text), nil
	case event.KindInt:
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return event.IntValue(i), nil
		}
		return event.Value{}, fmt.Errorf("%q is no int; write it as in 42", text)
	case event.KindNumber:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return event.NumberValue(f), nil
		}
		return event.Value{}, fmt.Errorf("%q is no number; write it as in 1.5", text)
	case event.KindBool:
		if text == "true" || text == "false" {
			return event.BoolValue(text == "true"), nil
		}
		return event.Value{}, fmt.Errorf("%q is no bool; write true or false", text)
	case event.KindIP:
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return event.IPValue(a), nil
		}
		return event.Value{}, fmt.Errorf("%q is no IP address; write it as in 192.0.2.1", text)
	}
	return event.Value{}, fmt.Errorf("keys with a %s can't be asked for", k)
}

// partition is the one of so many to which the key's events are sent; -1: any. Producers are taken to partition as Java's do, by the text of
// the field that the sources declare as the records' key.
func (x *sought) partition(n int) int {
	if n == 0 {
		return -1
	}
	if stage := x.plan.Stage; stage != nil {
		key := x.values(stage.Fields)
		if key == nil {
			return -1
		}
		return int(engine.StagePartition(key, n))
	}
	name := ""
	for _, st := range x.keyspace.Streams {
		if len(st.Source.Key) != 1 {
			return -1
		}
		field := st.Source.Fields[st.Source.Key[0]].Name
		if name != "" && field != name {
			return -1
		}
		name = field
	}
	key := x.values([]string{name})
	if key == nil {
		return -1
	}
	return int(kafka.PartitionOf([]byte(key[0].Text()), n))
}

// values returns the values of some fields; nil: the keyspace does not have all of them.
func (x *sought) values(fields []string) []event.Value {
	var key []event.Value
	for _, f := range fields {
		i := slices.Index(x.keyspace.Fields, f)
		if i < 0 {
			return nil
		}
		key = append(key, x.key[i])
	}
	return key
}
