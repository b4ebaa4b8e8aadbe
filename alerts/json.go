package alerts

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"insolite/context/window"
	"insolite/internal/event"
)

// Schema is the version of the record's shape.
const Schema = 1

// EventBytesMax is the largest record value that an alert carries as it came. A larger one is told by the fields that rules read, so
// that an alert stays far below a topic's record limit.
const EventBytesMax = 16 << 10

const (
	// TextMax bounds how many bytes a text from an event takes in an alert, as written in JSON; a longer one is cut and ends with "…". With
	// at most 256 fields and 64 features of 32 fields the alert stays far below a topic's record limit, whatever producers send.
	TextMax = 256
	// BecauseMax bounds how many comparisons an alert tells; the first ones of a long condition say enough.
	BecauseMax = 32
	// KeyMax bounds the bytes of an alert's record key. Entities whose keys begin alike beyond it share a partition, which harms nothing.
	KeyMax = 1024
)

// Named is a value with its name: a key field, an event field, a link.
type Named struct {
	Name  string
	Value event.Value
}

// Operand is one comparison that made the condition true.
type Operand struct {
	Expr     string
	Op       string // empty for a plain truth value
	Value    event.Value
	Limit    event.Value
	HasLimit bool
}

// Feature is one feature as it stood at the event.
type Feature struct {
	Name    string
	Fields  []Named // of a feature with several fields; then Value is not used
	Value   event.Value
	Agg     string
	P       window.Percent // of a percentile; else 0
	Window  string
	Season  string // of a baseline with a season: the hour that it was read for, "tuesday 14h"
	Samples int
	From    event.Time // the window's true edges; event.NoTime: open
	To      event.Time
}

// Text is a label or a link.
type Text struct {
	Name, Text string
}

// Seen is the position of a contributing event.
type Seen struct {
	Topic     string
	Partition event.Partition
	Offset    event.Offset
	At        event.Time
}

// RuleInfo is what an alert says about its rule beside its id and version, which are in the Origin.
type RuleInfo struct {
	Title, Severity, Mode string
	Tags                  []string
}

// Alert is the record on the alerts topic, before it is written.
type Alert struct {
	Origin      Origin // of the source's record; its rule id, version and state are written too
	Rule        RuleInfo
	Key         []Named
	At          event.Value // KindTime; its offset from UTC is the one of every time in the record
	Summary     string
	Description string // empty: none
	Runbook     string // what to do about it; empty: nothing is said
	Condition   string
	Because     []Operand
	Context     []Feature
	Event       []byte  // the record's value as it came; nil or unfit: Fields are written instead
	Fields      []Named // the fields that rules read
	Source      string
	Evidence    []Seen
	Suppressed  int
	Labels      []Text
	Links       []Text
}

// AppendJSON appends the alert's record value: one line, keys in a fixed order, numbers in the shortest form that reads back the same.
// The same alert always gives the same bytes.
func (a *Alert) AppendJSON(dst []byte) []byte {
	offset := a.At.OffsetSeconds()
	dst = append(dst, `{"schema":`...)
	dst = strconv.AppendInt(dst, Schema, 10)
	dst = appendMember(dst, `,"id":`, a.Origin.ID())
	dst = appendMember(dst, `,"state":`, a.Origin.State)
	dst = appendMember(dst, `,"correlation":`, a.Origin.Correlation())
	dst = appendMember(dst, `,"rule":{"id":`, a.Origin.Rule)
	dst = appendMember(dst, `,"version":`, a.Origin.Version)
	dst = a.Rule.append(dst)
	dst = appendObject(append(dst, `,"key":`...), a.Key)
	dst = appendValue(append(dst, `,"at":`...), &a.At)
	dst = appendMember(dst, `,"summary":`, a.Summary)
	dst = appendOptional(dst, `,"description":`, a.Description)
	dst = appendOptional(dst, `,"runbook":`, a.Runbook)
	dst = appendMember(dst, `,"condition":{"text":`, a.Condition)
	dst = append(dst, `,"because":[`...)
	for i := range a.Because[:min(len(a.Because), BecauseMax)] {
		dst = a.Because[i].append(comma(dst, i))
	}
	dst = append(dst, `]},"context":{`...)
	for i := range a.Context {
		dst = a.Context[i].append(comma(dst, i), offset)
	}
	dst = a.appendEvent(append(dst, `},"event":`...))
	dst = appendMember(dst, `,"source":`, a.Source)
	dst = appendPosition(append(dst, `,"position":{`...), a.Origin.Topic, a.Origin.Partition, a.Origin.Offset)
	dst = append(dst, `},"evidence":[`...)
	for i, s := range a.Evidence {
		dst = appendPosition(append(comma(dst, i), '{'), s.Topic, s.Partition, s.Offset)
		dst = appendTime(append(dst, `,"at":`...), s.At, offset)
		dst = append(dst, '}')
	}
	dst = strconv.AppendInt(append(dst, `],"suppressed":`...), int64(a.Suppressed), 10)
	if len(a.Labels) > 0 {
		dst = appendTexts(append(dst, `,"labels":`...), a.Labels)
	}
	dst = appendTexts(append(dst, `,"links":`...), a.Links)
	return append(dst, '}')
}

func appendTexts(dst []byte, texts []Text) []byte {
	dst = append(dst, '{')
	for i, t := range texts {
		dst = append(appendString(comma(dst, i), t.Name), ':')
		dst = appendString(dst, t.Text)
	}
	return append(dst, '}')
}

// append appends the members behind the version, and closes the object.
func (r *RuleInfo) append(dst []byte) []byte {
	dst = appendMember(dst, `,"title":`, r.Title)
	dst = appendMember(dst, `,"severity":`, r.Severity)
	dst = appendMember(dst, `,"mode":`, r.Mode)
	dst = append(dst, `,"tags":[`...)
	for i, tag := range r.Tags {
		dst = appendString(comma(dst, i), tag)
	}
	return append(dst, "]}"...)
}

func (o *Operand) append(dst []byte) []byte {
	dst = appendMember(dst, `{"expr":`, o.Expr)
	if o.Op != "" {
		dst = appendMember(dst, `,"op":`, o.Op)
	}
	dst = appendValue(append(dst, `,"value":`...), &o.Value)
	if o.HasLimit {
		dst = appendValue(append(dst, `,"limit":`...), &o.Limit)
	}
	return append(dst, '}')
}

func (f *Feature) append(dst []byte, offsetSeconds int) []byte {
	dst = append(appendString(dst, f.Name), `:{"value":`...)
	if f.Fields != nil {
		dst = appendObject(dst, f.Fields)
	} else {
		dst = appendValue(dst, &f.Value)
	}
	dst = appendMember(dst, `,"agg":`, f.Agg)
	if f.P != 0 {
		dst = append(append(dst, `,"p":`...), f.P.String()...)
	}
	dst = appendMember(dst, `,"window":`, f.Window)
	dst = appendOptional(dst, `,"season":`, f.Season)
	dst = strconv.AppendInt(append(dst, `,"samples":`...), int64(f.Samples), 10)
	dst = appendTime(append(dst, `,"from":`...), f.From, offsetSeconds)
	dst = appendTime(append(dst, `,"to":`...), f.To, offsetSeconds)
	return append(dst, '}')
}

// appendEvent appends the record's value on one line, or the fields that rules read when it is too large or no JSON. Invalid UTF-8
// becomes U+FFFD, because the alert itself must be valid.
func (a *Alert) appendEvent(dst []byte) []byte {
	if len(a.Event) > 0 && len(a.Event) <= EventBytesMax {
		value := a.Event
		if !utf8.Valid(value) {
			value = []byte(string([]rune(string(value)))) // each bad byte by itself, as encoding/json does
		}
		buf := bytes.NewBuffer(dst)
		if err := json.Compact(buf, value); err == nil {
			return buf.Bytes()
		}
	}
	return appendObject(dst, a.Fields)
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func appendPosition(dst []byte, topic string, partition event.Partition, offset event.Offset) []byte {
	dst = appendMember(dst, `"topic":`, topic)
	dst = strconv.AppendInt(append(dst, `,"partition":`...), int64(partition), 10)
	return strconv.AppendInt(append(dst, `,"offset":`...), int64(offset), 10)
}

func appendObject(dst []byte, members []Named) []byte {
	dst = append(dst, '{')
	for i := range members {
		dst = append(appendString(comma(dst, i), members[i].Name), ':')
		dst = appendValue(dst, &members[i].Value)
	}
	return append(dst, '}')
}

func appendTime(dst []byte, t event.Time, offsetSeconds int) []byte {
	if t == event.NoTime {
		return append(dst, "null"...)
	}
	v := event.TimeValue(t, offsetSeconds)
	return appendValue(dst, &v)
}

// appendValue appends v as JSON: missing and infinite are null, durations are seconds, times and addresses are strings.
func appendValue(dst []byte, v *event.Value) []byte {
	switch v.Kind {
	case event.KindInt, event.KindBool:
		return v.AppendText(dst)
	case event.KindNumber:
		if math.IsInf(v.Float(), 0) {
			return append(dst, "null"...)
		}
		return v.AppendText(dst)
	case event.KindDuration:
		return event.AppendNumber(dst, v.Duration().Seconds())
	case event.KindString:
		return appendCut(dst, v.S, TextMax)
	case event.KindTime, event.KindIP:
		return append(v.AppendText(append(dst, '"')), '"')
	}
	return append(dst, "null"...)
}

// appendMember appends the text of a member whose name, with its punctuation, comes first.
func appendMember(dst []byte, name, text string) []byte {
	return appendString(append(dst, name...), text)
}

// appendOptional is appendMember, and nothing without text.
func appendOptional(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return appendMember(dst, name, text)
}

const hexDigits = "0123456789abcdef"

// appendString appends s quoted, escaping only what JSON demands; invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte { return appendCut(dst, s, math.MaxInt) }

// appendCut is appendString of at most so many bytes, and then "…".
func appendCut(dst []byte, s string, most int) []byte {
	dst = append(dst, '"')
	from := len(dst)
	for _, r := range s {
		was := len(dst)
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
		if len(dst)-from > most {
			dst = append(dst[:was], "…"...)
			break
		}
	}
	return append(dst, '"')
}
