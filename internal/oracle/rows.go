package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// row is one event: its place in the log, its time, and the values of the fields that it has.
type row struct {
	source *Source
	offset int
	at     int64
	fields map[string]Value
}

func (r *row) value(name string) Value { return r.fields[name] }

// parseRow reads one line of the log. A line that is no event of the source is an error.
func parseRow(s *Source, offset int, line string) (*row, error) {
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(line)))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		return nil, fmt.Errorf("decode line %d: %w", offset, err)
	}
	r := &row{source: s, offset: offset, fields: map[string]Value{}}
	for _, f := range s.Fields {
		raw, found := object[f.Name]
		if !found || raw == nil {
			if !f.Optional {
				return nil, fmt.Errorf("line %d: %s is missing", offset, f.Name)
			}
			continue
		}
		v, err := convert(f.Kind, raw)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", offset, f.Name, err)
		}
		r.fields[f.Name] = v
	}
	r.at = r.fields["at"].I
	return r, nil
}

func convert(kind Kind, raw any) (Value, error) {
	switch x := raw.(type) {
	case bool:
		if kind == Bool {
			return boolean(x), nil
		}
	case json.Number:
		return convertNumber(kind, x.String())
	case string:
		return convertText(kind, x)
	}
	return Value{}, fmt.Errorf("%v is no %s", raw, kind)
}

func convertNumber(kind Kind, text string) (Value, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Value{}, fmt.Errorf("parse number: %w", err)
	}
	switch kind {
	case Number:
		return Value{Kind: Number, F: f}, nil
	case Int:
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return integer(i), nil
		}
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 && strings.ContainsAny(text, ".eE") {
			return integer(int64(f)), nil
		}
	}
	return Value{}, fmt.Errorf("%s is no %s", text, kind)
}

func convertText(kind Kind, text string) (Value, error) {
	switch kind {
	case String:
		return Value{Kind: String, S: text}, nil
	case Time:
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return Value{}, fmt.Errorf("parse time: %w", err)
		}
		_, offset := t.Zone()
		return Value{Kind: Time, I: t.UnixNano(), Offset: offset}, nil
	case IP:
		a, err := netip.ParseAddr(text)
		if err != nil {
			return Value{}, fmt.Errorf("parse address: %w", err)
		}
		return Value{Kind: IP, S: a.Unmap().String()}, nil
	}
	return Value{}, fmt.Errorf("%q is no %s", text, kind)
}
