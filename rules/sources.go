package rules

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"insolite/internal/event"
	"insolite/internal/yamldoc"
)

// Defaults and limits of a source.
const (
	LatenessDefault = time.Minute // Flink's usual bound of disorder
	MaxAheadDefault = time.Hour
	SourcesMax      = 200 // declared in one configuration
	FieldsMax       = 256 // of one source: a row is that wide
	pathMax         = 16  // object keys on the way to a value
)

// EventTimeField is the name of the slot that holds the record's own timestamp when a source declares no time.
const EventTimeField = "event_time"

var (
	sourceName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,126}$`)
	fieldName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
	topicName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
)

// reserved are the words that an expression understands otherwise.
var reserved = []string{"event", "list", "lookup", "true", "false", "nil", "null", "and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"}

// ParseSources reads the mapping below `sources:` of a configuration or of a bundle, in the order of the file. Problems go to the list that
// the document was parsed with; sources that have some are left out.
func ParseSources(n *yamldoc.Node) []*event.Source {
	m := n.Map("sources")
	if m == nil {
		return nil
	}
	var out []*event.Source
	where := map[*event.Source]*yamldoc.Node{}
	for i, p := range n.Pairs {
		if i >= SourcesMax {
			p.Key.Errorf("more than %d sources; split the configuration", SourcesMax)
			break
		}
		if !sourceName.MatchString(p.Key.Text) {
			p.Key.Errorf("%q is no name for a source; use letters, digits, dots, - and _, starting with a letter", p.Key.Text)
		}
		if p.Key.Text == AlertSource {
			p.Key.Errorf("%s is the source of alerts, which every rule can read without it being declared; name this one differently", AlertSource)
		}
		s := &sourceReader{Source: &event.Source{Name: p.Key.Text, Time: event.NoSlot, EventTime: event.NoSlot}}
		m := p.Value.Map("source " + p.Key.Text)
		if s.read(m) {
			out = append(out, s.Source)
			where[s.Source] = cmp.Or(m.Key("match"), m.Key("topic"), p.Value)
		}
	}
	checkTopics(out, where)
	return out
}

// checkTopics refuses two sources that would claim the same records.
func checkTopics(sources []*event.Source, where map[*event.Source]*yamldoc.Node) {
	for i, s := range sources {
		for _, o := range sources[:i] {
			switch {
			case s.Topic != o.Topic || !s.Match.Same(o.Match):
			case s.Match == nil:
				where[s].Errorf("sources %s and %s both read every record of topic %s; tell them apart with match: {field: type, equals: …}", o.Name, s.Name, s.Topic)
			default:
				where[s].Errorf("sources %s and %s match the same records of topic %s; give each its own match", o.Name, s.Name, s.Topic)
			}
		}
	}
}

// sourceReader reads one source.
type sourceReader struct {
	*event.Source
}

func (s *sourceReader) read(m *yamldoc.Map) bool {
	if m == nil {
		return false
	}
	s.readTopic(m)
	ok := s.readFields(m)
	s.readMatch(m)
	s.readTime(m)
	s.Key = s.readKey(m.Get("key"))
	s.Lateness = durationOrZero(m.Get("lateness"), LatenessDefault)
	s.MaxAhead = m.Duration("max_ahead", MaxAheadDefault)
	s.readDedupe(m)
	s.readStart(m)
	m.Done()
	return ok && s.Topic != ""
}

func (s *sourceReader) readTopic(m *yamldoc.Map) {
	n := m.Required("topic", "topic: payments")
	if text, ok := n.Str(); ok {
		s.Topic = text
		if !topicName.MatchString(text) {
			n.Errorf("%q is no name for a topic; Kafka allows letters, digits, dots, - and _", text)
		}
	}
	s.Format = "json"
	f := m.Get("format")
	switch text, ok := f.Str(); {
	case !ok || text == "json":
	case slices.Contains([]string{"avro", "protobuf", "cloudevents"}, text):
		f.Errorf("format %q is not supported yet; use json", text)
	default:
		f.Errorf("unknown format %q%s", text, yamldoc.Hint(text, []string{"json"}))
	}
}

func (s *sourceReader) readFields(m *yamldoc.Map) bool {
	n := m.Required("fields", "fields: {customer_id: string, amount: number}")
	fields := n.Map("fields")
	if fields == nil {
		return false
	}
	for i, p := range n.Pairs {
		if i >= FieldsMax {
			p.Key.Errorf("more than %d fields; declare only those that rules read", FieldsMax)
			break
		}
		if f, ok := readField(p.Key, p.Value); ok {
			s.Fields = append(s.Fields, f)
		}
	}
	if len(n.Pairs) == 0 {
		n.Errorf("a source has at least one field; add it, as in fields: {customer_id: string}")
	}
	return true
}

func readField(key, value *yamldoc.Node) (event.Field, bool) {
	f := event.Field{Name: key.Text, Path: strings.Split(key.Text, ".")}
	first, _, _ := strings.Cut(key.Text, ".")
	switch {
	case !fieldName.MatchString(key.Text):
		key.Errorf("%q is no name for a field; use letters, digits and _, and say where it is in the record with path, as in {type: string, path: [%q]}", key.Text, key.Text)
	case slices.Contains(reserved, first):
		key.Errorf("%q has a meaning of its own in expressions; name the field otherwise and add path: %s", first, key.Text)
	}
	if value.Kind == yamldoc.String {
		return f, readKind(value, &f)
	}
	m := value.Map("field " + key.Text)
	if m == nil {
		return f, false
	}
	kind := m.Required("type", "{type: string}")
	ok := kind != nil && readKind(kind, &f)
	if p := m.Get("path"); p != nil {
		f.Path = readPath(p)
	}
	f.Optional = m.Bool("optional")
	if u := m.Get("unit"); u != nil {
		f.Unit = readUnit(m)
		if ok && f.Kind != event.KindTime {
			u.Errorf("unit is for fields of type time, %s is a %s; remove it", key.Text, f.Kind)
		}
	}
	m.Done()
	return f, ok
}

var kinds = []string{"string", "number", "int", "bool", "time", "ip"}

func readKind(n *yamldoc.Node, f *event.Field) bool {
	text, ok := n.Str()
	if !ok {
		return false
	}
	if f.Kind, ok = event.ParseKind(text); !ok {
		n.Errorf("unknown type %q%s", text, yamldoc.Hint(text, kinds))
	}
	return ok
}

// readPath reads where a value is in the record: a string is a dotted path, a list is literal keys.
func readPath(n *yamldoc.Node) []string {
	var path []string
	if n.Kind == yamldoc.Seq {
		for _, item := range n.Strings() {
			path = append(path, item.Text)
		}
	} else if text, ok := n.Str(); ok {
		path = strings.Split(text, ".")
	}
	if n.Kind == yamldoc.Seq && len(n.Items) == 0 || slices.Contains(path, "") {
		n.Errorf("a path has a key too few; write it as in merchant.name, or as literal keys: [\"source.ip\"]")
	}
	if len(path) > pathMax {
		n.Errorf("a path has at most %d keys; this one has %d", pathMax, len(path))
	}
	return path
}

var timeUnits = map[string]time.Duration{"s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}

func readUnit(m *yamldoc.Map) time.Duration {
	return timeUnits[m.OneOf("unit", "", "s", "ms", "us", "ns")]
}

func (s *sourceReader) readMatch(m *yamldoc.Map) {
	n := m.Map("match", "match")
	if n == nil {
		return
	}
	if n.Unsupported("ce_type") {
		n.Done()
		return
	}
	match := &event.Match{}
	if f := n.Required("field", "match: {field: type, equals: authorized}"); f != nil {
		match.Path = readPath(f)
		if slot := s.FieldSlot(f.Text); f.Kind == yamldoc.String && slot != event.NoSlot {
			match.Path = s.Fields[slot].Path
		}
	}
	match.Equals, _ = n.Required("equals", "match: {field: type, equals: authorized}").Str()
	n.Done()
	s.Match = match
}

func (s *sourceReader) readTime(m *yamldoc.Map) {
	n := m.Map("time", "time")
	if n == nil {
		if slot := s.FieldSlot(EventTimeField); slot != event.NoSlot {
			m.Node.Errorf("field %q is what the record's own timestamp is called; say time: {field: %s}, or rename the field", EventTimeField, EventTimeField)
			return
		}
		s.Fields = append(s.Fields, event.Field{Name: EventTimeField, Kind: event.KindTime})
		s.EventTime = event.Slot(len(s.Fields) - 1)
		return
	}
	f := n.Required("field", "time: {field: at}")
	if slot := s.declared(f, "time"); slot != event.NoSlot {
		s.Time, s.EventTime = slot, slot
		switch field := &s.Fields[slot]; {
		case field.Kind != event.KindTime:
			f.Errorf("the event time must be a field of type time, %s is a %s; declare it as %s: time", f.Text, field.Kind, f.Text)
		case field.Optional:
			f.Errorf("the event time cannot be optional; remove optional from %s", f.Text)
		default:
			if n.Has("unit") {
				field.Unit = readUnit(n)
			}
		}
	}
	n.Get("unit")
	n.Done()
}

// declared returns the slot of the field that n names.
func (s *sourceReader) declared(n *yamldoc.Node, what string) event.Slot {
	text, ok := n.Str()
	if !ok {
		return event.NoSlot
	}
	slot := s.FieldSlot(text)
	if slot == event.NoSlot {
		n.Errorf("%s names the field %q, which %s does not declare%s", what, text, s.Name, yamldoc.Hint(text, fieldNames(s.Source)))
	}
	return slot
}

func (s *sourceReader) readKey(n *yamldoc.Node) []event.Slot {
	var key []event.Slot
	for _, item := range n.Strings() {
		slot := s.declared(item, "key")
		if slot == event.NoSlot {
			continue
		}
		if k := s.Fields[slot].Kind; !keyKind(k) {
			item.Errorf("a key is a string, int, bool or ip, %s is a %s; key by another field", item.Text, k)
		}
		if slices.Contains(key, slot) {
			item.Errorf("%q is in the key twice; remove one", item.Text)
			continue
		}
		key = append(key, slot)
	}
	return key
}

// keyKind reports whether values of kind k may be part of a key.
func keyKind(k event.Kind) bool {
	return k == event.KindString || k == event.KindInt || k == event.KindBool || k == event.KindIP
}

func (s *sourceReader) readDedupe(m *yamldoc.Map) {
	n := m.Map("dedupe", "dedupe")
	if n == nil {
		return
	}
	d := &event.Dedupe{ID: event.NoSlot}
	if id := n.Required("id", "dedupe: {id: payment_id, for: 10m}"); id != nil {
		if d.ID = s.declared(id, "dedupe"); d.ID != event.NoSlot && !keyKind(s.Fields[d.ID].Kind) {
			id.Errorf("an id is a string, int, bool or ip, %s is a %s; use another field", id.Text, s.Fields[d.ID].Kind)
		}
	}
	d.For, _ = n.Required("for", "dedupe: {id: payment_id, for: 10m}").Duration()
	n.Done()
	s.Dedupe = d
}

func (s *sourceReader) readStart(m *yamldoc.Map) {
	s.Start = "latest"
	n := m.Get("start")
	if text, ok := n.Str(); ok {
		s.Start = text
		if _, err := time.Parse(time.RFC3339, text); err != nil && text != "latest" && text != "earliest" {
			n.Errorf("start is latest, earliest or an instant, not %q; write it as in 2026-10-15T12:00:00Z", text)
		}
	}
	s.WarmUp = m.Duration("warm_up", 0)
}

func durationOrZero(n *yamldoc.Node, def time.Duration) time.Duration {
	if n == nil {
		return def
	}
	if n.Kind == yamldoc.String && n.Text == "0s" || n.Kind == yamldoc.Int && n.Text == "0" {
		return 0
	}
	if d, ok := n.Duration(); ok {
		return d
	}
	return def
}

func fieldNames(s *event.Source) []string {
	names := make([]string, len(s.Fields))
	for i := range s.Fields {
		names[i] = s.Fields[i].Name
	}
	return names
}
